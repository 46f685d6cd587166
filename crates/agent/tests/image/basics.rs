//! What works when everybody behaves.

use serde_json::json;
use skep_agent::image::{Digest, Platform, Reference, Usage};

use crate::layer::{Compression, Layer, image, image_with, index};
use crate::registry::Registry;
use crate::view::View;
use crate::{Fixture, chain};

fn two_layers() -> Vec<Vec<u8>> {
    vec![
        Layer::new().dir("etc/").file("etc/a", "one").file("etc/b", "base").finish(),
        Layer::new().file("etc/a", "two").finish(),
    ]
}

#[tokio::test]
async fn an_image_is_pulled_found_listed_and_removed() {
    let config = json!({"architecture": Platform::host().architecture, "os": "linux",
        "created": "2024-05-06T07:08:09Z",
        "config": {"Cmd": ["server"], "Env": ["A=1"], "User": "7", "WorkingDir": "/data",
                   "Healthcheck": {"Test": ["CMD", "true"], "Interval": 1_000_000_000}}});
    let built = image_with(&two_layers(), Compression::Gzip, config);
    let registry = Registry::with(&built).await;
    let fixture = Fixture::new();
    let name = registry.name("app:1");
    let reference: Reference = name.parse().unwrap();
    assert_eq!(fixture.store.find(&reference).await.unwrap(), None);

    let pulled = fixture.pull(&name).await.unwrap();
    assert_eq!(pulled.id, built.config);
    assert_eq!(pulled.manifest_digest, built.digest());
    assert_eq!(pulled.references, [reference.clone(), reference.at_digest(built.digest())]);
    assert_eq!(pulled.config.cmd, ["server"]);
    assert_eq!(pulled.config.healthcheck.as_ref().unwrap().test, ["CMD", "true"]);
    assert_eq!(pulled.created, "2024-05-06T07:08:09Z");
    assert_eq!(pulled.size, "onebasetwo".len() as u64);
    assert_eq!(pulled.layers.len(), 2);
    let view = View::of(&pulled);
    assert_eq!((view.read("etc/a"), view.read("etc/b")), ("two".to_owned(), "base".to_owned()));
    drop(view);

    let fixture = fixture.reopen();
    assert_eq!(fixture.store.find(&reference).await.unwrap().as_ref(), Some(&pulled));
    assert_eq!(fixture.store.list().await.unwrap(), std::slice::from_ref(&pulled));
    assert_eq!(fixture.store.raw_config(pulled.id).await.unwrap(), Some(built.blobs[&built.config].clone()));
    // Everything is kept as served, so that it can be saved.
    let mut kept = vec![built.config.hex(), built.digest().hex()];
    kept.extend(built.layers.iter().map(Digest::hex));
    kept.sort();
    assert_eq!(fixture.content("blobs/sha256"), kept);
    assert_eq!(fixture.content("tmp"), [""; 0]);

    let removed = fixture.store.remove(&name, false, Usage::default()).await.unwrap();
    assert_eq!(removed.deleted, Some(pulled.id));
    assert_eq!(removed.untagged.len(), 2);
    for directory in ["blobs/sha256", "layers", "tmp"] {
        assert_eq!(fixture.content(directory), [""; 0], "{directory}");
    }
    let error = fixture.store.remove(&name, false, Usage::default()).await.unwrap_err();
    assert_eq!(error.to_string(), format!("No such image: {name}"));
}

#[tokio::test]
async fn a_digest_needs_no_registry_once_it_is_here() {
    let built = image(&two_layers());
    let registry = Registry::with(&built).await;
    let fixture = Fixture::new();
    let pinned = registry.name(&format!("app:1@{}", built.digest()));
    let first = fixture.pull(&pinned).await.unwrap();
    // A tag beside a digest is only a comment.
    assert_eq!(first.references, [pinned.parse::<Reference>().unwrap().at_digest(built.digest())]);
    drop(registry);
    assert_eq!(fixture.pull(&pinned).await.unwrap(), first);
}

#[tokio::test]
async fn shared_layers_are_fetched_once_and_kept_for_the_other_image() {
    let base = Layer::new().file("base", "shared").finish();
    let old = image(&[base.clone(), Layer::new().file("v", "1").finish()]);
    let new = image(&[base, Layer::new().file("v", "2").finish()]);
    let registry = Registry::with(&old).await;
    registry.add("app", "2", &new);
    let fixture = Fixture::new();
    fixture.pull(&registry.name("app:1")).await.unwrap();
    let pulled = fixture.pull(&registry.name("app:2")).await.unwrap();
    assert_eq!(registry.requests(&old.layers[0].to_string()).len(), 1);
    assert_eq!(fixture.content("layers").len(), 3);
    fixture.store.remove(&registry.name("app:1"), false, Usage::default()).await.unwrap();
    assert_eq!(fixture.content("layers").len(), 2);
    let view = View::of(&pulled);
    assert_eq!((view.read("base"), view.read("v")), ("shared".to_owned(), "2".to_owned()));
}

