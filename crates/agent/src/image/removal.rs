//! `image rm`: which references go, whether the image goes with them, and what forbids it.
//!
//! The rules and their sentences are dockerd's. A name takes one reference away, and the image with its last one; an
//! id takes all references of one repository. A container that runs keeps its image whatever is said; one that ended
//! keeps it unless it is forced. Images have no children here, because nothing is built: layers that images share are
//! kept as long as one of them needs them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::digest::Digest;
use super::error::PullError;
use super::index::{Index, Removed};
use super::names::{LookupError, Named, find};
use super::reference::Reference;
use super::store::{Inner, Store};
use super::sync::blocking;

/// Digits of an id in a message.
const SHORT_LEN: usize = 12;

/// Who needs which image.
#[derive(Clone, Debug, Default)]
pub struct Usage {
    /// The containers of the node, by the image they are made of.
    pub containers: BTreeMap<Digest, Vec<ImageUser>>,
    /// References of images that services run or may go back to, as far as the node knows.
    pub services: BTreeSet<String>,
}

/// A container that needs its image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageUser {
    pub container_id: String,
    pub is_running: bool,
}

impl Usage {
    fn of(&self, id: Digest) -> &[ImageUser] {
        self.containers.get(&id).map(Vec::as_slice).unwrap_or_default()
    }
}

/// Why an image stays.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RemoveError {
    #[error(transparent)]
    Lookup(#[from] LookupError),
    #[error(
        "conflict: unable to remove repository reference {name:?} (must force) - container {container} is using its \
         referenced image {image}"
    )]
    LastReference { name: String, container: String, image: String },
    #[error(
        "conflict: unable to delete {image} (cannot be forced) - image is being used by running container {container}"
    )]
    Running { image: String, container: String },
    #[error(
        "conflict: unable to delete {image} (must be forced) - image is being used by stopped container {container}"
    )]
    Stopped { image: String, container: String },
    #[error(
        "conflict: unable to delete {image} (must be forced) - image is referenced in multiple repositories"
    )]
    ManyReferences { image: String },
}

impl From<PullError> for RemoveError {
    fn from(error: PullError) -> Self {
        RemoveError::Lookup(LookupError::Store(error))
    }
}

impl Store {
    /// Removes what `text` names, and its content with the last reference.
    pub async fn remove(&self, text: &str, force: bool, usage: Usage) -> Result<Removed, RemoveError> {
        let (inner, text) = (Arc::clone(&self.inner), text.to_owned());
        blocking(move || inner.remove(&text, force, &usage).map(|(removed, _)| removed)).await
    }
}

impl Inner {
    /// Removes what `text` names; returns what went and the bytes it took.
    pub(super) fn remove(
        &self,
        text: &str,
        force: bool,
        usage: &Usage,
    ) -> Result<(Removed, u64), RemoveError> {
        // Judged on a copy first: a refusal must change nothing.
        self.look(|index| remove(&mut index.clone(), text, force, usage))?;
        let removed = self.change(|index| remove(index, text, force, usage))??;
        let freed = if removed.deleted.is_some() { self.sweep()? } else { 0 };
        Ok((removed, freed))
    }
}

fn remove(index: &mut Index, text: &str, force: bool, usage: &Usage) -> Result<Removed, RemoveError> {
    let named = find(index, text)?;
    let id = named.id();
    let references = index.references(id);
    match named {
        Named::Reference(reference, _) => {
            if let Some(user) = usage.of(id).first().filter(|_| !force && is_single(&references)) {
                return Err(RemoveError::LastReference {
                    name: text.to_owned(),
                    container: short(&user.container_id),
                    image: short(&id.hex()),
                });
            }
            let untagged = index.untag(&reference);
            if !index.references(id).is_empty() || check(id, force, usage).is_err() {
                return Ok(Removed { untagged, deleted: None });
            }
            let deleted = index.remove_image(id).deleted;
            Ok(Removed { untagged, deleted })
        }
        Named::Id(_) => {
            check(id, force, usage)?;
            if !force && !is_single(&references) && !references.is_empty() {
                return Err(RemoveError::ManyReferences { image: short(&id.hex()) });
            }
            Ok(index.remove_image(id))
        }
    }
}

