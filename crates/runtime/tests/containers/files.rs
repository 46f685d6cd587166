//! The files of a container from outside: cp both ways, diff, sizes, and what a hostile container may try.

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use skep_runtime::{Change, ChangeKind, Handle, Mount, Owner, PutOptions, Tree, TreeError};

use crate::environment::bind;
use crate::world::{PATIENCE, World, exec, printed};

async fn ready(world: &World, script: &str) -> Handle {
    let handle = world.start(&world.shell(&format!("{script}; echo ready; sleep 60"))).await;
    printed(&handle, "ready").await;
    handle
}

async fn tree(handle: &Handle) -> Tree {
    handle.tree().await.expect("a tree")
}

/// Packs a path; returns each entry's name, kind and content or link target.
async fn packed(handle: &Handle, path: &'static str) -> Vec<(String, char, String)> {
    let tree = tree(handle).await;
    let bytes = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        tree.pack(path, &mut bytes).expect("packed");
        bytes
    });
    let bytes = bytes.await.expect("no panic");
    let mut archive = tar::Archive::new(bytes.as_slice());
    let entries = archive.entries().expect("an archive").map(|entry| {
        let mut entry = entry.expect("an entry");
        let name = entry.path().expect("a name").to_string_lossy().into_owned();
        let kind = char::from(entry.header().entry_type().as_byte());
        let mut content = String::new();
        entry.read_to_string(&mut content).expect("readable");
        let link = entry.link_name().expect("a link").map(|link| link.to_string_lossy().into_owned());
        (name, kind, link.unwrap_or(content))
    });
    entries.collect()
}

fn archive(build: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    build(&mut builder);
    builder.into_inner().expect("an archive")
}

fn add(builder: &mut tar::Builder<Vec<u8>>, name: &str, kind: tar::EntryType, content: &str) {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(0o640);
    header.set_uid(7);
    header.set_gid(8);
    header.set_mtime(1_000_000_000);
    header.set_size(0);
    if matches!(kind, tar::EntryType::Symlink | tar::EntryType::Link) {
        builder.append_link(&mut header, name, content).expect("added");
        return;
    }
    // By hand: the builder refuses the names that a hostile archive has.
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_size(content.len() as u64);
    header.set_cksum();
    builder.append(&header, content.as_bytes()).expect("added");
}

async fn put(
    handle: &Handle,
    path: &'static str,
    bytes: Vec<u8>,
    options: PutOptions,
) -> Result<(), TreeError> {
    let tree = tree(handle).await;
    tokio::task::spawn_blocking(move || tree.unpack(path, bytes.as_slice(), options)).await.expect("no panic")
}

fn entry(name: &str, kind: char, content: &str) -> (String, char, String) {
    (name.into(), kind, content.into())
}

#[tokio::test]
async fn a_path_is_packed_under_its_own_name() {
    let world = World::new();
    let script = "mkdir -p /data/sub; echo one > /data/file; ln /data/file /data/hard; ln -s file /data/link; mkfifo /data/pipe; \
                  touch /data/sub/x; ln -s /data /way";
    let handle = ready(&world, script).await;
    assert_eq!(packed(&handle, "/data/file").await, [entry("file", '0', "one\n")]);
    let all = [
        entry("data/", '5', ""),
        entry("data/file", '0', "one\n"),
        entry("data/hard", '1', "data/file"),
        entry("data/link", '2', "file"),
        entry("data/pipe", '6', ""),
        entry("data/sub/", '5', ""),
        entry("data/sub/x", '0', ""),
    ];
    assert_eq!(packed(&handle, "/data").await, all);
    assert_eq!(packed(&handle, "/way").await, [entry("way", '2', "/data")]);
    assert_eq!(packed(&handle, "/way/sub/").await[0], entry("sub/", '5', ""));
    assert_eq!(packed(&handle, "data/sub/.").await, [entry("./", '5', ""), entry("./x", '0', "")]);
}

#[tokio::test]
async fn what_is_in_a_directory_is_packed_below_a_dot() {
    let world = World::new();
    let long = "n".repeat(120);
    let script = format!(
        "mkdir -p /data/{long}; echo one > /data/file; ln /data/file /data/hard; ln -s file /data/link"
    );
    let handle = ready(&world, &script).await;
    let all = [
        entry("./", '5', ""),
        entry("./file", '0', "one\n"),
        entry("./hard", '1', "./file"),
        entry("./link", '2', "file"),
        entry(&format!("./{long}/"), '5', ""),
    ];
    assert_eq!(packed(&handle, "/data/.").await, all);
}

#[tokio::test]
async fn a_stat_names_what_a_link_means() {
    let world = World::new();
    let handle =
        ready(&world, "echo four > /tmp/file; ln -s file /tmp/a; ln -s /tmp/a /b; ln -s nowhere /c").await;
    let tree = tree(&handle).await;
    let stat = tree.stat("/tmp/file").expect("found");
    assert_eq!((stat.name.as_str(), stat.size, stat.mode, stat.link_target.as_str()), ("file", 5, 0o644, ""));
    assert_eq!(tree.stat("/b").expect("found").link_target, "/tmp/file");
    assert_eq!(tree.stat("/c").expect("found").link_target, "/nowhere");
    assert_eq!(tree.stat("/").expect("found").name, "/");
    assert!(matches!(tree.stat("/nothing"), Err(TreeError::NotFound { .. })));
    let sentence = tree.stat("/x/y").expect_err("not found").to_string();
    assert_eq!(sentence, format!("Could not find the file /x in container {}", handle.id()));
}

