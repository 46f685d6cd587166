//! What ends up on disk, and what must not.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use skep_agent::image::{Image, PullError};
use tar::EntryType;

use crate::layer::{Entry, Layer, entry, image};
use crate::registry::Registry;
use crate::view::View;
use crate::{Fixture, chain};

async fn pulled(layers: &[Vec<u8>]) -> (Fixture, Result<Image, PullError>) {
    pulled_into(Fixture::new(), layers).await
}

async fn pulled_into(fixture: Fixture, layers: &[Vec<u8>]) -> (Fixture, Result<Image, PullError>) {
    let registry = Registry::with(&image(layers)).await;
    let result = fixture.pull(&registry.name("app:1")).await;
    (fixture, result)
}

async fn stacked(layers: Vec<Layer>) -> (Fixture, View) {
    let layers: Vec<Vec<u8>> = layers.into_iter().map(Layer::finish).collect();
    let (fixture, image) = pulled(&layers).await;
    let view = View::of(&image.unwrap_or_else(|error| panic!("{}", chain(&error))));
    (fixture, view)
}

fn xattr(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut value = [0u8; 256];
    let len = rustix::fs::lgetxattr(path, name, &mut value[..]).ok()?;
    Some(value[..len].to_vec())
}

/// `cap_net_bind_service=ep` in the kernel's form.
const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

#[tokio::test]
async fn attributes_survive() {
    let long = format!("{}/{}", "d".repeat(120), "f".repeat(150));
    let lower = Layer::new()
        .entry(Entry { mode: 0o1777, modified_at: 77, ..entry(EntryType::Directory, "./") })
        .entry(Entry {
            mode: 0o750,
            owner: (5, 6),
            modified_at: 100,
            records: &[("SCHILY.xattr.user.dir", b"on a directory")],
            ..entry(EntryType::Directory, "d/")
        })
        .entry(Entry {
            mode: 0o4755,
            owner: (1000, 70_000),
            modified_at: 200,
            content: b"#!",
            records: &[("mtime", b"200.25"), ("SCHILY.xattr.security.capability", &CAPABILITY)],
            ..entry(EntryType::Regular, "d/suid")
        })
        .entry(Entry { owner: (3, 4), modified_at: 300, link: "suid", ..entry(EntryType::Symlink, "d/s") })
        .entry(Entry {
            content: b"long",
            records: &[("path", long.as_bytes())],
            ..entry(EntryType::Regular, "x")
        })
        .entry(Entry {
            owner: (0, 0),
            records: &[("uid", b"3000000000"), ("gid", b"12"), ("mtime", b"-1.5")],
            ..entry(EntryType::Regular, "big-owner")
        });
    let layers = [lower.finish(), Layer::new().file("d/later", "changes the directory").finish()];
    let on_disk = pulled_into(Fixture::on_disk(), &layers).await;
    let in_memory = pulled_into(Fixture::new(), &layers).await;
    for (_fixture, image) in [on_disk, in_memory] {
        check_attributes(&View::of(&image.unwrap()), &long);
    }
}

fn check_attributes(view: &View, long: &str) {
    let root = view.stat(".");
    assert_eq!((root.mode() & 0o7777, root.uid()), (0o1777, 0));
    let suid = view.stat("d/suid");
    assert_eq!((suid.mode() & 0o7777, suid.uid(), suid.gid()), (0o4755, 1000, 70_000));
    assert_eq!((suid.mtime(), suid.mtime_nsec()), (200, 250_000_000));
    assert_eq!(xattr(&view.path("d/suid"), "security.capability"), Some(CAPABILITY.to_vec()));
    let link = view.stat("d/s");
    assert_eq!((link.uid(), link.gid(), link.mtime()), (3, 4, 300));
    let dir = view.stat("d");
    assert_eq!((dir.mode() & 0o7777, dir.uid(), dir.gid()), (0o750, 5, 6));
    assert_eq!(xattr(&view.path("d"), "user.dir").as_deref(), Some(&b"on a directory"[..]));
    assert_eq!(view.read(long), "long");
    let owner = view.stat("big-owner");
    assert_eq!((owner.uid(), owner.gid()), (3_000_000_000, 12));
    assert_eq!((owner.mtime(), owner.mtime_nsec()), (-2, 500_000_000));
}

#[tokio::test]
async fn a_directory_keeps_its_time_though_it_is_filled_afterwards() {
    let layer = Layer::new().entry(Entry { modified_at: 500, ..entry(EntryType::Directory, "d/") });
    let (_fixture, view) = stacked(vec![layer.file("d/a", "a").dir("d/e/").file("d/e/b", "b")]).await;
    assert_eq!(view.stat("d").mtime(), 500);
}

