//! Secrets and configs of a service: a name, or `source=…,target=…,uid=…,gid=…,mode=…`.

use skep_api::wire::FileTarget;

use super::number::uint_auto;
use super::{Invalid, csv, invalid, key_value, refuse};

/// A secret or a config by name, and where the container sees it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FileRef {
    /// Its name in the cluster.
    pub name: String,
    /// The file in the container; `None` for a config that only the runtime reads.
    pub file: Option<FileTarget>,
}

/// Permission bits unless said otherwise: readable by all.
const MODE: u32 = 0o444;

/// Parses one `--secret`.
pub(crate) fn secret_ref(text: &str) -> Result<FileRef, Invalid> {
    file_ref("secret", text)
}

/// Parses one `--config`.
pub(crate) fn config_ref(text: &str) -> Result<FileRef, Invalid> {
    file_ref("config", text)
}

fn file_ref(kind: &str, text: &str) -> Result<FileRef, Invalid> {
    let fields = csv::record(text)?;
    let mut name = String::new();
    let mut file = FileTarget { name: String::new(), uid: "0".to_owned(), gid: "0".to_owned(), mode: MODE };
    if let [field] = &fields[..]
        && !field.contains('=')
    {
        file.name.clone_from(field);
        return Ok(FileRef { name: field.clone(), file: Some(file) });
    }
    for field in &fields {
        let Some((key, value)) = key_value(field).filter(|(key, _)| !key.is_empty()) else {
            return refuse!("invalid field '{field}' must be a key=value pair");
        };
        match key.to_lowercase().as_str() {
            "source" | "src" => value.clone_into(&mut name),
            "target" => value.clone_into(&mut file.name),
            "uid" => value.clone_into(&mut file.uid),
            "gid" => value.clone_into(&mut file.gid),
            "mode" => {
                let mode = uint_auto(value, 32);
                file.mode = mode.map_err(|error| invalid!("invalid mode specified: {error}"))? as u32;
            }
            _ => return refuse!("invalid field in {kind} request: {key}"),
        }
    }
    if name.is_empty() {
        return refuse!("source is required");
    }
    if file.name.is_empty() {
        file.name.clone_from(&name);
    }
    Ok(FileRef { name, file: Some(file) })
}
