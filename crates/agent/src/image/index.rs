//! The names of local images and what they stand for.
//!
//! Decides what the node remembers: references to image ids, and per image the content it needs. It is one small
//! JSON file, replaced as a whole by a rename, so after a crash it is the old one or the new one. `store.rs` keeps it
//! in memory and derives from it what may be deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::blobs::sync_dir;
use super::digest::Digest;
use super::platform::Platform;
use super::reference::Reference;

/// The format that this version writes and the only one it reads.
const FORMAT: u32 = 1;

/// What is remembered about images.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Index {
    format: u32,
    /// Normalised references by tag and by digest, to the id of the image.
    references: BTreeMap<String, Digest>,
    images: BTreeMap<Digest, Record>,
}

/// What one image needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// The manifest of this platform's variant.
    pub manifest: Digest,
    pub platform: Platform,
    /// Chain ids, bottom first.
    pub layers: Vec<Digest>,
    /// The bytes that the files of all layers take.
    pub size: u64,
}

/// What [`super::Store::remove`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// References that stand for nothing any more.
    pub untagged: Vec<Reference>,
    /// The image, if that was its last reference.
    pub deleted: Option<Digest>,
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// The file is damaged.
    #[error("{} is damaged; stop the daemon and remove it to pull all images again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where it is damaged.
        #[source]
        source: serde_json::Error,
    },
    /// Another version of Skep wrote it.
    #[error("{} has format {found}, this version of skep reads format {FORMAT}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
}

impl Default for Index {
    fn default() -> Self {
        Self { format: FORMAT, references: BTreeMap::new(), images: BTreeMap::new() }
    }
}

impl Index {
    pub fn load(path: &Path) -> Result<Self, IndexError> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(source) => return Err(IndexError::Read { path: path.to_owned(), source }),
        };
        let damaged = |source| IndexError::Damaged { path: path.to_owned(), source };
        let Format { format } = serde_json::from_slice(&bytes).map_err(damaged)?;
        if format != FORMAT {
            return Err(IndexError::Format { path: path.to_owned(), found: format });
        }
        serde_json::from_slice(&bytes).map_err(damaged)
    }

    /// Replaces the file at `path`, by way of `temp` on the same filesystem.
    pub fn save(&self, path: &Path, temp: &Path) -> io::Result<()> {
        let mut file = File::create_new(temp)?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        file.sync_all()?;
        fs::rename(temp, path)?;
        sync_dir(path.parent().unwrap_or(Path::new("/")))
    }

    pub fn resolve(&self, reference: &Reference) -> Option<Digest> {
        self.references.get(&reference.key().to_string()).copied()
    }

    pub fn record(&self, id: Digest) -> Option<&Record> {
        self.images.get(&id)
    }

    pub fn ids(&self) -> impl Iterator<Item = Digest> {
        self.images.keys().copied()
    }

    /// Returns the references of an image, tags before digests of the same repository.
    pub fn references(&self, id: Digest) -> Vec<Reference> {
        let of_image = self.references.iter().filter(|(_, image)| **image == id);
        let parsed = of_image.filter_map(|(text, _)| text.parse::<Reference>().ok());
        let mut references: Vec<Reference> = parsed.collect();
        references.sort_by_key(|reference| (reference.name(), reference.digest().is_some()));
        references
    }

    /// Adds an image under `references`, which leave the images they stood for before.
    pub fn insert(&mut self, id: Digest, record: Record, references: &[Reference]) {
        self.images.insert(id, record);
        for reference in references {
            self.references.insert(reference.key().to_string(), id);
        }
    }

    /// Forgets `reference`, and with its last tag the whole image.
    pub fn remove(&mut self, reference: &Reference) -> Removed {
        let Some(id) = self.resolve(reference) else { return Removed::default() };
        let reference = reference.key();
        let mut others = self.references(id);
        others.retain(|other| *other != reference);
        // Digests alone keep an image only if it had no tag in the first place.
        let was_tag = reference.digest().is_none();
        if others.is_empty() || (was_tag && others.iter().all(|other| other.digest().is_some())) {
            return self.remove_image(id);
        }
        self.references.remove(&reference.to_string());
        Removed { untagged: vec![reference], deleted: None }
    }

    /// Forgets an image and everything that stands for it.
    pub fn remove_image(&mut self, id: Digest) -> Removed {
        let untagged = self.references(id);
        self.references.retain(|_, image| *image != id);
        Removed { untagged, deleted: self.images.remove(&id).map(|_| id) }
    }

    /// Returns the digests of blobs and chains that images need.
    pub fn live(&self) -> BTreeSet<Digest> {
        let mut live: BTreeSet<Digest> = self.images.keys().copied().collect();
        for record in self.images.values() {
            live.insert(record.manifest);
            live.extend(&record.layers);
        }
        let parsed = self.references.keys().filter_map(|text| text.parse::<Reference>().ok());
        live.extend(parsed.filter_map(|reference| reference.digest()));
        live
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(name: &str) -> Record {
        let digest = |part: &str| Digest::of(format!("{name}{part}").as_bytes());
        Record { manifest: digest("m"), platform: Platform::host(), layers: vec![digest("l")], size: 1 }
    }

    #[test]
    fn a_tag_moves_and_its_old_image_keeps_its_digest() {
        let (old, new) = (Digest::of(b"old"), Digest::of(b"new"));
        let tag: Reference = "redis:7".parse().unwrap();
        let mut index = Index::default();
        index.insert(old, record("old"), &[tag.clone(), tag.at_digest(old)]);
        index.insert(new, record("new"), &[tag.clone(), tag.at_digest(new)]);
        assert_eq!(index.resolve(&tag), Some(new));
        assert_eq!(index.references(old), [tag.at_digest(old)]);
        assert_eq!(index.references(new), [tag.clone(), tag.at_digest(new)]);
        let both: Reference = format!("redis:7@{old}").parse().unwrap();
        assert_eq!(index.resolve(&both), Some(old));
        assert!(index.live().is_superset(&[old, new, record("old").manifest].into()));
        index.remove_image(old);
        assert_eq!(index.resolve(&both), None);
        assert!(!index.live().contains(&record("old").manifest));
    }

    #[test]
    fn another_format_is_refused_and_damage_is_named() {
        let dir = std::env::temp_dir().join(format!("skep-index-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let path = dir.join("index.json");
        let mut index = Index::default();
        index.insert(Digest::of(b"id"), record("a"), &["a".parse().unwrap()]);
        index.save(&path, &dir.join("temp")).unwrap();
        assert_eq!(Index::load(&path).unwrap(), index);
        fs::write(&path, r#"{"format": 2, "future": true}"#).unwrap();
        assert!(matches!(Index::load(&path), Err(IndexError::Format { found: 2, .. })));
        fs::write(&path, r#"{"format": 1, "#).unwrap();
        assert!(matches!(Index::load(&path), Err(IndexError::Damaged { .. })));
        fs::remove_dir_all(&dir).unwrap();
        assert_eq!(Index::load(&path).unwrap(), Index::default());
    }
}
