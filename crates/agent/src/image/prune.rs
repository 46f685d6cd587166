//! Which images go by themselves, or all at once: `image prune`, and the collection that keeps a node's disk free.
//!
//! Protected from both are the images of containers, those that managers name as needed to run services or to go
//! back, and for each service those of the last two revisions that ran here: a rollback needs no registry. Collection is
//! bounded by [`Policy`]: images that only services brought (they have no tag) go when nothing used them for a while; when
//! the disk fills up, the leftovers of failed pulls go, and then any unprotected image, the one unused for longest first,
//! until there is room again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::digest::Digest;
use super::error::PullError;
use super::index::Removed;
use super::names::LookupError;
use super::reference::Reference;
use super::removal::{RemoveError, Usage};
use super::store::{Image, Inner, Store};
use super::sync::{blocking, now};

/// A service that used no image for so long is gone from this node.
const RECENT_FOR: Duration = Duration::from_secs(30 * 24 * 3600);

/// When images are collected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// An image without a tag goes when nothing used it for so long.
    pub untagged_unused_for: Duration,
    /// Above this share of the disk, in percent, unprotected images go…
    pub disk_percent_high: u8,
    /// …until no more than this is used.
    pub disk_percent_low: u8,
    /// But none that came or was used so recently: it may be about to be used.
    pub unused_for_min: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            untagged_unused_for: Duration::from_secs(24 * 3600),
            disk_percent_high: 85,
            disk_percent_low: 75,
            unused_for_min: Duration::from_secs(10 * 60),
        }
    }
}

/// What a prune or a collection did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    pub removed: Vec<Removed>,
    /// Bytes given back.
    pub freed: u64,
}

/// What the store takes on disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiskUsage {
    /// Bytes of all unpacked layers, each counted once.
    pub layers: u64,
    /// Bytes of the archives they came in.
    pub archives: u64,
    /// For each image, the bytes of layers that another image has, too.
    pub shared: Vec<(Digest, u64)>,
}

impl Store {
    /// Removes unused images for which `takes` is true: those without a tag, or with `all` also those with one. And whatever is of
    /// no image and of no pull that runs.
    pub async fn prune(
        &self,
        all: bool,
        takes: impl Fn(&Image) -> bool + Send + 'static,
        usage: Usage,
    ) -> Result<Swept, PullError> {
        let inner = Arc::clone(&self.inner);
        blocking(move || {
            let protected = inner.protected(&usage);
            let images = inner.all()?;
            let is_meant = |image: &Image| (all || !has_tag(image)) && takes(image);
            let chosen = images.iter().filter(|image| !protected.contains(&image.id) && is_meant(image));
            let mut swept = inner.take(chosen.map(|image| image.id), &usage)?;
            // What failed pulls left is of no image, and nobody sees it but the disk.
            swept.freed += inner.sweep()?;
            Ok(swept)
        })
        .await
    }

    /// Removes what `policy` gives up; see the head of this file.
    pub async fn collect(&self, policy: Policy, usage: Usage) -> Result<Swept, PullError> {
        let inner = Arc::clone(&self.inner);
        blocking(move || inner.collect(&policy, &usage)).await
    }

    /// Measures the store.
    pub async fn disk_usage(&self) -> Result<DiskUsage, PullError> {
        let inner = Arc::clone(&self.inner);
        blocking(move || inner.disk_usage()).await
    }
}

fn has_tag(image: &Image) -> bool {
    image.references.iter().any(|reference| reference.digest().is_none())
}

impl Inner {
    fn all(&self) -> Result<Vec<Image>, PullError> {
        let ids: Vec<Digest> = self.look(|index| index.ids().collect());
        ids.into_iter().filter_map(|id| self.load(id).transpose()).collect()
    }

    fn protected(&self, usage: &Usage) -> BTreeSet<Digest> {
        let since = now() - RECENT_FOR;
        let mut protected = self.look(|index| index.recent(since));
        protected.extend(usage.containers.keys());
        let of_services = usage.services.iter().filter_map(|text| text.parse::<Reference>().ok());
        self.look(|index| protected.extend(of_services.filter_map(|reference| index.resolve(&reference))));
        protected
    }

    /// Removes images, and goes on when one of them turns out to be needed.
    fn take(&self, ids: impl Iterator<Item = Digest>, usage: &Usage) -> Result<Swept, PullError> {
        let mut swept = Swept::default();
        for id in ids {
            match self.remove(&id.to_string(), true, usage) {
                Ok((removed, freed)) => {
                    swept.removed.push(removed);
                    swept.freed += freed;
                }
                Err(RemoveError::Lookup(LookupError::Store(error))) => return Err(error),
                Err(error) => tracing::debug!(image.id = %id, %error, "an image stays"),
            }
        }
        Ok(swept)
    }

    fn collect(&self, policy: &Policy, usage: &Usage) -> Result<Swept, PullError> {
        let protected = self.protected(usage);
        let mut images = self.all()?;
        images.retain(|image| !protected.contains(&image.id));
        images.sort_by_key(|image| image.used_at);
        let now = now();
        let is_old = |image: &Image| !has_tag(image) && image.used_at + policy.untagged_unused_for <= now;
        let (old, rest): (Vec<Image>, Vec<Image>) = images.into_iter().partition(is_old);
        let mut swept = self.take(old.iter().map(|image| image.id), usage)?;
        if self.disk_percent()? <= policy.disk_percent_high {
            return Ok(swept);
        }
        swept.freed += self.sweep()?;
        for image in rest.iter().filter(|image| image.used_at + policy.unused_for_min <= now) {
            if self.disk_percent()? <= policy.disk_percent_low {
                break;
            }
            let more = self.take([image.id].into_iter(), usage)?;
            swept.removed.extend(more.removed);
            swept.freed += more.freed;
        }
        Ok(swept)
    }

    /// Returns how much of the store's file system is used, as people without privileges see it.
    fn disk_percent(&self) -> Result<u8, PullError> {
        let dir = self.temps.path();
        let found =
            rustix::fs::statvfs(dir).map_err(|errno| PullError::storage("measure", dir)(errno.into()))?;
        let used = found.f_blocks.saturating_sub(found.f_bfree);
        let room = used + found.f_bavail;
        Ok(used.saturating_mul(100).checked_div(room).map_or(0, |percent| percent.min(100) as u8))
    }

    fn disk_usage(&self) -> Result<DiskUsage, PullError> {
        let mut usage = DiskUsage::default();
        for chain in self.layers.list()? {
            usage.layers += self.layers.size(chain).unwrap_or(0);
        }
        for blob in self.blobs.list()? {
            usage.archives += self.blobs.len(blob).unwrap_or(0);
        }
        let stacks: Vec<(Digest, Vec<Digest>)> =
            self.look(|index| index.records().map(|(id, record)| (id, record.layers.clone())).collect());
        let mut count = BTreeMap::<Digest, u32>::new();
        for chain in stacks.iter().flat_map(|(_, layers)| layers) {
            *count.entry(*chain).or_default() += 1;
        }
        for (id, layers) in &stacks {
            let shared = layers.iter().filter(|chain| count[chain] > 1);
            usage.shared.push((*id, shared.map(|chain| self.layers.size(*chain).unwrap_or(0)).sum()));
        }
        Ok(usage)
    }
}
