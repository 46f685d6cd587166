//! The names of local images and what they stand for.
//!
//! Decides what the node remembers: references to image ids, and per image the content it needs. It is one small
//! JSON file, replaced as a whole by a rename, so after a crash it is the old one or the new one. `store.rs` keeps it
//! in memory and derives from it what may be deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use skep_model::Timestamp;

use super::blobs::sync_dir;
use super::digest::Digest;
use super::platform::Platform;
use super::reference::Reference;

/// Images remembered for each service: of the revision that runs and of the one before.
const RECENT_MAX: usize = 2;
/// A use is written down once in a while only, so that preparing a task costs no write.
const USE_NOTED_EVERY: Duration = Duration::from_secs(3600);
/// The format that this version writes and the only one it reads.
const FORMAT: u32 = 1;

/// What is remembered about images.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Index {
    format: u32,
    /// Normalised references by tag and by digest, to the id of the image.
    references: BTreeMap<String, Digest>,
    images: BTreeMap<Digest, Record>,
    /// The images that each service ran here last, newest first.
    #[serde(default)]
    recent: BTreeMap<String, Vec<Digest>>,
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
    /// The archives of the layers as they came, bottom first; empty if an older version of Skep did not keep them.
    #[serde(default)]
    pub archives: Vec<Digest>,
    /// When it got a reference last.
    #[serde(default)]
    pub tagged_at: Timestamp,
    /// When a task was prepared from it last, or it came.
    #[serde(default)]
    pub used_at: Timestamp,
}

/// What a removal did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// References that stand for nothing any more.
    pub untagged: Vec<Reference>,
    /// The image, if it went, too.
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
        Self { format: FORMAT, references: BTreeMap::new(), images: BTreeMap::new(), recent: BTreeMap::new() }
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

    /// Makes `reference` stand for a known image, and returns whether there is one.
    pub fn tag(&mut self, id: Digest, reference: &Reference, at: Timestamp) -> bool {
        let Some(record) = self.images.get_mut(&id) else { return false };
        record.tagged_at = at;
        self.references.insert(reference.key().to_string(), id);
        true
    }

    /// Forgets `reference` and, if it was the last tag of its repository, the repository's digests of the image.
    /// The image stays.
    pub fn untag(&mut self, reference: &Reference) -> Vec<Reference> {
        let reference = reference.key();
        let Some(id) = self.references.remove(&reference.to_string()) else { return Vec::new() };
        let mut untagged = vec![reference.clone()];
        let siblings: Vec<Reference> =
            self.references(id).into_iter().filter(|other| other.name() == reference.name()).collect();
        let was_tag = reference.digest().is_none();
        if was_tag && siblings.iter().all(|other| other.digest().is_some()) {
            for digest in siblings {
                self.references.remove(&digest.to_string());
                untagged.push(digest);
            }
        }
        untagged
    }

    /// Forgets an image and everything that stands for it.
    pub fn remove_image(&mut self, id: Digest) -> Removed {
        let untagged = self.references(id);
        self.references.retain(|_, image| *image != id);
        for images in self.recent.values_mut() {
            images.retain(|image| *image != id);
        }
        self.recent.retain(|_, images| !images.is_empty());
        Removed { untagged, deleted: self.images.remove(&id).map(|_| id) }
    }

    /// Notes that a service runs an image; returns whether that is worth writing down.
    pub fn use_image(&mut self, service: &str, id: Digest, at: Timestamp) -> bool {
        let Some(record) = self.images.get_mut(&id) else { return false };
        let images = self.recent.entry(service.to_owned()).or_default();
        let is_news = images.first() != Some(&id);
        let is_late = record.used_at + USE_NOTED_EVERY <= at;
        if is_news {
            images.retain(|image| *image != id);
            images.insert(0, id);
            images.truncate(RECENT_MAX);
        }
        if is_news || is_late {
            record.used_at = at;
        }
        is_news || is_late
    }

    /// Returns the images that services ran here last, but for those that nothing used since `since`.
    pub fn recent(&self, since: Timestamp) -> BTreeSet<Digest> {
        let is_used = |id: &&Digest| self.images.get(id).is_some_and(|record| record.used_at >= since);
        self.recent.values().flatten().filter(is_used).copied().collect()
    }

    pub fn records(&self) -> impl Iterator<Item = (Digest, &Record)> {
        self.images.iter().map(|(id, record)| (*id, record))
    }

    /// Returns the digests of blobs and chains that images need.
    pub fn live(&self) -> BTreeSet<Digest> {
        let mut live: BTreeSet<Digest> = self.images.keys().copied().collect();
        for record in self.images.values() {
            live.insert(record.manifest);
            live.extend(&record.layers);
            live.extend(&record.archives);
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
        Record {
            manifest: digest("m"),
            platform: Platform::host(),
            layers: vec![digest("l")],
            size: 1,
            archives: vec![digest("a")],
            tagged_at: Timestamp::default(),
            used_at: Timestamp::default(),
        }
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
        index.use_image("web", old, Timestamp(1 << 60));
        assert_eq!(index.recent(Timestamp(1)), [old].into());
        index.remove_image(old);
        assert_eq!(index.recent(Timestamp::default()), [].into());
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