#[tokio::test]
async fn a_tag_that_moves_leaves_the_old_image_with_its_digest() {
    let (old, new) = (image(&two_layers()), image(&two_layers()[..1]));
    let registry = Registry::with(&old).await;
    let fixture = Fixture::new();
    let name = registry.name("app:1");
    fixture.pull(&name).await.unwrap();
    registry.add("app", "1", &new);
    assert_eq!(fixture.pull(&name).await.unwrap().id, new.config);
    let reference: Reference = name.parse().unwrap();
    let left = fixture.store.find(&reference.at_digest(old.digest())).await.unwrap().unwrap();
    assert_eq!((left.id, left.references.len()), (old.config, 1));
    let removed = fixture.store.remove(&old.config.to_string(), false, Usage::default()).await.unwrap();
    assert_eq!(removed.deleted, Some(old.config));
    assert_eq!(fixture.store.find(&reference).await.unwrap().unwrap().id, new.config);
}

#[tokio::test]
async fn gzip_zstd_and_nothing_at_all_unpack_the_same() {
    let mut chains = Vec::new();
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let registry = Registry::with(&image_with(&two_layers(), compression, json!({}))).await;
        let fixture = Fixture::new();
        let pulled = fixture.pull(&registry.name("app:1")).await.unwrap();
        assert_eq!(View::of(&pulled).read("etc/a"), "two", "{compression:?}");
        chains.push((pulled.diff_ids, fixture.content("layers")));
    }
    assert!(chains.iter().all(|chain| *chain == chains[0]));
}

#[tokio::test]
async fn docker_manifests_are_images_too() {
    let mut built = image(&two_layers());
    let text = String::from_utf8(built.manifest).unwrap();
    let text = text
        .replace(
            "application/vnd.oci.image.layer.v1.tar+gzip",
            "application/vnd.docker.image.rootfs.diff.tar.gzip",
        )
        .replace("application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json")
        .replace(
            "application/vnd.oci.image.manifest.v1+json",
            "application/vnd.docker.distribution.manifest.v2+json",
        );
    (built.manifest, built.media_type) =
        (text.into_bytes(), "application/vnd.docker.distribution.manifest.v2+json".to_owned());
    let registry = Registry::with(&built).await;
    let fixture = Fixture::new();
    let pulled = fixture.pull(&registry.name("app:1")).await.unwrap();
    assert_eq!(pulled.manifest_digest, built.digest());
}

#[tokio::test]
async fn an_index_is_resolved_for_this_platform() {
    let host = Platform::host();
    let mine = image(&two_layers());
    let other = image(&two_layers()[..1]);
    let (bytes, media_type) = index(&[
        (&other, json!({"os": "linux", "architecture": "mips"})),
        (&mine, json!({"os": "linux", "architecture": host.architecture, "variant": host.variant})),
        (&other, json!({"os": "unknown", "architecture": "unknown"})),
    ]);
    let registry = Registry::start().await;
    for built in [&mine, &other] {
        registry.add("app", "part", built);
    }
    registry.add_manifest("app", "1", &bytes, &media_type);
    let fixture = Fixture::new();
    let name = registry.name("app:1");
    let reference: Reference = name.parse().unwrap();

    let distribution = fixture.store.distribution(&reference, None).await.unwrap();
    assert_eq!(distribution.descriptor.digest, Digest::of(&bytes));
    assert_eq!(distribution.descriptor.size, bytes.len() as u64);
    assert_eq!(distribution.descriptor.media_type, media_type);
    let platforms: Vec<String> = distribution.platforms.iter().map(ToString::to_string).collect();
    assert_eq!(platforms, ["linux/mips".to_owned(), host.to_string()]);

    let pulled = fixture.pull(&name).await.unwrap();
    assert_eq!((pulled.id, pulled.manifest_digest), (mine.config, mine.digest()));
    // What the client pins is the index, so that is what must be found again.
    let pinned = reference.at_digest(Digest::of(&bytes));
    assert_eq!(fixture.store.find(&pinned).await.unwrap(), Some(pulled));

    let riscv = Platform { os: "linux".into(), architecture: "riscv64".into(), variant: None };
    let error = fixture.store.pull(&reference, None, &riscv).await.unwrap_err();
    assert!(
        chain(&error).starts_with("no matching manifest for linux/riscv64 in the manifest list"),
        "{error}"
    );
}

#[tokio::test]
async fn a_plain_manifest_tells_its_platform_by_its_configuration() {
    let config = json!({"os": "linux", "architecture": "arm", "variant": "v6"});
    let registry = Registry::with(&image_with(&two_layers(), Compression::Gzip, config)).await;
    let fixture = Fixture::new();
    let reference: Reference = registry.name("app:1").parse().unwrap();
    let distribution = fixture.store.distribution(&reference, None).await.unwrap();
    assert_eq!(distribution.platforms[0].to_string(), "linux/arm/v6");
    let arm = Platform { os: "linux".into(), architecture: "arm".into(), variant: None };
    assert!(fixture.store.pull(&reference, None, &arm).await.is_ok());
    // Nothing of an image for another machine is unpacked on this one.
    let error = fixture.pull(&registry.name("app:1")).await.unwrap_err();
    assert!(error.to_string().starts_with("no matching manifest for"), "{error}");
}
