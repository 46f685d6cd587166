//! What a process cannot do: the sharp end of the runtime.

use crate::world::{World, exec, printed};

/// Docker's default capabilities, as /proc shows them.
const CAPS: &str = "00000000a80425fb";

fn field<'a>(status: &'a str, name: &str) -> &'a str {
    let line =
        status.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name} in {status}"));
    line.split_whitespace().nth(1).expect("a value")
}

#[tokio::test]
async fn capabilities_and_filter_are_dockers_for_the_first_process_and_for_exec() {
    let world = World::new();
    let handle = world.start(&world.shell("cat /proc/self/status; echo ready; sleep 60")).await;
    printed(&handle, "ready").await;
    let first = crate::world::text(&crate::world::records(&handle, Default::default()).await);
    let second = String::from_utf8(exec(&handle, &["cat", "/proc/self/status"]).await.output).expect("UTF-8");
    for status in [&first, &second] {
        for (name, value) in [
            ("CapInh", "0000000000000000"),
            ("CapPrm", CAPS),
            ("CapEff", CAPS),
            ("CapBnd", CAPS),
            ("CapAmb", "0000000000000000"),
            ("NoNewPrivs", "0"),
            ("Seccomp:", "2"),
            ("SigBlk", "0000000000000000"),
        ] {
            assert_eq!(field(status, name), value, "{name} in {status}");
        }
        // Signals 32 and 33 belong to libc, which does not let anyone touch them.
        let ignored = u64::from_str_radix(field(status, "SigIgn"), 16).expect("a mask");
        assert_eq!(ignored & !0x1_8000_0000, 0, "{status}");
    }
}

