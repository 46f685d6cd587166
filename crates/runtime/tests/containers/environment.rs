//! What a process finds: user, environment, working directory, host name, mounts.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use skep_runtime::{CreateError, EtcFiles, Mount, Nested, Process, Propagation, Ulimit};

use crate::world::World;

#[tokio::test]
async fn user_environment_and_directory_are_as_asked() {
    let world = World::new();
    let mut container = world.shell("id -u; id -g; id -G; pwd; hostname; env | sort");
    container.hostname = "box".into();
    container.process = Process {
        env: vec!["A=1".into(), "A=2".into(), "EMPTY=".into()],
        cwd: "/srv/made/here".into(),
        user: "app".into(),
        groups: vec!["77".into()],
        ..container.process
    };
    let output = world.output(&container).await;
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let expected = ["1000", "1001", "1001 50 77", "/srv/made/here", "box"];
    assert_eq!(output.lines().take(5).collect::<Vec<_>>(), expected, "{output}");
    for line in ["A=2", "EMPTY=", "HOME=/home/app", "HOSTNAME=box", path] {
        assert!(output.lines().any(|found| found == line), "{line} in {output}");
    }
    assert!(!output.contains("A=1"), "{output}");
}

#[tokio::test]
async fn unknown_users_and_missing_sources_are_fatal_sentences() {
    let world = World::new();
    let mut container = world.shell("true");
    container.process.user = "nobody".into();
    let error = world.runtime.create(&container).await.expect_err("refused");
    assert!(error.is_fatal());
    assert_eq!(error.to_string(), "unable to find user nobody: no matching entries in passwd file");

    let mut container = world.shell("true");
    container.mounts = vec![bind("/does/not/exist", "/x", false)];
    let error = world.runtime.create(&container).await.expect_err("refused");
    assert!(matches!(error, CreateError::Refused(_)));
    let sentence = "invalid mount config for type \"bind\": bind source path does not exist: /does/not/exist";
    assert_eq!(error.to_string(), sentence);
}

#[tokio::test]
async fn a_failed_creation_leaves_nothing() {
    let world = World::new();
    let mut container = world.shell("true");
    container.rootfs.layers.push(world.path("no-such-layer"));
    let error = world.runtime.create(&container).await.expect_err("failed");
    assert!(!error.is_fatal(), "{error}");
    let entries = |path: &str| fs::read_dir(world.path(path)).expect("a directory").count();
    assert_eq!((entries("data/containers"), entries("exec/run")), (0, 0));
    container.rootfs.layers.pop();
    world.output(&container).await;
}

#[tokio::test]
async fn mounts_are_as_asked() {
    let world = World::new();
    let source = world.path("source");
    fs::create_dir(&source).expect("a directory");
    fs::write(source.join("file"), "from the host").expect("written");
    let source = source.to_str().expect("UTF-8");
    let script = "cat /ro/file; touch /ro/x 2>/dev/null && echo ro is writable; touch /rw/made; \
                  cat /single; stat -c %a /scratch; df -k /scratch | tail -1 | awk '{print $2}'";
    let mut container = world.shell(script);
    container.mounts = vec![
        bind(source, "/ro", true),
        bind(source, "/rw", false),
        bind(&format!("{source}/file"), "/single", true),
        Mount::Tmpfs { target: "/scratch".into(), size_bytes: Some(1 << 20), mode: Some(0o750) },
    ];
    assert_eq!(world.output(&container).await, "from the hostfrom the host750\n1024\n");
    assert!(world.path("source/made").exists());
}

#[tokio::test]
async fn files_of_etc_are_bound_unless_a_mount_replaces_them() {
    let world = World::new();
    for name in ["resolv", "hosts", "name", "other"] {
        fs::write(world.path(name), format!("{name}\n")).expect("written");
    }
    std::os::unix::fs::symlink("../run/nowhere", world.path("image/etc/resolv.conf")).expect("a link");
    let mut container = world.shell("cat /etc/resolv.conf /etc/hosts /etc/hostname");
    container.etc = EtcFiles {
        resolv_conf: Some(world.path("resolv")),
        hosts: Some(world.path("hosts")),
        hostname: Some(world.path("name")),
    };
    assert_eq!(world.output(&container).await, "resolv\nhosts\nname\n");
    container.id = crate::world::new_id();
    container.mounts = vec![bind(world.path("other").to_str().expect("UTF-8"), "/etc/hosts", true)];
    assert_eq!(world.output(&container).await, "resolv\nother\nname\n");
}

