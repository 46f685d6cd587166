//! What people call an image that is here: by name, by id, or by the beginning of its id.

use std::sync::Arc;

use super::digest::Digest;
use super::error::PullError;
use super::index::Index;
use super::reference::{Reference, ReferenceError};
use super::store::{Image, Store};
use super::sync::{blocking, now};

/// Shortest beginning of an id that is taken for one.
const PREFIX_LEN_MIN: usize = 1;

/// Why a name stands for no image. The wording is Docker's.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LookupError {
    #[error("No such image: {0}")]
    NoSuchImage(String),
    #[error("image {0} is ambiguous: several ids begin with it")]
    Ambiguous(String),
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    #[error("refusing to create a tag with a digest reference")]
    TagWithDigest,
    #[error(transparent)]
    Store(#[from] PullError),
}

/// How a name was meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Named {
    Reference(Reference, Digest),
    Id(Digest),
}

impl Named {
    pub fn id(&self) -> Digest {
        match self {
            Named::Reference(_, id) | Named::Id(id) => *id,
        }
    }
}

/// Finds what `text` means: a full id, then a name, then the beginning of an id.
pub(super) fn find(index: &Index, text: &str) -> Result<Named, LookupError> {
    let none = || LookupError::NoSuchImage(shown(text));
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    if let Ok(id) = Digest::from_hex(hex) {
        return index.record(id).map(|_| Named::Id(id)).ok_or_else(none);
    }
    if let Ok(reference) = text.parse::<Reference>()
        && let Some(id) = index.resolve(&reference)
    {
        return Ok(Named::Reference(reference, id));
    }
    let is_prefix =
        hex.len() >= PREFIX_LEN_MIN && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if !is_prefix {
        text.parse::<Reference>()?;
        return Err(none());
    }
    let mut found = index.ids().filter(|id| id.hex().starts_with(hex));
    match (found.next(), found.next()) {
        (Some(id), None) => Ok(Named::Id(id)),
        (None, _) => Err(none()),
        (Some(_), Some(_)) => Err(LookupError::Ambiguous(text.to_owned())),
    }
}

/// Docker names the tag that it looked for.
fn shown(text: &str) -> String {
    text.parse::<Reference>().map_or_else(|_| text.to_owned(), |reference| reference.familiar())
}

impl Store {
    /// Returns the image that `text` names: a reference, an id, or the beginning of one.
    pub async fn lookup(&self, text: &str) -> Result<Image, LookupError> {
        let id = self.inner.look(|index| find(index, text))?.id();
        let image = self.find_id(id).await?;
        image.ok_or_else(|| LookupError::NoSuchImage(shown(text)))
    }

    /// Makes `target` stand for the image that `source` names.
    pub async fn tag(&self, source: &str, target: &str) -> Result<(), LookupError> {
        let target: Reference = target.parse()?;
        if target.digest().is_some() {
            return Err(LookupError::TagWithDigest);
        }
        let id = self.inner.look(|index| find(index, source))?.id();
        let inner = Arc::clone(&self.inner);
        let tagged = blocking(move || inner.change(|index| index.tag(id, &target, now()))).await?;
        if tagged { Ok(()) } else { Err(LookupError::NoSuchImage(shown(source))) }
    }

    /// Notes that a task of `service` is made of an image: the last ones of each service are kept.
    pub async fn note_use(&self, service: String, id: Digest) -> Result<(), PullError> {
        let at = now();
        let inner = Arc::clone(&self.inner);
        if !inner.look(|index| index.clone().use_image(&service, id, at)) {
            return Ok(());
        }
        blocking(move || inner.change(|index| index.use_image(&service, id, at))).await.map(drop)
    }
}