/// Returns whether the references are those of one name: at most one tag, and digests of its repository.
fn is_single(references: &[Reference]) -> bool {
    let tags = references.iter().filter(|reference| reference.digest().is_none()).count();
    let one_name = references.windows(2).all(|pair| pair[0].name() == pair[1].name());
    !references.is_empty() && tags <= 1 && one_name
}

fn check(id: Digest, force: bool, usage: &Usage) -> Result<(), RemoveError> {
    let image = short(&id.hex());
    let users = usage.of(id);
    if let Some(user) = users.iter().find(|user| user.is_running) {
        return Err(RemoveError::Running { image, container: short(&user.container_id) });
    }
    match users.first().filter(|_| !force) {
        Some(user) => Err(RemoveError::Stopped { image, container: short(&user.container_id) }),
        None => Ok(()),
    }
}

fn short(id: &str) -> String {
    id.chars().take(SHORT_LEN).collect()
}

#[cfg(test)]
mod tests {
    use skep_model::Timestamp;

    use super::*;
    use crate::image::index::Record;
    use crate::image::platform::Platform;

    fn world(names: &[&str]) -> (Index, Digest) {
        let id = Digest::of(b"image");
        let record = Record {
            manifest: Digest::of(b"m"),
            platform: Platform::host(),
            layers: Vec::new(),
            size: 0,
            archives: Vec::new(),
            tagged_at: Timestamp::default(),
            used_at: Timestamp::default(),
        };
        let references: Vec<Reference> = names.iter().map(|name| name.parse().expect("a name")).collect();
        let mut index = Index::default();
        index.insert(id, record, &references);
        (index, id)
    }

    fn used(id: Digest, is_running: bool) -> Usage {
        let user = ImageUser { container_id: "c".repeat(64), is_running };
        Usage { containers: [(id, vec![user])].into(), ..Usage::default() }
    }

    #[test]
    fn a_name_goes_alone_and_the_image_with_the_last_one() {
        let (mut index, id) = world(&["redis:7", "redis:latest"]);
        let first = remove(&mut index, "redis:7", false, &used(id, true)).expect("another name is left");
        assert_eq!((first.untagged.len(), first.deleted), (1, None));
        let error = remove(&mut index, "redis", false, &used(id, true)).expect_err("in use");
        assert_eq!(
            error.to_string(),
            format!(
                "conflict: unable to remove repository reference \"redis\" (must force) - container cccccccccccc is \
                 using its referenced image {}",
                &id.hex()[..12]
            )
        );
        let forced = remove(&mut index, "redis", true, &used(id, true)).expect("forced");
        assert_eq!(
            (forced.untagged.len(), forced.deleted),
            (1, None),
            "a container runs it: it stays, nameless"
        );
        let error = remove(&mut index, &id.hex()[..6], true, &used(id, true)).expect_err("running");
        assert!(error.to_string().contains("(cannot be forced) - image is being used by running container"));
        let error = remove(&mut index, &id.hex(), false, &used(id, false)).expect_err("stopped");
        assert!(error.to_string().contains("(must be forced) - image is being used by stopped container"));
        assert_eq!(
            remove(&mut index, &id.to_string(), true, &used(id, false)).expect("forced").deleted,
            Some(id)
        );
        let error = remove(&mut index, "redis", false, &Usage::default()).expect_err("gone");
        assert_eq!(error.to_string(), "No such image: redis:latest");
    }

    #[test]
    fn an_id_with_names_in_several_repositories_must_be_forced() {
        let (mut index, id) = world(&["redis:7", "localhost:5000/redis:7"]);
        let error = remove(&mut index, &id.hex(), false, &Usage::default()).expect_err("two repositories");
        assert!(error.to_string().ends_with("image is referenced in multiple repositories"), "{error}");
        let removed = remove(&mut index, &id.hex(), true, &Usage::default()).expect("forced");
        assert_eq!((removed.untagged.len(), removed.deleted), (2, Some(id)));
    }

    #[test]
    fn the_last_tag_takes_the_digests_of_its_repository_along() {
        let digest = Digest::of(b"top");
        let (mut index, id) = world(&["redis:7", &format!("redis@{digest}")]);
        let removed = remove(&mut index, "redis:7", false, &Usage::default()).expect("unused");
        assert_eq!((removed.untagged.len(), removed.deleted), (2, Some(id)));
    }
}
