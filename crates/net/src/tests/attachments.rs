//! Attaching, adopting, repairing and removing: what the kernel holds after each.

use std::time::{Duration, Instant};

use super::scratch::{call, config, host, ip, on_scratch_machine, run, serve, within};
use crate::{Found, Host, NetError};

const PATIENCE: Duration = Duration::from_secs(5);

/// The numbers and names of all interfaces; their state may change a moment later than a command ends.
fn links() -> Vec<String> {
    let numbered = |line: &str| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    run("ip -o link").lines().map(numbered).collect()
}

fn found(id: &str, address: &str) -> Found {
    Found { id: id.to_owned(), address: Some(ip(address)) }
}

#[test]
fn an_attachment_says_what_the_kernel_has() {
    on_scratch_machine(|| async {
        let host = host().await;
        let task = host.attach("web.1", ip("172.31.0.5")).await.unwrap();
        assert_eq!(task.netns, config().netns_dir.join("web.1"));
        assert_eq!((task.address, task.prefix, task.gateway), (ip("172.31.0.5"), 16, ip("172.31.0.1")));
        assert_eq!(task.mac.to_string(), "02:42:ac:1f:00:05");
        assert_eq!(task.host_interface, "skac1f0005");
        let port = run("ip -o link show dev skep-web.1");
        assert!(port.contains("skac1f0005@") && port.contains("master skep0"), "{port}");

        let (link, address, route) = within(&task.netns, || {
            (run("ip -o link show dev eth0"), run("ip -o -4 address"), run("ip -o route show default"))
        })
        .await;
        assert!(link.contains("02:42:ac:1f:00:05") && link.contains(",UP"), "{link}");
        assert!(address.contains("eth0    inet 172.31.0.5/16 brd 172.31.255.255"), "{address}");
        assert!(address.contains("lo    inet 127.0.0.1/8"), "{address}");
        assert_eq!(route.trim_end(), "default via 172.31.0.1 dev eth0 proto static");
    });
}

#[test]
fn a_new_namespace_is_ready_for_a_container() {
    on_scratch_machine(|| async {
        let host = host().await;
        let task = host.attach("a", ip("172.31.0.2")).await.unwrap();
        for (name, value) in [
            ("ipv4/ip_unprivileged_port_start", "0"),
            ("ipv4/ping_group_range", "0\t2147483647"),
            ("ipv6/conf/eth0/disable_ipv6", "1"),
            ("ipv6/conf/lo/disable_ipv6", "0"),
        ] {
            let read = move || std::fs::read_to_string(format!("/proc/sys/net/{name}")).unwrap();
            assert_eq!(within(&task.netns, read).await.trim_end(), value, "{name}");
        }
    });
}

#[test]
fn the_next_agent_adopts_what_runs() {
    on_scratch_machine(|| async {
        let before = host().await;
        let a = before.attach("a", ip("172.31.0.2")).await.unwrap();
        let b = before.attach("b", ip("172.31.0.3")).await.unwrap();
        let server = serve(&b.netns, b.address).await;
        let before_links = links();
        drop(before);

        let after = host().await;
        assert_eq!(after.attachments().await.unwrap(), [found("a", "172.31.0.2"), found("b", "172.31.0.3")]);
        assert_eq!(after.attach("a", a.address).await.unwrap(), a);
        assert_eq!(links(), before_links, "adoption replaces nothing");
        assert_eq!(call(&a.netns, server, PATIENCE).await.as_deref(), Some("172.31.0.2"));
    });
}

#[test]
fn attaching_again_repairs_what_was_damaged() {
    on_scratch_machine(|| async {
        let host = host().await;
        let a = host.attach("a", ip("172.31.0.2")).await.unwrap();
        let b = host.attach("b", ip("172.31.0.3")).await.unwrap();
        let server = serve(&b.netns, b.address).await;
        let damages: [(&str, fn()); 4] = [
            ("unplugged", || drop(run("ip link set skac1f0002 nomaster"))),
            ("down", || drop(run("ip link set skac1f0002 down"))),
            ("deleted", || drop(run("ip link delete skac1f0002"))),
            ("bridge gone", || drop(run("ip link delete skep0"))),
        ];
        for (damage, inflict) in damages {
            inflict();
            let host = Host::open(config()).await.unwrap();
            for task in [&a, &b] {
                let id = task.netns.file_name().unwrap().to_str().unwrap();
                assert_eq!(host.attach(id, task.address).await.unwrap(), *task, "{damage}");
            }
            assert_eq!(call(&a.netns, server, PATIENCE).await.as_deref(), Some("172.31.0.2"), "{damage}");
        }
        within(&a.netns, || run("ip address flush dev eth0")).await;
        host.attach("a", a.address).await.unwrap();
        assert_eq!(call(&a.netns, server, PATIENCE).await.as_deref(), Some("172.31.0.2"));
    });
}

#[test]
fn an_attach_cut_short_at_any_point_is_completed_or_collected() {
    on_scratch_machine(|| async {
        let host = host().await;
        let directory = config().netns_dir;
        // Died after the file, and after an unsigned pair.
        std::fs::write(directory.join("early"), "").unwrap();
        run("ip link add skac1f0002 master skep0 type veth peer name half");
        assert_eq!(
            host.attachments().await.unwrap(),
            [Found { id: "early".to_owned(), address: None }],
            "an unsigned pair belongs to nobody"
        );
        host.attach("early", ip("172.31.0.2")).await.unwrap();
        assert_eq!(host.attachments().await.unwrap(), [found("early", "172.31.0.2")]);

        run("ip link add skac1f0009 master skep0 type veth peer name half");
        let after = Host::open(config()).await.unwrap();
        assert!(!run("ip -o link").contains("skac1f0009"), "opening sweeps unsigned pairs");

        // A namespace that lost its name, as after the loss of the directory.
        run(&format!("umount {}", directory.join("early").display()));
        after.attach("early", ip("172.31.0.2")).await.unwrap();
        after.detach("early").await.unwrap();
        assert_eq!(after.attachments().await.unwrap(), []);
    });
}

