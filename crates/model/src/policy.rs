//! How carefully a service is rolled: its profile, and the knobs that refine it.
//!
//! Both are labels ([`PROFILE`] and `skep.rollout.*`), because labels are what every Docker client hands back
//! unharmed. They only ever add: `UpdateConfig` and `RollbackConfig` keep Swarm's meaning. Whoever rolls a
//! service reads the one [`Policy`] that results, and no label.

use std::ops::Bound;
use std::time::Duration;

use crate::rollout::Direction;
use crate::service::{FailureAction, UpdateConfig, UpdateOrder};
use crate::{Labels, ServiceSpec, limits, span};

/// The label that names a profile.
pub const PROFILE: &str = "skep.profile";
/// What the labels of all knobs begin with.
pub const KNOB_PREFIX: &str = "skep.rollout.";

/// A set of defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Swarm's own pacing, weaknesses included.
    Swarm,
    /// Swarm's pacing, except that the first batch must live through the monitor period before the second
    /// starts, and that a task which does not come up has failed.
    #[default]
    Safe,
    /// Like `Safe`, and every batch must prove itself.
    Strict,
}

impl Profile {
    fn parse(word: &str) -> Option<Profile> {
        match word {
            "swarm" => Some(Profile::Swarm),
            "safe" => Some(Profile::Safe),
            "strict" => Some(Profile::Strict),
            _ => None,
        }
    }
}

/// What the labels of one object say; `None` where they say nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Knobs {
    pub profile: Option<Profile>,
    pub min_healthy: Option<Duration>,
    pub start_deadline: Option<Deadline>,
    pub progress_deadline: Option<Deadline>,
    pub max_duration: Option<Deadline>,
    /// How long a revision must have run before it counts as stable.
    pub bake: Option<Duration>,
    /// Whether what can change in a running container does so there.
    pub in_place: Option<bool>,
}

/// A bound on how long something may take, where there is one.
pub type Deadline = Option<Duration>;

/// One knob: the end of its label, what it takes, and how that is read.
struct Knob {
    name: &'static str,
    takes: &'static str,
    set: fn(&mut Knobs, &str) -> Option<()>,
}

const KNOBS: [Knob; 6] = [
    Knob {
        name: "min-healthy",
        takes: "a duration from 0s to 1h, such as 30s",
        set: |knobs, value| {
            put(&mut knobs.min_healthy, within(value, Duration::ZERO, limits::MIN_HEALTHY_MAX))
        },
    },
    Knob {
        name: "start-deadline",
        takes: "a duration from 1s to 1d, such as 5m, or off",
        set: |knobs, value| put(&mut knobs.start_deadline, deadline(value, limits::DEADLINE_MAX)),
    },
    Knob {
        name: "progress-deadline",
        takes: "a duration from 1s to 1d, such as 10m, or off",
        set: |knobs, value| put(&mut knobs.progress_deadline, deadline(value, limits::DEADLINE_MAX)),
    },
    Knob {
        name: "max-duration",
        takes: "a duration from 1s to 30d, such as 2h, or off",
        set: |knobs, value| put(&mut knobs.max_duration, deadline(value, limits::ROLLOUT_DURATION_MAX)),
    },
    Knob {
        name: "bake",
        takes: "a duration from 0s to 7d, such as 10m",
        set: |knobs, value| put(&mut knobs.bake, within(value, Duration::ZERO, limits::BAKE_MAX)),
    },
    Knob { name: "inplace", takes: "on or off", set: |knobs, value| put(&mut knobs.in_place, switch(value)) },
];

/// Puts down what was read; `None` where it could not be.
fn put<T>(place: &mut Option<T>, value: Option<T>) -> Option<()> {
    *place = value;
    place.is_some().then_some(())
}

