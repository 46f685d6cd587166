//! Registries that lie, stall and break; disks that are full; processes that died.

use std::fs;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen,
};
use serde_json::json;
use skep_agent::image::{Digest, OpenError, Platform, PullError, Reference, RegistryConfig, Store};
use tar::EntryType;
use tokio::sync::Notify;

use crate::layer::{Built, Compression, Entry, Layer, entry, image, image_with};
use crate::registry::{Ending, Registry, Reply};
use crate::view::View;
use crate::{Fixture, chain};

/// An image whose second layer does not fit into one packet.
fn sample() -> Built {
    let mut state = 1u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(300_000)
    .collect();
    let big = Layer::new().entry(Entry { content: &noise, ..entry(EntryType::Regular, "noise") });
    image(&[Layer::new().file("a", "a").finish(), big.finish()])
}

/// Nothing half-unpacked is visible, and a registry that behaves again heals everything.
async fn heals(fixture: &Fixture, registry: &Registry, whole_layers: usize) {
    assert_eq!(fixture.content("tmp"), [""; 0]);
    assert_eq!(fixture.content("layers").len(), whole_layers);
    assert_eq!(fixture.store.list().await.unwrap(), []);
    registry.behave();
    let pulled = fixture.pull(&registry.name("app:1")).await.unwrap();
    assert_eq!(View::of(&pulled).stat("noise").len(), 300_000);
}

#[tokio::test]
async fn a_layer_with_another_content_is_named() {
    let built = sample();
    let registry = Registry::with(&built).await;
    let fixture = Fixture::new();
    let bad = built.layers[1];
    for change in ["flip", "longer", "shorter"] {
        registry.rule(move |request, truth| {
            request.path.ends_with(&bad.to_string()).then(|| {
                let mut lie = truth.clone();
                match change {
                    "flip" => lie.body[1000] ^= 1,
                    "longer" => lie.body.push(0),
                    _ => lie.body.truncate(250_000),
                }
                lie
            })
        });
        let error = fixture.pull(&registry.name("app:1")).await.unwrap_err();
        let said = error.to_string();
        assert!(
            said.starts_with(&format!("filesystem layer verification failed for digest {bad}")),
            "{said}"
        );
        assert!(matches!(error, PullError::CorruptLayer { .. }) && !error.is_retryable());
    }
    heals(&fixture, &registry, 1).await;
}

#[tokio::test]
async fn a_layer_that_unpacks_to_something_else_is_named() {
    let layer = Layer::new().file("a", "a").finish();
    let config = json!({"rootfs": {"diff_ids": [Digest::of(b"something else")]}});
    let built = image_with(&[layer], Compression::Gzip, config);
    let registry = Registry::with(&built).await;
    let fixture = Fixture::new();
    let error = fixture.pull(&registry.name("app:1")).await.unwrap_err();
    assert!(matches!(&error, PullError::CorruptLayer { digest, .. } if *digest == built.layers[0]));
    assert!(error.to_string().contains("layers from manifest don't match image configuration"), "{error}");
    assert_eq!(fixture.content("layers"), [""; 0]);
}

#[tokio::test]
async fn a_manifest_or_configuration_with_another_content_is_refused() {
    let built = sample();
    let registry = Registry::with(&built).await;
    let fixture = Fixture::new();
    registry.rule(|request, truth| {
        let body = String::from_utf8_lossy(&truth.body).replace("sh", "evil");
        request.path.contains("/blobs/").then(|| Reply { body: body.into_bytes(), ..truth.clone() })
    });
    let error = fixture.pull(&registry.name("app:1")).await.unwrap_err();
    assert!(
        matches!(&error, PullError::CorruptManifest { digest, .. } if *digest == built.config),
        "{error:?}"
    );
    let pinned = registry.name(&format!("app@{}", built.digest()));
    registry.rule(|_, truth| Some(Reply { body: [&truth.body[..], b" "].concat(), ..truth.clone() }));
    let error = fixture.pull(&pinned).await.unwrap_err();
    assert!(
        matches!(&error, PullError::CorruptManifest { digest, .. } if *digest == built.digest()),
        "{error:?}"
    );
    heals(&fixture, &registry, 0).await;
}

