use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::*;

fn volumes() -> (tempfile::TempDir, Volumes) {
    let dir = tempfile::tempdir().expect("a directory");
    let volumes = Volumes::open(dir.path().join("volumes")).expect("volumes");
    (dir, volumes)
}

fn named(name: &str) -> NewVolume {
    NewVolume { name: name.to_owned(), ..NewVolume::default() }
}

fn with(options: &[(&str, &str)]) -> NewVolume {
    let options = options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    NewVolume { options, ..named("data") }
}

#[tokio::test]
async fn volumes_are_made_once_found_listed_and_removed_for_good() {
    let (dir, volumes) = volumes();
    let labels: Labels = [("a".to_owned(), "b".to_owned())].into();
    let made = volumes.create(NewVolume { labels: labels.clone(), ..named("data") }).await.expect("made");
    fs::write(made.mountpoint.join("x"), "content").expect("written");
    let again = volumes.create(named("data")).await.expect("there");
    assert_eq!(again, made, "whoever comes second gets the volume as it is");
    let drawn = volumes.create(NewVolume::default()).await.expect("made");
    assert!(drawn.is_anonymous() && drawn.name.len() == 64);
    let names: Vec<String> = volumes.list().expect("listed").into_iter().map(|volume| volume.name).collect();
    assert_eq!(names.len(), 2);
    drop(volumes);
    let volumes = Volumes::open(dir.path().join("volumes")).expect("opened again");
    assert_eq!(volumes.find("data").expect("kept").labels, labels);
    assert_eq!(volumes.sizes().await.expect("measured")["data"], 7);
    volumes.remove("data").await.expect("removed");
    assert_eq!(volumes.find("data").expect_err("gone").to_string(), "get data: no such volume");
    assert!(volumes.remove("../volumes").await.is_err());
}

#[tokio::test]
async fn what_is_half_made_is_gone_after_a_crash() {
    let (dir, volumes) = volumes();
    volumes.create(named("data")).await.expect("made");
    let root = dir.path().join("volumes");
    fs::create_dir_all(root.join("tmp/7/_data")).expect("a half-made one");
    fs::create_dir(root.join("stranger")).expect("no volume");
    drop(volumes);
    let volumes = Volumes::open(root.clone()).expect("opened again");
    assert_eq!(volumes.list().expect("listed").len(), 1);
    assert_eq!(fs::read_dir(root.join("tmp")).expect("read").count(), 0);
}

#[tokio::test]
async fn nonsense_is_refused_in_dockers_words() {
    let (_dir, volumes) = volumes();
    for (new, expected) in [
        (
            named("a"),
            "create a: volume name is too short, names should be at least two alphanumeric characters",
        ),
        (
            named("a/b"),
            "create a/b: \"a/b\" includes invalid characters for a local volume name, only \
             \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path",
        ),
        (
            NewVolume { driver: "x".into(), ..named("data") },
            "create data: error looking up volume plugin x: plugin \"x\" not found",
        ),
        (with(&[("foo", "1")]), "create data: invalid option: \"foo\""),
        (with(&[("o", "ro")]), "create data: missing required option: \"device\""),
        (with(&[("device", "/x")]), "create data: missing required option: \"type\""),
        (with(&[("size", "10m")]), "create data: quota size requested but no quota support"),
    ] {
        assert_eq!(volumes.create(new).await.expect_err("nonsense").to_string(), expected);
    }
    assert_eq!(volumes.list().expect("listed"), []);
}

#[tokio::test]
async fn a_volume_in_use_stays_and_an_anonymous_one_goes_with_its_container() {
    let (_dir, volumes) = volumes();
    let anonymous = NewVolume::anonymous("c1", "/data");
    assert_eq!(anonymous, NewVolume::anonymous("c1", "/data"));
    for new in [named("data"), anonymous.clone()] {
        volumes.hold(&new.name, "c1");
        assert!(volumes.prepare(new.clone(), None).await.expect("prepared").is_new);
        assert!(!volumes.prepare(new, None).await.expect("prepared again").is_new);
    }
    volumes.hold("data", "c2");
    let error = volumes.remove("data").await.expect_err("in use").to_string();
    assert_eq!(error, "remove data: volume is in use - [c1]");
    assert_eq!(volumes.prune(true, |_| true).await.expect("pruned").0, [""; 0]);
    let (gone, result) = volumes.release("c1").await;
    result.expect("released");
    assert_eq!(gone, std::slice::from_ref(&anonymous.name));
    assert!(volumes.find(&anonymous.name).is_err());
    assert_eq!(volumes.find("data").expect("kept").used_by, ["c2"]);
    volumes.release("c2").await.1.expect("released");
    assert_eq!(volumes.prune(false, |_| true).await.expect("pruned").0, [""; 0]);
    assert_eq!(volumes.prune(true, |_| true).await.expect("pruned").0, ["data"]);
}

