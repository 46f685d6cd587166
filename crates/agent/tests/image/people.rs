//! Images as people handle them: watched, named, removed, pruned, collected.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::json;
use skep_agent::image::{
    Digest, ImageUser, LayerState, LookupError, Platform, Policy, PullStep, RemoveError, Usage,
};

use crate::layer::{Compression, Layer, image, image_with};
use crate::registry::Registry;
use crate::view::View;
use crate::{Fixture, chain};

async fn steps(fixture: &Fixture, name: &str) -> Vec<PullStep> {
    let pull = fixture.store.pull_steps(name.parse().unwrap(), None, Platform::host());
    let steps = tokio::time::timeout(Duration::from_secs(60), pull.collect::<Vec<_>>()).await.unwrap();
    steps.into_iter().collect::<Result<_, _>>().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_tells_how_far_each_layer_is() {
    let base = Layer::new().file("base", &"x".repeat(300_000)).finish();
    let first = image(std::slice::from_ref(&base));
    let second = image(&[base, Layer::new().file("v", "2").finish()]);
    let registry = Registry::with(&first).await;
    registry.add("app", "2", &second);
    let fixture = Fixture::new();

    let told = steps(&fixture, &registry.name("app:1")).await;
    assert_eq!(told[0], PullStep::Resolved { digest: first.digest() });
    let is_complete =
        |step: &PullStep, digest: Digest| *step == PullStep::Layer { digest, state: LayerState::Complete };
    assert!(told.iter().any(|step| is_complete(step, first.layers[0])), "{told:?}");
    assert!(matches!(told.last(), Some(PullStep::Ended { is_new: true, .. })));

    let told = steps(&fixture, &registry.name("app:2")).await;
    let here = PullStep::Layer { digest: second.layers[0], state: LayerState::AlreadyHere };
    assert!(told.contains(&here), "{told:?}");
    assert!(told.iter().any(|step| is_complete(step, second.layers[1])), "{told:?}");
    let again = steps(&fixture, &registry.name("app:2")).await;
    assert!(matches!(again.last(), Some(PullStep::Ended { is_new: false, .. })));

    let missing = fixture.store.pull_steps(registry.name("app:3").parse().unwrap(), None, Platform::host());
    let missing: Vec<_> = missing.collect().await;
    assert_eq!(missing.len(), 1);
    assert!(chain(missing[0].as_ref().unwrap_err()).contains("not found"));
}

#[tokio::test]
async fn an_image_of_120_layers_is_pulled_and_read() {
    let layers: Vec<Vec<u8>> = (0..120)
        .map(|number| Layer::new().file(&format!("f{number}"), &number.to_string()).finish())
        .collect();
    let registry = Registry::with(&image(&layers)).await;
    let fixture = Fixture::new();
    let pulled = fixture.pull(&registry.name("app:1")).await.unwrap();
    let view = View::of(&pulled);
    assert_eq!((view.read("f0"), view.read("f119")), ("0".to_owned(), "119".to_owned()));
    let details = fixture.store.details(&pulled).await.unwrap();
    assert_eq!(details.history.len(), 120, "an image without a history has a step for each layer");
}

#[tokio::test]
async fn names_ids_and_beginnings_of_ids_are_found_and_tags_are_added() {
    let built = image(&[Layer::new().file("a", "a").finish()]);
    let registry = Registry::with(&built).await;
    let fixture = Fixture::new();
    let name = registry.name("app:1");
    fixture.pull(&name).await.unwrap();
    let store = &fixture.store;
    for text in
        [name.clone(), built.config.to_string(), built.config.hex(), built.config.hex()[..7].to_owned()]
    {
        assert_eq!(store.lookup(&text).await.unwrap().id, built.config, "{text}");
    }
    store.tag(&name, "mine/app").await.unwrap();
    assert_eq!(store.lookup("mine/app:latest").await.unwrap().id, built.config);
    for (source, target, expected) in [
        ("nobody", "x", "No such image: nobody:latest"),
        (name.as_str(), "Mine", "invalid reference format: repository name (library/Mine) must be lowercase"),
        ("mine/app", &format!("x@{}", built.config), "refusing to create a tag with a digest reference"),
    ] {
        let error = store.tag(source, target).await.unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
    }
    assert!(matches!(store.lookup("NO").await.unwrap_err(), LookupError::Reference(_)));
}

fn running(id: Digest) -> Usage {
    let user = ImageUser { container_id: "c".repeat(64), is_running: true };
    Usage { containers: [(id, vec![user])].into(), ..Usage::default() }
}

#[tokio::test]
async fn a_refused_removal_changes_nothing_and_a_forced_one_leaves_running_images() {
    let built = image(&[Layer::new().file("a", "a").finish()]);
    let registry = Registry::with(&built).await;
    let fixture = Fixture::new();
    let name = registry.name("app:1");
    let pulled = fixture.pull(&name).await.unwrap();
    let error = fixture.store.remove(&name, false, running(pulled.id)).await.unwrap_err();
    assert!(matches!(error, RemoveError::LastReference { .. }), "{error}");
    assert_eq!(fixture.store.lookup(&name).await.unwrap(), pulled);
    let removed = fixture.store.remove(&name, true, running(pulled.id)).await.unwrap();
    assert_eq!((removed.untagged.len(), removed.deleted), (2, None));
    assert_eq!(View::of(&fixture.store.find_id(pulled.id).await.unwrap().unwrap()).read("a"), "a");
}

#[tokio::test]
async fn prune_spares_what_runs_and_the_last_two_revisions() {
    let registry = Registry::start().await;
    let fixture = Fixture::new();
    let mut ids = Vec::new();
    for number in 0..5 {
        let config = json!({"config": {"Labels": {"number": number.to_string()}}});
        let layer = Layer::new().file("number", &number.to_string()).finish();
        let built = image_with(&[layer], Compression::Gzip, config);
        registry.add("app", &number.to_string(), &built);
        let pinned = registry.name(&format!("app:{number}@{}", built.digest()));
        ids.push(fixture.pull(&pinned).await.unwrap().id);
    }
    let store = &fixture.store;
    // 0 is an old revision, 1 and 2 are the last two; a container of another service runs 3; nobody wants 4.
    for id in &ids[..3] {
        store.note_use("web".into(), *id).await.unwrap();
    }
    let swept =
        store.prune(false, |image| image.config.labels["number"] != "4", running(ids[3])).await.unwrap();
    let gone: Vec<Digest> = swept.removed.iter().filter_map(|removed| removed.deleted).collect();
    assert_eq!(gone, [ids[0]]);
    assert!(swept.freed > 0);
    let swept = store.prune(false, |_| true, running(ids[3])).await.unwrap();
    assert_eq!(swept.removed.len(), 1);
    // A tag protects from the small prune, not from the large one.
    store.tag(&ids[3].hex(), "kept").await.unwrap();
    assert_eq!(store.prune(false, |_| true, Usage::default()).await.unwrap().removed.len(), 0);
    assert_eq!(store.prune(true, |_| true, Usage::default()).await.unwrap().removed.len(), 1);
    assert_eq!(store.list().await.unwrap().len(), 2);
    // The memory survives a restart.
    let fixture = fixture.reopen();
    assert_eq!(fixture.store.prune(true, |_| true, Usage::default()).await.unwrap().removed.len(), 0);
}

#[tokio::test]
async fn what_managers_may_go_back_to_stays_even_if_it_never_ran_here() {
    let built = image(&[Layer::new().file("a", "a").finish()]);
    let registry = Registry::with(&built).await;
    let fixture = Fixture::new();
    let name = registry.name("app:1");
    fixture.pull(&name).await.unwrap();
    let unknown = registry.name("other:1");
    let needed = Usage { services: [name, unknown, "no name at all".to_owned()].into(), ..Usage::default() };
    assert_eq!(fixture.store.prune(true, |_| true, needed).await.unwrap().removed.len(), 0);
    assert_eq!(fixture.store.prune(true, |_| true, Usage::default()).await.unwrap().removed.len(), 1);
}

#[tokio::test]
async fn collection_takes_old_untagged_images_and_more_when_the_disk_is_full() {
    let registry = Registry::start().await;
    let fixture = Fixture::new();
    for number in ["1", "2", "3"] {
        let built = image(&[Layer::new().file("n", number).finish()]);
        registry.add("app", number, &built);
        let name = match number {
            "1" => registry.name(&format!("app@{}", built.digest())),
            _ => registry.name(&format!("app:{number}")),
        };
        fixture.pull(&name).await.unwrap();
    }
    let roomy = Policy { disk_percent_high: 100, ..Policy::default() };
    let collect = |policy| fixture.store.collect(policy, Usage::default());
    assert_eq!(collect(roomy.clone()).await.unwrap().removed.len(), 0, "all of them are fresh");
    let eager = Policy { untagged_unused_for: Duration::ZERO, ..roomy.clone() };
    assert_eq!(collect(eager).await.unwrap().removed.len(), 1, "the one without a tag");
    let full = Policy { disk_percent_high: 0, disk_percent_low: 0, ..Policy::default() };
    if fixture.store.disk_usage().await.unwrap().layers > 0 {
        assert_eq!(collect(full.clone()).await.unwrap().removed.len(), 0, "fresh images stay even then");
    }
    let desperate = Policy { unused_for_min: Duration::ZERO, ..full };
    let swept = collect(desperate).await.unwrap();
    // The file system in memory may be empty enough to count as 0 percent; then nothing is to be done.
    assert!(swept.removed.len() == 2 || fixture.store.list().await.unwrap().len() == 2, "{swept:?}");
}