#[tokio::test]
async fn documents_are_bounded() {
    let registry = Registry::with(&sample()).await;
    let fixture = Fixture::new();
    for part in ["/manifests/", "/blobs/"] {
        registry.rule(move |request, _| {
            request.path.contains(part).then(|| Reply::new(200, vec![b' '; 5 << 20]))
        });
        let error = fixture.pull(&registry.name("app:1")).await.unwrap_err();
        assert!(error.to_string().ends_with("the answer is too long"), "{error}");
    }
    heals(&fixture, &registry, 0).await;
}

#[tokio::test]
async fn what_is_not_a_container_image_is_named() {
    let registry = Registry::start().await;
    let fixture = Fixture::new();
    let chart = json!({"schemaVersion": 2, "config": {"mediaType": "application/vnd.cncf.helm.config.v1+json",
        "digest": Digest::of(b"x"), "size": 1}, "layers": []});
    registry.add_manifest(
        "chart",
        "1",
        chart.to_string().as_bytes(),
        "application/vnd.oci.image.manifest.v1+json",
    );
    let error = fixture.pull(&registry.name("chart:1")).await.unwrap_err();
    assert!(
        error.to_string().ends_with("unsupported media type application/vnd.cncf.helm.config.v1+json"),
        "{error}"
    );
    registry.add_manifest("page", "1", b"<html>", "text/html");
    let error = fixture.pull(&registry.name("page:1")).await.unwrap_err();
    assert!(matches!(error, PullError::InvalidDocument { document: "manifest", .. }), "{error:?}");
    let signed = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    registry.add_manifest("old", "1", br#"{"schemaVersion": 1, "fsLayers": []}"#, signed);
    assert!(matches!(
        fixture.pull(&registry.name("old:1")).await.unwrap_err(),
        PullError::UnsupportedMediaType { .. }
    ));
}

#[tokio::test]
async fn statuses_mean_what_docker_says_they_mean() {
    let registry = Registry::with(&sample()).await;
    let fixture = Fixture::new();
    let (name, registry_host) = (registry.name("app:1"), registry.address.clone());
    let repository = registry.name("app");
    for (reply, said, retryable) in [
        (
            Reply::error(404, "MANIFEST_UNKNOWN", "manifest unknown"),
            format!("manifest for {name} not found: manifest unknown: manifest unknown"),
            false,
        ),
        (
            Reply::error(404, "NAME_UNKNOWN", "repository name not known to registry"),
            format!("manifest for {name} not found: name unknown: repository name not known to registry"),
            false,
        ),
        (
            Reply::error(403, "DENIED", "requested access to the resource is denied"),
            format!(
                "pull access denied for {repository}, repository does not exist or may require \
                 'docker login': denied: requested access to the resource is denied"
            ),
            false,
        ),
        (
            Reply::error(401, "UNAUTHORIZED", "authentication required"),
            format!(
                "unauthorized: authentication required (registry {registry_host}, repository {repository})"
            ),
            false,
        ),
        (
            Reply::new(500, "<html>oops</html>"),
            format!(
                "Get \"http://{registry_host}/v2/app/manifests/1\": received unexpected HTTP status: 500"
            ),
            true,
        ),
        (
            Reply::error(429, "TOOMANYREQUESTS", "slow\u{7} down"),
            format!(
                "Get \"http://{registry_host}/v2/app/manifests/1\": received unexpected HTTP status: 429: \
                 toomanyrequests: slow down"
            ),
            true,
        ),
    ] {
        registry.rule(move |request, _| request.path.contains("/manifests/").then(|| reply.clone()));
        let error = fixture.pull(&name).await.unwrap_err();
        assert_eq!((chain(&error), error.is_retryable()), (said.clone(), retryable));
        let reference: Reference = name.parse().unwrap();
        assert_eq!(chain(&fixture.store.distribution(&reference, None).await.unwrap_err()), said);
    }
    heals(&fixture, &registry, 0).await;
}

#[tokio::test]
async fn silence_is_a_stall_and_ends() {
    let built = sample();
    let registry = Registry::with(&built).await;
    let fixture = Fixture::new();
    for part in ["/manifests/1".to_owned(), built.layers[1].to_string()] {
        let rule_part = part.clone();
        registry.rule(move |request, truth| {
            let ending = Ending::Stall(truth.body.len() / 2);
            request.path.ends_with(&rule_part).then(|| Reply { ending, ..truth.clone() })
        });
        let started_at = Instant::now();
        let error = fixture.pull(&registry.name("app:1")).await.unwrap_err();
        assert!(matches!(error, PullError::Stalled { .. }) && error.is_retryable(), "{error:?}");
        assert!(
            error.to_string().contains(&part) && error.to_string().ends_with("no data for 1 s"),
            "{error}"
        );
        assert!(started_at.elapsed() < Duration::from_secs(10));
    }
    heals(&fixture, &registry, 1).await;
}

#[tokio::test]
async fn a_transfer_that_breaks_off_goes_on_where_it_stopped() {
    let built = sample();
    let registry = Registry::with(&built).await;
    let fixture = Fixture::new();
    let (bad, tries) = (built.layers[1].to_string(), Arc::new(AtomicUsize::new(0)));
    let part = bad.clone();
    registry.rule(move |request, truth| {
        if !request.path.ends_with(&part) {
            return None;
        }
        let (ending, cut) = match tries.fetch_add(1, Ordering::SeqCst) {
            0 => (Ending::Cut(100_000), 0),
            // This time the registry ignores the range and starts over.
            1 => (Ending::Cut(200_000), 0),
            _ => (Ending::Properly, 200_000),
        };
        let mut reply = Reply { ending, ..truth.clone() };
        if cut > 0 {
            assert_eq!(request.headers["range"], format!("bytes={cut}-"));
            let len = reply.body.len();
            reply = reply.header("Content-Range", format!("bytes {cut}-{}/{len}", len - 1));
            (reply.status, reply.body) = (206, reply.body.split_off(cut));
        }
        Some(reply)
    });
    let pulled = fixture.pull(&registry.name("app:1")).await.unwrap();
    assert_eq!(View::of(&pulled).stat("noise").len(), 300_000);
    let ranges: Vec<_> = registry.requests(&bad).iter().map(|r| r.headers.get("range").cloned()).collect();
    assert_eq!(ranges, [None, Some("bytes=100000-".to_owned()), Some("bytes=200000-".to_owned())]);
}

#[tokio::test]
async fn a_transfer_that_always_breaks_off_is_given_up() {
    let built = sample();
    let registry = Registry::with(&built).await;
    let fixture = Fixture::new();
    let bad = built.layers[1].to_string();
    registry.rule({
        let bad = bad.clone();
        move |request, truth| {
            request.path.ends_with(&bad).then(|| Reply { ending: Ending::Cut(10), ..truth.clone() })
        }
    });
    let error = fixture.pull(&registry.name("app:1")).await.unwrap_err();
    assert!(matches!(error, PullError::Interrupted { .. }) && error.is_retryable(), "{error:?}");
    assert_eq!(registry.requests(&bad).len(), 4);
    heals(&fixture, &registry, 1).await;
}

#[tokio::test]
async fn redirects_are_followed_without_the_credentials_and_not_for_ever() {
    let built = sample();
    let storage = Registry::with(&built).await;
    let registry = Registry::with(&built).await;
    let fixture = Fixture::new();
    let elsewhere = storage.address.clone();
    registry.rule(move |request, _| {
        let location = format!("http://{elsewhere}{}", request.path);
        request.path.contains("/blobs/").then(|| Reply::new(307, "").header("Location", location))
    });
    fixture.pull(&registry.name("app:1")).await.unwrap();
    assert_eq!(storage.requests("/blobs/").len(), 3);

    let other = Fixture::new();
    let elsewhere = storage.address.clone();
    registry.rule(move |request, _| {
        let location = format!("http://u:p@{elsewhere}/nothing/blobs/here?X-Signature=secret");
        request.path.contains("/blobs/").then(|| Reply::new(307, "").header("Location", location))
    });
    storage.rule(|_, _| Some(Reply::new(500, "")));
    let said = other.pull(&registry.name("app:1")).await.unwrap_err().to_string();
    assert!(said.starts_with(&format!("Get \"http://{}/nothing/blobs/here\": ", storage.address)), "{said}");

    registry.rule(|request, _| {
        request.path.contains("/blobs/").then(|| Reply::new(302, "").header("Location", request.path.clone()))
    });
    let error = other.pull(&registry.name("app:1")).await.unwrap_err();
    assert!(error.to_string().ends_with("redirected too often"), "{error}");
}

#[tokio::test]
async fn nobody_listening_is_said_in_dockers_words_and_soon() {
    let fixture = Fixture::new();
    let address = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let reference: Reference = format!("{address}/app:1").parse().unwrap();
    let started_at = Instant::now();
    let error = fixture.store.distribution(&reference, None).await.unwrap_err();
    assert!(started_at.elapsed() < Duration::from_secs(3));
    let said = chain(&error);
    assert!(said.starts_with(&format!("Get \"http://{address}/v2/\": dial tcp: ")), "{said}");
    assert!(said.contains("Connection refused") && error.is_retryable(), "{said}");
}

#[tokio::test]
async fn a_lookup_takes_ten_seconds_at_most() {
    let registry = Registry::with(&sample()).await;
    let reached = Arc::new(Notify::new());
    registry.rule({
        let reached = Arc::clone(&reached);
        move |request, truth| {
            request.path.contains("/manifests/").then(|| {
                reached.notify_one();
                Reply { ending: Ending::Stall(0), ..truth.clone() }
            })
        }
    });
    let dir = tempfile::TempDir::with_prefix("skep-images-").unwrap();
    let store = Store::open(dir.path().to_owned(), RegistryConfig::default()).unwrap();
    let reference: Reference = registry.name("app:1").parse().unwrap();
    let pass_time = async {
        reached.notified().await;
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(10)).await;
    };
    let (found, ()) = futures_util::future::join(store.distribution(&reference, None), pass_time).await;
    let error = found.unwrap_err();
    let said = error.to_string();
    assert_eq!(said, format!("registry {} did not answer within 10 s", registry.address));
    assert!(error.is_retryable());
}