#[test]
fn detaching_twice_is_a_success_and_leaves_nothing() {
    on_scratch_machine(|| async {
        let host = host().await;
        host.attach("a", ip("172.31.0.2")).await.unwrap();
        for _ in 0..2 {
            host.detach("a").await.unwrap();
            assert_eq!(host.attachments().await.unwrap(), []);
            assert!(!run("ip -o link").contains("skac1f0002"));
            assert!(!run("cat /proc/self/mountinfo").contains("netns/a"));
            assert!(!config().netns_dir.join("a").exists());
        }
        host.attach("b", ip("172.31.0.2")).await.unwrap();
    });
}

#[test]
fn a_detached_namespace_also_leaves_the_mounts_of_processes_started_before() {
    on_scratch_machine(|| async {
        let host = host().await;
        let task = host.attach("a", ip("172.31.0.2")).await.unwrap();
        // What a shim does: a mount namespace of its own that receives changes but sends none.
        let mut shim = std::process::Command::new("unshare")
            .args(["--mount", "--propagation", "slave", "cat", "-"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        // Its first echo proves that its mount namespace exists.
        std::io::Write::write_all(&mut shim.stdin.as_ref().unwrap(), b"x").unwrap();
        std::io::Read::read_exact(shim.stdout.as_mut().unwrap(), &mut [0]).unwrap();
        let mounts = format!("/proc/{}/mountinfo", shim.id());
        let name = task.netns.display().to_string();
        assert!(std::fs::read_to_string(&mounts).unwrap().contains(&name));
        host.detach("a").await.unwrap();
        assert!(!std::fs::read_to_string(&mounts).unwrap().contains(&name));
        drop(shim.stdin.take());
        shim.wait().unwrap();
    });
}

#[test]
fn addresses_and_ids_cannot_be_attached_twice() {
    on_scratch_machine(|| async {
        let host = host().await;
        host.attach("a", ip("172.31.0.2")).await.unwrap();
        assert_eq!(
            host.attach("b", ip("172.31.0.2")).await.unwrap_err().to_string(),
            "the address 172.31.0.2 is attached to the task a, so b cannot have it"
        );
        assert_eq!(
            host.attach("a", ip("172.31.0.3")).await.unwrap_err().to_string(),
            "a is attached with the address 172.31.0.2, not 172.31.0.3: detach it first"
        );
        assert_eq!(host.attachments().await.unwrap(), [found("a", "172.31.0.2")], "b left nothing behind");
        assert_eq!(
            host.attach("c", ip("172.31.0.1")).await.unwrap_err().to_string(),
            "the address 172.31.0.1 cannot be given to a task of the subnet 172.31.0.0/16"
        );
        assert!(matches!(host.attach("../c", ip("172.31.0.9")).await, Err(NetError::Config(_))));
    });
}

#[test]
fn two_calls_for_one_id_do_not_mix() {
    on_scratch_machine(|| async {
        let host = host().await;
        let address = ip("172.31.0.2");
        let (first, second) = tokio::join!(host.attach("a", address), host.detach("a"));
        first.unwrap();
        let busy = second.unwrap_err();
        assert_eq!(busy.to_string(), "another operation on the network of a is under way");
        assert!(busy.is_transient());
        host.detach("a").await.unwrap();
    });
}

#[test]
fn purge_leaves_no_trace() {
    on_scratch_machine(|| async {
        let (links, rules) = (run("ip -o link"), run("nft list ruleset"));
        let host = host().await;
        host.attach("a", ip("172.31.0.2")).await.unwrap();
        host.attach("b", ip("172.31.0.3")).await.unwrap();
        for _ in 0..2 {
            // The second time finds nothing, not even the directory.
            host.purge().await.unwrap();
            assert_eq!((run("ip -o link"), run("nft list ruleset")), (links.clone(), rules.clone()));
            assert!(!config().netns_dir.exists());
            assert!(!run("cat /proc/self/mountinfo").contains("/mnt/skep"));
        }
    });
}

#[test]
fn fifty_attachments_are_quick() {
    const COUNT: u8 = 50;
    on_scratch_machine(|| async {
        let host = host().await;
        let started = Instant::now();
        for number in 2..COUNT + 2 {
            let address = std::net::Ipv4Addr::new(172, 31, 0, number);
            host.attach(&format!("task-{number}"), address).await.unwrap();
        }
        let attached = started.elapsed();
        assert_eq!(host.attachments().await.unwrap().len(), usize::from(COUNT));
        let started = Instant::now();
        let detaches = (2..COUNT + 2).map(|number| {
            let (host, id) = (&host, format!("task-{number}"));
            async move { host.detach(&id).await.unwrap() }
        });
        futures_util::future::join_all(detaches).await;
        let detached = started.elapsed();
        let each = |whole: Duration| whole / u32::from(COUNT);
        println!("attach {:?} each, detach {:?} each", each(attached), each(detached));
        // It takes some 2 ms; the bound is far above, because other tests load the machine.
        assert!(each(attached) < Duration::from_millis(100), "attach took {:?} each", each(attached));
    });
}
