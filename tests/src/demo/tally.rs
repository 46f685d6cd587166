//! What a client saw, phase by phase: who answered, who did not, and for how long.
//!
//! Pure: the caller brings the time. A replica is *silent* from its last answer to the next one if an
//! attempt failed in between.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

/// Everything heard so far.
#[derive(Debug, Default)]
pub struct Tally {
    phases: Vec<Phase>,
    replicas: BTreeMap<u64, Replica>,
}

/// One part of the story, and what the client saw of it.
#[derive(Debug, Clone)]
pub struct Phase {
    name: &'static str,
    began_at: Instant,
    lasted: Duration,
    /// Answers by version.
    answers: BTreeMap<String, u64>,
    failures: u64,
    /// Most replicas that were silent at the same time.
    silent_max: usize,
    /// Longest silence that ended in this phase.
    silence_max: Duration,
    last_failure: Option<String>,
}

/// The last that was heard of a replica.
#[derive(Debug, Clone)]
pub struct Replica {
    pub version: String,
    pub answered_at: Instant,
    is_silent: bool,
}

impl Tally {
    /// Ends the phase before, if there is one, and begins another.
    pub fn enter(&mut self, name: &'static str, now: Instant) {
        self.close(now);
        let silent_max = self.silent_count();
        self.phases.push(Phase { silent_max, ..Phase::new(name, now) });
    }

    /// Notes how long the last phase took until `now`.
    pub fn close(&mut self, now: Instant) {
        if let Some(phase) = self.phases.last_mut() {
            phase.lasted = now.duration_since(phase.began_at);
        }
    }

    /// Notes the version that a replica named, or why it did not.
    pub fn record(&mut self, slot: u64, now: Instant, outcome: Result<String, String>) {
        match outcome {
            Ok(version) => self.answered(slot, now, version),
            Err(failure) => self.failed(slot, failure),
        }
    }

    fn answered(&mut self, slot: u64, now: Instant, version: String) {
        let replica = Replica { version: version.clone(), answered_at: now, is_silent: false };
        let before = self.replicas.insert(slot, replica);
        let Some(phase) = self.phases.last_mut() else { return };
        *phase.answers.entry(version).or_default() += 1;
        if let Some(before) = before.filter(|before| before.is_silent) {
            phase.silence_max = phase.silence_max.max(now.duration_since(before.answered_at));
        }
    }

    fn failed(&mut self, slot: u64, failure: String) {
        // A replica that has never answered is not missed: it is still starting.
        let Some(replica) = self.replicas.get_mut(&slot) else { return };
        replica.is_silent = true;
        let silent = self.silent_count();
        let Some(phase) = self.phases.last_mut() else { return };
        phase.failures += 1;
        phase.silent_max = phase.silent_max.max(silent);
        phase.last_failure = Some(failure);
    }

    fn silent_count(&self) -> usize {
        self.replicas.values().filter(|replica| replica.is_silent).count()
    }

    /// Returns the last that was heard of each replica, by its slot.
    pub fn replicas(&self) -> &BTreeMap<u64, Replica> {
        &self.replicas
    }

    /// Returns all phases, in order.
    pub fn phases(&self) -> &[Phase] {
        &self.phases
    }
}

impl Phase {
    fn new(name: &'static str, now: Instant) -> Self {
        Self {
            name,
            began_at: now,
            lasted: Duration::ZERO,
            answers: BTreeMap::new(),
            failures: 0,
            silent_max: 0,
            silence_max: Duration::ZERO,
            last_failure: None,
        }
    }

    /// Returns how often a replica was asked.
    pub fn asked(&self) -> u64 {
        self.answers.values().sum::<u64>() + self.failures
    }

    fn answers_of(&self, version: &str) -> u64 {
        self.answers.get(version).copied().unwrap_or_default()
    }

    /// Checks that every request was answered, and by these versions only, all of them.
    pub fn expect_undisturbed(&self, versions: &[&str]) -> Result<()> {
        let (name, failures) = (self.name, self.failures);
        let last = self.last_failure.as_deref().unwrap_or_default();
        ensure!(failures == 0, "{failures} requests failed in the phase \"{name}\"; the last: {last}");
        self.expect_versions(versions)
    }

    /// Checks that replicas were replaced one at a time, and that only these versions answered, all of them.
    pub fn expect_rolling(&self, versions: &[&str]) -> Result<()> {
        let silent = self.silent_max;
        ensure!(silent <= 1, "{silent} replicas were silent at once in the phase \"{}\"", self.name);
        self.expect_versions(versions)
    }

