//! How carefully a service is rolled: its profile, and the knobs that refine it.
//!
//! Both are labels ([`PROFILE`] and `skep.rollout.*`), because labels are what every Docker client hands back
//! unharmed. They only ever add: `UpdateConfig` and `RollbackConfig` keep Swarm's meaning. Whoever rolls a
//! service reads the one [`Policy`] that results, and no label.

mod label;

use std::time::Duration;

use crate::mount::{Mount, MountKind};
use crate::rollout::Direction;
use crate::service::{FailureAction, UpdateConfig, UpdateOrder};
use crate::share::Share;
use crate::{Labels, ServiceSpec, limits};

pub use label::knob_labels;

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
    /// How many slots may be out of service.
    pub max_unavailable: Option<Share>,
    /// How many tasks may run beyond the number of slots.
    pub max_surge: Option<Share>,
    pub order: Option<Order>,
    /// Whether tasks that are still stopping count as running.
    pub count_terminating: Option<bool>,
}

/// What the label `skep.rollout.order` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Start-first, but where two tasks of a slot cannot be side by side.
    Auto,
    Given(UpdateOrder),
}

/// A bound on how long something may take, where there is one.
pub type Deadline = Option<Duration>;

impl Knobs {
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
            max_unavailable: self.max_unavailable.or(other.max_unavailable),
            max_surge: self.max_surge.or(other.max_surge),
            order: self.order.or(other.order),
            count_terminating: self.count_terminating.or(other.count_terminating),
        }
    }

    /// Refuses a budget with which a service of this specification could never be updated.
    pub fn check(&self, spec: &ServiceSpec) -> Result<(), String> {
        let order = self.order_of(spec, spec.update.as_ref().map(|update| update.order).unwrap_or_default());
        let remedy = match order {
            UpdateOrder::StopFirst => format!(
                "update start-first (--update-order start-first, or {KNOB_PREFIX}order=auto where no host port is \
                 published)"
            ),
            UpdateOrder::StartFirst => "update stop-first".to_owned(),
        };
        self.check_order(order, &remedy)
    }

    /// Refuses a budget with which a service could never be updated, of whatever order it is: that of the cluster.
    pub fn check_for_any(&self) -> Result<(), String> {
        let is_any =
            |order| self.order.is_none_or(|given| given == Order::Auto || given == Order::Given(order));
        if is_any(UpdateOrder::StopFirst) {
            self.check_order(UpdateOrder::StopFirst, "give it to the services that are updated start-first")?;
        }
        if is_any(UpdateOrder::StartFirst) {
            self.check_order(UpdateOrder::StartFirst, "give it to the services that are updated stop-first")?;
        }
        Ok(())
    }

    fn check_order(&self, order: UpdateOrder, remedy: &str) -> Result<(), String> {
        let (share, name, word) = match order {
            UpdateOrder::StopFirst => (self.max_unavailable, "max-unavailable", "stop-first"),
            UpdateOrder::StartFirst => (self.max_surge, "max-surge", "start-first"),
        };
        match share.is_some_and(Share::is_none) {
            true => Err(format!(
                "label {KNOB_PREFIX}{name}: with 0 nothing can be updated {word}; {remedy}, or allow 1"
            )),
            false => Ok(()),
        }
    }

    fn order_of(&self, spec: &ServiceSpec, given: UpdateOrder) -> UpdateOrder {
        match self.order {
            None => given,
            Some(Order::Given(order)) => order,
            Some(Order::Auto) if cannot_be_side_by_side(spec) => UpdateOrder::StopFirst,
            Some(Order::Auto) => UpdateOrder::StartFirst,
        }
    }
}

/// Returns whether two tasks of one slot would be in each other's way: they publish a port of their node, or there is
/// one alone that writes to what outlives it.
fn cannot_be_side_by_side(spec: &ServiceSpec) -> bool {
    let outlives = |mount: &Mount| match &mount.kind {
        MountKind::Bind(_) => true,
        MountKind::Volume(volume) => !volume.source.is_empty(),
        MountKind::Tmpfs(_) => false,
    };
    let writes = || spec.task.container.mounts.iter().any(|mount| !mount.read_only && outlives(mount));
    !spec.task.host_ports.is_empty() || spec.replicas() == Some(1) && writes()
}

