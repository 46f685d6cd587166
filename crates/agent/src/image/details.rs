//! What an image says about itself beyond what a container needs: author, comment, how it was made.

use serde::Deserialize;

use super::config::or_default;
use super::digest::Digest;
use super::error::PullError;
use super::names::LookupError;
use super::store::{Image, Store};

/// What only `image inspect` and `image history` show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    pub author: String,
    pub comment: String,
    /// Newest first.
    pub history: Vec<HistoryStep>,
}

/// One step of the making of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryStep {
    /// In RFC 3339; empty if unknown.
    pub created: String,
    pub created_by: String,
    pub comment: String,
    /// Bytes of the files of the layer that it made; 0 if it made none.
    pub size: u64,
}

#[derive(Deserialize)]
struct Document {
    #[serde(default, deserialize_with = "or_default")]
    author: String,
    #[serde(default, deserialize_with = "or_default")]
    comment: String,
    #[serde(default, deserialize_with = "or_default")]
    history: Vec<Step>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Step {
    #[serde(deserialize_with = "or_default")]
    created: String,
    #[serde(deserialize_with = "or_default")]
    created_by: String,
    #[serde(deserialize_with = "or_default")]
    comment: String,
    #[serde(deserialize_with = "or_default")]
    empty_layer: bool,
}

impl Store {
    /// Reads what an image says about itself.
    pub async fn details(&self, image: &Image) -> Result<Details, LookupError> {
        let gone = || LookupError::NoSuchImage(image.id.to_string());
        let bytes = self.raw_config(image.id).await?.ok_or_else(gone)?;
        // It was read when it came; a history that makes no sense is no reason to refuse the rest.
        let Ok(document) = serde_json::from_slice::<Document>(&bytes) else { return Ok(Details::default()) };
        let chains = self.inner.look(|index| index.record(image.id).map(|record| record.layers.clone()));
        let sizes = self.sizes(chains.ok_or_else(gone)?)?;
        Ok(Details {
            author: document.author,
            comment: document.comment,
            history: history(document.history, &sizes),
        })
    }

    fn sizes(&self, chains: Vec<Digest>) -> Result<Vec<u64>, PullError> {
        chains.into_iter().map(|chain| self.inner.layers.size(chain)).collect()
    }
}

/// Gives each step that made a layer the size of the next one. Images made without a history have a step per layer.
fn history(steps: Vec<Step>, sizes: &[u64]) -> Vec<HistoryStep> {
    let mut sizes_left = sizes.iter().copied();
    let mut history: Vec<HistoryStep> = steps
        .into_iter()
        .map(|step| HistoryStep {
            size: if step.empty_layer { 0 } else { sizes_left.next().unwrap_or(0) },
            created: step.created,
            created_by: step.created_by,
            comment: step.comment,
        })
        .collect();
    history.extend(sizes_left.map(|size| HistoryStep { size, ..HistoryStep::default() }));
    history.reverse();
    history
}