#[tokio::test]
async fn targets_lead_through_links_that_lead_nowhere() {
    let world = World::new();
    let outside = world.path("outside");
    for (name, target) in
        [("data", "/var/lib/missing"), ("single", "run/missing"), ("out", outside.to_str().expect("UTF-8"))]
    {
        std::os::unix::fs::symlink(target, world.path("image").join(name)).expect("a link");
    }
    let source = world.path("source");
    fs::create_dir(&source).expect("a directory");
    fs::write(source.join("file"), "from the host\n").expect("written");
    let source = source.to_str().expect("UTF-8");
    let mut container = world.shell(&format!(
        "readlink /data; cat /data/x/file /var/lib/missing/x/file; cat /run/missing; cat {}/file; \
         stat -c %a /var/lib/missing /var/lib/missing/t; pwd",
        outside.display()
    ));
    container.mounts = vec![
        bind(source, "/data/x", true),
        bind(&format!("{source}/file"), "/single", true),
        bind(source, "/out", true),
        Mount::Tmpfs { target: "/data/t".into(), size_bytes: Some(1 << 20), mode: Some(0o750) },
    ];
    container.process.cwd = "/data/work".into();
    let expected =
        "/var/lib/missing\n".to_owned() + &"from the host\n".repeat(4) + "755\n750\n/var/lib/missing/work\n";
    assert_eq!(world.output(&container).await, expected);
    assert!(!outside.exists(), "nothing is made on the host");
}

#[tokio::test]
async fn a_read_only_root_refuses_writes_and_an_ordinary_one_keeps_them_from_the_layers() {
    let world = World::new();
    let mut container = world.shell("touch /x 2>&1 || echo refused; touch /dev/shm/x && echo shm");
    container.rootfs.read_only = true;
    assert!(world.output(&container).await.ends_with("refused\nshm\n"));
    world.output(&world.shell("touch /written")).await;
    assert!(!world.path("image/written").exists());
}

#[tokio::test]
async fn a_hundred_and_twenty_layers_mount() {
    let world = World::new();
    let mut container = world.shell("cat /layers/* | wc -l; cat /top");
    // Long paths too: fsconfig(2) takes 255 bytes at most.
    let base = world.path("layers").join("x".repeat(200));
    container.rootfs.layers = (0..119)
        .map(|index| {
            let layer =
                base.join(index.to_string()).join(if index == 7 { "y".repeat(100) } else { "z".into() });
            fs::create_dir_all(layer.join("layers")).expect("a directory");
            fs::write(layer.join(format!("layers/{index}")), "line\n").expect("written");
            fs::write(layer.join("top"), format!("{index}\n")).expect("written");
            layer
        })
        .chain([world.path("image")])
        .collect();
    assert_eq!(world.output(&container).await, "119\n0\n");
}

#[tokio::test]
async fn propagation_follows_only_where_asked() {
    let world = World::new();
    let source = world.path("tree");
    fs::create_dir_all(source.join("inner")).expect("a directory");
    let source = source.to_str().expect("UTF-8");
    let mut container = world.shell("grep -c ' /private .*master:' /proc/self/mountinfo; true");
    container.mounts = vec![bind(source, "/private", false)];
    assert_eq!(world.output(&container).await, "0\n");
}

#[tokio::test]
async fn ulimits_and_sysctls_apply() {
    let world = World::new();
    let mut container = world.shell("ulimit -Sn; ulimit -Hn; cat /proc/sys/net/core/somaxconn");
    container.ulimits = vec![Ulimit { name: "nofile".into(), soft: 300, hard: 400 }];
    container.sysctls.insert("net.core.somaxconn".into(), "1234".into());
    assert_eq!(world.output(&container).await, "300\n400\n1234\n");
}

#[tokio::test]
async fn without_a_network_there_is_a_loopback_that_works() {
    let world = World::new();
    let output = world
        .output(
            &world.shell("ip -o addr show up | awk '{print $2, $4}'; ping -c1 -W1 127.0.0.1 | grep -c ttl"),
        )
        .await;
    assert!(output.starts_with("lo 127.0.0.1/8\n"), "{output}");
    assert!(output.ends_with("1\n"), "{output}");
}

#[tokio::test]
async fn a_program_that_only_its_owner_may_run_runs() {
    let world = World::new();
    let program = world.path("image/bin/own");
    fs::write(&program, "#!/bin/sh\necho ran\n").expect("written");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o750)).expect("changed");
    assert_eq!(world.output(&world.container(&["own"])).await, "ran\n");
}

/// A bind mount with the defaults.
pub fn bind(source: &str, target: &str, read_only: bool) -> Mount {
    Mount::Bind {
        source: source.into(),
        target: target.into(),
        read_only,
        propagation: Propagation::Private,
        nested: Nested::Included,
    }
}
