//! Contexts: daemons that a user gave names to, in Docker's layout on disk.
//!
//! `contexts/meta/<sha256 of the name>/meta.json` says where a daemon is; `contexts/tls/<sha256>/docker/` holds `ca.pem`,
//! `cert.pem` and `key.pem`. Contexts that the docker client made are Skep's, and the other way round.

use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::config::write_private;
use crate::format::natural_order;

/// The name of the context that is made of flags and variables.
pub(crate) const DEFAULT: &str = "default";

/// The endpoint that both clients use.
const ENDPOINT: &str = "docker";

/// The files of TLS material.
pub(crate) const TLS_FILES: [&str; 3] = ["ca.pem", "cert.pem", "key.pem"];

/// All contexts of a user.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    root: PathBuf,
}

/// One context.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Stored {
    /// Its name.
    pub name: String,
    /// What the user said about it.
    pub description: String,
    /// Where the daemon listens.
    pub host: String,
    /// Takes any certificate of the daemon.
    pub skip_verify: bool,
    /// The other keys of its metadata and of its file.
    pub rest: Map<String, Value>,
}

/// What goes wrong with contexts. Where Docker has a sentence, it is Docker's.
#[derive(Debug, Error)]
pub(crate) enum StoreError {
    #[error("context \"{name}\": context not found: open {path}: no such file or directory")]
    NotFound { name: String, path: String },
    #[error("cannot read the context {name} in {path}")]
    Read {
        name: String,
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("cannot understand the context in {path}")]
    Parse {
        path: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("cannot write the context {name} in {path}")]
    Write {
        name: String,
        path: String,
        #[source]
        source: io::Error,
    },
}

impl Store {
    /// The contexts in a configuration directory.
    pub(crate) fn new(directory: &str) -> Store {
        Store { root: Path::new(directory).join("contexts") }
    }

    /// Where the metadata of a context is.
    pub(crate) fn metadata_directory(&self, name: &str) -> PathBuf {
        self.root.join("meta").join(key(name))
    }

    /// Where the TLS material of a context is.
    pub(crate) fn tls_directory(&self, name: &str) -> PathBuf {
        self.root.join("tls").join(key(name))
    }

    /// Looks a context up.
    pub(crate) fn get(&self, name: &str) -> Result<Stored, StoreError> {
        let path = self.metadata_directory(name).join("meta.json");
        let shown = path.display().to_string();
        let bytes = std::fs::read(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => StoreError::NotFound { name: name.to_owned(), path: shown.clone() },
            _ => StoreError::Read { name: name.to_owned(), path: shown.clone(), source },
        })?;
        parse(&bytes).map_err(|source| StoreError::Parse { path: shown, source })
    }

    /// Lists contexts in natural order of their names.
    pub(crate) fn list(&self) -> Result<Vec<Stored>, StoreError> {
        let directory = self.root.join("meta");
        let failed = |source| StoreError::Read {
            name: "list".to_owned(),
            path: directory.display().to_string(),
            source,
        };
        let entries = match std::fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut contexts = Vec::new();
        for entry in entries {
            let path = entry.map_err(failed)?.path().join("meta.json");
            let Ok(bytes) = std::fs::read(&path) else { continue };
            let context = parse(&bytes)
                .map_err(|source| StoreError::Parse { path: path.display().to_string(), source })?;
            contexts.push(context);
        }
        contexts.sort_by(|a, b| natural_order(&a.name, &b.name));
        Ok(contexts)
    }

    /// Writes a context and, if there is any, new TLS material in place of the old.
    pub(crate) fn put(&self, context: &Stored, tls: Option<&[(&str, Vec<u8>)]>) -> Result<(), StoreError> {
        let directory = self.metadata_directory(&context.name);
        let failed = |path: &Path| {
            let path = path.display().to_string();
            move |source| StoreError::Write { name: context.name.clone(), path, source }
        };
        std::fs::create_dir_all(&directory).map_err(failed(&directory))?;
        let text = context.to_json().to_string();
        write_private(&directory.join("meta.json"), text.as_bytes()).map_err(failed(&directory))?;
        let Some(files) = tls else { return Ok(()) };
        let directory = self.tls_directory(&context.name).join(ENDPOINT);
        remove(&directory).map_err(failed(&directory))?;
        if !files.is_empty() {
            std::fs::create_dir_all(&directory).map_err(failed(&directory))?;
        }
        for (file, bytes) in files {
            write_private(&directory.join(file), bytes).map_err(failed(&directory))?;
        }
        Ok(())
    }

    /// Removes a context.
    pub(crate) fn remove(&self, name: &str) -> Result<(), StoreError> {
        for directory in [self.metadata_directory(name), self.tls_directory(name)] {
            remove(&directory).map_err(|source| StoreError::Write {
                name: name.to_owned(),
                path: directory.display().to_string(),
                source,
            })?;
        }
        Ok(())
    }

    /// The TLS files of a context, by name.
    pub(crate) fn tls_files(&self, name: &str) -> Vec<(&'static str, Vec<u8>)> {
        let directory = self.tls_directory(name).join(ENDPOINT);
        let read = |file: &'static str| Some((file, std::fs::read(directory.join(file)).ok()?));
        TLS_FILES.into_iter().filter_map(read).collect()
    }
}

impl Stored {
    /// The metadata as it is kept and exported.
    pub(crate) fn to_json(&self) -> Value {
        let mut metadata = self.rest.clone();
        if !self.description.is_empty() {
            metadata.insert("Description".to_owned(), json!(self.description));
        }
        let endpoint = json!({"Host": self.host, "SkipTLSVerify": self.skip_verify});
        json!({"Name": self.name, "Metadata": metadata, "Endpoints": {ENDPOINT: endpoint}})
    }
}

fn remove(directory: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Reads metadata.
pub(crate) fn parse(bytes: &[u8]) -> Result<Stored, serde_json::Error> {
    let value: Value = serde_json::from_slice(bytes)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut rest = value["Metadata"].as_object().cloned().unwrap_or_default();
    let description = rest.remove("Description").as_ref().map(text).unwrap_or_default();
    let endpoint = &value["Endpoints"][ENDPOINT];
    Ok(Stored {
        name: text(&value["Name"]),
        description,
        host: text(&endpoint["Host"]),
        skip_verify: endpoint["SkipTLSVerify"].as_bool().unwrap_or(false),
        rest,
    })
}

/// The directory of a context.
fn key(name: &str) -> String {
    Sha256::digest(name.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
