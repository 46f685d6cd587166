//! The root that nodes trust: shown, drawn anew, brought along, and whole after a crash.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use skep_tests::engine::Engine;
use skep_tests::{Daemon, Sandbox, run};

const LIMIT: Duration = Duration::from_secs(30);

/// What shows which root a cluster has.
#[derive(Clone, Debug, PartialEq)]
struct Roots {
    certificate: String,
    /// The part of both join tokens that names the root.
    digest: String,
    tokens: Value,
}

impl Roots {
    /// Looks wherever the root shows, and expects the same everywhere.
    fn of(engine: &mut Engine) -> Roots {
        let swarm = engine.get("/swarm").unwrap();
        assert_eq!(swarm["RootRotationInProgress"], false);
        let node = engine.get("/nodes").unwrap()[0].clone();
        assert_eq!(node["Description"]["TLSInfo"], swarm["TLSInfo"]);
        assert_eq!(engine.get("/info").unwrap()["Swarm"]["Cluster"]["TLSInfo"], swarm["TLSInfo"]);
        let tokens = swarm["JoinTokens"].clone();
        let digest = |role: &str| tokens[role].as_str().unwrap().split('-').nth(2).unwrap().to_owned();
        assert_eq!(digest("Worker"), digest("Manager"));
        let certificate = swarm["TLSInfo"]["TrustRoot"].as_str().unwrap().to_owned();
        Roots { certificate, digest: digest("Worker"), tokens }
    }

    fn is_unlike(&self, other: &Roots) -> bool {
        self.certificate != other.certificate
            && self.digest != other.digest
            && self.tokens["Worker"] != other.tokens["Worker"]
            && self.tokens["Manager"] != other.tokens["Manager"]
    }
}

fn force_rotate(engine: &mut Engine) -> Value {
    engine.get("/swarm").unwrap()["Spec"]["CAConfig"]["ForceRotate"].clone()
}

#[test]
fn a_rotation_draws_another_root_and_outlives_a_crash() {
    let sandbox = Sandbox::new().unwrap();
    let (mut daemon, mut engine) = Daemon::start_cluster(&sandbox).unwrap();
    let (docker, skep) = (daemon.docker(&sandbox).unwrap(), daemon.skep(&sandbox).unwrap());
    let first = Roots::of(&mut engine);
    let shown = docker.run(&["swarm", "ca"]).unwrap();
    assert_eq!(shown.trim(), first.certificate.trim());
    assert_eq!(shown, skep.run(&["swarm", "ca"]).unwrap());

    let mut last = first;
    for (number, client) in [(1, &docker), (2, &skep)] {
        let said = client.run(&["swarm", "ca", "--rotate"]).unwrap();
        let next = Roots::of(&mut engine);
        assert!(next.is_unlike(&last), "{next:?} after {last:?}");
        assert!(said.starts_with("desired root digest: \n  rotated TLS certificates: \n"), "{said}");
        assert!(said.contains("\ndesired root digest: sha256:"), "{said}");
        assert!(said.ends_with(&format!("\n{}\n", next.certificate.trim())), "{said}");
        assert_eq!(force_rotate(&mut engine), number);
        last = next;
    }

    // What is refused by name, and what is about something else, rotates nothing.
    for (flags, text) in [
        (&["--cert-expiry", "100h"][..], "skep: --cert-expiry is not supported yet"),
        (&["--ca-key", "/dev/null"], "file contents must be in PEM format"),
    ] {
        let (_, said) = docker.refused(&[&["swarm", "ca", "--rotate"], flags].concat()).unwrap();
        assert!(said.contains(text), "{said}");
    }
    docker.run(&["swarm", "update", "--task-history-limit", "3"]).unwrap();
    assert_eq!((Roots::of(&mut engine), force_rotate(&mut engine)), (last.clone(), 2.into()));

    daemon.kill().unwrap();
    daemon.restart(&sandbox).unwrap();
    let mut engine = daemon.engine().unwrap();
    assert_eq!((Roots::of(&mut engine), force_rotate(&mut engine)), (last, 2.into()));
}

/// Roots and keys made by openssl.
struct Papers(PathBuf);

impl Papers {
    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    fn openssl(&self, words: &str) {
        let words = words.split(' ').map(|word| match word.contains('.') {
            true => self.path(word),
            false => word.to_owned(),
        });
        run(Command::new("openssl").args(words), LIMIT).unwrap().success().unwrap();
    }

