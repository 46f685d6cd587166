//! Runs a target over its corpus and over inputs made from it, within bounds of number, time and memory.
//!
//! A panic is caught and reported with the input. A hang and memory without a bound end the process: a second thread
//! watches how long one input takes, and the kernel refuses memory beyond the limit. Either way the last line names the
//! number of the input, and the same seed leads to it again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::mutate::Mutator;

/// Longest time for one input; milliseconds are usual, and a machine may be busy with other things.
const INPUT_LIMIT: Duration = Duration::from_secs(20);
/// How often the watch looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Address space of a fuzzing process: a program's own and its threads', and a few hundred megabytes for inputs.
const MEMORY_MAX: u64 = 4 << 30;
/// Files of a corpus that are looked at.
const CORPUS_MAX: usize = 10_000;

/// How long to go on.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    pub seed: u64,
    /// Inputs beyond the corpus.
    pub inputs: u64,
    pub time: Duration,
}

/// What a run found.
#[derive(Debug)]
pub enum Outcome {
    /// Nothing; the number of inputs, the corpus included.
    Passed(u64),
    /// An input that the target panics at.
    Panicked { input: Vec<u8>, number: u64 },
}

/// Returns the folder of a target's corpus.
pub fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target)
}

/// Reads a corpus in the order of its names, so that a seed means the same everywhere.
pub fn read_corpus(folder: &Path) -> Result<Vec<Vec<u8>>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    paths.sort();
    let read =
        |path: PathBuf| std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()));
    paths.into_iter().take(CORPUS_MAX).map(read).collect()
}

/// Takes the process's memory beyond [`MEMORY_MAX`] away.
pub fn bound_memory() -> Result<()> {
    let maximum = getrlimit(Resource::As).maximum;
    setrlimit(Resource::As, Rlimit { current: Some(MEMORY_MAX), maximum }).context("cannot limit the memory")
}

/// Runs a target: first on each input of the corpus, then on what is made from them.
pub fn drive(corpus: Vec<Vec<u8>>, run: Run, target: fn(&[u8])) -> Outcome {
    let watch = Watch::start();
    let deadline = Instant::now() + run.time;
    let mut made = Mutator::new(run.seed, corpus.clone());
    let made =
        std::iter::repeat_with(move || made.next()).take(usize::try_from(run.inputs).unwrap_or(usize::MAX));
    let made = made.take_while(|_| Instant::now() < deadline);
    let mut number = 0;
    for input in corpus.into_iter().chain(made) {
        number += 1;
        watch.begin(number);
        // A target keeps nothing from one input to the next but what it may find in any state.
        if catch_unwind(AssertUnwindSafe(|| target(&input))).is_err() {
            return Outcome::Panicked { input, number };
        }
    }
    Outcome::Passed(number)
}

/// A thread that ends the process when one input takes too long.
struct Watch {
    /// The number of the input under way; 0 when all is done.
    current: Arc<AtomicU64>,
}

impl Watch {
    fn start() -> Self {
        let current = Arc::new(AtomicU64::new(1));
        let seen = Arc::clone(&current);
        std::thread::spawn(move || {
            let (mut number, mut since) = (1, Instant::now());
            while number != 0 {
                std::thread::sleep(LOOK_EVERY);
                let now = seen.load(Ordering::Relaxed);
                if now != number {
                    (number, since) = (now, Instant::now());
                } else if since.elapsed() > INPUT_LIMIT {
                    eprintln!("input {number} takes longer than {INPUT_LIMIT:?}");
                    std::process::abort();
                }
            }
        });
        Self { current }
    }

    fn begin(&self, number: u64) {
        self.current.store(number, Ordering::Relaxed);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.begin(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: Run = Run { seed: 1, inputs: 2_000, time: Duration::from_secs(20) };

    #[test]
    fn a_panic_is_found_with_its_input() {
        let target: fn(&[u8]) = |input| assert!(!input.windows(2).any(|pair| pair == b".."), "two dots");
        let Outcome::Panicked { input, .. } = drive(vec![b"a.b".to_vec()], RUN, target) else {
            panic!("nothing was found");
        };
        assert!(input.windows(2).any(|pair| pair == b".."));
    }

    #[test]
    fn the_corpus_comes_first_and_the_number_is_kept() {
        let outcome = drive(vec![b"a".to_vec(), b"b".to_vec()], Run { inputs: 5, ..RUN }, |_| ());
        assert!(matches!(outcome, Outcome::Passed(7)), "{outcome:?}");
    }
}