#[tokio::test]
async fn options_are_mounted_while_the_volume_is_used() {
    let (dir, volumes) = volumes();
    let source = dir.path().join("source");
    fs::create_dir(&source).expect("a source");
    fs::write(source.join("x"), "there").expect("written");
    let device = source.display().to_string();
    let bound = with(&[("type", "none"), ("o", "bind,ro"), ("device", &device)]);
    volumes.hold("data", "c1");
    let path = volumes.prepare(bound, None).await.expect("mounted").data;
    assert_eq!(fs::read_to_string(path.join("x")).expect("seen"), "there");
    assert!(fs::write(path.join("y"), "").is_err(), "read-only");
    // A second container and a new daemon find it mounted.
    volumes.hold("data", "c2");
    volumes.prepare(named("data"), None).await.expect("mounted already");
    volumes.release("c1").await.1.expect("released");
    assert!(path.join("x").exists());
    volumes.release("c2").await.1.expect("released");
    assert!(!path.join("x").exists());
    volumes.remove("data").await.expect("removed");
    assert!(source.join("x").exists(), "what was mounted is not deleted");

    let memory = NewVolume {
        name: "memory".into(),
        ..with(&[("type", "tmpfs"), ("device", "tmpfs"), ("o", "size=1m,mode=0700,noexec")])
    };
    volumes.hold("memory", "c1");
    let path = volumes.prepare(memory, None).await.expect("mounted").data;
    assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o7777, 0o700);
    volumes.release("c1").await.1.expect("released");

    let nowhere = NewVolume { name: "none".into(), ..with(&[("type", "ext4"), ("device", "/dev/none")]) };
    volumes.hold("none", "c1");
    let error = volumes.prepare(nowhere, None).await.expect_err("no such device").to_string();
    assert!(error.starts_with("error while mounting volume"), "{error}");
    volumes.release("c1").await.1.expect("released");
}

#[test]
fn an_empty_volume_is_filled_from_the_image_as_it_is_there() {
    let dir = tempfile::tempdir().expect("a directory");
    let (layer, data) = (dir.path().join("layer"), dir.path().join("data"));
    fs::create_dir_all(layer.join("srv/sub")).expect("an image");
    fs::create_dir(&data).expect("a volume");
    fs::write(layer.join("srv/sub/file"), "content").expect("written");
    fs::hard_link(layer.join("srv/sub/file"), layer.join("srv/same")).expect("linked");
    fs::set_permissions(layer.join("srv/same"), fs::Permissions::from_mode(0o4750)).expect("mode");
    std::os::unix::fs::lchown(layer.join("srv/same"), Some(7), Some(8)).expect("owner");
    fs::set_permissions(layer.join("srv/same"), fs::Permissions::from_mode(0o4750)).expect("mode");
    std::os::unix::fs::lchown(layer.join("srv"), Some(9), None).expect("owner");
    symlink("/etc/passwd", layer.join("srv/link")).expect("a link");
    // The image's path leads over a symlink that is absolute in the image.
    symlink("/srv", layer.join("data")).expect("a link");
    copy::fill(std::slice::from_ref(&layer), Path::new("/data"), &data, Some(&dir.path().join("temp")))
        .expect("filled");
    let same = fs::metadata(data.join("same")).expect("there");
    assert_eq!((same.uid(), same.gid(), same.mode() & 0o7777), (7, 8, 0o4750));
    assert_eq!(same.ino(), fs::metadata(data.join("sub/file")).expect("there").ino());
    assert_eq!(fs::read_link(data.join("link")).expect("a link"), Path::new("/etc/passwd"));
    assert_eq!(fs::metadata(&data).expect("there").uid(), 9);
    assert_eq!(
        fs::metadata(&data).expect("there").mtime(),
        fs::metadata(layer.join("srv")).expect("x").mtime()
    );
    assert!(!dir.path().join("temp").exists());

    // What has content is left alone, and what the image does not have is nothing.
    fs::write(layer.join("srv/new"), "").expect("written");
    copy::fill(std::slice::from_ref(&layer), Path::new("/srv"), &data, None).expect("nothing to do");
    assert!(!data.join("new").exists());
    let other = dir.path().join("other");
    fs::create_dir(&other).expect("a volume");
    for target in ["/none", "/srv/same", "/../../../../root"] {
        copy::fill(std::slice::from_ref(&layer), Path::new(target), &other, None).expect("nothing to copy");
        assert_eq!(fs::read_dir(&other).expect("read").count(), 0, "{target}");
    }
}
