//! What the labels of rollouts say: each knob with the end of its label, what it takes, and how that is read.

use std::ops::Bound;
use std::time::Duration;

use super::{Deadline, KNOB_PREFIX, Knobs, Order, PROFILE, Profile};
use crate::service::UpdateOrder;
use crate::share::Share;
use crate::{Labels, limits, span};

/// One knob: the end of its label, what it takes, and how that is read.
struct Knob {
    name: &'static str,
    takes: &'static str,
    set: fn(&mut Knobs, &str) -> Option<()>,
}

const KNOBS: [Knob; 10] = [
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
    Knob {
        name: "max-unavailable",
        takes: "a number of slots or a part of them, such as 2 or 25%",
        set: |knobs, value| put(&mut knobs.max_unavailable, Share::parse(value)),
    },
    Knob {
        name: "max-surge",
        takes: "a number of tasks or a part of the slots, such as 2 or 25%",
        set: |knobs, value| put(&mut knobs.max_surge, Share::parse(value)),
    },
    Knob {
        name: "order",
        takes: "auto, stop-first or start-first",
        set: |knobs, value| put(&mut knobs.order, order(value)),
    },
    Knob {
        name: "count-terminating",
        takes: "true or false",
        set: |knobs, value| put(&mut knobs.count_terminating, value.parse().ok()),
    },
];

fn order(word: &str) -> Option<Order> {
    match word {
        "auto" => Some(Order::Auto),
        "stop-first" => Some(Order::Given(UpdateOrder::StopFirst)),
        "start-first" => Some(Order::Given(UpdateOrder::StartFirst)),
        _ => None,
    }
}

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

/// Returns the labels of rollouts with their values and the knobs that they set, if there are such knobs.
fn knobs_in(labels: &Labels) -> impl Iterator<Item = (&str, &str, Option<&'static Knob>)> {
    let all = labels.range::<str, _>((Bound::Included(KNOB_PREFIX), Bound::Unbounded));
    all.map_while(|(label, value)| {
        let name = label.strip_prefix(KNOB_PREFIX)?;
        Some((label.as_str(), value.as_str(), KNOBS.iter().find(|knob| knob.name == name)))
    })
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
        for (label, value, knob) in knobs_in(labels) {
            let knob = knob.ok_or_else(|| unknown(label))?;
            (knob.set)(&mut knobs, value).ok_or_else(|| refusal(label, value, knob.takes))?;
        }
        Ok(knobs)
    }

    /// Reads the labels that mean something and passes over the others: an earlier version took any, and what is written
    /// beside them must hold.
    pub(crate) fn meant(labels: &Labels) -> Knobs {
        let mut knobs =
            Knobs { profile: labels.get(PROFILE).and_then(|word| Profile::parse(word)), ..Knobs::default() };
        for (_, value, knob) in knobs_in(labels) {
            if let Some(knob) = knob {
                // A value that means nothing leaves its knob unset.
                (knob.set)(&mut knobs, value);
            }
        }
        knobs
    }
}

fn refusal(label: &str, value: &str, takes: &str) -> String {
    format!("label {label}: {value:?} is not {takes}")
}

/// Returns the labels of all knobs.
pub fn knob_labels() -> impl Iterator<Item = String> {
    KNOBS.iter().map(|knob| format!("{KNOB_PREFIX}{}", knob.name))
}

fn unknown(label: &str) -> String {
    let known: Vec<_> = knob_labels().collect();
    format!("label {label} means nothing; known are {}", known.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn labels_that_mean_nothing_take_nothing_from_those_beside_them() {
        let old = labels(&[
            (PROFILE, "careful"),
            ("skep.rollout.min-healthy", "soon"),
            ("skep.rollout.max-surge", "3"),
            ("skep.rollout.speed", "9"),
        ]);
        assert_eq!(
            Knobs::meant(&old),
            Knobs { max_surge: Share::parse("3"), ..Knobs::default() },
            "of the cluster"
        );
        let good = labels(&[(PROFILE, "strict"), ("skep.rollout.bake", "5m"), ("zone", "z")]);
        assert_eq!(Ok(Knobs::meant(&good)), Knobs::parse(&good));
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
