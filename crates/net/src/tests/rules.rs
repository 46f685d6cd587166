//! What the encoder wrote is what the text says, as read back from the kernel by `nft`; and the probe.

use super::scratch::{Outside, config, host, ip, on_scratch_machine, run, within};
use crate::nft::ruleset::Ruleset;
use crate::probe::{self, Feature};
use crate::{Config, Host};

#[test]
fn the_kernel_holds_the_rules_of_the_text() {
    on_scratch_machine(|| async {
        for (table, subnet) in [("skep", "172.31.0.1/16"), ("other_table", "10.9.8.129/27")] {
            let config = Config { table: table.to_owned(), subnet: subnet.parse().unwrap(), ..config() };
            let host = Host::open(config.clone()).await.unwrap();
            assert_eq!(run(&format!("nft --stateless list table ip {table}")), Ruleset::new(&config).text());
            host.purge().await.unwrap();
        }
    });
}

#[test]
fn opening_again_restores_the_rules() {
    on_scratch_machine(|| async {
        host().await;
        let rules = run("nft list ruleset");
        run("nft flush chain ip skep postrouting");
        run("nft add rule ip skep forward drop");
        host().await;
        assert_eq!(run("nft list ruleset"), rules);
    });
}

#[test]
fn forwarding_is_on_and_the_bridge_is_quiet() {
    on_scratch_machine(|| async {
        std::fs::write("/proc/sys/net/ipv4/ip_forward", "0").unwrap();
        host().await;
        let read = |name: &str| std::fs::read_to_string(format!("/proc/sys/net/{name}")).unwrap();
        assert_eq!(read("ipv4/ip_forward").trim_end(), "1");
        assert_eq!(read("ipv6/conf/skep0/disable_ipv6").trim_end(), "1");
        let link = run("ip -o link show dev skep0");
        assert!(link.contains("02:42:ac:1f:00:01") && link.contains("alias bridge of Skep"), "{link}");
    });
}

#[test]
fn packets_are_no_larger_than_the_way_out_takes() {
    on_scratch_machine(|| async {
        let size = |listing: &str| listing.split_once("mtu ").unwrap().1[..4].to_owned();
        let host = host().await;
        let _outside = Outside::new().await;
        assert_eq!(size(&run("ip -o link show dev skep0")), "1500", "there is no way out yet");
        run("ip link set outside mtu 1400");
        run("ip route add default via 192.0.2.2");
        host.repair().await.unwrap();
        let task = host.attach("a", ip("172.31.0.2")).await.unwrap();
        assert_eq!(size(&run("ip -o link show dev skep0")), "1400");
        assert_eq!(size(&run("ip -o link show dev skac1f0002")), "1400");
        assert_eq!(size(&within(&task.netns, || run("ip -o link show dev eth0")).await), "1400");
    });
}

#[test]
fn the_probe_finds_everything_here_and_leaves_nothing() {
    on_scratch_machine(|| async {
        let before = (run("ip -o link"), run("nft list ruleset"));
        let findings = probe::run().await;
        let features: Vec<_> = findings.iter().map(|finding| finding.feature).collect();
        assert_eq!(features, [Feature::Namespaces, Feature::Bridge, Feature::Veth, Feature::Masquerade]);
        for finding in findings {
            assert_eq!(finding.outcome, Ok(()), "{:?}", finding.feature);
        }
        assert_eq!((run("ip -o link"), run("nft list ruleset")), before);
    });
}