    fn expect_versions(&self, versions: &[&str]) -> Result<()> {
        let heard: Vec<&str> = self.answers.keys().map(String::as_str).collect();
        ensure!(heard == versions, "{heard:?} answered in the phase \"{}\", not {versions:?}", self.name);
        Ok(())
    }
}

/// Renders one row for each phase and one for all of them; `versions` are the columns.
pub fn table(phases: &[Phase], versions: &[&str]) -> String {
    let mut head: Vec<String> = ["PHASE", "TIME", "ASKED"].map(String::from).into();
    head.extend(versions.iter().map(|version| (*version).to_owned()));
    head.extend(["FAILED", "SILENT AT ONCE", "LONGEST SILENCE"].map(String::from));
    let mut rows = vec![head];
    rows.extend(phases.iter().map(|phase| cells(phase, versions)));
    rows.push(cells(&total(phases), versions));
    align(&rows)
}

fn cells(phase: &Phase, versions: &[&str]) -> Vec<String> {
    let mut cells = vec![
        phase.name.to_owned(),
        format!("{:.1} s", phase.lasted.as_secs_f64()),
        phase.asked().to_string(),
    ];
    cells.extend(versions.iter().map(|version| phase.answers_of(version).to_string()));
    let silence = if phase.silence_max.is_zero() {
        "-".into()
    } else {
        format!("{} ms", phase.silence_max.as_millis())
    };
    cells.extend([phase.failures.to_string(), phase.silent_max.to_string(), silence]);
    cells
}

fn total(phases: &[Phase]) -> Phase {
    let mut total = Phase::new("in all", Instant::now());
    for phase in phases {
        total.lasted += phase.lasted;
        total.failures += phase.failures;
        total.silent_max = total.silent_max.max(phase.silent_max);
        total.silence_max = total.silence_max.max(phase.silence_max);
        for (version, count) in &phase.answers {
            *total.answers.entry(version.clone()).or_default() += count;
        }
    }
    total
}

/// Pads every column to its widest cell: the first to the left, figures to the right.
fn align(rows: &[Vec<String>]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let mut text = String::new();
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            let width = width(column);
            let written =
                if column == 0 { write!(text, "{cell:<width$}") } else { write!(text, "   {cell:>width$}") };
            written.expect("writing to a string cannot fail");
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Replays attempts given as (milliseconds, slot, version or nothing) in one phase.
    fn phase(attempts: &[(u64, u64, Option<&str>)]) -> Phase {
        let began_at = Instant::now();
        let mut tally = Tally::default();
        tally.enter("test", began_at);
        for (after, slot, version) in attempts {
            let outcome = version.map(String::from).ok_or_else(|| "refused".to_owned());
            tally.record(*slot, began_at + Duration::from_millis(*after), outcome);
        }
        tally.close(began_at + Duration::from_secs(2));
        tally.phases()[0].clone()
    }

    #[test]
    fn a_silence_lasts_from_answer_to_answer() {
        let phase = phase(&[(10, 1, Some("6")), (40, 1, None), (70, 1, None), (110, 1, Some("7"))]);
        assert_eq!((phase.asked(), phase.failures), (4, 2));
        assert_eq!((phase.silent_max, phase.silence_max), (1, Duration::from_millis(100)));
        phase.expect_rolling(&["6", "7"]).unwrap();
        let error = phase.expect_undisturbed(&["7"]).unwrap_err().to_string();
        assert_eq!(error, "2 requests failed in the phase \"test\"; the last: refused");
    }

    #[test]
    fn two_silent_replicas_are_no_rolling_update() {
        let phase = phase(&[(1, 1, Some("6")), (1, 2, Some("6")), (2, 1, None), (3, 2, None)]);
        let error = phase.expect_rolling(&["6"]).unwrap_err().to_string();
        assert_eq!(error, "2 replicas were silent at once in the phase \"test\"");
    }

    #[test]
    fn a_replica_that_is_starting_is_not_missed() {
        let phase = phase(&[(1, 1, None), (2, 1, Some("6"))]);
        phase.expect_undisturbed(&["6"]).unwrap();
        assert!(phase.expect_undisturbed(&["7"]).is_err());
    }

    #[test]
    fn the_table_has_a_row_for_each_phase_and_a_total() {
        let phase = phase(&[(10, 1, Some("6")), (40, 1, None), (110, 1, Some("7"))]);
        let text = table(&[phase.clone(), phase], &["6", "7"]);
        let expected = "\
PHASE     TIME   ASKED   6   7   FAILED   SILENT AT ONCE   LONGEST SILENCE
test     2.0 s       3   1   1        1                1            100 ms
test     2.0 s       3   1   1        1                1            100 ms
in all   4.0 s       6   2   2        2                1            100 ms
";
        assert_eq!(text, expected);
    }
}
