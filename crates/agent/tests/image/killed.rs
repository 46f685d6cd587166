//! `kill -9` in the middle of a pull, for real: the test runs itself again as the victim.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use skep_agent::image::{Platform, Reference, RegistryConfig, Store};
use tempfile::TempDir;

use crate::layer::{Built, Layer, image};
use crate::registry::Registry;
use crate::view::View;

const ROOT: &str = "SKEP_TEST_VICTIM_ROOT";
const IMAGE: &str = "SKEP_TEST_VICTIM_IMAGE";
const FILES: usize = 2000;

/// Two layers of many files, so that unpacking takes long enough to be interrupted.
fn sample() -> Built {
    let many = |prefix: &str| {
        let layer =
            (0..FILES).fold(Layer::new(), |layer, at| layer.file(&format!("{prefix}/{at}"), "content"));
        layer.finish()
    };
    image(&[many("a"), many("b")])
}

/// The part of the killed process; on its own it does nothing.
#[tokio::test]
async fn victim() {
    let (Ok(root), Ok(image)) = (std::env::var(ROOT), std::env::var(IMAGE)) else { return };
    let store = Store::open(root.into(), RegistryConfig::default()).unwrap();
    let reference: Reference = image.parse().unwrap();
    store.pull(&reference, None, &Platform::host()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_pull_leaves_whole_layers_or_none() {
    let registry = Registry::with(&sample()).await;
    let name = registry.name("app:1");
    // The first kill hits the bare first layer, the second one the overlay of the second.
    let mut interrupted = 0;
    for first_layer_done in [false, true] {
        // In memory, because ext4 makes files slowly where many were deleted just before.
        let dir = TempDir::with_prefix_in("skep-images-", "/dev/shm").unwrap();
        let mut victim = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "killed::victim"])
            .envs([(ROOT, dir.path().to_str().unwrap()), (IMAGE, &name)])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let started_at = Instant::now();
        while started_at.elapsed() < Duration::from_secs(30) && victim.try_wait().unwrap().is_none() {
            if is_unpacking(dir.path(), first_layer_done) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        victim.kill().unwrap();
        victim.wait().unwrap();
        interrupted += usize::from(!dir.path().join("index.json").exists());

        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(dir.path().to_str().unwrap()), "{mounts}");
        let store = Store::open(dir.path().to_owned(), RegistryConfig::default()).unwrap();
        assert_eq!(std::fs::read_dir(dir.path().join("tmp")).unwrap().count(), 0);
        for layer in std::fs::read_dir(dir.path().join("layers")).unwrap() {
            let files = layer.unwrap().path().join("fs");
            let inner = std::fs::read_dir(files).unwrap().next().unwrap().unwrap().path();
            assert_eq!(std::fs::read_dir(inner).unwrap().count(), FILES);
        }
        let reference: Reference = name.parse().unwrap();
        let pulled = store.pull(&reference, None, &Platform::host()).await.unwrap();
        let view = View::of(&pulled);
        assert_eq!((view.names("a").len(), view.names("b").len()), (FILES, FILES));
    }
    assert!(interrupted > 0, "every kill came too late");
}

/// Returns whether some files of a layer are there, but not the layer.
fn is_unpacking(root: &Path, first_layer_done: bool) -> bool {
    let count = |path: &str| std::fs::read_dir(root.join(path)).map_or(0, Iterator::count);
    let layers = usize::from(first_layer_done);
    let files = if first_layer_done { "fs/b" } else { "fs/a" };
    let mut workspaces = std::fs::read_dir(root.join("tmp")).into_iter().flatten().flatten();
    count("layers") == layers
        && workspaces.any(|workspace| {
            std::fs::read_dir(workspace.path().join(files)).is_ok_and(|files| files.count() > 100)
        })
}
