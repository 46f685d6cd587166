//! Images as files: saved, loaded, and what hostile archives do not achieve.

use std::io::Write;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde_json::json;
use skep_agent::image::{ArchiveError, Digest, LoadStep, Loaded};
use tar::{EntryType, Header};

use crate::layer::{Built, Compression, Layer, image, image_with};
use crate::registry::Registry;
use crate::view::View;
use crate::{Fixture, chain};

async fn save(fixture: &Fixture, names: &[&str]) -> Vec<u8> {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    let archive = fixture.store.save(names).await.unwrap();
    archive.map(|chunk| chunk.unwrap()).collect::<Vec<_>>().await.concat()
}

async fn load(fixture: &Fixture, archive: &[u8]) -> Result<Vec<Loaded>, ArchiveError> {
    let chunks: Vec<_> = archive.chunks(10_000).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
    let steps = fixture.store.load(stream::iter(chunks).boxed());
    let steps = tokio::time::timeout(Duration::from_secs(60), steps.collect::<Vec<_>>()).await.unwrap();
    let loaded = steps.into_iter().filter_map(|step| match step {
        Ok(LoadStep::Loaded(loaded)) => Some(Ok(loaded)),
        Ok(LoadStep::Layer { .. }) => None,
        Err(error) => Some(Err(error)),
    });
    loaded.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_saved_loads_elsewhere_as_the_same_images() {
    let base = Layer::new().file("base", "shared").finish();
    let first = image(&[base.clone(), Layer::new().file("v", "1").finish()]);
    let second = image_with(&[base, Layer::new().file("v", "2").finish()], Compression::Zstd, json!({}));
    let registry = Registry::with(&first).await;
    registry.add("app", "2", &second);
    let fixture = Fixture::new();
    for tag in ["app:1", "app:2"] {
        fixture.pull(&registry.name(tag)).await.unwrap();
    }
    fixture.store.tag(&registry.name("app:1"), "redis:7").await.unwrap();
    let one = registry.name("app:1");
    let archive = save(&fixture, &["redis:7", &one, &second.config.hex()]).await;
    assert_eq!(archive, save(&fixture, &["redis:7", &one, &second.config.hex()]).await, "bytes repeat");

    for archive in [archive.clone(), gzip(&archive), without(&archive, "manifest.json")] {
        let other = Fixture::new();
        let loaded = load(&other, &archive).await.unwrap();
        let ids: Vec<Digest> = loaded.iter().map(|image| image.id).collect();
        assert_eq!(ids, [first.config, second.config]);
        let names: Vec<String> = loaded[0].references.iter().map(|name| name.familiar()).collect();
        assert_eq!(names, ["redis:7", &one]);
        assert_eq!(loaded[1].references, []);
        let image = other.store.lookup("redis:7").await.unwrap();
        assert_eq!(
            (View::of(&image).read("base"), View::of(&image).read("v")),
            ("shared".into(), "1".into())
        );
        assert_eq!(other.content("tmp"), [""; 0]);
        // And it can be saved again.
        save(&other, &["redis:7"]).await;
    }
    let error = fixture.store.save(vec!["nobody".to_owned()]).await.err().unwrap();
    assert_eq!(error.to_string(), "No such image: nobody:latest");
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Copies an archive but for one entry.
fn without(archive: &[u8], name: &str) -> Vec<u8> {
    let mut copy = tar::Builder::new(Vec::new());
    let mut archive = tar::Archive::new(archive);
    for entry in archive.entries().unwrap() {
        let entry = entry.unwrap();
        if entry.path().unwrap().to_str() != Some(name) {
            copy.append(&entry.header().clone(), entry).unwrap();
        }
    }
    copy.into_inner().unwrap()
}

/// An archive as dockerd before 25 writes it: a folder for each layer, and links where layers repeat.
fn docker_archive(built: &Built, layers: &[Vec<u8>]) -> tar::Builder<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    let config = format!("{}.json", built.config.hex());
    put(&mut archive, &config, &built.blobs[&built.config]);
    let mut names = Vec::new();
    for (at, layer) in layers.iter().enumerate() {
        let name = format!("l{at}/layer.tar");
        match layers[..at].iter().position(|other| other == layer) {
            Some(other) => link(&mut archive, &name, &format!("../l{other}/layer.tar")),
            None => put(&mut archive, &name, layer),
        }
        names.push(name);
    }
    let manifest = json!([{"Config": config, "RepoTags": ["old:1"], "Layers": names}]);
    put(&mut archive, "manifest.json", manifest.to_string().as_bytes());
    archive
}

fn put(archive: &mut tar::Builder<Vec<u8>>, name: &str, bytes: &[u8]) {
    let mut header = Header::new_ustar();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_cksum();
    archive.append(&header, bytes).unwrap();
}

fn link(archive: &mut tar::Builder<Vec<u8>>, name: &str, target: &str) {
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::Symlink);
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
    header.set_size(0);
    header.set_cksum();
    archive.append(&header, std::io::empty()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn archives_of_older_dockers_are_read() {
    let (a, b) = (Layer::new().file("a", "a").finish(), Layer::new().file("b", "b").finish());
    let layers = [a.clone(), b, a];
    let built = image(&layers);
    let fixture = Fixture::new();
    let loaded = load(&fixture, &docker_archive(&built, &layers).into_inner().unwrap()).await.unwrap();
    assert_eq!(loaded[0].id, built.config);
    assert_eq!(View::of(&fixture.store.lookup("old:1").await.unwrap()).read("b"), "b");
}

/// An archive that begins with a file of a tebibyte, none of which is in it.
fn sparse_layer(archive: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_path("l0/layer.tar").unwrap();
    header.set_entry_type(tar::EntryType::GNUSparse);
    header.set_size(0);
    header.as_gnu_mut().unwrap().realsize = *b"\x80\0\0\0\0\0\x01\0\0\0\0\0";
    header.set_cksum();
    [&header.as_bytes()[..], archive].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_archives_are_refused_and_leave_nothing() {
    let layer = Layer::new().file("a", "a").finish();
    let layers = [layer.clone()];
    let built = image(&layers);
    let plain = || docker_archive(&built, &layers);
    let with = |change: &dyn Fn(&mut tar::Builder<Vec<u8>>)| {
        let mut archive = plain();
        change(&mut archive);
        archive.into_inner().unwrap()
    };
    let manifest = |config: &str, layers: &[&str]| {
        json!([{"Config": config, "RepoTags": null, "Layers": layers}]).to_string().into_bytes()
    };
    let config = format!("{}.json", built.config.hex());
    let other = Layer::new().file("a", "evil").finish();
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (b"this is no archive at all, but it is long enough".repeat(40), "it is no tar archive"),
        (Vec::new(), "neither a manifest.json nor an index.json"),
        (with(&|archive| put(archive, "../../etc/passwd", b"x")), "leads out of the archive"),
        (with(&|archive| put(archive, "/etc/passwd", b"x")), "leads out of the archive"),
        (with(&|archive| link(archive, "x", "../../../etc/shadow")), "leads out of the archive"),
        (with(&|archive| link(archive, "x", "/etc/shadow")), "leads out of the archive"),
        (with(&|archive| put(archive, "l0/layer.tar", &other)), "layers from manifest don't match"),
        (with(&|archive| put(archive, "manifest.json", &manifest(&config, &[]))), "lists 1 layers"),
        (with(&|archive| put(archive, "manifest.json", &manifest("none", &["l0/layer.tar"]))), "is missing"),
        (with(&|archive| put(archive, "manifest.json", &manifest("/etc/passwd", &["x"]))), "is missing"),
        (with(&|archive| put(archive, "manifest.json", b"[{]")), "manifest.json:"),
        (with(&|archive| put(archive, "manifest.json", b"[]")), "holds no image"),
        (
            with(&|archive| {
                link(archive, "l0/layer.tar", "layer.too");
                link(archive, "l0/layer.too", "layer.tar");
            }),
            "is missing",
        ),
        (plain().into_inner().unwrap()[..3000].to_vec(), "it ends too early"),
        (sparse_layer(&plain().into_inner().unwrap()), "neither a file nor a directory nor a link"),
        (
            {
                let named = format!("app@sha256:{}", "0af9".repeat(16));
                let entry = json!([{"Config": config, "RepoTags": [named], "Layers": ["l0/layer.tar"]}]);
                with(&|archive| put(archive, "manifest.json", entry.to_string().as_bytes()))
            },
            "an archive names images by tags",
        ),
    ];
    let fixture = Fixture::new();
    for (archive, expected) in cases {
        let error = chain(&load(&fixture, &archive).await.unwrap_err());
        assert!(error.contains(expected), "{error} does not say {expected}");
        assert_eq!(fixture.content("tmp"), [""; 0], "{expected}");
        assert_eq!(fixture.store.list().await.unwrap(), [], "{expected}");
    }
    fixture.store.sweep().await.unwrap();
    assert_eq!((fixture.content("layers").len(), fixture.content("blobs/sha256").len()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_breaks_off_is_told_as_such() {
    let gone = std::io::Error::new(std::io::ErrorKind::ConnectionAborted, "the client went away");
    let broken: Vec<std::io::Result<Bytes>> = vec![Ok(Bytes::from_static(&[0; 100])), Err(gone)];
    let fixture = Fixture::new();
    let steps: Vec<_> = fixture.store.load(stream::iter(broken).boxed()).collect().await;
    let error = chain(steps[0].as_ref().unwrap_err());
    assert_eq!(error, "cannot read the archive: the client went away");
}