/// How one service is rolled in one direction, all sources considered.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    pub profile: Profile,
    /// Slots in change at the same time.
    pub lanes: u64,
    /// How many slots may be out of service for what Skep does; more that are, for whatever reason, stop it. Swarm
    /// looks only at what it changes itself, and so does its profile.
    pub unavailable: Share,
    /// How many tasks may run, or be stopping, beyond the number of slots.
    pub surge: Share,
    pub counts_terminating: bool,
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
    /// holds where the service says nothing. Labels were judged when they were written, but for those of an earlier version.
    pub fn of(cluster: Option<&Labels>, spec: &ServiceSpec, direction: Direction) -> Policy {
        let own = Knobs::meant(&spec.labels);
        let knobs = match (own.profile, cluster) {
            (None, Some(labels)) => own.or(Knobs::meant(labels)),
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
        let lanes = if parallelism == 0 { u64::MAX } else { parallelism };
        let order = knobs.order_of(spec, order);
        let (unavailable, surge) = match order {
            UpdateOrder::StopFirst => (lanes, 0),
            UpdateOrder::StartFirst => (0, lanes),
        };
        Policy {
            profile,
            lanes,
            unavailable: knobs.max_unavailable.unwrap_or(Share::Slots(unavailable)),
            surge: knobs.max_surge.unwrap_or(Share::Slots(surge)),
            counts_terminating: knobs.count_terminating.unwrap_or(true),
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
    use crate::endpoint::Port;
    use crate::mount::VolumeMount;
    use crate::service::Mode;

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
    fn auto_is_start_first_where_two_tasks_can_be_side_by_side() {
        let auto = [(KNOB_PREFIX.to_owned() + "order", "auto".to_owned())];
        let spec = ServiceSpec { labels: auto.into(), ..ServiceSpec::default() };
        let order = |spec: &ServiceSpec| Policy::of(None, spec, Direction::Forward).order;
        assert_eq!(order(&spec), UpdateOrder::StartFirst);
        let volume = |source: &str| {
            let kind = MountKind::Volume(VolumeMount { source: source.into(), options: None });
            Mount { target: "/data".into(), read_only: false, kind, consistency: String::new() }
        };
        let with = |mount: Mount, replicas: u64| {
            let mut spec = ServiceSpec { mode: Mode::Replicated { replicas }, ..spec.clone() };
            std::sync::Arc::make_mut(&mut spec.task).container.mounts.push(mount);
            order(&spec)
        };
        assert_eq!(with(volume("data"), 1), UpdateOrder::StopFirst);
        assert_eq!(with(volume("data"), 2), UpdateOrder::StartFirst);
        assert_eq!(with(volume(""), 1), UpdateOrder::StartFirst, "it goes with its container");
        assert_eq!(with(Mount { read_only: true, ..volume("data") }, 1), UpdateOrder::StartFirst);
        let mut published = spec.clone();
        std::sync::Arc::make_mut(&mut published.task).host_ports.push(Port::default());
        assert_eq!(order(&published), UpdateOrder::StopFirst);
    }

    #[test]
    fn a_budget_that_allows_nothing_is_refused() {
        let refusal = |label: &str, order| {
            let update = Some(UpdateConfig { order, ..UpdateConfig::default() });
            let spec = ServiceSpec { labels: labels(&[(label, "0")]), update, ..ServiceSpec::default() };
            Knobs::parse(&spec.labels).expect("labels that mean something").check(&spec)
        };
        let unavailable = "skep.rollout.max-unavailable";
        assert!(refusal(unavailable, UpdateOrder::StopFirst).expect_err("no way").contains("start-first"));
        assert_eq!(refusal(unavailable, UpdateOrder::StartFirst), Ok(()));
        assert!(refusal("skep.rollout.max-surge", UpdateOrder::StartFirst).is_err());
        assert_eq!(refusal("skep.rollout.max-surge", UpdateOrder::StopFirst), Ok(()));
    }
}
