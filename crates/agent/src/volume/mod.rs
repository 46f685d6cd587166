//! Volumes: storage on the node that outlives the tasks that use it. Docker's `local` driver.
//!
//! Decides how volumes are made, found, filled and removed. Who uses one is told by the engine with
//! [`Volumes::hold`], before its container exists, so that a volume can never be removed from under a task.
//!
//! ```text
//!   volumes/<name>/volume.json   what it is      record.rs
//!   volumes/<name>/_data         what is in it   mount.rs (options), copy.rs (filled from the image)
//! ```
//!
//! A volume appears by one rename when it is whole, and disappears by one; `tmp` is emptied at every start.

mod copy;
mod error;
mod mount;
mod record;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::SystemTime;

use skep_model::{Labels, Timestamp};

pub use self::error::VolumeError;
pub use self::record::NewVolume;
use self::record::Record;
use crate::engine::timestamp;
use crate::image::Image;

/// The only driver there is.
pub const DRIVER: &str = "local";
/// Marks volumes that nobody named.
const ANONYMOUS_LABEL: &str = "com.docker.volume.anonymous";

/// A volume of the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    pub name: String,
    /// Of the driver, as given.
    pub options: BTreeMap<String, String>,
    pub labels: Labels,
    pub created_at: Timestamp,
    /// Where its content is on the node.
    pub mountpoint: PathBuf,
    /// Ids of the containers that have it.
    pub used_by: Vec<String>,
}

impl Volume {
    /// Returns whether nobody gave it a name.
    pub fn is_anonymous(&self) -> bool {
        self.labels.contains_key(ANONYMOUS_LABEL)
    }
}

/// A volume that a container may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// Where its content is.
    pub data: PathBuf,
    /// It was made for this container.
    pub is_new: bool,
}

/// All volumes of the node.
#[derive(Debug)]
pub struct Volumes {
    dir: PathBuf,
    temp: PathBuf,
    next_temp: AtomicU64,
    /// The containers that have a volume, by its name.
    holds: Mutex<BTreeMap<String, BTreeSet<String>>>,
    /// One at a time makes, fills, mounts or removes a volume.
    turns: Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>,
}

