//! Whole command lines in tests: in this process, against a daemon of a few lines on a socket of its own.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::process::Command;

use crate::app;
use crate::context::Context;
use crate::io::Io;

/// What a command left behind.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ran {
    pub code: u8,
    pub out: String,
    pub err: String,
}

/// The instant at which tests happen.
pub(crate) fn now() -> Timestamp {
    Timestamp::constant(1_767_323_045, 0)
}

/// Runs a command line, without the program name.
pub(crate) async fn skep(words: &[&str], env: &[(&str, &str)]) -> Ran {
    run_at(words, env, now).await
}

async fn run_at(words: &[&str], env: &[(&str, &str)], now: fn() -> Timestamp) -> Ran {
    let (out, err) = (Capture::default(), Capture::default());
    let io = Io {
        out: Box::new(out.clone()),
        err: Box::new(err.clone()),
        columns: None,
        input_is_terminal: false,
        given: Some(Box::new(tokio::io::empty())),
    };
    let env: BTreeMap<String, String> =
        env.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    let mut context = Context::new(io, env, now);
    let words = std::iter::once("skep").chain(words.iter().copied()).map(str::to_owned).collect();
    let code = app::run(&mut context, app::command(), words).await;
    Ran { code, out: out.text(), err: err.text() }
}

/// Compares command lines, one per line, with the docker client where the version we follow is: what differs, or nothing.
/// Hints are ours alone. What holds a shell word is written as in a shell.
pub(crate) async fn differences(lines: &str, env: &[(&str, &str)]) -> String {
    let mut differences = String::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words = crate::grammar::words(line).expect("well quoted");
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let Some(theirs) = docker(&words, env).await else {
            eprintln!("skipped: no docker client 28.2 here");
            return differences;
        };
        let theirs = theirs.nameless();
        let ours = run_at(&words, env, Timestamp::now).await.nameless();
        if ours != theirs {
            differences.push_str(&format!(
                "\n$ {line}\n--- skep {}\n{}{}--- docker {}\n{}{}",
                ours.code, ours.out, ours.err, theirs.code, theirs.out, theirs.err
            ));
        }
    }
    differences
}

/// Runs the docker client; `None` where the version we follow is not.
pub(crate) async fn docker(words: &[&str], env: &[(&str, &str)]) -> Option<Ran> {
    let version = Command::new("docker").arg("--version").output().await.ok()?;
    if !String::from_utf8_lossy(&version.stdout).contains("28.2") {
        return None;
    }
    let output = Command::new("docker")
        .stdin(std::process::Stdio::null())
        .args(words)
        .envs(env.iter().copied())
        .output()
        .await
        .ok()?;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    let code = output.status.code().and_then(|code| u8::try_from(code).ok())?;
    Some(Ran { code, out: text(output.stdout), err: text(output.stderr) })
}

impl Ran {
    /// What is left when the two programs have one name, our hints are gone, and docker 28.2 spells "Run" right.
    pub(crate) fn nameless(self) -> Ran {
        let name = |text: String| text.replace("docker", "skep").replace("\nSRun '", "\nRun '");
        let is_hint = |line: &&str| !line.starts_with("hint: ");
        let err = self.err.split_inclusive('\n').filter(is_hint).collect();
        Ran { code: self.code, out: name(self.out), err: name(err) }
    }
}

/// A stream that remembers.
#[derive(Clone, Default)]
struct Capture(Rc<RefCell<Vec<u8>>>);

impl Capture {
    fn text(&self) -> String {
        String::from_utf8(self.0.borrow().clone()).expect("commands print text")
    }
}

impl Write for Capture {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An answer: status and body.
pub(crate) type Answer = (u16, Vec<u8>);

/// An answer in JSON.
pub(crate) fn json(status: u16, body: impl Into<String>) -> Answer {
    (status, body.into().into_bytes())
}

/// A daemon that answers by a function and remembers what it was asked.
pub(crate) struct Daemon {
    path: String,
    requests: Arc<Mutex<Vec<String>>>,
    serving: tokio::task::JoinHandle<()>,
}

impl Daemon {
    /// Starts to answer; the function gets `VERB /path?query` without the version, and the body.
    pub(crate) fn start(answer: impl Fn(&str, &str) -> Answer + Send + Sync + 'static) -> Daemon {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = format!("/tmp/skep-cli-{}-{number}.sock", std::process::id());
        let listener = UnixListener::bind(&path).expect("binds");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (answer, log) = (Arc::new(answer), Arc::clone(&requests));
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, log) = (Arc::clone(&answer), Arc::clone(&log));
                tokio::spawn(async move { serve(stream, &*answer, &log).await });
            }
        });
        Daemon { path, requests, serving }
    }

    /// Where it listens.
    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.path)
    }

    /// Runs a command line against this daemon.
    pub(crate) async fn skep(&self, words: &[&str]) -> Ran {
        skep(words, &[("DOCKER_HOST", &self.host()), ("HOME", "/nonexistent")]).await
    }

    /// Compares command lines with the docker client, both against this daemon.
    pub(crate) async fn differences(&self, lines: &str) -> String {
        differences(lines, &[("DOCKER_HOST", &self.host()), ("HOME", "/nonexistent")]).await
    }

    /// What was asked since the last call, handshakes left out.
    pub(crate) fn requests(&self) -> Vec<String> {
        std::mem::take(&mut *self.requests.lock().expect("nobody panicked"))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.serving.abort();
        std::fs::remove_file(&self.path).expect("the socket is ours");
    }
}

async fn serve(
    stream: UnixStream,
    answer: &(dyn Fn(&str, &str) -> Answer + Send + Sync),
    log: &Mutex<Vec<String>>,
) {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut line, mut length) = (String::new(), 0);
        loop {
            let mut header = String::new();
            if stream.read_line(&mut header).await.unwrap_or(0) == 0 {
                return;
            }
            if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().expect("a number");
            }
            match header.trim_end() {
                "" => break,
                first if line.is_empty() => {
                    line = first.trim_end_matches(" HTTP/1.1").replacen("/v1.50", "", 1)
                }
                _ => {}
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.expect("the whole body");
        let body = String::from_utf8(body).expect("text");
        let (status, bytes) = if line.ends_with("/_ping") { (200, Vec::new()) } else { answer(&line, &body) };
        if !line.ends_with("/_ping") {
            log.lock().expect("nobody panicked").push(format!("{line} {body}").trim_end().to_owned());
        }
        let head = format!(
            "HTTP/1.1 {status} X\r\nApi-Version: 1.50\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            bytes.len()
        );
        if stream.write_all(&[head.as_bytes(), &bytes].concat()).await.is_err() {
            return;
        }
    }
}
