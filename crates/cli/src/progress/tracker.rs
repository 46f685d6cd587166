//! From looks to lines and a verdict. Pure: time is an argument.

use std::time::Duration;

use super::Look;
use super::mode::Counter;
use super::screen::Line;

/// How long a converged service is watched unless its spec says otherwise.
const MONITOR_FOR: Duration = Duration::from_secs(5);

/// What a look means for the command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is not over.
    Wait,
    /// It is over, and well.
    Done,
    /// It is over, and this is why.
    Failed(String),
}

/// What is remembered between looks.
#[derive(Debug)]
pub(super) struct Tracker {
    name: String,
    counter: Option<Counter>,
    monitor_for: Duration,
    is_rollback: bool,
    /// Invariant: set exactly while the last look showed a converged service.
    converged_at: Option<Duration>,
    rollback_message: Option<String>,
    lines: Vec<Line>,
}

impl Tracker {
    /// Begins; the texts call the service `name`.
    pub(super) fn new(name: &str) -> Tracker {
        Tracker {
            name: name.to_owned(),
            counter: None,
            monitor_for: MONITOR_FOR,
            is_rollback: false,
            converged_at: None,
            rollback_message: None,
            lines: Vec::new(),
        }
    }

    /// The lines to show since the last call.
    pub(super) fn take_lines(&mut self) -> Vec<Line> {
        std::mem::take(&mut self.lines)
    }

    /// Takes one look into account. `now` counts from any fixed instant.
    pub(super) fn observe(&mut self, now: Duration, look: &Look) -> Verdict {
        let monitor = look.service.spec.update_config.as_ref().map_or(0, |config| config.monitor);
        if monitor > 0 {
            self.monitor_for = Duration::from_nanos(monitor.unsigned_abs());
        }
        if let Some(verdict) = self.judge_update(look) {
            return verdict;
        }
        if self.converged_at.is_some_and(|at| now.saturating_sub(at) >= self.monitor_for) {
            self.lines.push(Line::new("verify", format!("Service {} converged", self.name)));
            let message = self.rollback_message.take();
            self.lines.extend(message.map(|text| Line { is_final: true, ..Line::new("rollback", text) }));
            return Verdict::Done;
        }
        self.count(now, look).unwrap_or_else(|text| Verdict::Failed(text.to_owned()))
    }

    /// Ctrl-C: the daemon goes on by itself.
    pub(super) fn interrupted(&mut self) -> Verdict {
        if self.converged_at.is_none() {
            self.lines.push(Line::new("", "Operation continuing in background."));
            self.lines.push(Line::new("", format!("Use `skep service ps {}` to check progress.", self.name)));
        }
        Verdict::Done
    }

    fn judge_update(&mut self, look: &Look) -> Option<Verdict> {
        let status = look.service.update_status.as_ref()?;
        let message = &status.message;
        match status.state.as_str() {
            "updating" => self.is_rollback = false,
            "completed" if self.converged_at.is_none() => return Some(Verdict::Done),
            "paused" => return Some(Verdict::Failed(format!("service update paused: {message}"))),
            "rollback_started" => {
                if !self.is_rollback && !message.is_empty() {
                    self.lines.push(Line::new("rollback", message));
                }
                self.is_rollback = true;
            }
            "rollback_paused" => return Some(Verdict::Failed(format!("service rollback paused: {message}"))),
            "rollback_completed" => {
                if self.converged_at.is_none() {
                    self.rollback_message = Some(message.clone());
                }
                self.is_rollback = true;
            }
            _ => {}
        }
        None
    }

    fn count(&mut self, now: Duration, look: &Look) -> Result<Verdict, &'static str> {
        let counter = match &mut self.counter {
            Some(counter) => counter,
            empty => empty.insert(Counter::new(&look.service.spec.mode)?),
        };
        let count = counter.count(look, self.is_rollback)?;
        self.lines.extend(count.lines);
        if !count.is_converged {
            if self.converged_at.take().is_some() {
                self.lines.push(Line::new("verify", "Detected task failure"));
            }
            return Ok(Verdict::Wait);
        }
        if look.service.job_status.is_some() {
            // A job that is done stays done, so there is nothing to verify.
            self.lines.push(Line::new("", "job complete"));
            return Ok(Verdict::Done);
        }
        let converged_at = *self.converged_at.get_or_insert(now);
        if let Some(rest) = self.monitor_for.checked_sub(now.saturating_sub(converged_at)) {
            // Begun seconds count as whole ones, and the last one is shown until it is over.
            let seconds = rest.as_secs_f64().ceil().max(1.0);
            let text = format!("Waiting {seconds} seconds to verify that tasks are stable...");
            self.lines.push(Line::new("verify", text));
        }
        Ok(Verdict::Wait)
    }
}