#[tokio::test]
async fn devices_and_pipes_are_what_they_say() {
    let layer = Layer::new()
        .entry(Entry { device: (1, 3), mode: 0o666, ..entry(EntryType::Char, "null") })
        .entry(Entry { device: (7, 0), mode: 0o660, owner: (0, 6), ..entry(EntryType::Block, "loop") })
        .entry(Entry { mode: 0o600, ..entry(EntryType::Fifo, "pipe") });
    let (_fixture, view) = stacked(vec![Layer::new().file("null", "replaced"), layer]).await;
    let null = view.stat("null");
    assert!(null.file_type().is_char_device());
    assert_eq!((null.rdev(), null.mode() & 0o7777), (rustix::fs::makedev(1, 3), 0o666));
    let block = view.stat("loop");
    assert!(block.file_type().is_block_device());
    assert_eq!((block.rdev(), block.gid(), block.mode() & 0o7777), (rustix::fs::makedev(7, 0), 6, 0o660));
    assert!(view.stat("pipe").file_type().is_fifo());
}

#[tokio::test]
async fn hard_links_reach_into_lower_layers() {
    let (_fixture, view) = stacked(vec![
        Layer::new()
            .dir("bin/")
            .file("bin/tool", "tool")
            .hardlink("bin/same", "bin/tool")
            .symlink("b", "bin"),
        Layer::new()
            .hardlink("usr/bin/tool", "bin/tool")
            .hardlink("absolute", "/b/tool")
            .hardlink("absolute", "bin/tool")
            .hardlink("symlink", "b"),
    ])
    .await;
    assert_eq!(view.read("usr/bin/tool"), "tool");
    assert_eq!(view.read("bin/same"), "tool");
    assert_eq!(view.stat("usr/bin/tool").ino(), view.stat("absolute").ino());
    assert_eq!(view.stat("usr/bin/tool").ino(), view.stat("bin/tool").ino());
    assert!(view.stat("symlink").file_type().is_symlink());
}

#[tokio::test]
async fn paths_lead_through_symlinks_and_stay_inside() {
    let (_fixture, view) = stacked(vec![
        Layer::new()
            .dir("usr/")
            .dir("usr/lib/")
            .file("usr/lib/a.so", "a")
            .symlink("lib", "usr/lib")
            .symlink("abs", "/usr/lib")
            .symlink("up", "../../../../usr/lib")
            .symlink("dangling", "/var/new/place"),
        Layer::new()
            .file("lib/b.so", "b")
            .file("abs/c.so", "c")
            .file("up/d.so", "d")
            .file("dangling/deep/e.so", "e"),
    ])
    .await;
    assert_eq!(view.names("usr/lib"), ["a.so", "b.so", "c.so", "d.so"]);
    assert!(view.stat("lib").file_type().is_symlink());
    assert_eq!(view.read("var/new/place/deep/e.so"), "e");
    assert!(!Path::new("/var/new/place").exists());
}

#[tokio::test]
async fn nothing_gets_out() {
    let outside = tempfile::TempDir::with_prefix("skep-outside-").unwrap();
    let victim = outside.path().join("victim");
    std::fs::write(&victim, "untouched").unwrap();
    let (directory, victim_path) = (outside.path().to_str().unwrap(), victim.to_str().unwrap());
    // Where the file would land if every trick worked, the store's own directories being three to six levels deep.
    let up = format!("{}{}", "../".repeat(10), victim_path.trim_start_matches('/'));
    let dotted = format!("a/b/../../{up}");
    for (layer, refused) in [
        (Layer::new().file(&up, "evil"), true),
        (Layer::new().file(&dotted, "evil"), true),
        (Layer::new().file(victim_path, "evil"), false),
        (Layer::new().symlink("s", directory).file("s/victim", "evil"), false),
        (Layer::new().symlink("s", victim_path).file("s", "evil"), false),
        (Layer::new().symlink("s", &up).file("s", "evil"), false),
        (Layer::new().hardlink("h", victim_path).file("h", "evil"), true),
        (Layer::new().hardlink("h", &up).file("h", "evil"), true),
        (Layer::new().symlink("s", directory).hardlink("h", "s/victim"), true),
        (Layer::new().symlink("s", directory).file("s/.wh.victim", ""), false),
        (Layer::new().symlink("s", directory).file("s/.wh..wh..opq", ""), false),
        (Layer::new().file(".wh..", ""), true),
        (Layer::new().file(".wh..wh..opq/..", ""), true),
        (Layer::new().file("..", ""), true),
    ] {
        let archive = layer.finish();
        for layers in [vec![archive.clone()], vec![Layer::new().dir("d/").finish(), archive.clone()]] {
            let (fixture, result) = pulled(&layers).await;
            assert_eq!(std::fs::read_to_string(&victim).unwrap(), "untouched");
            assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);
            assert_eq!(result.is_err(), refused, "{result:?}");
            assert_eq!(fixture.content("tmp"), [""; 0]);
        }
    }
}

