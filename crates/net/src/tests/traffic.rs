//! Packets really go where they should: between containers, to the node, to the outside, and back.

use std::path::Path;
use std::time::Duration;

use super::scratch::{Outside, call, host, ip, on_scratch_machine, run, serve};

const PATIENCE: Duration = Duration::from_secs(5);
/// How long a packet that is dropped is waited for: answers take well under a millisecond.
const SHORT: Duration = Duration::from_millis(200);

#[test]
fn containers_reach_each_other_under_their_own_addresses() {
    on_scratch_machine(|| async {
        let host = host().await;
        let a = host.attach("a", ip("172.31.0.2")).await.unwrap();
        let b = host.attach("b", ip("172.31.0.3")).await.unwrap();
        let server = serve(&b.netns, b.address).await;
        assert_eq!(call(&a.netns, server, PATIENCE).await.as_deref(), Some("172.31.0.2"));
    });
}

#[test]
fn the_node_reaches_a_container_and_a_container_the_node() {
    on_scratch_machine(|| async {
        let host = host().await;
        let task = host.attach("a", ip("172.31.0.2")).await.unwrap();
        let node = Path::new("/proc/thread-self/ns/net");
        let inside = serve(&task.netns, task.address).await;
        assert_eq!(call(node, inside, PATIENCE).await.as_deref(), Some("172.31.0.1"));
        let outside = serve(node, ip("172.31.0.1")).await;
        assert_eq!(call(&task.netns, outside, PATIENCE).await.as_deref(), Some("172.31.0.2"));
    });
}

#[test]
fn the_outside_sees_the_node_in_place_of_the_container() {
    on_scratch_machine(|| async {
        let outside = Outside::new().await;
        let host = host().await;
        let task = host.attach("a", ip("172.31.0.2")).await.unwrap();
        let server = serve(outside.path(), ip("192.0.2.2")).await;
        assert_eq!(call(&task.netns, server, PATIENCE).await.as_deref(), Some("192.0.2.1"));
    });
}

#[test]
fn a_machine_that_merely_routes_here_reaches_no_container() {
    on_scratch_machine(|| async {
        let outside = Outside::new().await;
        let host = host().await;
        let task = host.attach("a", ip("172.31.0.2")).await.unwrap();
        let server = serve(&task.netns, task.address).await;
        let netns = outside.path().to_owned();
        super::scratch::within(&netns, || run("ip route add 172.31.0.0/16 via 192.0.2.1")).await;
        assert_eq!(call(outside.path(), server, SHORT).await, None);
        // The rules did it, not a missing route: without them the same call succeeds.
        run("nft flush chain ip skep forward");
        assert_eq!(call(outside.path(), server, PATIENCE).await.as_deref(), Some("192.0.2.2"));
    });
}

#[test]
fn opening_again_disturbs_no_connection() {
    on_scratch_machine(|| async {
        let outside = Outside::new().await;
        let before = host().await;
        let task = before.attach("a", ip("172.31.0.2")).await.unwrap();
        let server = serve(outside.path(), ip("192.0.2.2")).await;
        let stream = super::scratch::within(&task.netns, move || {
            std::net::TcpStream::connect_timeout(&server, PATIENCE).unwrap()
        })
        .await;
        drop(before);
        let _after = host().await;
        let mut seen = String::new();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        std::io::Read::read_to_string(&mut &stream, &mut seen).unwrap();
        assert_eq!(seen, "192.0.2.1\n");
    });
}
