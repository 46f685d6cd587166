//! What the container of the logs' measurement runs: numbered lines at a steady rate. It is this program itself, started
//! with other words.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// The first word of its command line.
pub const COMMAND: &str = "chatter";

/// Bytes of a line, its end included: about what services write.
pub const LINE_BYTES: usize = 80;

/// How often it writes in a second: a burst is short beside a pipe, and a pause is longer than the clock is coarse.
const BURSTS_PER_SECOND: u64 = 200;

/// Writes `rate` lines a second for `seconds`, then waits to be killed.
pub fn run(mut words: impl Iterator<Item = String>) -> Result<()> {
    let mut number =
        || words.next().context("usage: bench chatter RATE SECONDS")?.parse::<u64>().context("a number");
    let (rate, seconds) = (number()?, number()?);
    let begun = Instant::now();
    let (mut written, total) = (0, rate * seconds);
    let mut burst = Vec::new();
    for turn in 1..=BURSTS_PER_SECOND * seconds {
        let due = total * turn / (BURSTS_PER_SECOND * seconds);
        burst.clear();
        (written..due).for_each(|number| line(&mut burst, number));
        io::stdout().write_all(&burst).context("cannot write")?;
        written = due;
        let next = begun + Duration::from_micros(1_000_000 / BURSTS_PER_SECOND) * u32::try_from(turn)?;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    loop {
        std::thread::park();
    }
}

/// Appends line `number`, which begins with its number.
fn line(out: &mut Vec<u8>, number: u64) {
    const REST: &[u8] = b" GET /api/v1/hives/7/combs 200 12ms bytes=1834 worker=bee-3 trace=5f0c9a";
    let begin = out.len();
    out.extend_from_slice(format!("{number:07}").as_bytes());
    out.extend_from_slice(&REST[..LINE_BYTES - 8]);
    out.push(b'\n');
    debug_assert_eq!(out.len() - begin, LINE_BYTES);
}

/// Returns the number of a line.
pub fn number(line: &[u8]) -> Option<u64> {
    std::str::from_utf8(line.get(..7)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_one_length_and_tell_their_number() {
        let mut out = Vec::new();
        line(&mut out, 0);
        line(&mut out, 499_999);
        assert_eq!(out.len(), 2 * LINE_BYTES);
        let numbers: Vec<_> = out.split_inclusive(|byte| *byte == b'\n').map(number).collect();
        assert_eq!(numbers, [Some(0), Some(499_999)]);
    }
}
