//! `--docker`: where a context leads, as `key=value` pairs with commas in between.

use crate::fault::Fault;
use crate::store::{Store, TLS_FILES};

const KEYS: [&str; 6] = ["from", "host", "ca", "cert", "key", "skip-tls-verify"];

/// A daemon, and the contents of TLS files by name.
#[derive(Debug, Default)]
pub(super) struct Endpoint {
    pub host: String,
    pub skip_verify: bool,
    pub tls: Vec<(&'static str, Vec<u8>)>,
}

/// Reads the pairs and the files that they name.
pub(super) fn read(store: &Store, pairs: &[(String, String)]) -> Result<Endpoint, Fault> {
    let value =
        |key: &str| pairs.iter().rev().find(|(known, _)| known == key).map(|(_, value)| value.as_str());
    if let Some((unknown, _)) = pairs.iter().find(|(key, _)| !KEYS.contains(&key.as_str())) {
        return Err(Fault::new(format!(
            "unable to parse docker endpoint config: unrecognized config key: {unknown}"
        ))
        .hint(format!("the keys are {}", KEYS.join(", "))));
    }
    if let Some(name) = value("from") {
        let stored = store.get(name)?;
        return Ok(Endpoint {
            host: stored.host,
            skip_verify: stored.skip_verify,
            tls: store.tls_files(name),
        });
    }
    let host = value("host").unwrap_or_default().to_owned();
    if !host.is_empty() {
        host.parse::<skep_api::client::Endpoint>()
            .map_err(|error| Fault::new(format!("unable to create docker endpoint config: {error}")))?;
    }
    let mut tls = Vec::new();
    for (key, file) in ["ca", "cert", "key"].into_iter().zip(TLS_FILES) {
        if let Some(path) = value(key) {
            let bytes = std::fs::read(path);
            let bytes = bytes.map_err(|error| {
                Fault::new(format!("unable to create docker endpoint config: cannot read {path}: {error}"))
            })?;
            tls.push((file, bytes));
        }
    }
    let skip_verify = matches!(value("skip-tls-verify"), Some("1" | "t" | "T" | "true" | "TRUE" | "True"));
    Ok(Endpoint { host, skip_verify, tls })
}

/// Splits `key=value,…`; a value may hold equals signs.
pub(super) fn pairs(text: &str) -> Result<Vec<(String, String)>, crate::grammar::Invalid> {
    let pair = |pair: &str| {
        let (key, value) = pair
            .split_once('=')
            .ok_or_else(|| crate::grammar::Invalid::new(format!("{pair} must be formatted as key=value")))?;
        Ok((key.to_owned(), value.to_owned()))
    };
    text.split(',').map(pair).collect()
}
