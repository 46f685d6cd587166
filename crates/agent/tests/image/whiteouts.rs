//! What a layer removes from the layers below it.

use tar::EntryType;

use crate::Fixture;
use crate::layer::{Layer, entry, image};
use crate::registry::Registry;
use crate::view::View;

/// Pulls an image of these layers and shows it.
async fn stacked(layers: Vec<Layer>) -> (Fixture, View) {
    let layers: Vec<Vec<u8>> = layers.into_iter().map(Layer::finish).collect();
    let registry = Registry::with(&image(&layers)).await;
    let fixture = Fixture::new();
    let pulled = fixture.pull(&registry.name("app:1")).await.unwrap();
    let view = View::of(&pulled);
    (fixture, view)
}

fn base() -> Layer {
    Layer::new()
        .dir("d/")
        .file("d/a", "a")
        .file("d/b", "b")
        .dir("d/sub/")
        .file("d/sub/c", "c")
        .file("top", "top")
}

#[tokio::test]
async fn a_whiteout_removes_a_file_or_a_whole_directory() {
    let (_fixture, view) =
        stacked(vec![base(), Layer::new().file("d/.wh.a", "").file(".wh.top", "").file("d/.wh.sub", "")])
            .await;
    assert_eq!(view.names(""), ["d"]);
    assert_eq!(view.names("d"), ["b"]);
}

#[tokio::test]
async fn a_whiteout_of_what_is_not_there_is_nothing() {
    let (_fixture, view) = stacked(vec![
        Layer::new().file("a", "a").file(".wh.never", "").file("no/such/.wh.x", ""),
        Layer::new().file("gone/.wh.never", "").file("a/.wh.x", ""),
    ])
    .await;
    assert_eq!(view.names(""), ["a"]);
}

#[tokio::test]
async fn an_opaque_directory_hides_what_is_below_wherever_its_mark_stands() {
    for (at, layer) in [
        Layer::new().dir("d/").file("d/.wh..wh..opq", "").file("d/new", "n").file("d/sub/x", "x"),
        Layer::new().dir("d/").file("d/new", "n").file("d/sub/x", "x").file("d/.wh..wh..opq", ""),
        Layer::new().file("d/new", "n").file("d/.wh..wh..opq", "").file("d/sub/x", "x"),
    ]
    .into_iter()
    .enumerate()
    {
        let (_fixture, view) = stacked(vec![base(), layer]).await;
        assert_eq!(view.names("d"), ["new", "sub"], "layer {at}");
        assert_eq!(view.names("d/sub"), ["x"], "layer {at}");
        assert_eq!(view.read("top"), "top", "layer {at}");
    }
}

#[tokio::test]
async fn the_whole_image_may_be_opaque() {
    let (_fixture, view) =
        stacked(vec![base(), Layer::new().file("new", "n").file(".wh..wh..opq", "")]).await;
    assert_eq!(view.names(""), ["new"]);
}

#[tokio::test]
async fn a_whiteout_spares_what_its_own_layer_made() {
    let (_fixture, view) = stacked(vec![
        base(),
        Layer::new().file("d/a", "mine").file("d/.wh.a", "").file("d/sub/new", "n").file("d/.wh.sub", ""),
    ])
    .await;
    assert_eq!(view.read("d/a"), "mine");
    assert_eq!(view.names("d/sub"), ["new"]);
}

#[tokio::test]
async fn what_was_removed_may_come_back() {
    let (_fixture, view) = stacked(vec![
        base(),
        Layer::new().file("d/.wh.sub", "").file(".wh.top", ""),
        Layer::new().dir("d/sub/").file("d/sub/again", "1").dir("top/").file("top/in", "2"),
    ])
    .await;
    assert_eq!(view.names("d/sub"), ["again"]);
    assert_eq!(view.read("top/in"), "2");
}

#[tokio::test]
async fn a_whiteout_follows_the_symlinks_of_lower_layers_to_its_directory() {
    let (_fixture, view) = stacked(vec![
        Layer::new()
            .dir("usr/")
            .dir("usr/lib/")
            .file("usr/lib/a", "a")
            .file("usr/lib/b", "b")
            .symlink("lib", "/usr/lib"),
        Layer::new().file("lib/.wh.a", ""),
    ])
    .await;
    assert_eq!(view.names("usr/lib"), ["b"]);
    assert!(view.stat("lib").file_type().is_symlink());
}

#[tokio::test]
async fn a_kind_replaces_another() {
    let (_fixture, view) = stacked(vec![
        base().symlink("link", "d"),
        Layer::new()
            .file("d", "now a file")
            .dir("top/")
            .file("top/x", "x")
            .entry(entry(EntryType::Directory, "link")),
    ])
    .await;
    assert_eq!(view.read("d"), "now a file");
    assert_eq!(view.read("top/x"), "x");
    assert!(view.stat("link").is_dir());
}

#[tokio::test]
async fn the_bookkeeping_of_aufs_is_left_out() {
    let (_fixture, view) = stacked(vec![
        base(),
        Layer::new()
            .dir(".wh..wh.plnk/")
            .file(".wh..wh.plnk/1.2", "big")
            .file(".wh..wh.aufs", "")
            .file("x", "x"),
    ])
    .await;
    assert_eq!(view.names(""), ["d", "top", "x"]);
}
