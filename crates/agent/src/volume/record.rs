//! What a volume is, on disk: one small document beside its data.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use skep_model::{Labels, Timestamp};

use super::{ANONYMOUS_LABEL, DRIVER, VolumeError};

/// The document in a volume's directory.
pub(super) const FILE: &str = "volume.json";
/// The directory with its content.
pub(super) const DATA: &str = "_data";
/// The options of the driver, and the ones that each needs.
const OPTIONS: [(&str, &[&str]); 4] =
    [("device", &["type"]), ("type", &["device"]), ("o", &["device", "type"]), ("size", &[])];

/// A volume to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewVolume {
    /// Empty: one is drawn.
    pub name: String,
    /// `local`, or empty.
    pub driver: String,
    pub options: BTreeMap<String, String>,
    pub labels: Labels,
}

impl NewVolume {
    /// Checks everything and gives it a name if it has none.
    pub(super) fn checked(mut self) -> Result<Self, VolumeError> {
        if self.name.is_empty() {
            self.name = draw_name()?;
            self.labels.insert(ANONYMOUS_LABEL.to_owned(), String::new());
        }
        if self.name.len() < 2 {
            return Err(VolumeError::ShortName { name: self.name });
        }
        let name = self.name.clone();
        if !is_name(&name) {
            return Err(VolumeError::Name { name });
        }
        if !matches!(self.driver.as_str(), "" | DRIVER) {
            return Err(VolumeError::Driver { name, driver: self.driver });
        }
        for option in self.options.keys() {
            let Some((_, needed)) = OPTIONS.iter().find(|(known, _)| known == option) else {
                return Err(VolumeError::Option { name, option: option.clone() });
            };
            let missing =
                needed.iter().find(|needed| self.options.get(**needed).is_none_or(String::is_empty));
            if let Some(option) = missing {
                return Err(VolumeError::MissingOption { name, option });
            }
        }
        if self.options.contains_key("size") {
            return Err(VolumeError::Quota { name });
        }
        Ok(self)
    }

    /// Returns the volume that a container gets for a path that nothing else is mounted at. Its name follows from
    /// both, so that preparing the container again does not make another one.
    pub fn anonymous(container_id: &str, target: &str) -> Self {
        let name = crate::image::Digest::of(format!("{container_id} {target}").as_bytes()).hex();
        let labels = [(ANONYMOUS_LABEL.to_owned(), String::new())].into();
        NewVolume { name, labels, ..NewVolume::default() }
    }
}

/// Returns whether this can be a volume's name, and with it that of a directory. `tmp` is ours.
pub(super) fn is_name(name: &str) -> bool {
    let is_first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let is_rest = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    is_first && (2..=255).contains(&name.len()) && name.bytes().all(is_rest) && name != "tmp"
}

fn draw_name() -> Result<String, VolumeError> {
    let mut bytes = [0u8; 32];
    let path = Path::new("/dev/urandom");
    let read = File::open(path).and_then(|mut file| io::Read::read_exact(&mut file, &mut bytes));
    read.map_err(|source| VolumeError::Storage { doing: "read", path: path.to_owned(), source })?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The document.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Record {
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    #[serde(default)]
    pub labels: Labels,
    pub created_at: Timestamp,
}

impl Record {
    pub fn new(new: &NewVolume, created_at: Timestamp) -> Self {
        Record { options: new.options.clone(), labels: new.labels.clone(), created_at }
    }

    /// Makes a volume's directory at `path`, whole and on disk.
    pub fn write(&self, path: &Path) -> Result<(), VolumeError> {
        let write = || -> io::Result<()> {
            DirBuilder::new().mode(0o711).create(path)?;
            DirBuilder::new().mode(0o755).create(path.join(DATA))?;
            let mut file = File::create_new(path.join(FILE))?;
            file.write_all(&serde_json::to_vec_pretty(self)?)?;
            file.sync_all()?;
            File::open(path)?.sync_all()
        };
        write().map_err(|source| VolumeError::Storage { doing: "create", path: path.to_owned(), source })
    }

    pub fn read(path: &Path, name: &str) -> Result<Self, VolumeError> {
        let path = path.join(FILE);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Err(VolumeError::NotFound { name: name.to_owned() });
            }
            Err(source) => return Err(VolumeError::Storage { doing: "read", path, source }),
        };
        serde_json::from_slice(&bytes).map_err(|source| VolumeError::Damaged {
            name: name.to_owned(),
            path,
            source,
        })
    }
}