#[tokio::test]
async fn an_archive_is_unpacked_with_owners_modes_links_and_times() {
    let world = World::new();
    let mut container = world.shell("mkdir /to; echo ready; sleep 60");
    container.process.user = "0".into();
    let handle = world.start(&container).await;
    printed(&handle, "ready").await;
    let bytes = archive(|builder| {
        add(builder, "deep/er/file", tar::EntryType::Regular, "content");
        add(builder, "hard", tar::EntryType::Link, "deep/er/file");
        add(builder, "soft", tar::EntryType::Symlink, "/etc/passwd");
        add(builder, "dir/", tar::EntryType::Directory, "");
        add(builder, "pipe", tar::EntryType::Fifo, "");
    });
    put(&handle, "/to", bytes.clone(), PutOptions::default()).await.expect("unpacked");
    let script = "cd /to; cat hard; echo; readlink soft; stat -c '%F %a %u:%g %Y' deep/er/file dir pipe; stat -c '%F %a %u' deep";
    let output = String::from_utf8(exec(&handle, &["sh", "-c", script]).await.output).expect("UTF-8");
    let expected = "content\n/etc/passwd\nregular file 640 7:8 1000000000\ndirectory 640 7:8 1000000000\n\
                    fifo 640 7:8 1000000000\ndirectory 755 0\n";
    assert_eq!(output, expected);
    // Again, over what is there, for the container's user.
    let options = PutOptions { owner: Owner::Container, ..PutOptions::default() };
    put(&handle, "/to", bytes, options).await.expect("unpacked again");
    assert_eq!(exec(&handle, &["stat", "-c", "%u:%g", "/to/deep/er/file"]).await.output, b"0:0\n");
}

#[tokio::test]
async fn names_with_newlines_and_times_before_1970_come_in() {
    let world = World::new();
    let handle = ready(&world, "mkdir /to").await;
    let bytes = archive(|builder| {
        let name = "z\u{e4}\nune".as_bytes();
        builder.append_pax_extensions([("path", name), ("mtime", b"-1.5")]).expect("added");
        add(builder, "short", tar::EntryType::Regular, "x");
    });
    put(&handle, "/to", bytes, PutOptions::default()).await.expect("unpacked");
    let script = "cd /to; for name in *; do stat -c '%n %Y' \"$name\"; done";
    let output = String::from_utf8(exec(&handle, &["sh", "-c", script]).await.output).expect("UTF-8");
    assert_eq!(output, "z\u{e4}\nune -2\n");
}

#[tokio::test]
async fn what_cannot_be_put_is_refused_in_words() {
    let world = World::new();
    let handle = ready(&world, "mkdir -p /to/dir; echo > /to/file; ln -s /circle /circle").await;
    let file = |name: &str| archive(|builder| add(builder, name, tar::EntryType::Regular, "x"));
    let plain = PutOptions::default();
    assert!(matches!(put(&handle, "/none", file("a"), plain).await, Err(TreeError::NotFound { .. })));
    assert!(matches!(put(&handle, "/to/file", file("a"), plain).await, Err(TreeError::NotDirectory)));
    assert!(matches!(put(&handle, "/to", file("../../etc/escaped"), plain).await, Err(TreeError::Escape(_))));
    let too_long = "x".repeat(300).leak();
    for path in ["/circle", "/proc/1/root", too_long] {
        let error = put(&handle, path, file("a"), plain).await.expect_err("refused");
        assert!(matches!(error, TreeError::Path { .. }) && error.is_callers(), "{path}: {error:?}");
    }
    let keep = PutOptions { keep_kinds: true, ..plain };
    let error = put(&handle, "/to", file("dir"), keep).await.expect_err("refused");
    assert_eq!(error.to_string(), "cannot overwrite directory \"/to/dir\" with non-directory");
    put(&handle, "/to", file("dir"), plain).await.expect("replaced");
    let broken = put(&handle, "/to", b"this is no archive".repeat(100), plain).await;
    assert!(matches!(broken, Err(TreeError::Archive(_))), "{broken:?}");
    let mut container = world.shell("sleep 60");
    container.rootfs.read_only = true;
    let sealed = world.start(&container).await;
    assert!(matches!(put(&sealed, "/tmp", file("a"), plain).await, Err(TreeError::ReadOnly { .. })));
}