/// Waits until nothing is left in a folder: layers that were under way beside the one that failed are given up by
/// their own threads.
async fn emptied(folder: &std::path::Path) {
    let is_empty = async {
        while fs::read_dir(folder).unwrap().next().is_some() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), is_empty).await.expect("a folder without leftovers");
}

#[tokio::test]
async fn a_full_disk_is_named_and_leaves_nothing_behind() {
    let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC).unwrap();
    fsconfig_set_string(&context, "size", "400k").unwrap();
    fsconfig_create(&context).unwrap();
    let disk = fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty()).unwrap();
    let root = std::path::PathBuf::from(format!("/proc/self/fd/{}/images", disk.as_raw_fd()));
    let store = Store::open(root.clone(), RegistryConfig::default()).unwrap();
    let zeros = vec![0; 600_000];
    let unpacks_big =
        Layer::new().entry(Entry { content: &zeros, ..entry(EntryType::Regular, "zeros") }).finish();
    let downloads_big = sample();
    let registry = Registry::with(&image(&[unpacks_big])).await;
    registry.add("app", "2", &downloads_big);
    registry.add("app", "3", &downloads_big);
    registry.add("app", "4", &image(&[Layer::new().file("small", "x").finish()]));
    fs::write(root.join("filler"), vec![1; 200_000]).unwrap();
    for tag in ["1", "2"] {
        let reference: Reference = registry.name(&format!("app:{tag}")).parse().unwrap();
        let error = store.pull(&reference, None, &Platform::host()).await.unwrap_err();
        assert!(matches!(error, PullError::DiskFull { .. }) && !error.is_retryable(), "{error:?}");
        let said = chain(&error);
        assert!(said.starts_with(&format!("write {}/tmp/", root.display())), "{said}");
        assert!(said.contains("No space left on device"), "{said}");
        emptied(&root.join("tmp")).await;
    }
    // What the failed pulls left is whole, is not an image, and goes when people tidy up.
    assert_eq!(store.list().await.unwrap(), []);
    let swept = store.prune(false, |_| true, skep_agent::image::Usage::default()).await.unwrap();
    assert!(swept.freed > 0 && swept.removed.is_empty(), "{swept:?}");
    for directory in ["layers", "blobs/sha256"] {
        assert_eq!(fs::read_dir(root.join(directory)).unwrap().count(), 0, "{directory}");
    }
    let small: Reference = registry.name("app:4").parse().unwrap();
    store.pull(&small, None, &Platform::host()).await.unwrap();
}

