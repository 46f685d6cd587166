//! Whether the policies of a cluster make sense: its labels under `skep.`. Other labels are nobody's concern.

use std::ops::Bound;

use super::Invalid;
use crate::Labels;
use crate::cluster::ClusterSpec;
use crate::placement::{self, REBALANCE_LABEL, STRATEGY_LABEL, Strategy};
use crate::policy::{self, Knobs};

/// What the labels of all policies begin with.
const PREFIX: &str = "skep.";

impl ClusterSpec {
    /// Checks the policies of the cluster that are written: those that `before` does not have so already. What an earlier
    /// version took is in nobody's way. The error is a sentence that names the label.
    pub fn validate(&self, before: &Labels) -> Result<(), Invalid> {
        let labels = self.labels.range::<str, _>((Bound::Included(PREFIX), Bound::Unbounded));
        let policies = labels.take_while(|(label, _)| label.starts_with(PREFIX));
        let written = policies.filter(|(label, value)| before.get(*label) != Some(value));
        judge(&written.map(|(label, value)| (label.clone(), value.clone())).collect())
            .and_then(|()| self.judge_budget(before))
            .map_err(Invalid::Argument)
    }

    /// Judges the budget for all services, if anything of it is another than before: which part of it they need is up to
    /// their order.
    fn judge_budget(&self, before: &Labels) -> Result<(), String> {
        let (is, was) = (Knobs::meant(&self.labels), Knobs::meant(before));
        let budget = |knobs: &Knobs| (knobs.order, knobs.max_unavailable, knobs.max_surge);
        match budget(&is) == budget(&was) {
            true => Ok(()),
            false => is.check_for_any(),
        }
    }
}

/// Judges policies, each by itself.
fn judge(policies: &Labels) -> Result<(), String> {
    if let Some(label) = policies.keys().find(|label| !known().any(|known| known == **label)) {
        return Err(unknown(label));
    }
    Strategy::of(policies)?;
    placement::rebalances(policies)?;
    Knobs::parse(policies).map(drop)
}

fn known() -> impl Iterator<Item = String> {
    let single = [policy::PROFILE, STRATEGY_LABEL, REBALANCE_LABEL].map(str::to_owned);
    single.into_iter().chain(policy::knob_labels())
}

fn unknown(label: &str) -> String {
    let all: Vec<_> = known().collect();
    let list = all.join(", ");
    match nearest(label, &all) {
        Some(near) => {
            format!("label {label} is no policy of the cluster; did you mean {near}? There are {list}")
        }
        None => format!("label {label} is no policy of the cluster; there are {list}"),
    }
}

/// Returns the policy that was meant: the one whose name was cut short, or else one that is a slip or two away.
fn nearest<'k>(label: &str, known: &'k [String]) -> Option<&'k String> {
    let name = label.strip_prefix(PREFIX).unwrap_or(label);
    let is_tail = |known: &&String| known.ends_with(&format!(".{name}"));
    let slips = |known: &&String| {
        let whole = known.strip_prefix(PREFIX).unwrap_or(known);
        let last = whole.rsplit('.').next().unwrap_or(whole);
        distance(name, whole).min(distance(name, last))
    };
    let close = known.iter().min_by_key(slips).filter(|near| slips(near) <= 1 + name.len() / 4);
    known.iter().find(is_tail).or(close)
}