fn switch(word: &str) -> Option<bool> {
    match word {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

fn deadline(value: &str, max: Duration) -> Option<Deadline> {
    match value {
        "off" => Some(None),
        _ => within(value, limits::DEADLINE_MIN, max).map(Some),
    }
}

fn within(value: &str, min: Duration, max: Duration) -> Option<Duration> {
    span::parse(value).filter(|span| (min..=max).contains(span))
}

impl Knobs {
    /// Reads the labels of a service or of the cluster. The error is a sentence that names the label, its value and
    /// what it takes.
    pub fn parse(labels: &Labels) -> Result<Knobs, String> {
        let mut knobs = Knobs::default();
        if let Some(word) = labels.get(PROFILE) {
            let profile = Profile::parse(word);
            knobs.profile = Some(profile.ok_or_else(|| refusal(PROFILE, word, "swarm, safe or strict"))?);
        }
        let all = labels.range::<str, _>((Bound::Included(KNOB_PREFIX), Bound::Unbounded));
        for (label, value) in all {
            let Some(name) = label.strip_prefix(KNOB_PREFIX) else { break };
            let knob = KNOBS.iter().find(|knob| knob.name == name).ok_or_else(|| unknown(label))?;
            (knob.set)(&mut knobs, value).ok_or_else(|| refusal(label, value, knob.takes))?;
        }
        Ok(knobs)
    }

    /// Returns these knobs, and those of `other` where these say nothing.
    fn or(self, other: Knobs) -> Knobs {
        Knobs {
            profile: self.profile.or(other.profile),
            min_healthy: self.min_healthy.or(other.min_healthy),
            start_deadline: self.start_deadline.or(other.start_deadline),
            progress_deadline: self.progress_deadline.or(other.progress_deadline),
            max_duration: self.max_duration.or(other.max_duration),
            bake: self.bake.or(other.bake),
            in_place: self.in_place.or(other.in_place),
        }
    }
}

fn refusal(label: &str, value: &str, takes: &str) -> String {
    format!("label {label}: {value:?} is not {takes}")
}

fn unknown(label: &str) -> String {
    let known: Vec<_> = KNOBS.iter().map(|knob| format!("{KNOB_PREFIX}{}", knob.name)).collect();
    format!("label {label} means nothing; known are {}", known.join(", "))
}

/// How one service is rolled in one direction, all sources considered.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    pub profile: Profile,
    /// Slots in change at the same time.
    pub lanes: u64,
    /// Pause after each replaced slot before its lane takes the next.
    pub delay: Duration,
    pub order: UpdateOrder,
    pub failure_action: FailureAction,
    pub max_failure_ratio: f32,
    /// How long after it came up the failure of a replacement counts.
    pub monitor: Duration,
    /// The first batch must live through the monitor period before another slot is taken up.
    pub proves_first_batch: bool,
    /// How long a slot must be up without a break before its lane is free.
    pub min_healthy: Duration,
    /// How long a replacement may take to come up; what its image takes to be fetched is not counted.
    pub start_deadline: Deadline,
    /// How long the rollout may wait for the next slot to come up.
    pub progress_deadline: Deadline,
    /// How long the whole rollout may take.
    pub max_duration: Deadline,
    /// How long all slots must run a revision without a break before that is stable.
    pub bake: Duration,
    /// What can be changed while a task runs is changed so: limits, restart policy.
    pub changes_in_place: bool,
}

impl Policy {
    /// Resolves the labels of the cluster and what the service says.
    ///
    /// A service that names a profile of its own starts from that alone; else what is set for the cluster
    /// holds where the service says nothing. Labels were judged when they were written.
    pub fn of(cluster: Option<&Labels>, spec: &ServiceSpec, direction: Direction) -> Policy {
        let own = Knobs::parse(&spec.labels).unwrap_or_default();
        let knobs = match (own.profile, cluster) {
            (None, Some(labels)) => own.or(Knobs::parse(labels).unwrap_or_default()),
            _ => own,
        };
        let profile = knobs.profile.unwrap_or_default();
        let is_forward = direction == Direction::Forward;
        let given = if is_forward { &spec.update } else { &spec.rollback };
        let is_strict = profile == Profile::Strict && is_forward;
        let UpdateConfig { parallelism, delay, failure_action, monitor, max_failure_ratio, order, .. } =
            given.clone().unwrap_or_default();
        let min_healthy_default = if is_strict { limits::MIN_HEALTHY_STRICT } else { Duration::ZERO };
        // The way back is not held up by proofs.
        let min_healthy = knobs.min_healthy.filter(|_| is_forward).unwrap_or(min_healthy_default);
        let start_deadline_default = Some(limits::START_DEADLINE).filter(|_| profile != Profile::Swarm);
        let failure_action = match given {
            None if is_strict => FailureAction::Rollback,
            _ => failure_action,
        };
        // Nor is it given up because it takes long; and what goes on whatever happens is not, either.
        let gives_up = is_forward && failure_action != FailureAction::Continue;
        let of_update = |knob: Option<Deadline>| knob.flatten().filter(|_| gives_up);
        Policy {
            profile,
            lanes: if parallelism == 0 { u64::MAX } else { parallelism },
            delay,
            order,
            failure_action,
            max_failure_ratio,
            // What fails before it was up for long enough has failed.
            monitor: monitor.max(min_healthy),
            proves_first_batch: profile != Profile::Swarm && is_forward,
            min_healthy,
            start_deadline: knobs.start_deadline.unwrap_or(start_deadline_default),
            progress_deadline: of_update(knobs.progress_deadline),
            max_duration: of_update(knobs.max_duration),
            // Swarm knows no bake: it goes back to what was before, however short.
            bake: knobs.bake.unwrap_or(match profile {
                Profile::Swarm => Duration::ZERO,
                Profile::Safe | Profile::Strict => limits::BAKE_DEFAULT,
            }),
            changes_in_place: knobs.in_place.unwrap_or(true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn policy(cluster: &[(&str, &str)], service: &[(&str, &str)]) -> Policy {
        let spec = ServiceSpec { labels: labels(service), ..ServiceSpec::default() };
        Policy::of(Some(&labels(cluster)), &spec, Direction::Forward)
    }

    #[test]
    fn the_service_speaks_before_the_cluster_and_both_before_the_profile() {
        let seconds = |policy: Policy| policy.min_healthy.as_secs();
        assert_eq!(policy(&[], &[]).profile, Profile::Safe);
        assert_eq!(seconds(policy(&[], &[])), 0);
        assert_eq!(seconds(policy(&[(PROFILE, "strict")], &[])), 30);
        let ten = ("skep.rollout.min-healthy", "10s");
        assert_eq!(seconds(policy(&[(PROFILE, "strict"), ten], &[])), 10);
        assert_eq!(seconds(policy(&[ten], &[("skep.rollout.min-healthy", "1m")])), 60);
        // A profile of its own is that profile, whatever is set for others.
        assert_eq!(
            policy(&[(PROFILE, "strict"), ten], &[(PROFILE, "swarm")]),
            policy(&[], &[(PROFILE, "swarm")])
        );
    }

    #[test]
    fn strict_rolls_back_unless_another_action_is_given() {
        let strict = ServiceSpec { labels: labels(&[(PROFILE, "strict")]), ..ServiceSpec::default() };
        let action = |spec: &ServiceSpec, direction| Policy::of(None, spec, direction).failure_action;
        assert_eq!(action(&strict, Direction::Forward), FailureAction::Rollback);
        assert_eq!(action(&strict, Direction::Back), FailureAction::Pause);
        let given = ServiceSpec { update: Some(UpdateConfig::default()), ..strict };
        assert_eq!(action(&given, Direction::Forward), FailureAction::Pause);
    }

    #[test]
    fn deadlines_can_be_set_and_switched_off() {
        let minutes = |deadline: Deadline| deadline.map(|span| span.as_secs() / 60);
        assert_eq!(minutes(policy(&[], &[]).start_deadline), Some(5));
        assert_eq!(minutes(policy(&[], &[(PROFILE, "swarm")]).start_deadline), None);
        assert_eq!(minutes(policy(&[], &[("skep.rollout.start-deadline", "off")]).start_deadline), None);
        let long = [("skep.rollout.progress-deadline", "20m"), ("skep.rollout.max-duration", "2h")];
        assert_eq!(minutes(policy(&long, &[]).progress_deadline), Some(20));
        assert_eq!(minutes(policy(&[], &long).max_duration), Some(120));
        assert_eq!(minutes(policy(&[], &[]).progress_deadline), None);
    }

    #[test]
    fn the_way_back_proves_nothing() {
        let spec = ServiceSpec { labels: labels(&[(PROFILE, "strict")]), ..ServiceSpec::default() };
        let back = Policy::of(None, &spec, Direction::Back);
        assert!(!back.proves_first_batch && back.min_healthy.is_zero());
    }

    #[test]
    fn bad_labels_are_refused_by_name() {
        let refusal = |label: &str, value: &str| {
            Knobs::parse(&labels(&[(label, value)])).expect_err("a label that means nothing")
        };
        assert_eq!(
            refusal(PROFILE, "careful"),
            "label skep.profile: \"careful\" is not swarm, safe or strict"
        );
        assert_eq!(
            refusal("skep.rollout.min-healthy", "soon"),
            "label skep.rollout.min-healthy: \"soon\" is not a duration from 0s to 1h, such as 30s"
        );
        assert!(refusal("skep.rollout.min-healthy", "2h").contains("\"2h\" is not a duration"));
        assert!(
            refusal("skep.rollout.speed", "9")
                .starts_with("label skep.rollout.speed means nothing; known are")
        );
        Knobs::parse(&labels(&[("skep.reason", "x"), ("skep.rollouts", "y"), ("zone", "z")]))
            .expect("labels of others are no concern");
    }
}
