//! `model`, `core`, `sim` and what they are tested with decide; they never reach for a clock, a file, a socket, a thread or chance.
//!
//! Checked as text, in tests too: a test that sleeps or draws lots is as unrepeatable as code that does.

use super::Finding;
use super::source::Source;

/// Crates whose every output follows from their inputs.
const PURE: [&str; 4] = ["skep-model", "skep-core", "skep-sim", "skep-testing"];

/// What is banned, where, and what to use instead.
struct Ban {
    words: &'static [&'static str],
    instead: &'static str,
}

const BANS: [Ban; 7] = [
    Ban {
        words: &["tokio", "async fn", "futures_util"],
        instead: "return plain data and let a shell do the waiting",
    },
    Ban {
        words: &["std::fs", "std::io", "std::process", "std::env"],
        instead: "take the content as an argument and return what to write",
    },
    Ban {
        words: &[
            "TcpStream",
            "TcpListener",
            "UdpSocket",
            "UnixStream",
            "UnixListener",
            "ToSocketAddrs",
            "std::os",
        ],
        instead: "return an effect and let a shell own the socket",
    },
    Ban {
        words: &["std::thread", "thread_local"],
        instead: "one call decides at once; parallelism belongs to shells",
    },
    Ban {
        words: &["SystemTime", "Instant"],
        instead: "take `now: Timestamp` as an argument; deadlines are data",
    },
    Ban { words: &["HashMap", "HashSet"], instead: "use BTreeMap, BTreeSet or imbl's ordered maps" },
    Ban {
        words: &["rand", "getrandom", "RandomState"],
        instead: "take random choices as data, or draw from a seeded source",
    },
];

/// The simulator alone may use these: it is a program with arguments and output, around a pure cluster.
const SIM_MAY: [&str; 4] = ["std::io", "std::process", "std::env", "std::fs"];

/// The files of that program that are not part of the cluster.
const SIM_PROGRAM: [&str; 2] = ["crates/sim/src/main.rs", "crates/sim/src/measure.rs"];

/// Reports banned names in the pure crates.
pub fn check(package: &str, file: &Source) -> Vec<Finding> {
    // The simulator's program spreads seeds over threads and times the whole; what a seed does is pure. A
    // benchmark is there to look at the clock.
    let is_benchmark = file.path.components().any(|part| part.as_os_str() == "benches");
    let is_program = SIM_PROGRAM.iter().any(|path| file.path.ends_with(path));
    if !PURE.contains(&package) || is_benchmark || is_program {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for ban in &BANS {
        for word in ban.words.iter().filter(|word| package != "skep-sim" || !SIM_MAY.contains(*word)) {
            findings.extend(file.words(word).map(|at| {
                let message = format!("`{word}` has no place in {package}: {}", ban.instead);
                Finding::new(&file.path, file.line(at), message)
            }));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn findings(package: &str, text: &str) -> Vec<String> {
        let source = Source::new(Path::new("x.rs"), text.to_owned(), false);
        check(package, &source).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_clock_is_named_with_its_replacement() {
        assert_eq!(
            findings("skep-core", "use std::time::Duration;\nlet t = Instant::now();"),
            [
                "x.rs:2: `Instant` has no place in skep-core: take `now: Timestamp` as an argument; deadlines are data"
            ]
        );
    }

    #[test]
    fn addresses_are_data_and_comments_are_free() {
        assert!(findings("skep-model", "use std::net::Ipv4Addr; // no HashMap, no Instant").is_empty());
    }

    #[test]
    fn shells_may() {
        assert!(findings("skep-agent", "use std::collections::HashMap;").is_empty());
        assert!(findings("skep-sim", "let seed = std::env::args();").is_empty());
        assert!(!findings("skep-sim", "std::thread::sleep(d);").is_empty());
    }
}