#[tokio::test]
async fn what_a_killed_daemon_left_half_done_is_gone_and_never_was_an_image() {
    let built = sample();
    let registry = Registry::with(&built).await;
    let fixture = Fixture::new();
    let pulled = fixture.pull(&registry.name("app:1")).await.unwrap();
    let root = fixture.dir.path();
    // A download and a layer that were under way, as they look on disk.
    fs::write(root.join("tmp/7"), "half a blob").unwrap();
    fs::create_dir_all(root.join("tmp/8/fs/etc")).unwrap();
    fs::create_dir_all(root.join("tmp/8/work/work/incompat")).unwrap();
    fs::write(root.join("tmp/9"), "{\"half an index").unwrap();
    let whole = fixture.content("layers");
    // Layers that were complete, but not known to have reached the disk when the power went.
    fs::create_dir_all(root.join("layers").join("0".repeat(64)).join("fs/etc")).unwrap();
    fs::create_dir_all(root.join("layers").join("1".repeat(64)).join("fs/etc")).unwrap();
    fs::write(root.join("layers").join("1".repeat(64)).join("size"), "").unwrap();
    let fixture = fixture.reopen();
    assert_eq!(fixture.content("tmp"), [""; 0]);
    assert_eq!(fixture.content("layers"), whole);
    assert_eq!(fixture.store.list().await.unwrap(), [pulled]);
}