    fn root(&self, key: &str, days: u32) -> String {
        let root = key.replace(".key", ".pem");
        self.openssl(&format!("req -x509 -new -key {key} -days {days} -subj /CN=mine -out {root}"));
        root
    }
}

#[test]
fn a_root_that_somebody_brings_is_taken_with_a_key_in_any_form() {
    let sandbox = Sandbox::new().unwrap();
    let (daemon, mut engine) = Daemon::start_cluster(&sandbox).unwrap();
    let docker = daemon.docker(&sandbox).unwrap();
    let papers = Papers(sandbox.folder().to_owned());
    papers.openssl("ecparam -name prime256v1 -genkey -noout -out sec1.key");
    papers.openssl("genrsa -traditional -out pkcs1.key 2048");
    papers.openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out pkcs8.key");
    let rotate = |root: &str, key: &str| {
        let (root, key) = (papers.path(root), papers.path(key));
        docker.try_run(&["swarm", "ca", "--rotate", "--ca-cert", &root, "--ca-key", &key]).unwrap()
    };
    let mut last = Roots::of(&mut engine);
    for key in ["sec1.key", "pkcs1.key", "pkcs8.key"] {
        let root = papers.root(key, 1000);
        let said = rotate(&root, key).success().unwrap();
        let next = Roots::of(&mut engine);
        assert!(next.is_unlike(&last), "{key}: {next:?} after {last:?}");
        assert_eq!(next.certificate, std::fs::read_to_string(papers.path(&root)).unwrap());
        assert!(said.ends_with(&format!("\n{}\n", next.certificate.trim())), "{said}");
        // The same root once more is no other: whoever has a token can still join.
        rotate(&root, key).success().unwrap();
        assert_eq!(Roots::of(&mut engine), next);
        last = next;
    }
    // What comes with a request is not shown to anybody who asks for the settings.
    let settings = engine.get("/swarm").unwrap()["Spec"]["CAConfig"].clone();
    assert_eq!(settings, serde_json::json!({"NodeCertExpiry": 7_776_000_000_000_000_u64}));

    let refusal = rotate("pkcs8.pem", "sec1.key");
    assert!(refusal.stderr.ends_with("one of another kind than the certificate's\n"), "{}", refusal.stderr);
    papers.openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out other.key");
    let refusal = rotate("pkcs8.pem", "other.key");
    let text =
        "Error response from daemon: rpc error: code = InvalidArgument desc = certificate key mismatch\n";
    assert_eq!((refusal.code, refusal.stderr.as_str()), (Some(1), text));
    papers.root("sec1.key", 300);
    assert!(rotate("sec1.pem", "sec1.key").stderr.ends_with("CA certificate expires too soon\n"));
    assert_eq!(Roots::of(&mut engine), last, "a refusal changes nothing");
}

#[test]
fn a_crash_in_the_middle_leaves_one_root_whole() {
    let sandbox = Sandbox::new().unwrap();
    let (mut daemon, mut engine) = Daemon::start_cluster(&sandbox).unwrap();
    let mut last = Roots::of(&mut engine);
    for round in 0..6 {
        let swarm = engine.get("/swarm").unwrap();
        let mut spec = swarm["Spec"].clone();
        spec["CAConfig"]["ForceRotate"] =
            (swarm["Spec"]["CAConfig"]["ForceRotate"].as_u64().unwrap_or(0) + 1).into();
        let path = format!("/swarm/update?version={}", swarm["Version"]["Index"]);
        // Killed before, while or after the rotation is written, as it comes.
        let is_acknowledged = std::thread::scope(|scope| {
            let asked = scope
                .spawn(|| engine.send("POST", &path, Some(&spec)).is_ok_and(|answer| answer.status == 200));
            std::thread::sleep(Duration::from_millis(round));
            daemon.kill().unwrap();
            asked.join().unwrap()
        });
        daemon.restart(&sandbox).unwrap();
        engine = daemon.engine().unwrap();
        let found = Roots::of(&mut engine);
        assert!(found == last || found.is_unlike(&last), "{found:?} after {last:?}");
        assert!(found != last || !is_acknowledged, "an acknowledged rotation is lost");
        last = found;
    }
}
