//! What must not be told: tokens and keys are in no log and in no argument of a process.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use skep_tests::{Daemon, Http, Sandbox};

/// Asserts that none of the secrets is in the daemon's log or in what any process inside was started with.
fn nobody_tells(sandbox: &Sandbox, secrets: &[String]) {
    let log = std::fs::read_to_string(sandbox.log("skep")).unwrap();
    assert!(log.contains("DEBUG"), "nothing is found in a log that says nothing");
    let processes = sandbox.inmates().unwrap();
    for secret in secrets {
        assert!(!log.contains(secret.as_str()), "{secret} in the log");
        let tells = processes.iter().find(|inmate| inmate.arguments.iter().any(|word| word.contains(secret)));
        assert!(tells.is_none(), "{secret} in {tells:?}");
    }
}

#[test]
fn tokens_and_keys_of_the_cluster_are_not_logged() {
    let sandbox = Sandbox::new().unwrap();
    let (mut daemon, mut engine) = Daemon::start_cluster(&sandbox).unwrap();
    let tokens = engine.get("/swarm").unwrap()["JoinTokens"].clone();
    let secrets = ["Worker", "Manager"].map(|role| tokens[role].as_str().unwrap().to_owned());
    // What was sealed is opened at a start, and tokens change.
    daemon.stop().unwrap();
    daemon.restart(&sandbox).unwrap();
    let mut engine = daemon.engine().unwrap();
    let swarm = engine.get("/swarm").unwrap();
    let path = format!("/swarm/update?version={}&rotateWorkerToken=true", swarm["Version"]["Index"]);
    let rotated = engine.send("POST", &path, Some(&swarm["Spec"])).unwrap();
    assert_eq!(rotated.status, 200, "{}", rotated.text());
    let newer = engine.get("/swarm").unwrap()["JoinTokens"]["Worker"].as_str().unwrap().to_owned();
    assert_ne!(newer, secrets[0]);
    let lines = bring_a_root(&daemon, &sandbox);
    nobody_tells(&sandbox, &[&secrets[..], &[newer, "PRIVATE KEY".to_owned()], &lines].concat());
}

/// Gives the cluster a root of ours. Returns the lines of its key.
fn bring_a_root(daemon: &Daemon, sandbox: &Sandbox) -> Vec<String> {
    let path = |name: &str| sandbox.folder().join(name).display().to_string();
    let (root, key) = (path("root.pem"), path("root.key"));
    let words = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    let mut openssl = Command::new("openssl");
    openssl.args(words).args(["-days", "1000", "-subj", "/CN=mine", "-keyout", &key, "-out", &root]);
    skep_tests::run(&mut openssl, Duration::from_secs(30)).unwrap().success().unwrap();
    let docker = daemon.docker(sandbox).unwrap();
    docker.run(&["swarm", "ca", "--rotate", "--ca-cert", &root, "--ca-key", &key]).unwrap();
    // One the daemon takes, one it refuses: neither is a reason to tell.
    docker.refused(&["swarm", "ca", "--rotate", "--ca-cert", &key, "--ca-key", &key]).unwrap();
    let text = std::fs::read_to_string(&key).unwrap();
    text.lines().filter(|line| !line.starts_with("-----")).map(str::to_owned).collect()
}

#[test]
fn what_the_daemon_keeps_is_roots_alone() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let sandbox = Sandbox::new().unwrap();
    let (daemon, _engine) = Daemon::start_cluster(&sandbox).unwrap();
    let socket = std::fs::metadata(daemon.socket()).unwrap();
    assert_eq!((socket.permissions().mode() & 0o777, socket.uid(), socket.gid()), (0o660, 0, 0));
    // A folder may be passed through, because containers' roots lie below; the state of the cluster may not be read.
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o077;
    let mut folders = vec![sandbox.folder().join("data")];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                files += 1;
                assert_eq!(mode(&path), 0, "{} is open", path.display());
            } else if path.is_dir() && mode(&path) != 0 {
                folders.push(path);
            }
        }
    }
    assert!(files > 0 || mode(&sandbox.folder().join("data")) == 0);
}

#[test]
fn a_group_is_let_in_and_nobody_else() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let sandbox = Sandbox::new().unwrap();
    let binary = skep_tests::daemon::binary().unwrap();
    let daemon = Daemon::start_with(&sandbox, &binary, &["--group=2000"]).unwrap();
    let socket = std::fs::metadata(daemon.socket()).unwrap();
    assert_eq!((socket.permissions().mode() & 0o777, socket.gid()), (0o660, 2000));
    assert_eq!(Http::unix(daemon.socket()).unwrap().send("GET", "/_ping", &[], &[]).unwrap().status, 200);
}
