//! The same commands typed to dockerd 20.10 and to Skep, and the same answers expected.
//!
//! ```text
//!   tests/compare/NAME.txt ──play──► transcript ──plain──► judge ◄── tests/compare/recorded/NAME.txt
//!      commands, as typed     │                              ▲          what dockerd answered
//!                             ├─ dockerd (`--record`, live)  │
//!                             └─ Skep                        └── tests/compare/differences.txt, each with its reason
//! ```
//!
//! [`script`] reads the commands, [`play`] types them, [`plain`] replaces what no two runs share, [`transcript`] is
//! what came of it as a file, [`judge`] finds the differences and takes away those that are meant. `make test` plays
//! Skep against what is recorded; `cargo xtask compare` plays both. It decides nothing about JSON that no command
//! shows: that is [`crate::recorded`].

pub mod judge;
pub mod meant;
pub mod plain;
pub mod play;
pub mod script;
pub mod transcript;

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;

pub use judge::{Verdict, judge};
pub use meant::Meant;
pub use play::{Client, Host, play};
pub use script::Script;
pub use transcript::Transcript;

/// Scripts that are played at once: they wait more than they compute.
const SIDE_BY_SIDE: usize = 3;

/// Returns `tests/compare/`.
fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("compare")
}

/// What came of some scripts.
#[derive(Debug, Default)]
pub struct Played {
    pub transcripts: Vec<Transcript>,
    /// Why others did not come to their end.
    pub failures: Vec<String>,
}

/// Plays scripts, a few at a time.
pub fn play_all(scripts: &[Script], host: Host, client: Client) -> Played {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Result<Transcript>)>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE.min(scripts.len()) {
            scope.spawn(|| {
                while let Some((at, script)) = {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    scripts.get(at).map(|script| (at, script))
                } {
                    let result = play(script, host, client);
                    done.lock().expect("nobody panics while it holds the list").push((at, result));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("nobody panics while it holds the list");
    done.sort_by_key(|(at, _)| *at);
    let mut played = Played::default();
    for (at, result) in done {
        match result {
            Ok(transcript) => played.transcripts.push(transcript),
            Err(error) => {
                // The reason is a chain of sentences; where in the program it arose says nothing about a script.
                let reason: Vec<String> = error.chain().map(ToString::to_string).collect();
                played.failures.push(format!("{}: {}", scripts[at].name, reason.join(": ")));
            }
        }
    }
    played
}

/// Holds Skep against what dockerd answered, script by script; returns what differs and is not meant to.
///
/// Meant differences that no transcript shows are complained about as well, if `all` scripts were played.
pub fn complaints(skep: &Played, client: Client, all: bool) -> Result<Vec<String>> {
    let meant = meant::load()?;
    let mut seen = meant::Seen::default();
    let mut complaints = skep.failures.clone();
    for transcript in &skep.transcripts {
        let recorded = Transcript::load(&transcript.name)?;
        complaints.extend(judge(&recorded, (transcript, client), &meant, &mut seen).complaints);
    }
    if all && skep.failures.is_empty() {
        complaints.extend(seen.stale(&meant, client));
    }
    Ok(complaints)
}