#[tokio::test]
async fn mounts_of_a_running_container_are_part_of_it() {
    let world = World::new();
    let source = world.path("volume");
    std::fs::create_dir(&source).expect("a directory");
    let mut container = world.shell("echo inside > /mnt/file; echo ready; sleep 60");
    container.mounts = vec![bind(source.to_str().expect("UTF-8"), "/mnt", false)];
    let handle = world.start(&container).await;
    printed(&handle, "ready").await;
    assert_eq!(packed(&handle, "/mnt/file").await, [entry("file", '0', "inside\n")]);
    let bytes = archive(|builder| add(builder, "new", tar::EntryType::Regular, "outside"));
    put(&handle, "/mnt", bytes, PutOptions::default()).await.expect("unpacked");
    assert_eq!(std::fs::read_to_string(source.join("new")).expect("written"), "outside");
}

#[tokio::test]
async fn a_container_that_ended_still_has_its_files() {
    let world = World::new();
    let handle = world.start(&world.shell("echo last > /words; rm /etc/group")).await;
    handle.wait().await;
    assert_eq!(packed(&handle, "/words").await, [entry("words", '0', "last\n")]);
    assert!(packed(&handle, "/etc/passwd").await[0].2.contains("root"));
    let bytes = archive(|builder| add(builder, "late", tar::EntryType::Regular, "x"));
    put(&handle, "/", bytes, PutOptions::default()).await.expect("unpacked");
    assert_eq!(packed(&handle, "/late").await.len(), 1);
    let changes = handle.changes().await.expect("changes");
    assert!(
        changes.contains(&Change { path: "/etc/group".into(), kind: ChangeKind::Deleted }),
        "{changes:?}"
    );
}

#[tokio::test]
async fn a_diff_says_what_became_of_each_path() {
    let world = World::new();
    let lower = world.path("lower");
    for name in ["kept", "emptied/old", "replaced/a", "replaced/b", "touched"] {
        let path = lower.join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(path, "x").expect("written");
    }
    let script = "echo y >> /touched; rm /emptied/old; rm -r /replaced; mkdir /replaced; echo > /replaced/c; \
                  mkdir -p /new/er; echo z > /new/er/file; chmod 700 /home/app; echo ready; sleep 60";
    let mut container = world.shell(script);
    container.rootfs.layers.push(lower);
    container.mounts = vec![Mount::Tmpfs { target: "/scratch/here".into(), size_bytes: None, mode: None }];
    let handle = world.start(&container).await;
    printed(&handle, "ready").await;
    let changes = handle.changes().await.expect("changes");
    let lines: Vec<String> = changes
        .iter()
        .map(|change| {
            let letter = match change.kind {
                ChangeKind::Modified => 'C',
                ChangeKind::Added => 'A',
                ChangeKind::Deleted => 'D',
            };
            format!("{letter} {}", change.path.display())
        })
        .collect();
    let expected = [
        "C /emptied",
        "D /emptied/old",
        "C /home",
        "C /home/app",
        "A /new",
        "A /new/er",
        "A /new/er/file",
        "C /replaced",
        "D /replaced/a",
        "D /replaced/b",
        "A /replaced/c",
        "C /touched",
    ];
    assert_eq!(lines, expected);
    let size = handle.size().await.expect("sizes");
    assert_eq!(size.writable, 3 + 1 + 2);
    assert!(size.root > 500_000, "busybox is in it: {size:?}");
}

/// The container swaps a directory for a link to the host's root, over and over, while files go in and out.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn links_that_change_under_our_hands_lead_nowhere_outside() {
    let world = World::new();
    let secret = world.path("secret");
    std::fs::create_dir(&secret).expect("a directory");
    std::fs::write(secret.join("token"), "of the host").expect("written");
    let outside = secret.display();
    let script = format!(
        "mkdir -p /d/real /d/real/sub; echo inside > /d/real/token; ln -s {outside} /d/evil; echo ready; \
         while :; do mv -T /d/real /d/x 2>/dev/null; mv -T /d/evil /d/real 2>/dev/null; mv -T /d/real /d/evil; mv -T /d/x /d/real; done"
    );
    let handle = world.start(&world.shell(&script)).await;
    printed(&handle, "ready").await;
    let tree = tree(&handle).await;
    let attack = tokio::task::spawn_blocking(move || {
        let begin = std::time::Instant::now();
        let mut read_count = 0;
        while begin.elapsed() < Duration::from_secs(2) {
            for path in ["/d/real/token", "/d/real/", "/d"] {
                let mut bytes = Vec::new();
                // Whatever is in the way is an error; only the host's file must not come.
                read_count += usize::from(tree.pack(path, &mut bytes).is_ok());
                assert!(!bytes.windows(11).any(|window| window == b"of the host"), "{path}");
            }
            let bytes = archive(|builder| add(builder, "sub/planted", tar::EntryType::Regular, "x"));
            let _ = tree.unpack("/d/real", bytes.as_slice(), PutOptions::default());
        }
        read_count
    });
    let read_count = tokio::time::timeout(PATIENCE, attack).await.expect("in time").expect("no leak");
    assert!(read_count > 0, "the race was never won by an honest read");
    let names: Vec<_> =
        std::fs::read_dir(&secret).expect("readable").flatten().map(|e| e.file_name()).collect();
    assert_eq!(names, ["token"], "something was written outside");
    assert!(!Path::new("/d/real").exists() && !Path::new("/sub/planted").exists());
}
