//! Images from registry to disk, against registries that behave, lie, stall and refuse.
//!
//! `registry.rs` is a registry inside the test process whose answers a test may replace one by one; `layer.rs` makes
//! layers and images by hand, also ones that no tool would make; `view.rs` looks at an unpacked image the way a
//! container would. `real.rs` uses Debian's own registry.

#![expect(clippy::unwrap_used, reason = "a test helper that cannot go on ends the test")]

mod archive;
mod basics;
mod failures;
mod joining;
mod killed;
mod layer;
mod login;
mod people;
mod real;
mod registry;
mod secure;
mod tags;
mod unpacking;
mod view;
mod whiteouts;

use std::time::Duration;

use skep_agent::image::{Auth, Image, Platform, PullError, Reference, RegistryConfig, Store};
use tempfile::TempDir;

/// A store in a directory of its own.
struct Fixture {
    store: Store,
    dir: TempDir,
}

impl Fixture {
    /// In memory: a disk makes files slowly where many were deleted just before, and that is what tests do.
    fn new() -> Self {
        Self::within("/dev/shm")
    }

    fn on_disk() -> Self {
        Self::within("/tmp")
    }

    fn within(parent: &str) -> Self {
        let dir = TempDir::with_prefix_in("skep-images-", parent).unwrap();
        Self { store: open(&dir), dir }
    }

    async fn pull(&self, image: &str) -> Result<Image, PullError> {
        self.pull_as(image, None).await
    }

    async fn pull_as(&self, image: &str, auth: Option<&Auth>) -> Result<Image, PullError> {
        let reference: Reference = image.parse()?;
        let platform = Platform::host();
        let pull = self.store.pull(&reference, auth, &platform);
        tokio::time::timeout(Duration::from_secs(60), pull).await.expect("a pull ends")
    }

    /// Returns everything in the store's directory `name`, sorted.
    fn content(&self, name: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir.path().join(name)).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn reopen(self) -> Self {
        let Self { store, dir } = self;
        drop(store);
        Self { store: open(&dir), dir }
    }
}

fn open(dir: &TempDir) -> Store {
    let config = RegistryConfig { stall_after: Duration::from_secs(1), ..RegistryConfig::default() };
    Store::open(dir.path().to_owned(), config).unwrap()
}

/// Renders an error with all its sources, as whoever shows it does.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}
