//! The figures of a fleet as a section of a page.

use std::time::Duration;

use super::{Phase, Size};

/// A phase with what the program saw of it from outside.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub phase: Phase,
    /// Processor time, stand-ins included.
    pub took: Duration,
    /// Most memory that the program had in use so far, in bytes; 0 where that is not known.
    pub memory_peak: u64,
}

const HEADING: &str = "## A fleet under one leader";

/// Returns the section of a page that shows a run.
pub fn render(size: Size, seen: &[Seen]) -> String {
    let Size { nodes, tasks } = size;
    let mut text = format!(
        "{HEADING}\n\n\
         Written by `cargo run --release -p skep-sim -- fleet --nodes {nodes} --tasks {tasks} --write \
         docs/benchmarks.md`; do not edit\nby hand. One leader and its store, the real ones, on one core, with {} \
         nodes and {} tasks. The nodes are stand-ins that\nanswer as nodes do (sessions, heartbeats, three \
         statuses for each start) and run nothing. *Decisions* are writes that the\nleader proposed; their rate is \
         over the time that leader and store took, commits included. Times are the processor's, \
         because others share the\nmachine; *in all* and memory are those of the whole program, stand-ins included; memory is the peak so far.\n\n\
         | phase | virtual time | in all | leader and store | events | decisions | decisions/s | tasks made | \
         peak memory |\n|---|---|---|---|---|---|---|---|---|\n",
        grouped(nodes),
        grouped(tasks),
    );
    for Seen { phase, took, memory_peak } in seen {
        let counts = phase.counts;
        let rate = counts.decisions as f64 / counts.deciding.as_secs_f64().max(1e-9);
        text.push_str(&format!(
            "| {} | {:.1} s | {:.1} s | {:.1} s | {} | {} | {} | {} | {} |\n",
            phase.name,
            phase.lasted.as_secs_f64(),
            took.as_secs_f64(),
            counts.deciding.as_secs_f64(),
            grouped(counts.events),
            grouped(counts.decisions),
            grouped(rate as u64),
            grouped(counts.tasks_made),
            mebibytes(*memory_peak),
        ));
    }
    text
}

/// Puts the section in the place of the one before it, or at the end of the page. A section goes to the next
/// heading of its rank.
pub fn put_section(page: &str, section: &str) -> String {
    let (before, rest) = match page.find(HEADING) {
        Some(at) => page.split_at(at),
        None => (page, ""),
    };
    let after = rest.get(1..).and_then(|rest| rest.find("\n## ")).map_or("", |at| &rest[at + 2..]);
    let mut text = before.trim_end().to_owned();
    if !text.is_empty() {
        text.push_str("\n\n");
    }
    text.push_str(section.trim_end());
    text.push('\n');
    if !after.is_empty() {
        text.push('\n');
        text.push_str(after);
    }
    text
}

/// Writes a number with its thousands apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn mebibytes(bytes: u64) -> String {
    if bytes == 0 { "-".to_owned() } else { format!("{} MiB", grouped(bytes >> 20)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_takes_the_place_of_the_one_before_it() {
        let page = "# Page\n\n## Other\n\ntext\n";
        let once = put_section(page, &format!("{HEADING}\n\none\n"));
        assert_eq!(once, format!("# Page\n\n## Other\n\ntext\n\n{HEADING}\n\none\n"));
        let with_more = format!("{once}\n## Last\n\nend\n");
        let twice = put_section(&with_more, &format!("{HEADING}\n\ntwo\n"));
        assert_eq!(twice, format!("# Page\n\n## Other\n\ntext\n\n{HEADING}\n\ntwo\n\n## Last\n\nend\n"));
        assert_eq!(put_section("", HEADING), format!("{HEADING}\n"));
    }

    #[test]
    fn thousands_are_apart() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
