//! Docker's `config.json`: what a user chose once for all commands. Read when first needed, written as Docker writes it.
//!
//! Keys that Skep does not know stay as they are: the file is the docker client's as well.

use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use thiserror::Error;

/// The name of the file in its directory.
const FILE: &str = "config.json";

/// The file, read.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ConfigFile {
    path: PathBuf,
    keys: Map<String, Value>,
}

/// Why the file cannot be used.
#[derive(Debug, Error)]
pub(crate) enum ConfigError {
    #[error("cannot read {path}")]
    Read {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("cannot understand {path}; mend it, or choose another directory with --config")]
    Parse {
        path: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("cannot write {path}")]
    Write {
        path: String,
        #[source]
        source: io::Error,
    },
}

impl ConfigFile {
    /// Reads the file of a directory; one that does not exist is empty.
    pub(crate) fn read(directory: &str) -> Result<ConfigFile, ConfigError> {
        let path = Path::new(directory).join(FILE);
        let shown = || path.display().to_string();
        let keys = match std::fs::read(&path) {
            Ok(bytes) if bytes.trim_ascii().is_empty() => Map::new(),
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|source| ConfigError::Parse { path: shown(), source })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Map::new(),
            Err(source) => return Err(ConfigError::Read { path: shown(), source }),
        };
        Ok(ConfigFile { path, keys })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A key that holds text; empty if it is not there.
    pub(crate) fn text(&self, key: &str) -> &str {
        self.keys.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// An entry of a key that holds objects, such as `auths`.
    pub(crate) fn entry(&self, key: &str, name: &str) -> Option<&Value> {
        self.keys.get(key)?.as_object()?.get(name)
    }

    /// All entries of a key that holds objects.
    pub(crate) fn entries(&self, key: &str) -> impl Iterator<Item = (&String, &Value)> {
        self.keys.get(key).and_then(Value::as_object).into_iter().flatten()
    }

    /// Sets a key, or removes it by `None`.
    pub(crate) fn set(&mut self, key: &str, value: Option<Value>) {
        match value {
            Some(value) => self.keys.insert(key.to_owned(), value),
            None => self.keys.remove(key),
        };
    }

    /// Sets an entry of a key that holds objects, or removes it by `None`. Docker keeps a key that lost its last entry.
    pub(crate) fn set_entry(&mut self, key: &str, name: &str, value: Option<Value>) {
        let entries = self.keys.entry(key).or_insert_with(|| Value::Object(Map::new()));
        if !entries.is_object() {
            *entries = Value::Object(Map::new());
        }
        let entries = entries.as_object_mut().expect("it is an object by now");
        match value {
            Some(value) => entries.insert(name.to_owned(), value),
            None => entries.remove(name),
        };
    }

    /// Writes the file beside itself and renames it, readable by its owner only: it may hold credentials.
    pub(crate) fn write(&self) -> Result<(), ConfigError> {
        let failed = |source| ConfigError::Write { path: self.path.display().to_string(), source };
        // A link stays a link: the file behind it is written.
        let target = std::fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let directory = target.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(directory).map_err(failed)?;
        let mut text = Vec::new();
        let formatter = serde_json::ser::PrettyFormatter::with_indent(b"\t");
        let mut serializer = serde_json::Serializer::with_formatter(&mut text, formatter);
        serde::Serialize::serialize(&self.keys, &mut serializer).expect("a map of JSON encodes");
        let aside = directory.join(format!("{FILE}.{}", std::process::id()));
        let written = write_private(&aside, &text).and_then(|()| std::fs::rename(&aside, &target));
        if written.is_err() {
            // The failure to write is what the user needs to hear of.
            let _ = std::fs::remove_file(&aside);
        }
        written.map_err(failed)
    }
}

/// Writes a file that only its owner may read.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::io::Write;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn unknown_keys_and_links_survive() {
        let directory = tempfile::tempdir().expect("a directory");
        let real = directory.path().join("real.json");
        std::fs::write(&real, r#"{"x":{"y":1},"auths":{"a":{"auth":"b"}}}"#).expect("writes");
        std::os::unix::fs::symlink(&real, directory.path().join(FILE)).expect("links");
        let mut config = ConfigFile::read(directory.path().to_str().expect("text")).expect("reads");
        config.set("currentContext", Some(json!("c")));
        config.set_entry("auths", "a", None);
        config.write().expect("writes");
        let text = std::fs::read_to_string(&real).expect("reads");
        assert_eq!(
            text,
            "{\n\t\"auths\": {},\n\t\"currentContext\": \"c\",\n\t\"x\": {\n\t\t\"y\": 1\n\t}\n}"
        );
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &std::fs::metadata(&real).expect("is there").permissions(),
        );
        assert_eq!(mode & 0o777, 0o600);
    }
}