#[tokio::test]
async fn entries_without_a_meaning_are_refused_by_name() {
    for (layer, said) in [
        (Layer::new().entry(entry(EntryType::Char, "w")), "character device 0:0 is reserved"),
        (Layer::new().hardlink("h", "missing"), "h is a hard link to missing, which does not exist"),
        (Layer::new().dir("d/").hardlink("h", "d"), "a hard link to a directory"),
        (Layer::new().symlink("s", ""), "without a target"),
        (Layer::new().entry(entry(EntryType::new(b'V'), "v")), "unknown kind of entry"),
        (Layer::new().file(".", "x"), "the root must be a directory"),
        (
            Layer::new().file("f", "").file("f/below", ""),
            "cannot find the directory of f/below: Not a directory",
        ),
        (
            Layer::new().entry(Entry { owner: (0xffff_ffff, 0), ..entry(EntryType::Fifo, "p") }),
            "an owner that Linux",
        ),
        (Layer::new().symlink("l", "l").file("l/x", ""), "cannot find the directory of l/x"),
    ] {
        let archive = layer.finish();
        let (fixture, result) = pulled(&[archive]).await;
        let error = result.expect_err(said);
        assert!(matches!(error, PullError::InvalidLayer { .. }), "{error:?}");
        assert!(!error.is_retryable());
        let text = chain(&error);
        assert!(text.contains("cannot unpack layer sha256:") && text.contains(said), "{text}");
        assert_eq!(fixture.content("layers"), [""; 0]);
    }
}

#[tokio::test]
async fn overlayfs_own_attributes_are_left_out() {
    let records: [(&str, &[u8]); 3] = [
        ("SCHILY.xattr.trusted.overlay.redirect", b"/etc"),
        ("SCHILY.xattr.trusted.overlay.opaque", b"y"),
        ("SCHILY.xattr.user.kept", b"1"),
    ];
    let layer = Layer::new().entry(Entry { records: &records, ..entry(EntryType::Directory, "d/") });
    let (_fixture, image) = pulled(&[layer.finish()]).await;
    let path = image.unwrap().layers[0].join("d");
    assert_eq!(xattr(&path, "trusted.overlay.redirect"), None);
    assert_eq!(xattr(&path, "trusted.overlay.opaque"), None);
    assert_eq!(xattr(&path, "user.kept").as_deref(), Some(&b"1"[..]));
}

#[tokio::test]
async fn a_newline_ends_no_record() {
    // Revision 2 of file capabilities, CAP_SETFCAP and CAP_SETPCAP among those permitted: a byte that is a newline.
    let capability = b"\x01\0\0\x02\0\x0a\0\x80\0\0\0\0\0\0\0\0\0\0\0\0";
    let target = b"harmless\n22 linkpath=/etc/evil\n";
    let file: [(&str, &[u8]); 2] =
        [("path", "z\u{e4}\nune".as_bytes()), ("SCHILY.xattr.security.capability", capability)];
    let layer = Layer::new()
        .entry(Entry { records: &file, ..entry(EntryType::Regular, "f") })
        .entry(Entry { records: &[("linkpath", target)], ..entry(EntryType::Symlink, "link") });
    let (_fixture, image) = pulled(&[layer.finish()]).await;
    let root = &image.unwrap().layers[0];
    let found = xattr(&root.join("z\u{e4}\nune"), "security.capability");
    assert_eq!(found.as_deref(), Some(&capability[..]));
    assert_eq!(std::fs::read_link(root.join("link")).unwrap().as_os_str().as_bytes(), target);
}