impl Volumes {
    /// Opens or creates the directory and removes what a crash left half done.
    pub fn open(dir: PathBuf) -> Result<Volumes, VolumeError> {
        let temp = dir.join("tmp");
        let failed = |source| VolumeError::Storage { doing: "open", path: dir.clone(), source };
        DirBuilder::new().mode(0o711).recursive(true).create(&dir).map_err(failed)?;
        match fs::remove_dir_all(&temp) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
            _ => DirBuilder::new().mode(0o700).create(&temp).map_err(failed)?,
        }
        Ok(Volumes {
            dir,
            temp,
            next_temp: AtomicU64::new(0),
            holds: Mutex::default(),
            turns: Mutex::default(),
        })
    }

    /// Makes a volume, or returns the one with this name.
    pub async fn create(&self, new: NewVolume) -> Result<Volume, VolumeError> {
        let new = new.checked()?;
        let _turn = self.turn(&new.name).await;
        self.make(&new)?;
        self.find(&new.name)
    }

    /// Makes a volume unless there is one of this name; returns whether it did.
    fn make(&self, new: &NewVolume) -> Result<bool, VolumeError> {
        if self.path(&new.name).join(record::FILE).exists() {
            return Ok(false);
        }
        let temp = self.temp_path();
        let record = Record::new(new, timestamp(SystemTime::now()));
        let made = record.write(&temp).and_then(|()| rename(&temp, &self.path(&new.name)));
        if made.is_err() {
            // What is left of it goes at the next start, too.
            drop(fs::remove_dir_all(&temp));
        }
        made.map(|()| true)
    }

    /// Returns a volume by its exact name.
    pub fn find(&self, name: &str) -> Result<Volume, VolumeError> {
        if !record::is_name(name) {
            return Err(VolumeError::NotFound { name: name.to_owned() });
        }
        let record = Record::read(&self.path(name), name)?;
        Ok(Volume {
            mountpoint: self.data(name),
            used_by: self.users(name),
            name: name.to_owned(),
            options: record.options,
            labels: record.labels,
            created_at: record.created_at,
        })
    }

    /// Returns all volumes in the order of their names.
    pub fn list(&self) -> Result<Vec<Volume>, VolumeError> {
        let failed = |source| VolumeError::Storage { doing: "read", path: self.dir.clone(), source };
        let mut volumes = Vec::new();
        for entry in fs::read_dir(&self.dir).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
            match self.find(&name) {
                Ok(volume) => volumes.push(volume),
                // Something else in the directory, or removed since it was listed.
                Err(VolumeError::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        volumes.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(volumes)
    }

    /// Removes a volume that no container has.
    pub async fn remove(&self, name: &str) -> Result<(), VolumeError> {
        self.find(name)?;
        let _turn = self.turn(name).await;
        if let Some(container) = self.users(name).into_iter().next() {
            return Err(VolumeError::InUse { name: name.to_owned(), container });
        }
        mount::unmount(&self.data(name))?;
        let temp = self.temp_path();
        rename(&self.path(name), &temp)?;
        let removed = tokio::task::spawn_blocking({
            let temp = temp.clone();
            move || fs::remove_dir_all(&temp)
        });
        let removed = removed.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        removed.map_err(|source| VolumeError::Storage { doing: "remove", path: temp, source })
    }

    /// Removes unused volumes for which `takes` is true: anonymous ones, or with `all` any. Returns their names and
    /// the bytes given back. One that cannot be removed stays, and the log says why.
    pub async fn prune(
        &self,
        all: bool,
        takes: impl Fn(&Volume) -> bool,
    ) -> Result<(Vec<String>, u64), VolumeError> {
        let (mut names, mut freed) = (Vec::new(), 0);
        for volume in self.list()? {
            if !volume.used_by.is_empty() || !(all || volume.is_anonymous()) || !takes(&volume) {
                continue;
            }
            // What is mounted from elsewhere is not on this node's disk, and stays where it is.
            let size = if volume.options.is_empty() { copy::size(&volume.mountpoint) } else { 0 };
            match self.remove(&volume.name).await {
                Ok(()) => {
                    names.push(volume.name);
                    freed += size;
                }
                Err(VolumeError::InUse { .. } | VolumeError::NotFound { .. }) => {}
                Err(error) => tracing::warn!(volume.name = volume.name, %error, "a volume stays"),
            }
        }
        Ok((names, freed))
    }

    /// Measures all volumes, in bytes by name.
    pub async fn sizes(&self) -> Result<BTreeMap<String, u64>, VolumeError> {
        let volumes = self.list()?;
        let measure =
            move || volumes.into_iter().map(|volume| (volume.name, copy::size(&volume.mountpoint))).collect();
        let measured = tokio::task::spawn_blocking(measure).await;
        let failed = |error| VolumeError::Storage {
            doing: "measure",
            path: self.dir.clone(),
            source: std::io::Error::other(error),
        };
        measured.map_err(failed)
    }

    /// Notes that a container has a volume; from here on it cannot be removed.
    pub fn hold(&self, name: &str, container_id: &str) {
        self.holders().entry(name.to_owned()).or_default().insert(container_id.to_owned());
    }

    /// Makes a volume ready for a container that holds it: makes it if it is new, mounts what its options name, and
    /// fills it with what `image` has at `target` if it is empty.
    pub async fn prepare(&self, new: NewVolume, fill: Option<(&Image, &Path)>) -> Result<Ready, VolumeError> {
        let new = new.checked()?;
        let _turn = self.turn(&new.name).await;
        let is_new = self.make(&new)?;
        let record = Record::read(&self.path(&new.name), &new.name)?;
        let data = self.data(&new.name);
        mount::ensure(&new.name, &record.options, &data).await?;
        if let Some((image, target)) = fill {
            let temp = record.options.is_empty().then(|| self.temp_path());
            let (layers, target, data) = (image.layers.clone(), target.to_owned(), data.clone());
            let filled =
                tokio::task::spawn_blocking(move || copy::fill(&layers, &target, &data, temp.as_deref()));
            let filled = filled.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
            filled.map_err(|source| VolumeError::Fill { name: new.name.clone(), source })?;
        }
        Ok(Ready { data, is_new })
    }

    /// Takes a container's hold away; the last one unmounts the volume, and an anonymous one goes with it. Returns the
    /// names of those that went, also where others could not.
    pub async fn release(&self, container_id: &str) -> (Vec<String>, Result<(), VolumeError>) {
        let held: Vec<String> = {
            let mut holders = self.holders();
            let held = holders
                .iter_mut()
                .filter_map(|(name, users)| users.remove(container_id).then(|| name.clone()));
            let held = held.collect();
            holders.retain(|_, users| !users.is_empty());
            held
        };
        let (mut gone, mut result) = (Vec::new(), Ok(()));
        for name in held {
            match self.release_one(&name).await {
                Ok(true) => gone.push(name),
                Ok(false) => {}
                Err(error) => result = result.and(Err(error)),
            }
        }
        (gone, result)
    }

    /// Returns whether the volume went.
    async fn release_one(&self, name: &str) -> Result<bool, VolumeError> {
        let volume = match self.find(name) {
            Ok(volume) => volume,
            Err(VolumeError::NotFound { .. }) => return Ok(false),
            Err(error) => return Err(error),
        };
        if volume.is_anonymous() {
            return match self.remove(name).await {
                Err(VolumeError::InUse { .. } | VolumeError::NotFound { .. }) => Ok(false),
                other => other.map(|()| true),
            };
        }
        let _turn = self.turn(name).await;
        match self.users(name).is_empty() {
            true => mount::unmount(&volume.mountpoint).map(|()| false),
            false => Ok(false),
        }
    }

    fn users(&self, name: &str) -> Vec<String> {
        self.holders().get(name).into_iter().flatten().cloned().collect()
    }

    fn holders(&self) -> MutexGuard<'_, BTreeMap<String, BTreeSet<String>>> {
        self.holds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn turn(&self, name: &str) -> tokio::sync::OwnedMutexGuard<()> {
        let mutex = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            turns.retain(|_, turn| turn.strong_count() > 0);
            match turns.get(name).and_then(Weak::upgrade) {
                Some(mutex) => mutex,
                None => {
                    let mutex = Arc::new(tokio::sync::Mutex::new(()));
                    turns.insert(name.to_owned(), Arc::downgrade(&mutex));
                    mutex
                }
            }
        };
        mutex.lock_owned().await
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn data(&self, name: &str) -> PathBuf {
        self.path(name).join(record::DATA)
    }

    fn temp_path(&self) -> PathBuf {
        // The directory was emptied when this, its only user, opened it.
        self.temp.join(self.next_temp.fetch_add(1, Ordering::Relaxed).to_string())
    }
}

/// Moves a directory durably.
fn rename(from: &Path, to: &Path) -> Result<(), VolumeError> {
    let parent = to.parent().unwrap_or(Path::new("/"));
    fs::rename(from, to)
        .and_then(|()| fs::File::open(parent)?.sync_all())
        .map_err(|source| VolumeError::Storage { doing: "move", path: from.to_owned(), source })
}

#[cfg(test)]
mod tests;
