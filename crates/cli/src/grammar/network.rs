//! Network attachments: a name, or `name=…,alias=…,driver-opt=k=v`.

use skep_api::wire::NetworkAttachmentConfig;

use super::{Invalid, csv, is_long_form, key_value, refuse};

/// Parses one `--network`. The target is a name; `spec` replaces it by an id.
pub(crate) fn network(text: &str) -> Result<NetworkAttachmentConfig, Invalid> {
    let mut network = NetworkAttachmentConfig::default();
    if !is_long_form(text) {
        text.clone_into(&mut network.target);
        return Ok(network);
    }
    for field in csv::record(text)? {
        let lower = field.to_lowercase();
        let Some((key, value)) = key_value(&lower).filter(|(key, _)| !key.is_empty()) else {
            return refuse!("invalid field {field}");
        };
        let value = value.trim();
        match key.trim() {
            "name" => value.clone_into(&mut network.target),
            "alias" => network.aliases.push(value.to_owned()),
            "driver-opt" => match key_value(value) {
                Some((key, value)) if !key.is_empty() => {
                    network.driver_opts.insert(key.trim().to_owned(), value.trim().to_owned());
                }
                _ => return refuse!("invalid key value pair format in driver options"),
            },
            // Accepted by the grammar, which containers share, and without a meaning for services.
            "ip" | "ip6" | "mac-address" | "link-local-ip" | "gw-priority" => {}
            key => return refuse!("invalid field key {key}"),
        }
    }
    if network.target.is_empty() {
        return refuse!("network name/id is not specified");
    }
    Ok(network)
}
