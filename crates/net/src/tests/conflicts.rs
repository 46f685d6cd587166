//! Opening on a host where something is in the way: each refusal is one sentence that names it.

use std::time::Duration;

use rustix::thread::{CapabilitySet, CapabilitySets};

use super::scratch::{Outside, call, config, host, ip, on_scratch_machine, run, serve};
use crate::thread::on_thread;
use crate::{Config, Host, probe};

const PATIENCE: Duration = Duration::from_secs(5);

async fn refusal(config: Config) -> String {
    let error = Host::open(config).await.unwrap_err();
    crate::error::chain(&error)
}

#[test]
fn a_subnet_the_host_uses_already_is_refused() {
    on_scratch_machine(|| async {
        run("ip link add lan type bridge");
        run("ip link set lan up");
        run("ip address add 172.31.7.9/24 dev lan");
        assert_eq!(
            refusal(config()).await,
            "the subnet 172.31.0.0/16 of the bridge skep0 overlaps the address 172.31.7.9/24 of the \
             interface lan: choose a subnet that is free"
        );
        run("ip address flush dev lan");
        run("ip address add 192.0.2.1/24 dev lan");
        run("ip route add 172.16.0.0/12 via 192.0.2.9");
        assert_eq!(
            refusal(config()).await,
            "the subnet 172.31.0.0/16 of the bridge skep0 overlaps the route to 172.16.0.0/12 by lan: \
             choose a subnet that is free"
        );
        run("ip route del 172.16.0.0/12");
        run("ip route add blackhole 172.31.128.0/17");
        assert_eq!(
            refusal(config()).await,
            "the subnet 172.31.0.0/16 of the bridge skep0 overlaps the route to 172.31.128.0/17 by no \
             interface: choose a subnet that is free"
        );
        run("ip route del blackhole 172.31.128.0/17");
        run("ip route add default via 192.0.2.9");
        host().await;
    });
}

#[test]
fn an_interface_of_that_name_which_is_not_ours_is_refused() {
    on_scratch_machine(|| async {
        run("ip link add skep0 type veth peer name other");
        assert_eq!(
            refusal(config()).await,
            "the interface name skep0 is taken by an interface of kind veth: remove that, or choose \
             another bridge name"
        );
        run("ip link delete skep0");
        run("ip link add skep0 type bridge");
        run("ip address add 192.0.2.1/24 dev skep0");
        assert_eq!(
            refusal(config()).await,
            "the interface name skep0 is taken by a bridge that Skep did not create: remove that, or \
             choose another bridge name"
        );
        run("ip address flush dev skep0");
        host().await;
    });
}

#[test]
fn a_new_subnet_waits_until_the_old_one_is_empty() {
    on_scratch_machine(|| async {
        let before = host().await;
        before.attach("a", ip("172.31.0.2")).await.unwrap();
        let changed = Config { subnet: "172.30.0.1/24".parse().unwrap(), ..config() };
        assert_eq!(
            refusal(changed.clone()).await,
            "the bridge skep0 still has the address 172.31.0.1/16, which 1 of its ports depend on: restore \
             that subnet, or remove the tasks first"
        );
        before.detach("a").await.unwrap();
        let after = Host::open(changed).await.unwrap();
        let addresses = run("ip -o -4 address show dev skep0");
        assert!(addresses.contains("172.30.0.1/24") && !addresses.contains("172.31"), "{addresses}");
        after.attach("a", ip("172.30.0.2")).await.unwrap();
    });
}

#[test]
fn a_table_of_somebody_else_is_neither_replaced_nor_removed() {
    on_scratch_machine(|| async {
        let table = |name: &str| Config { table: name.to_owned(), ..config() };
        run("nft add table ip theirs");
        assert_eq!(
            refusal(table("theirs")).await,
            "the nftables table ip theirs is taken by something Skep did not create: remove that, or \
             choose another table name"
        );
        let host = Host::open(table("ours")).await.unwrap();
        run("nft delete table ip ours");
        run("nft add table ip ours");
        host.purge().await.unwrap();
        assert_eq!(run("nft list table ip ours"), "table ip ours {\n}\n");
        let other =
            Config { bridge: "skep1".to_owned(), subnet: "10.9.0.1/24".parse().unwrap(), ..table("x") };
        Host::open(other).await.unwrap();
        assert_eq!(
            refusal(table("x")).await,
            "the nftables table ip x is taken by \"Skep, bridge skep1\": remove that, or choose another \
             table name"
        );
    });
}

#[test]
fn what_is_unusable_is_refused_before_anything_is_touched() {
    on_scratch_machine(|| async {
        let config = Config { bridge: "a-very-long-bridge-name".to_owned(), ..config() };
        assert_eq!(
            refusal(config).await,
            "the network settings are invalid: the bridge name \"a-very-long-bridge-name\" must have 1 \
             to 15 of: letters, digits, '.', '_', '-'"
        );
        assert_eq!(run("nft list ruleset"), "");
    });
}

#[test]
fn without_privileges_the_refusal_names_the_step() {
    on_scratch_machine(|| async {
        let unprivileged = on_thread("unprivileged", || {
            let none = CapabilitySet::empty();
            let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
            // Of this thread and of those it starts.
            rustix::thread::set_capabilities(None, sets).unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { (refusal(config()).await, probe::run().await) })
        });
        let (refusal, findings) = unprivileged.await.unwrap();
        assert_eq!(refusal, "cannot create the bridge skep0: Operation not permitted (os error 1)");
        assert_eq!(
            findings[0].outcome.as_ref().unwrap_err(),
            "cannot create a scratch network namespace: Operation not permitted (os error 1)"
        );
        assert!(findings.iter().all(|finding| finding.outcome.is_err()));
    });
}

#[test]
fn firewalls_that_drop_by_policy_let_the_bridge_pass() {
    on_scratch_machine(|| async {
        // The two kinds there are: the iptables tools' own tables, and a native one.
        run("iptables -P FORWARD DROP");
        run("iptables -A FORWARD -i lo -j ACCEPT");
        run("nft add table inet guard");
        run("nft add chain inet guard gate { type filter hook forward priority 5 ; policy drop ; }");
        run("nft add chain inet guard other { type filter hook forward priority 6 ; policy accept ; }");
        let before = run("nft --stateless list ruleset");

        let outside = Outside::new().await;
        let host = host().await;
        host.repair().await.unwrap();
        let a = host.attach("a", ip("172.31.0.2")).await.unwrap();
        let b = host.attach("b", ip("172.31.0.3")).await.unwrap();
        let server = serve(outside.path(), ip("192.0.2.2")).await;
        assert_eq!(call(&a.netns, server, PATIENCE).await.as_deref(), Some("192.0.2.1"));
        let server = serve(&b.netns, b.address).await;
        assert_eq!(call(&a.netns, server, PATIENCE).await.as_deref(), Some("172.31.0.2"));

        let rules = run("iptables -S FORWARD");
        assert_eq!(
            rules.lines().take(3).collect::<Vec<_>>(),
            [
                "-P FORWARD DROP",
                r#"-A FORWARD -i skep0 -m comment --comment "Skep, bridge skep0" -j ACCEPT"#,
                r#"-A FORWARD -o skep0 -m comment --comment "Skep, bridge skep0" -j ACCEPT"#,
            ],
            "the iptables tools can still read their table"
        );
        let chain = run("nft --stateless list chain inet guard other");
        assert!(!chain.contains("skep0"), "{chain}");
        host.purge().await.unwrap();
        assert_eq!(run("nft --stateless list ruleset"), before);
    });
}