#[tokio::test]
async fn a_plain_user_has_no_capabilities_and_new_privileges_can_be_forbidden() {
    let world = World::new();
    let mut container = world.shell("cat /proc/self/status; sleep 60");
    container.process.user = "app".into();
    container.no_new_privileges = true;
    let handle = world.start(&container).await;
    printed(&handle, "nonvoluntary").await;
    let first = crate::world::text(&crate::world::records(&handle, Default::default()).await);
    let second = String::from_utf8(exec(&handle, &["cat", "/proc/self/status"]).await.output).expect("UTF-8");
    for status in [&first, &second] {
        let values =
            ["Uid", "Gid", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp:"].map(|name| field(status, name));
        assert_eq!(values, ["1000", "1001", "0000000000000000", CAPS, "1", "2"], "{status}");
    }
}

#[tokio::test]
async fn capabilities_can_be_added_and_dropped() {
    let world = World::new();
    let mut container = world.shell("grep CapEff /proc/self/status");
    container.capabilities.drop = vec!["ALL".into()];
    container.capabilities.add = vec!["NET_ADMIN".into(), "CAP_SYS_ADMIN".into()];
    assert_eq!(field(&world.output(&container).await, "CapEff"), "0000000000201000");
}

#[tokio::test]
async fn namespaces_cannot_be_made() {
    let world = World::new();
    let attempt = "unshare -U true 2>/dev/null && echo made; unshare -m true 2>/dev/null && echo made; true";
    let handle = world.start(&world.shell(&format!("{attempt}; echo ready; sleep 60"))).await;
    printed(&handle, "ready").await;
    let text = crate::world::text(&crate::world::records(&handle, Default::default()).await);
    assert_eq!(text, "ready\n");
    assert_eq!(exec(&handle, &["sh", "-c", attempt]).await.output, b"");
}

#[tokio::test]
async fn namespaces_are_own_ones() {
    let world = World::new();
    let list = "for n in pid mnt uts ipc net cgroup; do readlink /proc/self/ns/$n; done";
    let handle = world.start(&world.shell(&format!("{list}; echo ready; sleep 60"))).await;
    printed(&handle, "ready").await;
    let text = crate::world::text(&crate::world::records(&handle, Default::default()).await);
    let inside: Vec<&str> = text.lines().take(6).collect();
    for (name, namespace) in ["pid", "mnt", "uts", "ipc", "net", "cgroup"].into_iter().zip(&inside) {
        let outside = std::fs::read_link(format!("/proc/self/ns/{name}")).expect("a namespace");
        assert_ne!(outside.to_str(), Some(*namespace));
    }
    let executed = String::from_utf8(exec(&handle, &["sh", "-c", list]).await.output).expect("UTF-8");
    assert_eq!(executed.lines().collect::<Vec<_>>(), inside);
}

#[tokio::test]
async fn devices_can_be_made_but_not_opened() {
    let world = World::new();
    let script = "mknod /block b 7 0 && (dd if=/block of=/dev/null bs=1 count=1 2>/dev/null && echo opened block); \
                  mknod /tun c 10 200 && (dd if=/tun of=/dev/null bs=1 count=1 2>&1 | grep -q 'not permitted' || echo tun); \
                  mknod /kmsg c 1 11 && (dd if=/kmsg of=/dev/null bs=1 count=1 2>/dev/null && echo opened kmsg); \
                  echo > /dev/null && head -c1 /dev/zero | wc -c; ls /dev | grep -v core | xargs";
    let output = world.output(&world.shell(script)).await;
    assert_eq!(output, "1\nfd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero\n");
}

#[tokio::test]
async fn sensitive_paths_are_masked_or_read_only() {
    let world = World::new();
    let script = "cat /proc/kcore /proc/keys /proc/timer_list /proc/interrupts | wc -c; ls /sys/firmware | wc -l; \
                  echo 1 > /proc/sys/kernel/panic && echo panic; echo h > /proc/sysrq-trigger && echo sysrq; \
                  touch /sys/x && echo sys; mkdir /sys/fs/cgroup/x && echo cgroup; true";
    let output = world.output(&world.shell(&format!("({script}) 2>/dev/null"))).await;
    assert_eq!(output, "0\n0\n");
}

/// CVE-2019-5736: the container names our binary through /proc and writes to it.
#[tokio::test]
async fn the_hosts_binary_cannot_be_overwritten() {
    let world = World::new();
    std::fs::write(world.path("image/bin/trap"), "#!/proc/self/exe\n").expect("written");
    std::process::Command::new("chmod").arg("+x").arg(world.path("image/bin/trap")).status().expect("chmod");
    // Every process that appears is tried; those of ours show up for an instant while they enter.
    let watch = "echo ready; while :; do for p in /proc/[0-9]*; do \
                 [ \"$p\" = /proc/1 ] && continue; (exec 3>>$p/exe) 2>/dev/null && echo OVERWRITTEN $p; done; done";
    let handle = world.start(&world.shell(watch)).await;
    printed(&handle, "ready").await;
    for _ in 0..20 {
        let trap = skep_runtime::Exec { args: vec!["trap".into()], ..Default::default() };
        // Our binary runs inside with the trap's name as its argument, and ends at once.
        let _ = handle.exec(&trap, crate::world::LIMITS).await;
        exec(&handle, &["true"]).await;
    }
    let copies: Vec<_> = std::fs::read_dir(world.path("exec/bin")).expect("a directory").collect();
    assert_eq!(copies.len(), 1);
    let copy = copies[0].as_ref().expect("an entry").path().join("skep");
    let error =
        std::fs::OpenOptions::new().append(true).open(copy).expect_err("read-only even for the host's root");
    assert_eq!(error.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
    // busybox itself may be written to while nobody runs it; our binary never.
    let text = crate::world::text(&crate::world::records(&handle, Default::default()).await);
    assert!(!text.contains("OVERWRITTEN"), "{text}");
}

/// CVE-2024-21626: a working directory that goes through a descriptor of the host.
#[tokio::test]
async fn no_descriptor_of_the_host_is_within_reach() {
    let world = World::new();
    let handle = world.start(&world.shell("ls /proc/self/fd | xargs; echo ready; sleep 60")).await;
    printed(&handle, "ready").await;
    let text = crate::world::text(&crate::world::records(&handle, Default::default()).await);
    // The fourth is the directory being listed.
    assert_eq!(text, "0 1 2 3\nready\n");
    assert_eq!(exec(&handle, &["sh", "-c", "ls /proc/self/fd | xargs"]).await.output, b"0 1 2 3\n");
    for number in 3..24 {
        let directory = format!("/proc/self/fd/{number}");
        let escape = skep_runtime::Exec {
            args: vec!["pwd".into()],
            cwd: Some(directory.clone()),
            ..skep_runtime::Exec::default()
        };
        if let Ok(exit) = handle.exec(&escape, crate::world::LIMITS).await {
            panic!("{directory}: {:?}", String::from_utf8_lossy(&exit.output));
        }
        let mut container = world.shell("pwd");
        container.process.cwd = directory;
        assert!(world.runtime.create(&container).await.is_err());
    }
}

#[tokio::test]
async fn a_command_is_held_by_the_containers_limits_and_groups_and_has_no_descriptor_too_many() {
    let world = World::new();
    let mut container = world.shell("cat /proc/self/cgroup | sort; ulimit -Hn; echo ready; sleep 60");
    container.resources.pids_limit = Some(40);
    container.ulimits = vec![skep_runtime::Ulimit { name: "nofile".into(), soft: 300, hard: 400 }];
    let handle = world.start(&container).await;
    printed(&handle, "ready").await;
    let first = crate::world::text(&crate::world::records(&handle, Default::default()).await);
    let script = "cat /proc/self/cgroup | sort; ulimit -Hn; echo ready; ls /proc/self/fd | wc -l";
    let second = String::from_utf8(exec(&handle, &["sh", "-c", script]).await.output).expect("UTF-8");
    // Its three streams, and what ls and the shell's pipe add.
    assert_eq!(second.strip_prefix(&first), Some("4\n"), "{second} and not {first}");
    let pid = handle.pid().expect("a pid");
    let group = |pid: &str| std::fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("readable");
    assert!(group(&pid.to_string()).contains(handle.id()) && !group("self").contains(handle.id()));
    let forks = "for i in $(seq 60); do sleep 5 & done 2>&1 | grep -c -i 'resource\\|fork'";
    let output = exec(&handle, &["sh", "-c", forks]).await;
    assert!(!output.output.starts_with(b"0"), "forks beyond the limit went through");
}

#[tokio::test]
async fn no_group_of_the_host_can_be_written() {
    let world = World::new();
    let script = "grep -E ' cgroup2? ' /proc/mounts | grep -v ' ro,\\| - ' ; grep -c ' cgroup ' /proc/mounts; \
                  find / -name 'memory.limit_in_bytes' -o -name 'cgroup.procs' 2>/dev/null | wc -l";
    let output = world.output(&world.shell(&format!("{script}; true"))).await;
    let on_v2 = std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    if on_v2 {
        assert!(output.starts_with("0\n"), "a hierarchy of version 1, or a writable one: {output}");
    } else {
        assert_eq!(output, "0\n0\n");
    }
}
