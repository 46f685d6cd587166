//! Many who want the same at once, and some who change their mind.

use std::sync::Arc;

use futures_util::future::join_all;
use skep_agent::image::{Platform, Reference, Usage};
use tokio::sync::Notify;

use crate::Fixture;
use crate::layer::{Layer, image};
use crate::registry::{Ending, Registry, Reply};

#[tokio::test(flavor = "multi_thread")]
async fn pulls_of_one_image_share_everything() {
    let built = image(&[Layer::new().file("a", "a").finish(), Layer::new().file("b", "b").finish()]);
    let registry = Registry::with(&built).await;
    let fixture = Fixture::new();
    let name = registry.name("app:1");
    let images = join_all((0..20).map(|_| fixture.pull(&name))).await;
    assert!(images.iter().all(|image| image.as_ref().unwrap() == images[0].as_ref().unwrap()));
    for layer in &built.layers {
        assert_eq!(registry.requests(&layer.to_string()).len(), 1);
    }
    assert_eq!(registry.requests("/manifests/").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn images_of_one_repository_share_their_layers() {
    let base = Layer::new().file("base", "b").finish();
    let registry = Registry::start().await;
    let mut names = Vec::new();
    let mut shared = None;
    for tag in ["1", "2", "3", "4"] {
        let built = image(&[base.clone(), Layer::new().file("tag", tag).finish()]);
        shared = Some(built.layers[0]);
        registry.add("app", tag, &built);
        names.push(registry.name(&format!("app:{tag}")));
    }
    let fixture = Fixture::new();
    for image in join_all(names.iter().map(|name| fixture.pull(name))).await {
        image.unwrap();
    }
    assert_eq!(fixture.content("layers").len(), 5);
    assert_eq!(registry.requests(&shared.unwrap().to_string()).len(), 1);
    // A manifest, a configuration and a layer of each, and the layer that they share.
    assert_eq!(fixture.content("blobs/sha256").len(), 13);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_layer_in_several_places_is_one_download() {
    let (a, b) = (Layer::new().file("a", "a").finish(), Layer::new().file("b", "b").finish());
    let built = image(&[a.clone(), b, a.clone(), a]);
    let registry = Registry::with(&built).await;
    let fixture = Fixture::new();
    let pulled = fixture.pull(&registry.name("app:1")).await.unwrap();
    assert_eq!(pulled.layers.len(), 4);
    assert_eq!(registry.requests(&built.layers[0].to_string()).len(), 1);
    assert_eq!(fixture.content("blobs/sha256").len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_pull_stops_and_leaves_no_trace() {
    let built = image(&[Layer::new().file("a", "a").finish()]);
    let registry = Registry::with(&built).await;
    let (layer, reached) = (built.layers[0].to_string(), Arc::new(Notify::new()));
    registry.rule({
        let reached = Arc::clone(&reached);
        move |request, truth| {
            request.path.ends_with(&layer).then(|| {
                reached.notify_one();
                Reply { ending: Ending::Stall(10), ..truth.clone() }
            })
        }
    });
    let fixture = Fixture::new();
    let reference: Reference = registry.name("app:1").parse().unwrap();
    let platform = Platform::host();
    tokio::select! {
        _ = fixture.store.pull(&reference, None, &platform) => panic!("it cannot end"),
        () = reached.notified() => {}
    }
    registry.behave();
    fixture.pull(&registry.name("app:1")).await.unwrap();
    assert_eq!(fixture.content("tmp"), [""; 0]);
    // Nothing stays pinned: with its only reference everything goes.
    fixture.store.remove(&reference.to_string(), false, Usage::default()).await.unwrap();
    assert_eq!(fixture.content("layers"), [""; 0]);
    assert_eq!(fixture.content("blobs/sha256"), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn removing_and_pulling_at_the_same_time_never_breaks_an_image() {
    let base = Layer::new().file("base", "b").finish();
    let registry = Registry::start().await;
    for tag in ["1", "2"] {
        registry.add("app", tag, &image(&[base.clone(), Layer::new().file("tag", tag).finish()]));
    }
    let fixture = Fixture::new();
    let (kept, other) = (registry.name("app:1"), registry.name("app:2"));
    fixture.pull(&other).await.unwrap();
    let other_reference: Reference = other.parse().unwrap();
    for _ in 0..10 {
        let other = other_reference.to_string();
        let remove = fixture.store.remove(&other, false, Usage::default());
        let (removed, pulled) = futures_util::future::join(remove, fixture.pull(&kept)).await;
        removed.unwrap();
        let image = pulled.unwrap();
        assert!(image.layers.iter().all(|layer| layer.is_dir()));
        fixture.store.remove(&image.id.to_string(), false, Usage::default()).await.unwrap();
        fixture.pull(&other).await.unwrap();
    }
}