#[tokio::test]
async fn headers_that_would_fill_the_memory_are_refused() {
    let huge = vec![b'x'; 2 << 20];
    let layer =
        Layer::new().entry(Entry { records: &[("comment", &huge)], ..entry(EntryType::Regular, "f") });
    let error = pulled(&[layer.finish()]).await.1.unwrap_err();
    assert!(chain(&error).contains("the headers of an entry are too long"), "{}", chain(&error));
    // As much content is nothing unusual, also where it is left out.
    let content = vec![b'x'; 3 << 20];
    let layer = Layer::new()
        .entry(Entry { content: &content, ..entry(EntryType::Regular, "f") })
        .entry(Entry { content: &content, ..entry(EntryType::Regular, ".wh..wh.aufs") })
        .file("after", "a");
    let (_fixture, view) = stacked(vec![layer]).await;
    assert_eq!((view.stat("f").len(), view.read("after")), (3 << 20, "a".to_owned()));
}

#[tokio::test]
async fn names_are_bounded() {
    let name = format!("{}/{}", "d".repeat(2100), "f".repeat(2100));
    let layer = Layer::new()
        .entry(Entry { records: &[("path", name.as_bytes())], ..entry(EntryType::Directory, "d") });
    let error = pulled(&[layer.finish()]).await.1.unwrap_err();
    assert!(chain(&error).contains("at most 4095 bytes in a name"), "{}", chain(&error));
    let deep = "a/".repeat(257);
    let layer = Layer::new()
        .entry(Entry { records: &[("path", deep.as_bytes())], ..entry(EntryType::Directory, "d") });
    let error = pulled(&[layer.finish()]).await.1.unwrap_err();
    assert!(chain(&error).contains("at most 256 nested directories"), "{}", chain(&error));
}

#[tokio::test]
async fn depth_is_no_weapon() {
    let bottom = format!("{}bottom", "a/".repeat(255));
    let pax = |path: &str, content: &'static [u8]| {
        Layer::new().entry(Entry {
            content,
            records: &[("path", path.as_bytes())],
            ..entry(EntryType::Regular, "x")
        })
    };
    // As deep as a path may be, and hidden again.
    let (_fixture, view) =
        stacked(vec![pax(&bottom, b"x"), Layer::new().file(".wh.a", "").file("b", "")]).await;
    assert_eq!(view.names(""), ["b"]);
    // Symlinks reach far deeper than any path: 12 times 254 directories. (The kernel follows 40 symlinks, but counts
    // them twice when it has to start a lookup over.)
    let mut layer = Layer::new();
    let steps = "a/".repeat(254);
    for at in 0..12 {
        let above = if at == 0 { String::new() } else { format!("s{}/", at - 1) };
        let target = format!("{above}{steps}");
        let records: [(&str, &[u8]); 1] = [("path", target.as_bytes())];
        layer = layer.entry(Entry { records: &records, mode: 0o755, ..entry(EntryType::Directory, "d") });
        let records: [(&str, &[u8]); 1] = [("linkpath", target.trim_end_matches('/').as_bytes())];
        layer = layer.entry(Entry {
            records: &records,
            link: "x",
            ..entry(EntryType::Symlink, format!("s{at}").as_str())
        });
    }
    let deep = layer.finish();
    // Hiding it is refused, and everything is removed in spite of its depth.
    let (fixture, image) = pulled(&[deep.clone(), Layer::new().file(".wh.a", "").finish()]).await;
    let said = chain(&image.unwrap_err());
    assert!(said.contains("cannot remove what is hidden by .wh.a: File name too long"), "{said}");
    assert_eq!(fixture.content("tmp"), [""; 0]);
    assert_eq!(fixture.content("layers").len(), 1);
    fixture.store.sweep().await.unwrap();
    assert_eq!(fixture.content("layers"), [""; 0]);
    assert_eq!(fixture.content("tmp"), [""; 0]);
}

#[tokio::test]
async fn a_hundred_and_twenty_layers_stack() {
    let layers: Vec<Vec<u8>> = (0..120)
        .map(|at| Layer::new().file(&format!("l{at:03}"), "x").file("last", &at.to_string()).finish())
        .collect();
    let (_fixture, image) = pulled(&layers).await;
    let image = image.unwrap();
    assert_eq!(image.layers.len(), 120);
    let view = View::of(&image);
    assert_eq!(view.names("").len(), 121);
    assert_eq!(view.read("last"), "119");
}

#[tokio::test]
async fn no_mount_is_visible_while_or_after_layers_are_applied() {
    let before = overlays();
    let (fixture, view) = stacked(vec![Layer::new().file("a", "a"), Layer::new().file("b", "b")]).await;
    drop(view);
    let store = fixture.dir.path().display().to_string();
    assert!(!overlays().iter().any(|line| line.contains(&store)), "{:?} {before:?}", overlays());
}

fn overlays() -> Vec<String> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    mounts.lines().filter(|line| line.contains(" overlay ")).map(str::to_owned).collect()
}
