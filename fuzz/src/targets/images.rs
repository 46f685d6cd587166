//! What registries and uploads send.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use skep_agent::image::{RegistryConfig, Store, fuzz};
use tempfile::TempDir;

/// In memory: what is unpacked is removed again at once.
const WORKSPACES: &str = "/dev/shm";
/// A tar's unit.
pub(super) const BLOCK: usize = 512;

/// A layer is unpacked by root; whatever it holds, nothing outside of its own tree may change.
pub fn layer(input: &[u8]) {
    let place = Place::new();
    let blob = place.path("blob");
    fs::write(&blob, with_checksums(input)).expect("memory takes a file");
    // Unpacking onto parents costs a mount, and only every eighth input pays for it.
    let parents = if input.len().is_multiple_of(8) { vec![place.path("parent")] } else { Vec::new() };
    let workspace = place.path("workspace");
    // That it is refused is fine; how, is told by other tests.
    drop(fuzz::unpack(&blob, parents, workspace));
    place.check();
}

/// A folder with something in it that a layer must not touch.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(TempDir::with_prefix_in("skep-fuzz-", WORKSPACES).expect("memory takes a folder"));
        for folder in ["outside", "parent", "workspace"] {
            fs::create_dir(place.path(folder)).expect("memory takes a folder");
        }
        fs::write(place.path("outside/canary"), "sings").expect("memory takes a file");
        std::os::unix::fs::symlink("../../outside", place.path("parent/way-out"))
            .expect("memory takes a link");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn check(&self) {
        assert_eq!(names(self.0.path()), ["blob", "outside", "parent", "workspace"]);
        assert_eq!(names(&self.path("outside")), ["canary"]);
        assert_eq!(names(&self.path("parent")), ["way-out"]);
        let canary = fs::read_to_string(self.path("outside/canary")).expect("the canary lives");
        assert_eq!(canary, "sings");
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("memory is read").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Mends the checksums of an archive's headers: a wrong one ends every reader's work before it has begun.
pub(super) fn with_checksums(input: &[u8]) -> Vec<u8> {
    let mut archive = input.to_vec();
    let mut at = 0;
    while let Some(header) = archive.get_mut(at..at + BLOCK) {
        at += BLOCK;
        // Compressed archives stay as they are.
        if !header[257..].starts_with(b"ustar") {
            continue;
        }
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let size =
            std::str::from_utf8(&header[124..135]).ok().and_then(|size| usize::from_str_radix(size, 8).ok());
        at = at.saturating_add(size.unwrap_or_default().div_ceil(BLOCK).saturating_mul(BLOCK));
    }
    archive
}

/// The documents of an image: manifest, index, configuration.
pub fn manifest(input: &[u8]) {
    const SERVED_AS: [&str; 4] = [
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
        "text/html",
    ];
    let Some((first, document)) = input.split_first() else { return };
    fuzz::read_document(document, SERVED_AS[usize::from(*first) % SERVED_AS.len()]);
    fuzz::read_configuration(document);
    if let Ok(text) = std::str::from_utf8(document)
        && let Ok(reference) = text.parse::<skep_agent::image::Reference>()
    {
        // What a reference is shown as means the same reference.
        let shown = reference.to_string();
        assert_eq!(shown.parse(), Ok(reference), "{text:?} is shown as {shown:?}");
    }
}

thread_local! {
    static STORE: RefCell<Option<(tokio::runtime::Runtime, TempDir)>> = const { RefCell::new(None) };
}

/// What `docker load` uploads: an archive of archives, each of which may lie about the others.
pub fn archive(input: &[u8]) {
    STORE.with_borrow_mut(|kept| {
        let (runtime, folder) = kept.get_or_insert_with(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let folder = TempDir::with_prefix_in("skep-fuzz-", WORKSPACES);
            (runtime.expect("a runtime"), folder.expect("memory takes a folder"))
        });
        runtime.block_on(async {
            let store = Store::open(folder.path().to_owned(), RegistryConfig::default());
            let store = store.expect("the store opens after every archive");
            let pieces: Vec<_> =
                with_checksums(input).chunks(1000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
            let steps = store.load(stream::iter(pieces).boxed());
            drop(steps.collect::<Vec<_>>().await);
        });
    });
}
