//! What the engine knows about who needs which image, and the collection of those that nobody does.

use std::time::Duration;

use super::{Engine, chain};
use crate::image::{Digest, ImageUser, Policy, Usage};

/// How often images are collected.
const COLLECT_EVERY: Duration = Duration::from_secs(600);

impl Engine {
    /// Returns the containers of this node by the images they are made of.
    pub fn image_usage(&self) -> Usage {
        let mut usage = Usage::default();
        for known in self.known().values() {
            let Ok(id) = known.record.image_id.parse::<Digest>() else { continue };
            let user = ImageUser {
                container_id: known.record.container_id.clone(),
                // One that is about to start needs its image as one that runs.
                is_running: known.life().ended.is_none(),
            };
            usage.containers.entry(id).or_default().push(user);
        }
        usage
    }

    /// Collects images from time to time. Never returns; dropping it ends the collection.
    pub async fn collect_images(&self, policy: Policy) {
        loop {
            tokio::time::sleep(COLLECT_EVERY).await;
            match self.images.collect(policy.clone(), self.image_usage()).await {
                Ok(swept) if swept.removed.is_empty() => {}
                Ok(swept) => {
                    let image_count = swept.removed.len();
                    tracing::info!(image_count, bytes = swept.freed, "images that nothing uses were removed");
                }
                Err(error) => tracing::warn!(error = %chain(&error), "images cannot be collected"),
            }
        }
    }
}
