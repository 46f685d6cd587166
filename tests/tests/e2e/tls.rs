//! TCP is for those who show a certificate.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use skep_tests::{Daemon, Output, Sandbox, run};

const LIMIT: Duration = Duration::from_secs(30);

/// An authority with a certificate for the daemon and one for a client, and another authority's client.
struct Papers(PathBuf);

impl Papers {
    fn make(sandbox: &Sandbox) -> Self {
        let folder = sandbox.folder().join("papers");
        std::fs::create_dir(&folder).unwrap();
        let papers = Papers(folder);
        papers.authority("ca");
        papers.authority("stranger-ca");
        papers.certificate("daemon", "ca", "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth");
        papers.certificate("client", "ca", "extendedKeyUsage=clientAuth");
        papers.certificate("stranger", "stranger-ca", "extendedKeyUsage=clientAuth");
        papers
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    fn authority(&self, name: &str) {
        let (key, pem, subject) =
            (self.path(&format!("{name}.key")), self.path(&format!("{name}.pem")), format!("/CN={name}"));
        let words = [
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "1",
        ];
        openssl(&[&words[..], &["-keyout", &key, "-out", &pem, "-subj", &subject]].concat());
    }

    fn certificate(&self, name: &str, authority: &str, extensions: &str) {
        let file = |name: &str, end: &str| self.path(&format!("{name}.{end}"));
        let (key, request, pem) = (file(name, "key"), file(name, "csr"), file(name, "pem"));
        let subject = format!("/CN={name}");
        let words = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        openssl(&[&words[..], &["-keyout", &key, "-out", &request, "-subj", &subject]].concat());
        std::fs::write(file(name, "ext"), extensions).unwrap();
        let (ca, ca_key, ext) = (file(authority, "pem"), file(authority, "key"), file(name, "ext"));
        let words = ["x509", "-req", "-in", &request, "-CA", &ca, "-CAkey", &ca_key, "-CAcreateserial"];
        openssl(&[&words[..], &["-days", "1", "-out", &pem, "-extfile", &ext]].concat());
    }
}

fn openssl(words: &[&str]) {
    run(Command::new("openssl").args(words), LIMIT).unwrap().success().unwrap();
}

/// Asks for the daemon's version over TLS, with somebody's papers.
fn ask(sandbox: &Sandbox, papers: &Papers, who: &str) -> Output {
    let words = ["version", "--format", "{{.Server.APIVersion}}"];
    sandbox
        .in_network(|| {
            let mut command = Command::new("docker");
            command.env_clear().env("DOCKER_CONFIG", sandbox.folder());
            command.args(["-H", "tcp://127.0.0.1:2376", "--tlsverify"]);
            command.arg(format!("--tlscacert={}", papers.path("ca.pem")));
            command.arg(format!("--tlscert={}", papers.path(&format!("{who}.pem"))));
            command.arg(format!("--tlskey={}", papers.path(&format!("{who}.key"))));
            run(command.args(words), LIMIT)
        })
        .unwrap()
}

#[test]
fn a_client_with_a_certificate_is_let_in_and_a_stranger_is_not() {
    let sandbox = Sandbox::new().unwrap();
    let papers = Papers::make(&sandbox);
    let binary = skep_tests::daemon::binary().unwrap();
    let flag = |name: &str, file: &str| format!("--{name}={}", papers.path(file));
    let flags = [
        "--host=tcp://127.0.0.1:2376".to_owned(),
        "--tlsverify".to_owned(),
        flag("tlscacert", "ca.pem"),
        flag("tlscert", "daemon.pem"),
        flag("tlskey", "daemon.key"),
    ];
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let _daemon = Daemon::start_with(&sandbox, &binary, &flags).unwrap();
    let answer = ask(&sandbox, &papers, "client");
    assert_eq!((answer.code, answer.stdout.trim()), (Some(0), "1.50"), "{}", answer.stderr);
    let refusal = ask(&sandbox, &papers, "stranger");
    assert_eq!(refusal.code, Some(1), "{}", refusal.stdout);
    // Without TLS there is no answer at all.
    let plain =
        sandbox.in_network(|| skep_tests::Http::tcp("127.0.0.1:2376")?.send("GET", "/_ping", &[], &[]));
    assert!(plain.is_err());
}

#[test]
fn papers_that_make_no_sense_are_named() {
    let sandbox = Sandbox::new().unwrap();
    let papers = Papers::make(&sandbox);
    let start = |key: &Path| {
        let flags = [
            "--tlsverify".to_owned(),
            format!("--tlscacert={}", papers.path("ca.pem")),
            format!("--tlscert={}", papers.path("daemon.pem")),
            format!("--tlskey={}", key.display()),
        ];
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let (code, said) = skep_tests::daemon::refused(&sandbox, &flags).unwrap();
        assert_eq!(code, 1, "{said}");
        said
    };
    assert!(start(Path::new("/no/such/key")).contains("cannot read the TLS file /no/such/key"));
    assert!(start(&papers.0.join("client.key")).contains("do not go together"));
}
