//! `kill -9` at any moment of writing: whatever a process acknowledged before it vanished is there afterwards.
//!
//! The victim is this test binary run again. It proposes numbers, several in flight, makes snapshots all the
//! time, and says on its standard output which numbers are committed. The test kills it after some of them,
//! opens the log itself, and looks; then the next victim goes on where that one ended.

#![expect(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use skep_raft::{Bootstrap, Config, Delivery, Log, ProposalId, SealKey};
use tempfile::TempDir;
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

const ROUNDS: u64 = 15;
const IN_FLIGHT: u64 = 16;
const SNAPSHOT_EVERY: u64 = 40;
const VICTIM_DIR: &str = "SKEP_RAFT_VICTIM_DIR";
const PATIENCE: Duration = Duration::from_secs(60);

fn config(dir: &Path) -> Config {
    let mut config = Config::new(dir.to_owned(), 1, SealKey::new([7; 32]), Bootstrap::Found);
    (config.snapshot_every, config.keep_entries) = (SNAPSHOT_EVERY, 5);
    config
}

/// The owner's state: the numbers that were committed, in order.
struct State {
    log: Log,
    deliveries: Receiver<Delivery>,
    numbers: Vec<u64>,
}

impl State {
    async fn open(dir: &Path) -> Self {
        let (log, recovered, deliveries) = Log::open(config(dir)).unwrap();
        let mut state = Self { log, deliveries, numbers: Vec::new() };
        if let Some((_, data)) = recovered.snapshot {
            state.numbers = data.as_chunks().0.iter().copied().map(u64::from_be_bytes).collect();
        }
        for entry in recovered.entries {
            state.apply(&entry.data);
        }
        while !matches!(state.next().await, Delivery::Leader(leadership) if leadership.is_self) {}
        state
    }

    fn apply(&mut self, data: &[u8]) {
        self.numbers.extend(data.try_into().ok().map(u64::from_be_bytes));
    }

    async fn next(&mut self) -> Delivery {
        let delivery = timeout(PATIENCE, self.deliveries.recv()).await.unwrap().unwrap();
        match &delivery {
            Delivery::Committed { data, .. } => self.apply(data),
            Delivery::SnapshotWanted { index } => {
                let data = self.numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
                let (log, index) = (self.log.clone(), *index);
                // Refused when the one before is still being written, which the next one makes up for.
                tokio::spawn(async move { drop(log.snapshot(index, data).await) });
            }
            Delivery::Failed(error) => panic!("{error}"),
            _ => {}
        }
        delivery
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9() {
    let dir = TempDir::new().unwrap();
    let mut acknowledged = BTreeSet::new();
    for round in 0..ROUNDS {
        // From a process that is hardly up to one that has cut its log several times.
        let ack_count = 1 + (round * round * 37) % 400;
        acknowledged.extend(run_victim(dir.path().join("log"), ack_count));

        let state = State::open(&dir.path().join("log")).await;
        let held: BTreeSet<_> = state.numbers.iter().copied().collect();
        assert_eq!(held.len(), state.numbers.len(), "a number was committed twice");
        assert!(state.numbers.is_sorted(), "the order changed");
        let lost: Vec<_> = acknowledged.difference(&held).collect();
        assert!(lost.is_empty(), "round {round} lost {lost:?}");
        state.log.shutdown().await;
    }
    assert!(acknowledged.len() as u64 > 2 * SNAPSHOT_EVERY, "too little happened to prove anything");
}

/// Kills a victim after `ack_count` acknowledgements; returns all that it gave.
fn run_victim(dir: PathBuf, ack_count: u64) -> Vec<u64> {
    let mut child = Victim::start(&dir);
    let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
    let mut acknowledged = Vec::new();
    let mut read = |lines: &mut dyn Iterator<Item = std::io::Result<String>>, max: u64| {
        let numbers = lines.filter_map(|line| line.ok()?.strip_prefix("ack ")?.parse::<u64>().ok());
        acknowledged.extend(numbers.take(usize::try_from(max).unwrap()));
    };
    read(&mut lines, ack_count);
    child.0.kill().unwrap();
    child.0.wait().unwrap();
    // What it said before it was killed counts, even if it was not read in time.
    read(&mut lines, u64::MAX);
    assert!(acknowledged.len() as u64 >= ack_count, "the victim ended by itself");
    acknowledged
}

/// Never outlives the test.
struct Victim(Child);

impl Victim {
    fn start(dir: &Path) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "victim", "--ignored", "--nocapture"])
            .env(VICTIM_DIR, dir)
            .stdout(Stdio::piped())
            .spawn();
        Self(child.unwrap())
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        // Fails when it is dead already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Not a test: what the test above kills.
#[tokio::test]
#[ignore = "run by what_was_acknowledged_survives_kill_9"]
async fn victim() {
    let Some(dir) = std::env::var_os(VICTIM_DIR) else { return };
    let mut state = State::open(Path::new(&dir)).await;
    let first = state.numbers.last().map_or(0, |last| last + 1);
    let (mut proposed, mut done) = (first, first);
    let mut output = std::io::stdout();
    // The harness has left the beginning of a line.
    writeln!(output).unwrap();
    loop {
        while proposed - done < IN_FLIGHT {
            state.log.propose(ProposalId(proposed), proposed.to_be_bytes().to_vec()).unwrap();
            proposed += 1;
        }
        if let Delivery::Committed { proposal: Some(ProposalId(number)), .. } = state.next().await {
            // A reader that is gone was killed itself; then there is nothing left to do.
            if writeln!(output, "ack {number}").and_then(|()| output.flush()).is_err() {
                return;
            }
            done += 1;
        }
    }
}
