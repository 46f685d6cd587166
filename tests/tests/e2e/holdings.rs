//! Images and volumes of a node, with the docker client.

use skep_tests::cluster::OBEDIENT;
use skep_tests::cluster::PATIENCE;
use skep_tests::{Cluster, Look, wait_for};

#[test]
fn an_image_is_pulled_tagged_saved_and_loaded_again() {
    let cluster = Cluster::start().unwrap();
    let image = cluster.busybox("1").unwrap();
    let docker = &cluster.docker;
    let pulled = docker.run(&["pull", &image]).unwrap();
    assert!(pulled.contains("Downloaded newer image for 127.0.0.1:5000/busybox:1"), "{pulled}");
    let again = docker.run(&["pull", &image]).unwrap();
    assert!(again.contains("Image is up to date"), "{again}");
    docker.run(&["tag", &image, "mine:2"]).unwrap();
    assert_eq!(docker.run(&["images", "mine", "--format", "{{.Repository}}:{{.Tag}}"]).unwrap(), "mine:2\n");
    let history = docker.run(&["history", "--format", "{{.CreatedBy}}", "mine:2"]).unwrap();
    assert_eq!(history, "skep-tests\n");
    let archive = cluster.sandbox.folder().join("mine.tar").display().to_string();
    docker.run(&["save", "-o", &archive, "mine:2"]).unwrap();
    let removed = docker.run(&["rmi", "mine:2", &image]).unwrap();
    assert!(removed.contains("Untagged: mine:2") && removed.contains("Deleted: sha256:"), "{removed}");
    assert_eq!(docker.run(&["images", "-q"]).unwrap(), "");
    assert_eq!(docker.run(&["load", "-i", &archive]).unwrap(), "Loaded image: mine:2\n");
    let shown =
        docker.run(&["image", "inspect", "-f", "{{.Config.Labels.version}} {{.Os}}", "mine:2"]).unwrap();
    assert_eq!(shown, "1 linux\n");
}

#[test]
fn what_cannot_be_pulled_is_said_as_docker_says_it() {
    let cluster = Cluster::start().unwrap();
    let (code, said) = cluster.docker.refused(&["pull", "127.0.0.1:5000/nobody:1"]).unwrap();
    assert_eq!(code, 1);
    assert!(said.contains("manifest for 127.0.0.1:5000/nobody:1 not found: manifest unknown"), "{said}");
    let (_, said) = cluster.docker.refused(&["push", "127.0.0.1:5000/nobody:1"]).unwrap();
    assert!(said.contains("pushing images is not supported"), "{said}");
}

#[test]
fn an_image_in_use_is_neither_removed_nor_pruned() {
    let mut cluster = Cluster::start().unwrap();
    let image = cluster.busybox("1").unwrap();
    cluster.web(&image, 1, &[]).unwrap();
    // The service names a digest; the tag comes with a pull by hand.
    cluster.docker.run(&["pull", &image]).unwrap();
    let id = cluster.docker.run(&["images", "-q", "--no-trunc"]).unwrap();
    for (words, part) in
        [(vec!["rmi", &image], "must force"), (vec!["rmi", "-f", id.trim()], "cannot be forced")]
    {
        let (code, said) = cluster.docker.refused(&words).unwrap();
        assert!(code == 1 && said.contains(part), "{words:?}: {said}");
    }
    let pruned = cluster.docker.run(&["image", "prune", "-af"]).unwrap();
    assert!(pruned.contains("Total reclaimed space: 0B"), "{pruned}");
    let usage =
        cluster.docker.run(&["system", "df", "--format", "{{.Type}} {{.TotalCount}} {{.Active}}"]).unwrap();
    assert!(usage.contains("Images 1 1") && usage.contains("Containers 1 1"), "{usage}");
}

#[test]
fn a_volume_outlives_the_tasks_that_use_it() {
    let mut cluster = Cluster::start().unwrap();
    let image = cluster.busybox("1").unwrap();
    let docker = cluster.docker.clone();
    assert_eq!(docker.run(&["volume", "create", "--label", "a=b", "kept"]).unwrap(), "kept\n");
    let mount = ["--mount", "type=volume,source=kept,target=/data"];
    cluster.printed(&mount, &image, "echo something >/data/file").unwrap();
    assert_eq!(cluster.printed(&mount, &image, "cat /data/file").unwrap(), "something\n");
    let script = format!("touch /data/busy; {OBEDIENT}");
    cluster.script("holder", &mount, &image, &script).unwrap();
    cluster.running("holder", 1).unwrap();
    let (code, said) = docker.refused(&["volume", "rm", "kept"]).unwrap();
    assert!(code == 1 && said.contains("volume is in use"), "{said}");
    let inspected =
        docker.run(&["volume", "inspect", "-f", "{{.Labels.a}} {{.Mountpoint}}", "kept"]).unwrap();
    let mountpoint = inspected.trim().strip_prefix("b ").unwrap().to_owned();
    assert!(std::path::Path::new(&mountpoint).join("busy").exists(), "{mountpoint}");
    cluster.engine.remove_service("holder").unwrap();
    wait_for("the volume to be free", PATIENCE, || {
        let output = docker.try_run(&["volume", "rm", "kept"])?;
        Ok(if output.code == Some(0) { Look::Done(()) } else { Look::NotYet(output.stderr) })
    })
    .unwrap();
    assert_eq!(docker.run(&["volume", "ls", "-q"]).unwrap(), "");
}
