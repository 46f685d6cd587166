//! The limits of one container while it is there: whether they are those of its task, and what to do if not.
//!
//! Another revision of the service may come with other limits and leave the task as it is. Then its container gets
//! them, before or after its start. A node that cannot set them says so, tries again a few times where that may help,
//! and leaves the container with those it has.

use std::time::Duration;

use skep_model::Timestamp;
use skep_model::template::Resources;

/// Attempts at a change that may succeed later, such as a memory limit below what is in use.
const ATTEMPTS_MAX: u32 = 6;
/// Pause before the second attempt; doubles with each further one.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What a node knows of the limits of a container.
#[derive(Debug, Default)]
pub(super) struct Limits {
    /// Those it has, or was left without for good; `None`: not known, since its agent restarted.
    settled: Option<Resources>,
    /// Those that were asked for and not answered.
    asked: Option<Resources>,
    attempts: u32,
    retry_at: Option<Timestamp>,
    /// The node said that it could not set them.
    is_refused: bool,
}

impl Limits {
    /// The container is made with these.
    pub fn made_with(&mut self, resources: &Resources) {
        *self = Limits { settled: Some(resources.enforced()), ..Limits::default() };
    }

    /// Returns what the container must get now to have `wanted`, and notes that it was asked for.
    pub fn ask(&mut self, now: Timestamp, wanted: &Resources) -> Option<Resources> {
        let wanted = wanted.enforced();
        if self.asked.is_some() || self.settled.as_ref() == Some(&wanted) {
            return None;
        }
        if self.retry_at.is_some_and(|at| at > now) {
            return None;
        }
        self.asked = Some(wanted.clone());
        Some(wanted)
    }

    /// Returns when to try again.
    pub fn wake_at(&self) -> Option<Timestamp> {
        self.retry_at.filter(|_| self.asked.is_none())
    }

    /// They are in force. Returns whether that ends a complaint.
    pub fn done(&mut self) -> bool {
        let was_refused = self.is_refused;
        *self = Limits { settled: self.asked.take(), ..Limits::default() };
        was_refused
    }

    /// They could not be set.
    pub fn failed(&mut self, now: Timestamp, retryable: bool) {
        self.attempts += 1;
        self.is_refused = true;
        let asked = self.asked.take();
        if retryable && self.attempts < ATTEMPTS_MAX {
            self.retry_at = Some(now + RETRY_AFTER * 2u32.pow(self.attempts - 1));
        } else {
            *self = Limits { settled: asked, is_refused: true, ..Limits::default() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use skep_model::template;

    fn memory(mib: i64) -> Resources {
        let limits = template::Limits { memory_bytes: mib << 20, ..template::Limits::default() };
        Resources { limits: Some(limits), ..Resources::default() }
    }

    #[test]
    fn a_container_gets_what_its_task_has_once() {
        let mut limits = Limits::default();
        limits.made_with(&memory(64));
        let now = Timestamp(0);
        assert_eq!(limits.ask(now, &memory(64)), None);
        assert_eq!(limits.ask(now, &memory(128)), Some(memory(128)));
        assert_eq!(limits.ask(now, &memory(128)), None, "it is being asked for");
        assert!(!limits.done());
        assert_eq!(limits.ask(now, &memory(128)), None);
    }

    #[test]
    fn what_an_agent_does_not_know_it_asks_for() {
        assert_eq!(Limits::default().ask(Timestamp(0), &Resources::default()), Some(Resources::default()));
    }

    #[test]
    fn a_refusal_is_tried_again_a_few_times_and_forgotten_with_the_next_wish() {
        let mut limits = Limits::default();
        limits.made_with(&memory(64));
        let mut now = Timestamp(0);
        let mut attempts = 0;
        while limits.ask(now, &memory(8)).is_some() {
            attempts += 1;
            limits.failed(now, true);
            assert!(limits.ask(now, &memory(8)).is_none(), "not at once");
            now = limits.wake_at().unwrap_or(Timestamp::MAX);
        }
        assert_eq!(attempts, ATTEMPTS_MAX);
        assert_eq!(limits.ask(now, &memory(96)), Some(memory(96)));
        assert!(limits.done(), "the complaint is over");
    }

    #[test]
    fn what_no_attempt_can_mend_is_tried_once() {
        let mut limits = Limits::default();
        limits.made_with(&memory(64));
        assert!(limits.ask(Timestamp(0), &memory(8)).is_some());
        limits.failed(Timestamp(0), false);
        assert_eq!((limits.wake_at(), limits.ask(Timestamp::MAX, &memory(8))), (None, None));
    }
}
