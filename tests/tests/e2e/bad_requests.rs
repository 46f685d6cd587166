//! Requests made out of a description of the API, by schemathesis: what fits it, what does not, and what lies between.
//!
//! Whatever is asked, the answer is a result or a refusal with a sentence, and the daemon goes on as if nothing was.

use std::time::Duration;

use skep_tests::cluster::{OBEDIENT, PATIENCE};
use skep_tests::{Cluster, Daemon, Registry, Sandbox, clients};

const TCP: &str = "127.0.0.1:2375";
/// Longest time for one answer, pulls and loads included.
const ANSWER_LIMIT: &str = "30";

/// A cluster that is reached over TCP as well: schemathesis knows no unix sockets.
fn start() -> Cluster {
    let sandbox = Sandbox::new().unwrap();
    let registry = Registry::start(&sandbox).unwrap();
    let binary = skep_tests::daemon::binary().unwrap();
    let host = format!("--host=tcp://{TCP}");
    let flags = [host.as_str(), "--insecure-tcp-without-tls", "--log-level=info"];
    let daemon = Daemon::start_with(&sandbox, &binary, &flags).unwrap();
    let mut engine = daemon.engine().unwrap();
    engine.swarm_init().unwrap();
    let docker = daemon.docker(&sandbox).unwrap();
    Cluster { engine, docker, daemon, registry, sandbox }
}

/// Lets schemathesis ask, for as long as `flags` say and at most for `limit`; the seed makes the row of questions.
fn ask(flags: &[&str], seed: u64, limit: Duration) {
    let mut cluster = start();
    let image = cluster.busybox("1").unwrap();
    cluster.docker.run(&["pull", "--quiet", &image]).unwrap();
    cluster.docker.run(&["service", "create", "-d", "--name", "web", &image, "sh", "-c", OBEDIENT]).unwrap();
    let container = cluster.running("web", 1).unwrap().remove(0).container;
    let packages = clients::folder("schemathesis").unwrap().display().to_string();
    let words = [
        // It keeps notes where it is started.
        format!("--chdir={}", cluster.sandbox.folder().display()),
        format!("PYTHONPATH={packages}"),
        "PYTHONDONTWRITEBYTECODE=1".to_owned(),
        format!("SCHEMATHESIS_HOOKS={}", clients::script("refusals.py").display()),
        format!("CONTAINER={container}"),
        "python3".to_owned(),
        "-m".to_owned(),
        "schemathesis.cli".to_owned(),
        "run".to_owned(),
        clients::script("openapi.yaml").display().to_string(),
        format!("--url=http://{TCP}"),
        "--checks=refused_with_a_sentence".to_owned(),
        format!("--seed={seed}"),
        format!("--request-timeout={ANSWER_LIMIT}"),
        "--warnings=off".to_owned(),
        "--no-color".to_owned(),
    ];
    let words: Vec<&str> = words.iter().map(String::as_str).chain(flags.iter().copied()).collect();
    let said = cluster.sandbox.run("env", &words, limit).unwrap();
    let last = format!("{}\n{}", said.stdout, said.stderr);
    assert_eq!(said.code, Some(0), "{last}\nthe daemon:\n{}", cluster.daemon.log_tail());
    println!("{last}");
    // What was asked changed what it may change, and nothing broke.
    cluster.running("web", 1).unwrap();
    let log = std::fs::read_to_string(cluster.sandbox.log("skep")).unwrap();
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn are_refused_with_a_sentence() {
    // So much in so much time: a busy machine asks less, and the questions are others only if the description changes.
    ask(&["--phases=fuzzing", "--max-examples=2", "--max-time=40"], 1, 5 * PATIENCE);
}

/// The same for ten minutes: `cargo test -p skep-tests --test e2e bad_requests -- --ignored --nocapture`.
#[test]
#[ignore = "takes ten minutes"]
fn are_refused_with_a_sentence_however_many() {
    let seed = u64::from(std::process::id());
    ask(&["--phases=coverage,fuzzing", "--max-time=600"], seed, 15 * PATIENCE);
}
