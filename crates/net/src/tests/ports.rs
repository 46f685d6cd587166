//! Published ports: who reaches what is behind them, and under which address.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::time::Duration;

use super::scratch::{Outside, call, config, host, ip, on_scratch_machine, run, serve, within};
use crate::nft::ruleset::Ruleset;
use crate::{NetError, Published, Transport};

const PATIENCE: Duration = Duration::from_secs(5);
const SHORT: Duration = Duration::from_millis(200);

fn tcp(host_port: u16, inside: SocketAddr) -> Published {
    let SocketAddr::V4(inside) = inside else { panic!("an IPv4 address") };
    Published { transport: Transport::Tcp, host_port, address: *inside.ip(), container_port: inside.port() }
}

fn at(address: &str, port: u16) -> SocketAddr {
    (ip(address), port).into()
}

#[test]
fn a_published_port_is_reached_from_everywhere_and_the_outside_keeps_its_address() {
    on_scratch_machine(|| async {
        run("ip link set lo up");
        let outside = Outside::new().await;
        let host = host().await;
        let task = host.attach("a", ip("172.31.0.2")).await.unwrap();
        let other = host.attach("b", ip("172.31.0.3")).await.unwrap();
        let server = serve(&task.netns, task.address).await;
        host.publish("a", &[tcp(8080, server)]).await.unwrap();
        let node = Path::new("/proc/thread-self/ns/net");
        assert_eq!(call(outside.path(), at("192.0.2.1", 8080), PATIENCE).await.as_deref(), Some("192.0.2.2"));
        assert_eq!(call(node, at("127.0.0.1", 8080), PATIENCE).await.as_deref(), Some("172.31.0.1"));
        assert!(call(node, at("192.0.2.1", 8080), PATIENCE).await.is_some());
        assert!(call(&other.netns, at("172.31.0.1", 8080), PATIENCE).await.is_some(), "a neighbour");
        if !bridges_through_rules() {
            assert!(call(&task.netns, at("192.0.2.1", 8080), PATIENCE).await.is_some(), "itself");
        }
        // What is not published stays shut, and 127.0.0.1 is nobody else's.
        assert_eq!(call(outside.path(), at("192.0.2.1", 8081), SHORT).await, None);
        let private = serve(node, ip("127.0.0.1")).await;
        within(&other.netns, || {
            run("ip addr del 127.0.0.1/8 dev lo");
            std::fs::write("/proc/sys/net/ipv4/conf/eth0/route_localnet", "1").unwrap();
            run("ip route add 127.0.0.1/32 via 172.31.0.1");
        })
        .await;
        assert_eq!(call(&other.netns, private, SHORT).await, None);
        // The rule did it: without, a container would reach what listens for the node alone.
        run("nft flush chain ip skep raw");
        assert_eq!(call(&other.netns, private, PATIENCE).await.as_deref(), Some("172.31.0.3"));
        host.unpublish("a").await.unwrap();
        assert_eq!(call(outside.path(), at("192.0.2.1", 8080), SHORT).await, None);
    });
}

#[test]
fn datagrams_come_and_go_through_a_published_port() {
    on_scratch_machine(|| async {
        let outside = Outside::new().await;
        let host = host().await;
        let task = host.attach("a", ip("172.31.0.2")).await.unwrap();
        let server = within(&task.netns, || UdpSocket::bind("172.31.0.2:53").unwrap()).await;
        let wish = Published {
            transport: Transport::Udp,
            host_port: 5353,
            address: task.address,
            container_port: 53,
        };
        host.publish("a", &[wish]).await.unwrap();
        let client = within(outside.path(), || UdpSocket::bind("192.0.2.2:0").unwrap()).await;
        for socket in [&client, &server] {
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
        }
        client.send_to(b"ping", "192.0.2.1:5353").unwrap();
        let mut buffer = [0; 16];
        let (count, from) = server.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..count], from), (&b"ping"[..], client.local_addr().unwrap()));
        server.send_to(b"pong", from).unwrap();
        let (count, from) = client.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..count], from), (&b"pong"[..], at("192.0.2.1", 5353)));

        // The same sender, from the same port, reaches the port's next holder.
        let next = host.attach("b", ip("172.31.0.3")).await.unwrap();
        let server = within(&next.netns, || UdpSocket::bind("172.31.0.3:53").unwrap()).await;
        server.set_read_timeout(Some(PATIENCE)).unwrap();
        host.unpublish("a").await.unwrap();
        host.publish("b", &[Published { address: next.address, ..wish }]).await.unwrap();
        client.send_to(b"again", "192.0.2.1:5353").unwrap();
        let (count, _) = server.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..count], b"again");
    });
}

#[test]
fn a_port_has_one_holder_and_is_free_again_afterwards() {
    on_scratch_machine(|| async {
        let host = host().await;
        let wish = |host_port| tcp(host_port, at("172.31.0.2", 80));
        let taken = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 7000)).unwrap();
        let error = host.publish("a", &[wish(7001), wish(7000)]).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the port 7000/tcp of this node is taken by another program: choose another, or stop that first"
        );
        drop(taken);
        let chosen = host.publish("a", &[wish(7000), wish(0)]).await.unwrap();
        assert_eq!(chosen[0].host_port, 7000);
        assert!(chosen[1].host_port > 1024);
        let error = host.publish("b", &[wish(7000)]).await.unwrap_err();
        assert!(matches!(&error, NetError::PortTaken { holder, .. } if holder == "task a"), "{error}");
        assert!(
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, 7000)).is_err(),
            "programs of the host must notice"
        );
        // A protocol of its own.
        host.publish("b", &[Published { transport: Transport::Udp, ..wish(7000) }]).await.unwrap();
        host.unpublish("a").await.unwrap();
        host.publish("c", &[wish(7000), wish(7001)]).await.unwrap();
    });
}

#[test]
fn the_kernel_holds_the_rules_of_the_text_with_ports_too_and_repair_keeps_them() {
    on_scratch_machine(|| async {
        let host = host().await;
        let wishes = [
            tcp(8080, at("172.31.0.2", 80)),
            Published { transport: Transport::Udp, ..tcp(53, at("172.31.0.3", 5353)) },
        ];
        host.publish("a", &wishes).await.unwrap();
        let config = config();
        let text = Ruleset::publishing(&config, &wishes).text();
        assert_eq!(run("nft --stateless list table ip skep"), text);
        run("nft flush chain ip skep prerouting");
        host.repair().await.unwrap();
        assert_eq!(run("nft --stateless list table ip skep"), text);
        host.unpublish("a").await.unwrap();
        assert_eq!(run("nft --stateless list table ip skep"), Ruleset::new(&config).text());
    });
}

/// Where frames on a bridge pass the packet rules (`br_netfilter`), the kernel sends none back through the port it came
/// from, so a container cannot call itself by a port of its host.
fn bridges_through_rules() -> bool {
    std::fs::read_to_string("/proc/sys/net/bridge/bridge-nf-call-iptables").is_ok_and(|on| on.trim() == "1")
}
