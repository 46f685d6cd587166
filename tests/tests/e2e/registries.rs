//! Registries that refuse, lie, vanish and stall: a clear task error, and no half-unpacked image.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;
use skep_tests::cluster::OBEDIENT;
use skep_tests::images::busybox;
use skep_tests::registry::{PASSWORD, Registry, USER};
use skep_tests::{Cluster, Sandbox};

#[test]
fn a_tag_that_does_not_exist_is_named() {
    let mut cluster = Cluster::start().unwrap();
    cluster.script("web", &[], "127.0.0.1:5000/nothing:9", "true").unwrap();
    let task = cluster.task_in("web", "rejected").unwrap();
    assert!(task.error.contains("127.0.0.1:5000/nothing:9"), "{}", task.error);
}

#[test]
fn the_digest_is_pinned_into_the_service() {
    let mut cluster = Cluster::start().unwrap();
    let image = busybox().unwrap();
    let name = cluster.push(&image).unwrap();
    cluster.web(&name, 1, &[]).unwrap();
    let service = cluster.engine.service("web").unwrap();
    let pinned = format!("{name}@{}", image.digest());
    assert_eq!(service["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"], pinned.as_str());
    // A tag that moves afterwards moves nothing that runs, and nothing that is scaled up.
    cluster.push(&image.with("Labels", json!({"moved": "1"}))).unwrap();
    cluster.docker.run(&["service", "scale", "-d", "web=2"]).unwrap();
    assert!(cluster.running("web", 2).unwrap().iter().all(|task| task.image == pinned));
}

#[test]
fn a_login_is_needed_and_used() {
    let mut cluster = Cluster::start().unwrap();
    let locked = Registry::start_with(&cluster.sandbox, 5001, true).unwrap();
    let image = locked.push(&cluster.sandbox, &busybox().unwrap()).unwrap();
    cluster.script("stranger", &[], &image, OBEDIENT).unwrap();
    let refused = cluster.task_in("stranger", "rejected").unwrap();
    assert!(refused.error.contains("127.0.0.1:5001"), "{}", refused.error);

    let login = BASE64_STANDARD.encode(format!("{USER}:{PASSWORD}"));
    let config = json!({"auths": {"127.0.0.1:5001": {"auth": login}}}).to_string();
    std::fs::write(cluster.sandbox.folder().join("docker-config/config.json"), config).unwrap();
    cluster.script("friend", &["--with-registry-auth"], &image, OBEDIENT).unwrap();
    cluster.running("friend", 1).unwrap();
}

#[test]
fn a_login_is_judged_by_the_registry() {
    let cluster = Cluster::start().unwrap();
    let _private = Registry::start_with(&cluster.sandbox, 5001, true).unwrap();
    let login = |password: &str, registry: &str| {
        cluster.docker.try_run(&["login", "-u", USER, "-p", password, registry]).unwrap()
    };
    let wrong = login("nonsense", "127.0.0.1:5001");
    assert_eq!(wrong.code, Some(1), "{wrong:?}");
    assert!(wrong.stderr.contains("unauthorized: incorrect username or password"), "{wrong:?}");
    let right = login(PASSWORD, "127.0.0.1:5001");
    assert!(right.code == Some(0) && right.stdout.contains("Login Succeeded"), "{right:?}");
    let nobody = login(PASSWORD, "127.0.0.1:1");
    assert!(nobody.code == Some(1) && nobody.stderr.contains("127.0.0.1:1"), "{nobody:?}");
    assert_eq!(cluster.docker.try_run(&["logout", "127.0.0.1:5001"]).unwrap().code, Some(0));
}

#[test]
fn a_local_image_needs_no_registry() {
    let mut cluster = Cluster::start().unwrap();
    let image = cluster.busybox("1").unwrap();
    cluster.web(&image, 1, &[]).unwrap();
    cluster.registry.kill().unwrap();
    cluster.docker.run(&["service", "scale", "-d", "web=3"]).unwrap();
    cluster.running("web", 3).unwrap();
}

#[test]
fn an_unreachable_registry_is_an_error_and_no_hang() {
    let mut cluster = Cluster::start().unwrap();
    cluster.script("web", &[], "127.0.0.1:5999/busybox:1", "true").unwrap();
    let task = cluster.task_in("web", "rejected").unwrap();
    assert!(task.error.contains("127.0.0.1:5999"), "{}", task.error);
}

#[test]
fn a_layer_that_is_not_what_it_says_is_refused() {
    let mut cluster = Cluster::start().unwrap();
    liar(&cluster.sandbox, 5002, Lie::OtherBytes);
    cluster.script("web", &[], "127.0.0.1:5002/busybox:1", "true").unwrap();
    let task = cluster.task_in("web", "rejected").unwrap();
    assert!(task.error.contains("sha256:"), "the layer is named: {}", task.error);
    // The same image from an honest registry is whole: nothing of the lie was kept.
    let honest = cluster.push(&busybox().unwrap()).unwrap();
    assert_eq!(cluster.printed(&[], &honest, "echo whole").unwrap(), "whole\n");
}

#[test]
fn a_layer_that_breaks_off_is_refused() {
    let mut cluster = Cluster::start().unwrap();
    liar(&cluster.sandbox, 5003, Lie::Half);
    cluster.script("web", &[], "127.0.0.1:5003/busybox:1", "true").unwrap();
    cluster.task_in("web", "rejected").unwrap();
    let honest = cluster.push(&busybox().unwrap()).unwrap();
    assert_eq!(cluster.printed(&[], &honest, "echo whole").unwrap(), "whole\n");
}

#[derive(Clone, Copy)]
enum Lie {
    /// The blob has its length, and one other byte.
    OtherBytes,
    /// The connection closes in the middle.
    Half,
}

/// Serves busybox from a real registry through a proxy that spoils its layers.
fn liar(sandbox: &Sandbox, port: u16, lie: Lie) {
    let honest = Registry::start_with(sandbox, port + 1000, false).unwrap();
    honest.push(sandbox, &busybox().unwrap()).unwrap();
    let listener = sandbox.in_network(|| Ok(TcpListener::bind(("127.0.0.1", port))?)).unwrap();
    let target = honest.address();
    sandbox
        .in_network(|| {
            // Lives as long as the test program; its sockets belong to the sandbox's network.
            std::thread::spawn(move || {
                let _honest = honest;
                for stream in listener.incoming().flatten() {
                    // A client that goes away in the middle is what this is about.
                    drop(relay(stream, &target, lie));
                }
            });
            Ok(())
        })
        .unwrap();
}

/// Passes one request on and spoils the answer when it is a layer.
fn relay(mut client: TcpStream, target: &str, lie: Lie) -> std::io::Result<()> {
    let mut request = String::new();
    let mut lines = BufReader::new(client.try_clone()?);
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        if !line.to_ascii_lowercase().starts_with("connection:") {
            request.push_str(&line);
        }
    }
    let mut server = TcpStream::connect(target)?;
    server.write_all(format!("{request}connection: close\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    std::io::Read::read_to_end(&mut server, &mut answer)?;
    // The layer is the one answer that is larger than any manifest.
    if answer.len() > 100_000 {
        let middle = answer.len() / 2;
        match lie {
            Lie::OtherBytes => answer[middle] ^= 0xff,
            Lie::Half => answer.truncate(middle),
        }
    }
    client.write_all(&answer)
}
