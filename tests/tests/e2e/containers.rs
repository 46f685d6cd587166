//! What a process finds inside its container.

use skep_tests::Cluster;
use skep_tests::images::{Entry, Layer, busybox};

fn start() -> (Cluster, String) {
    let cluster = Cluster::start().unwrap();
    let image = cluster.busybox("1").unwrap();
    (cluster, image)
}

#[test]
fn user_folder_environment_and_hostname_are_set() {
    let (mut cluster, image) = start();
    let flags = ["--user", "bee", "--workdir", "/made/for/it", "--env", "A=b c", "--hostname", "hive"];
    let printed = cluster.printed(&flags, &image, "id; pwd; echo \"$A\"; hostname; echo $PATH").unwrap();
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines[0], "uid=1000(bee) gid=1000(bee) groups=1000(bee),2000(hive)");
    assert_eq!(lines[1..4], ["/made/for/it", "b c", "hive"]);
    assert_eq!(lines[4], "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
}

#[test]
fn the_image_gives_what_the_service_does_not() {
    let mut cluster = Cluster::start().unwrap();
    let image = busybox().unwrap().named("defaults", "1");
    let image = image.with("Entrypoint", serde_json::json!(["sh", "-c"]));
    let image = image.with("Cmd", serde_json::json!(["echo from the image; id -u; pwd; echo $B"]));
    let image =
        image.with("User", "1000").with("WorkingDir", "/tmp").with("Env", serde_json::json!(["B=image"]));
    let name = cluster.push(&image).unwrap();
    let create = ["service", "create", "-d", "--name", "plain", "--restart-condition", "none", &name];
    cluster.docker.run(&create).unwrap();
    let task = cluster.task_in("plain", "complete").unwrap();
    assert_eq!(cluster.logs(&task.id).unwrap(), "from the image\n1000\n/tmp\nimage\n");
}

#[test]
fn it_is_confined_as_docker_confines_it() {
    let (mut cluster, image) = start();
    let script = "grep -E '^(CapEff|CapBnd|CapInh|CapAmb|Seccomp):' /proc/self/status; echo $$; \
                  cat /proc/kcore >/dev/null 2>&1 | head -c 1; ls /proc/acpi /sys/firmware 2>/dev/null | wc -l; \
                  ls -d /sys/fs/cgroup/memory 2>/dev/null; mount -t tmpfs x /tmp 2>/dev/null || echo refused";
    let printed = cluster.printed(&[], &image, script).unwrap();
    let value = |name: &str| {
        let line = printed.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().to_owned()
    };
    // Docker's fourteen default capabilities.
    assert_eq!(value("CapEff"), "00000000a80425fb");
    assert_eq!(value("CapBnd"), "00000000a80425fb");
    assert_eq!(
        (value("CapInh").as_str(), value("CapAmb").as_str()),
        ("0000000000000000", "0000000000000000")
    );
    assert_eq!(value("Seccomp"), "2");
    assert!(printed.contains("refused"), "{printed}");
}

#[test]
fn bind_mounts_and_tmpfs() {
    let (mut cluster, image) = start();
    let folder = cluster.sandbox.folder().join("shared");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("in"), "hello").unwrap();
    let bind = format!("type=bind,source={},target=/shared", folder.display());
    let read_only = format!("type=bind,source={},target=/fixed,readonly", folder.display());
    let tmpfs = "type=tmpfs,target=/fast,tmpfs-size=1048576";
    let script = "cat /shared/in; echo out >/shared/out; echo no >/fixed/no 2>/dev/null || echo fixed; \
                  dd if=/dev/zero of=/fast/x bs=1M count=2 2>/dev/null || echo full";
    let flags = ["--mount", &bind, "--mount", &read_only, "--mount", tmpfs];
    assert_eq!(cluster.printed(&flags, &image, script).unwrap(), "hellofixed\nfull\n");
    assert_eq!(std::fs::read_to_string(folder.join("out")).unwrap(), "out\n");
}

#[test]
fn a_bind_source_that_does_not_exist_is_named() {
    let (mut cluster, image) = start();
    let mount = "type=bind,source=/no/such/folder,target=/x";
    cluster.script("broken", &["--mount", mount], &image, "true").unwrap();
    let task = cluster.task_in("broken", "rejected").unwrap();
    assert!(task.error.contains("bind source path does not exist: /no/such/folder"), "{}", task.error);
}

#[test]
fn layers_are_applied_in_order() {
    let mut cluster = Cluster::start().unwrap();
    let image = busybox()
        .unwrap()
        .named("layers", "1")
        .layer(
            Layer::of([
                Entry::folder("app/"),
                Entry::file("app/gone", b"1"),
                Entry::file("app/kept", b"old"),
                Entry::folder("real/"),
                Entry::symlink("alias", "real"),
            ])
            .unwrap(),
        )
        .layer(
            Layer::of([
                Entry::whiteout("app/gone"),
                Entry::file("app/kept", b"new"),
                Entry::hardlink("app/twin", "app/kept"),
                Entry::file("alias/file", b"through a link"),
            ])
            .unwrap(),
        );
    let name = cluster.push(&image).unwrap();
    let script =
        "ls /app; cat /app/twin; echo; cat /real/file; echo; stat -c %h /app/kept; ls -ld /alias | cut -c1";
    let printed = cluster.printed(&[], &name, script).unwrap();
    assert_eq!(printed, "kept\ntwin\nnew\nthrough a link\n2\nl\n");
}

#[test]
fn tasks_reach_each_other_and_the_node() {
    let (mut cluster, image) = start();
    cluster.script("server", &[], &image, "while :; do echo hello | nc -l -p 7000; done").unwrap();
    let server = cluster.running("server", 1).unwrap();
    let address = cluster.sandbox.address_of(server[0].process).unwrap();
    let script = format!("nc -w 5 {address} 7000 </dev/null");
    let printed = cluster.printed(&[], &image, &script).unwrap();
    assert_eq!(printed, "hello\n");
}