/// Returns how many letters to add, drop or replace lead from one word to the other. Labels are short.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (at, letter) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (index, other) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[index + 1];
            row[index + 1] = replaced.min(diagonal + 1).min(row[index] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(label: &str, value: &str) -> Option<String> {
        let labels = [(label.to_owned(), value.to_owned())].into();
        let spec = ClusterSpec { labels, ..ClusterSpec::default() };
        spec.validate(&Labels::new()).err().map(|error| error.to_string())
    }

    #[test]
    fn what_was_there_before_is_judged_when_it_changes() {
        let labels = |pairs: &[(&str, &str)]| -> Labels {
            pairs.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect()
        };
        let old = labels(&[("skep.strategi", "binpack"), ("skep.rebalance", "please")]);
        let judged = |change: &[(&str, Option<&str>)]| {
            let mut labels = old.clone();
            for (label, value) in change {
                match value {
                    Some(value) => labels.insert((*label).to_owned(), (*value).to_owned()),
                    None => labels.remove(*label),
                };
            }
            let spec = ClusterSpec { labels, ..ClusterSpec::default() };
            spec.validate(&old).map_err(|error| error.to_string())
        };
        assert_eq!(judged(&[]), Ok(()));
        assert_eq!(judged(&[("skep.strategy", Some("binpack")), ("team", Some("a"))]), Ok(()));
        assert_eq!(judged(&[("skep.strategi", None)]), Ok(()));
        let refused = |label, value| judged(&[(label, Some(value))]).expect_err("it means nothing");
        assert!(refused("skep.strategi", "spread").starts_with("label skep.strategi is no policy"));
        assert!(refused("skep.rollout.spead", "1").starts_with("label skep.rollout.spead is no policy"));
        assert!(refused("skep.rebalance", "maybe").starts_with("label skep.rebalance: \"maybe\""));
        assert!(refused("skep.strategy", "random").starts_with("skep.strategy=random"));
    }

    #[test]
    fn what_is_no_policy_is_refused_by_name_and_the_nearest_told() {
        for (label, near) in [
            ("skep.strategi", Some("skep.strategy")),
            ("skep.rebalanse", Some("skep.rebalance")),
            ("skep.min-healthy", Some("skep.rollout.min-healthy")),
            ("skep.max-unavailabel", Some("skep.rollout.max-unavailable")),
            ("skep.rollout.max-surg", Some("skep.rollout.max-surge")),
            ("skep.foo", None),
        ] {
            let text = refusal(label, "1").expect("no such policy");
            let begin = format!("label {label} is no policy of the cluster; ");
            assert!(text.starts_with(&begin) && text.ends_with("skep.rollout.count-terminating"), "{text}");
            let told = text
                .contains("did you mean")
                .then(|| near.is_some_and(|near| text.contains(&format!("{near}?"))));
            assert_eq!(told, near.map(|_| true), "{text}");
        }
        assert_eq!(refusal("team", "a"), None);
        assert_eq!(refusal("skepsis", "a"), None, "a label of somebody else");
        assert_eq!(refusal("skep.strategy", "binpack"), None);
    }

    #[test]
    fn a_budget_of_nothing_is_refused_for_all_as_for_one() {
        for label in ["skep.rollout.max-unavailable", "skep.rollout.max-surge"] {
            for zero in ["0", "0%"] {
                let text = refusal(label, zero).expect("no service of the other order could be updated");
                assert!(
                    text.starts_with(&format!("label {label}: with 0 nothing can be updated st")),
                    "{text}"
                );
            }
            assert_eq!(refusal(label, "1"), None);
        }
    }

    #[test]
    fn a_budget_of_nothing_is_taken_where_no_service_needs_it() {
        let labels = |order: &str, zero: &str| -> Labels {
            let labels = [("skep.rollout.order", order), (zero, "0")];
            labels.map(|(label, value)| (label.to_owned(), value.to_owned())).into()
        };
        let is_refused = |labels: Labels, before: &Labels| {
            ClusterSpec { labels, ..ClusterSpec::default() }.validate(before).is_err()
        };
        let refusal = |order: &str, zero: &str| is_refused(labels(order, zero), &Labels::new());
        let (unavailable, surge) = ("skep.rollout.max-unavailable", "skep.rollout.max-surge");
        assert_eq!([refusal("start-first", unavailable), refusal("start-first", surge)], [false, true]);
        assert_eq!([refusal("stop-first", unavailable), refusal("stop-first", surge)], [true, false]);
        assert_eq!([refusal("auto", unavailable), refusal("auto", surge)], [true, true]);
        // The other half may be there already, or be taken away.
        let before = labels("start-first", unavailable);
        assert!(!is_refused(
            before.clone(),
            &[("skep.rollout.order".to_owned(), "start-first".to_owned())].into()
        ));
        assert!(is_refused([(unavailable.to_owned(), "0".to_owned())].into(), &before));
        assert!(is_refused(labels("stop-first", unavailable), &before));
        assert!(
            !is_refused(labels("stop-first", unavailable), &labels("stop-first", unavailable)),
            "as it was"
        );
    }
}
