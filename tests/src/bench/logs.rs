//! The log of a task that writes 100,000 lines a second, followed from its first line to its last.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::json;

use super::chatter::{self, COMMAND};
use super::contender::{Contender, LIMIT, service};
use super::row::{Bound, Unit};
use super::{Rounds, Row, Subject};
use crate::http::Http;
use crate::images::of_program;

const NAME: &str = "chatter";
const RATE: u64 = 100_000;
const SECONDS: u64 = 5;
/// Silence after which the rest counts as lost.
const PATIENCE: Duration = Duration::from_secs(15);

pub const SUBJECT: Subject = Subject {
    name: "logs",
    method: "A task writes 500,000 numbered lines of 80 bytes within 5 s, and `GET /tasks/{id}/logs?follow=1` is read from its \
             start until the last line is there. Processor time is that of daemons and shims together, from before the task \
             is made until the last line is read.",
    rows: &[
        Row {
            what: "`logs -f` at 100,000 lines/s: lines lost of 500,000",
            unit: Unit::Count,
            ratio: None,
            own: Some(Bound::Never),
        },
        Row {
            what: "`logs -f` at 100,000 lines/s: processor time of the engine",
            unit: Unit::Seconds,
            ratio: Some(0.5),
            own: None,
        },
        Row {
            what: "`logs -f` at 100,000 lines/s: from RUNNING to the last line read (5 s are written)",
            unit: Unit::Seconds,
            ratio: None,
            own: None,
        },
    ],
    rounds: 3,
    start: |kind| {
        let contender = Contender::start(kind)?;
        let program = std::env::current_exe().context("cannot find this program")?;
        let image = contender.push(&of_program("chatter", &program)?)?;
        let mut logs = Logs { contender, image };
        // The image comes, and every path is taken once.
        logs.listen(1)?;
        Ok(Box::new(logs))
    },
};

struct Logs {
    contender: Contender,
    image: String,
}

impl Rounds for Logs {
    fn round(&mut self) -> Result<Vec<f64>> {
        let before = self.contender.processor_time()?;
        let heard = self.listen(SECONDS)?;
        let spent = heard.processor_time.saturating_sub(before);
        let lost = RATE * SECONDS - heard.lines;
        Ok(vec![lost as f64, spent.as_secs_f64(), heard.lasted.as_secs_f64()])
    }
}

/// What came of following one task.
struct Heard {
    lines: u64,
    lasted: Duration,
    /// Of the engine, up to the last line.
    processor_time: Duration,
}

impl Logs {
    /// Runs a task that writes for so many seconds, and follows its log to the last line.
    fn listen(&mut self, seconds: u64) -> Result<Heard> {
        let words = ["/program", COMMAND, &RATE.to_string(), &seconds.to_string()];
        let mut spec = service(NAME, &self.image, 1, &words);
        // Its first process has no handler for SIGTERM.
        spec["TaskTemplate"]["ContainerSpec"]["StopSignal"] = json!("SIGKILL");
        let engine = &mut self.contender.engine;
        engine.create_service(&spec)?;
        let tasks = engine.wait_running(NAME, 1, LIMIT, |_| true)?;
        let task = tasks.first().context("a running task")?;
        let started = Instant::now();
        let mut frames = Frames { wanted: RATE * seconds, ..Frames::default() };
        let path = format!("/v1.41/tasks/{}/logs?follow=1&stdout=1", task.id);
        Http::unix(&self.contender.socket())?.stream(&path, PATIENCE, |bytes| frames.take(bytes))?;
        let lasted = started.elapsed();
        let processor_time = self.contender.processor_time()?;
        self.contender.engine.remove_service(NAME)?;
        Ok(Heard { lines: frames.lines, lasted, processor_time })
    }
}

/// Docker's frames, each with a line.
#[derive(Debug, Default)]
struct Frames {
    /// The beginning of a frame whose rest is not there yet.
    partial: Vec<u8>,
    lines: u64,
    /// The number of the last line.
    last: Option<u64>,
    wanted: u64,
}

/// The length of a frame's head: the stream, three zeros, and the length of what follows.
const HEAD: usize = 8;

impl Frames {
    /// Counts lines; breaks when the last one is there. Lines may be missing, but not come twice or out of order.
    fn take(&mut self, bytes: &[u8]) -> Result<ControlFlow<()>> {
        self.partial.extend_from_slice(bytes);
        let mut rest = self.partial.as_slice();
        while let Some((head, body)) = rest.split_at_checked(HEAD) {
            let length = u32::from_be_bytes(head[4..].try_into().expect("four bytes")) as usize;
            let Some((line, after)) = body.split_at_checked(length) else { break };
            let number = chatter::number(line);
            let Some(number) = number.filter(|number| self.last.is_none_or(|last| *number > last)) else {
                bail!("after line {:?} came {:?}", self.last, String::from_utf8_lossy(line));
            };
            (self.last, self.lines, rest) = (Some(number), self.lines + 1, after);
        }
        self.partial = rest.to_vec();
        Ok(match self.last {
            Some(last) if last + 1 >= self.wanted => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(line: &str) -> Vec<u8> {
        let mut frame = vec![1, 0, 0, 0];
        frame.extend_from_slice(&u32::try_from(line.len()).unwrap().to_be_bytes());
        frame.extend_from_slice(line.as_bytes());
        frame
    }

    #[test]
    fn lines_are_counted_however_the_bytes_come() {
        let bytes = [frame("0000000 a\n"), frame("0000001 b\n"), frame("0000003 d\n")].concat();
        for cut in 0..bytes.len() {
            let mut frames = Frames { wanted: 4, ..Frames::default() };
            assert_eq!(frames.take(&bytes[..cut]).unwrap(), ControlFlow::Continue(()));
            assert_eq!(frames.take(&bytes[cut..]).unwrap(), ControlFlow::Break(()));
            assert_eq!(frames.lines, 3);
        }
    }

    #[test]
    fn a_line_that_comes_twice_is_a_fault() {
        let mut frames = Frames { wanted: 9, ..Frames::default() };
        assert!(frames.take(&[frame("0000001 b\n"), frame("0000001 b\n")].concat()).is_err());
    }
}
