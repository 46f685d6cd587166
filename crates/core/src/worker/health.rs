//! Health checks as Docker does them: when to probe, and what the results add up to.
//!
//! A container is *starting* until a probe succeeds. Failures inside the start period do not count
//! until the first success; `retries` failures in a row make it unhealthy.

use std::time::Duration;

use skep_model::template::Healthcheck;
use skep_model::{Timestamp, limits};

/// The check in force for one container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Monitor {
    test: Vec<String>,
    interval: Duration,
    timeout: Duration,
    start_interval: Duration,
    retries: u32,
    /// End of the start period.
    grace_until: Timestamp,
    next_at: Timestamp,
    probing: bool,
    failing_streak: u32,
    seen_healthy: bool,
}

/// What a probe's result means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing changed that matters.
    Unchanged,
    Healthy,
    Unhealthy,
}

/// What is known of a container's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    pub state: State,
    /// Failed probes in a row that counted.
    pub failing_streak: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// No probe has succeeded yet.
    Starting,
    Healthy,
    Unhealthy,
}

/// Returns the check that results from the service's and the image's, or `None` if there is none.
pub fn effective(spec: Option<&Healthcheck>, image: Option<&Healthcheck>) -> Option<Healthcheck> {
    let own = spec.cloned().unwrap_or_default();
    let inherited = image.cloned().unwrap_or_default();
    let or = |own: Duration, inherited: Duration| if own.is_zero() { inherited } else { own };
    let test = if own.test.is_empty() { inherited.test } else { own.test };
    if test.is_empty() || test[0] == "NONE" {
        return None;
    }
    Some(Healthcheck {
        test,
        interval: or(own.interval, inherited.interval),
        timeout: or(own.timeout, inherited.timeout),
        start_period: or(own.start_period, inherited.start_period),
        start_interval: or(own.start_interval, inherited.start_interval),
        retries: if own.retries == 0 { inherited.retries } else { own.retries },
    })
}

impl Monitor {
    /// Begins to watch a container that started at `started_at`.
    pub fn new(check: Healthcheck, started_at: Timestamp, now: Timestamp) -> Self {
        let or = |given: Duration, default: Duration| if given.is_zero() { default } else { given };
        let mut monitor = Monitor {
            test: check.test,
            interval: or(check.interval, limits::HEALTH_INTERVAL_DEFAULT),
            timeout: or(check.timeout, limits::HEALTH_TIMEOUT_DEFAULT),
            start_interval: or(check.start_interval, limits::HEALTH_START_INTERVAL_DEFAULT),
            retries: if check.retries == 0 { limits::HEALTH_RETRIES_DEFAULT } else { check.retries },
            grace_until: started_at + check.start_period,
            next_at: now,
            probing: false,
            failing_streak: 0,
            seen_healthy: false,
        };
        monitor.next_at = now + monitor.pause(now);
        monitor
    }

    /// Goes on watching a container that was healthy before: its start period is over, however long it was.
    pub fn resume(&mut self, now: Timestamp) {
        self.seen_healthy = true;
        self.next_at = now + self.pause(now);
    }

    /// Returns the time from the end of one probe to the next.
    fn pause(&self, now: Timestamp) -> Duration {
        if now < self.grace_until && !self.seen_healthy { self.start_interval } else { self.interval }
    }

    /// Returns the probe to run now, if one is due.
    pub fn due(&mut self, now: Timestamp) -> Option<(Vec<String>, Duration)> {
        if self.probing || now < self.next_at {
            return None;
        }
        self.probing = true;
        Some((self.test.clone(), self.timeout))
    }

    /// Returns when the next probe is due.
    pub fn wake_at(&self) -> Option<Timestamp> {
        (!self.probing).then_some(self.next_at)
    }

    /// Returns what the probes so far add up to.
    pub fn health(&self) -> Health {
        let state = match self.seen_healthy {
            _ if self.failing_streak >= self.retries => State::Unhealthy,
            true => State::Healthy,
            false => State::Starting,
        };
        Health { state, failing_streak: self.failing_streak }
    }