#[tokio::test]
async fn an_image_that_lost_a_part_is_pulled_again() {
    let built = sample();
    let registry = Registry::with(&built).await;
    let fixture = Fixture::new();
    let name = registry.name(&format!("app@{}", built.digest()));
    let pulled = fixture.pull(&name).await.unwrap();
    fs::remove_dir_all(pulled.layers[0].parent().unwrap()).unwrap();
    fs::write(fixture.dir.path().join("blobs/sha256").join(built.config.hex()), "bit rot").unwrap();
    let reference: Reference = name.parse().unwrap();
    assert_eq!(fixture.store.find(&reference).await.unwrap(), None);
    let again = fixture.pull(&name).await.unwrap();
    assert_eq!((again.id, again.layers), (pulled.id, pulled.layers.clone()));
    assert_eq!(View::of(&pulled).stat("noise").len(), 300_000);
}

#[tokio::test]
async fn a_store_has_one_owner_and_a_path_of_sensible_length() {
    let fixture = Fixture::new();
    let second = Store::open(fixture.dir.path().to_owned(), RegistryConfig::default());
    assert!(matches!(second, Err(OpenError::InUse { .. })));
    let long = fixture.dir.path().join("x".repeat(200));
    assert!(matches!(Store::open(long, RegistryConfig::default()), Err(OpenError::PathTooLong { .. })));
}