    /// Takes in the result of the probe under way.
    pub fn probed(&mut self, now: Timestamp, healthy: bool) -> Verdict {
        self.probing = false;
        if healthy {
            self.failing_streak = 0;
            self.seen_healthy = true;
            self.next_at = now + self.pause(now);
            return Verdict::Healthy;
        }
        self.next_at = now + self.pause(now);
        if now < self.grace_until && !self.seen_healthy {
            return Verdict::Unchanged;
        }
        self.failing_streak += 1;
        if self.failing_streak >= self.retries { Verdict::Unhealthy } else { Verdict::Unchanged }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(n: i64) -> Timestamp {
        Timestamp(n * 1_000_000_000)
    }

    fn check(start_period: u64) -> Healthcheck {
        Healthcheck {
            test: vec!["CMD".into(), "true".into()],
            interval: Duration::from_secs(10),
            start_period: Duration::from_secs(start_period),
            start_interval: Duration::from_secs(1),
            retries: 2,
            ..Default::default()
        }
    }

    #[test]
    fn failures_in_a_row_make_it_unhealthy() {
        let mut monitor = Monitor::new(check(0), second(0), second(0));
        assert_eq!(monitor.due(second(9)), None);
        assert!(monitor.due(second(10)).is_some());
        assert_eq!(monitor.due(second(11)), None, "one probe at a time");
        assert_eq!(monitor.probed(second(11), false), Verdict::Unchanged);
        assert_eq!(monitor.health(), Health { state: State::Starting, failing_streak: 1 });
        assert_eq!(monitor.wake_at(), Some(second(21)));
        assert!(monitor.due(second(21)).is_some());
        assert_eq!(monitor.probed(second(21), true), Verdict::Healthy);
        for (at, verdict) in [(31, Verdict::Unchanged), (41, Verdict::Unhealthy)] {
            assert!(monitor.due(second(at)).is_some());
            assert_eq!(monitor.probed(second(at), false), verdict);
        }
    }

    #[test]
    fn the_start_period_forgives_until_the_first_success() {
        let mut monitor = Monitor::new(check(30), second(0), second(0));
        for at in 1..=20 {
            assert!(monitor.due(second(at)).is_some(), "start interval of 1 s");
            assert_eq!(monitor.probed(second(at), false), Verdict::Unchanged);
        }
        assert!(monitor.due(second(21)).is_some());
        assert_eq!(monitor.probed(second(21), true), Verdict::Healthy);
        assert_eq!(monitor.wake_at(), Some(second(31)));
        for (at, verdict) in [(31, Verdict::Unchanged), (41, Verdict::Unhealthy)] {
            assert!(monitor.due(second(at)).is_some());
            assert_eq!(monitor.probed(second(at), false), verdict);
        }
    }

    #[test]
    fn a_resumed_watch_has_no_start_period() {
        let mut monitor = Monitor::new(check(600), second(0), second(5));
        monitor.resume(second(5));
        assert_eq!(monitor.wake_at(), Some(second(15)));
        for (at, verdict) in [(15, Verdict::Unchanged), (25, Verdict::Unhealthy)] {
            assert!(monitor.due(second(at)).is_some());
            assert_eq!(monitor.probed(second(at), false), verdict);
        }
    }

    #[test]
    fn merges_the_service_with_the_image() {
        let image = check(5);
        assert_eq!(effective(None, Some(&image)), Some(image.clone()));
        let own = Healthcheck { retries: 9, ..Default::default() };
        let merged = effective(Some(&own), Some(&image)).expect("the image's test");
        assert_eq!((merged.retries, merged.interval), (9, image.interval));
        let off = Healthcheck { test: vec!["NONE".into()], ..Default::default() };
        assert_eq!(effective(Some(&off), Some(&image)), None);
        assert_eq!(effective(None, None), None);
    }
}
