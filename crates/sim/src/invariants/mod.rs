//! What must hold at every step of every run, one invariant per file.
//!
//! An invariant sees moments ([`Moment`]) and may remember what it saw. It says what must be true in its
//! own terms rather than by asking the code under test again.

mod attempts;
mod budget;
mod completion;
mod consistency;
mod deadlines;
mod desired;
mod disturbance;
mod endings;
mod exclusivity;
mod failures;
mod global;
mod health;
mod history;
mod idempotence;
mod identity;
mod jobs;
mod lateness;
mod pause;
mod placement;
mod promises;
mod proof;
mod return_path;
mod revision;
mod states;
mod waiting;
mod wanted;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use skep_core::agenda::Agenda;
use skep_core::orchestrate::rollout;
use skep_core::random::Random;
use skep_core::schedule::Scheduler;
use skep_core::store::{Draft, Scope};
use skep_core::{Change, ChangeSet, Store, orchestrate};
use skep_model::node::{Availability, DRAIN, NodeState};
use skep_model::request::{Refusal, Reply, Request};
use skep_model::rollout::Phase;
use skep_model::task::{Desired, SlotId, TaskState};
use skep_model::{NodeId, Rollout, Service, ServiceId, Step, Task, TaskId, TaskSpec, Timestamp, policy};

use crate::Broken;
use crate::engine::Container;
use crate::fit::is_closed;
use crate::machine::Machine;
use crate::profile::Profile;

/// Something that happened, with what is needed to judge it.
pub enum Moment<'a> {
    /// A log entry was applied.
    Committed {
        before: &'a Store,
        after: &'a Store,
        changes: &'a ChangeSet,
        machines: &'a BTreeMap<NodeId, Machine>,
    },
    /// The leader has nothing in flight and waits.
    Idle { store: &'a Store, wake_at: Option<Timestamp>, again: Again },
    /// A client asks for something.
    Asked { store: &'a Store, request: &'a Request },
    /// A request was granted or refused.
    Answered { store: &'a Store, request: &'a Request, reply: &'a Result<Reply, Refusal> },
    /// A node stops or removes a task's container.
    Ending { store: &'a Store, id: TaskId, container: &'a Container },
    /// The process of a task began, while these others ran in its slot.
    Started { store: &'a Store, task: &'a Task, rivals: &'a [Rival] },
}

/// A running process of the same slot.
pub struct Rival {
    pub task: Arc<Task>,
    pub node_id: NodeId,
}

/// What a leader without any memory would do at this moment.
pub struct Again {
    pub changes: ChangeSet,
    pub due_at: Option<Timestamp>,
}

impl Again {
    /// Plans everything from the store alone.
    pub fn plan(store: &Store, now: Timestamp) -> Again {
        let mut draft = Draft::new(store, now);
        let mut random = Random::new(1);
        let of_tasks = store.tasks().map(|task| task.service_id);
        let ids: BTreeSet<_> = store.services().map(|service| service.id).chain(of_tasks).collect();
        let mut agenda = Agenda::default();
        let nodes: Vec<_> = store.nodes().map(|node| node.id).collect();
        nodes.into_iter().for_each(|id| orchestrate::enforce::plan(&mut draft, id));
        for id in ids {
            orchestrate::plan(&mut draft, &mut random, &mut agenda, id, &Scope::all());
        }
        Scheduler::new(store).plan(&mut draft);
        Again { changes: draft.finish(), due_at: agenda.next() }
    }
}

/// One thing that must always hold.
trait Invariant {
    fn name(&self) -> &'static str;
    fn see(&mut self, now: Timestamp, moment: &Moment<'_>) -> Result<(), String>;
}

/// All of them.
pub struct Invariants(Vec<Box<dyn Invariant>>);

impl Invariants {
    /// Returns everything that must hold in a run of this profile.
    pub fn new(profile: &Profile) -> Self {
        let slack = profile.manager_skew_max;
        Invariants(vec![
            Box::new(states::StatesNeverGoBack { slack }),
            Box::new(desired::DesiredNeverGoesBack),
            Box::new(identity::TasksKeepTheirIdentity),
            Box::new(consistency::StoreIsConsistent),
            Box::new(revision::SlotsKeepTheirRevision),
            Box::new(return_path::RollbacksGoToWhatWorks::default()),
            Box::new(disturbance::NothingIsDisturbedTooSoon),
            Box::new(budget::BudgetIsNeverExceeded::default()),
            Box::new(pause::PausedRolloutsStartNothing),
            Box::new(completion::CompletedRolloutsLeaveNoSlotBehind),
            Box::new(failures::FailuresAreCounted::default()),
            Box::new(deadlines::DeadlinesAreKept::new(slack)),
            Box::new(proof::FirstBatchesProveThemselves::default()),
            Box::new(exclusivity::StopFirstIsExclusive::new(slack)),
            Box::new(endings::EndsAreToldTruly),
            Box::new(wanted::WantedTasksAreLeftAlone),
            Box::new(attempts::AttemptsAreBounded::default()),
            Box::new(waiting::RestartsWaitForTheirDelay { slack: slack + Duration::from_millis(1) }),
            Box::new(health::RunningMeansHealthy),
            Box::new(global::NodesHaveTheirTask),
            Box::new(jobs::JobsAreDoneOnce::default()),
            Box::new(placement::TasksArePlacedWhereTheyFit),
            Box::new(promises::PromisesAreKept::default()),
            Box::new(lateness::NothingIsLate),
            Box::new(idempotence::PlannersAreIdempotent),
            Box::new(history::HistoryIsBounded),
        ])
    }

    /// Shows a moment to every invariant; the first one broken ends the run.
    pub fn see(&mut self, now: Timestamp, moment: &Moment<'_>) -> Result<(), Broken> {
        for invariant in &mut self.0 {
            invariant.see(now, moment).map_err(|detail| Broken { invariant: invariant.name(), detail })?;
        }
        Ok(())
    }
}

/// Returns each task written, with what it was before, if it was there.
fn task_writes<'a>(
    before: &'a Store,
    changes: &'a ChangeSet,
) -> impl Iterator<Item = (Option<&'a Arc<Task>>, &'a Arc<Task>)> {
    changes.iter().filter_map(|change| match change {
        Change::PutTask(task) => Some((before.task(task.id), task)),
        _ => None,
    })
}

/// Returns when the leader decided these changes, by its own clock, where they tell.
fn decided_at(before: &Store, changes: &ChangeSet) -> Timestamp {
    let of_tasks = task_writes(before, changes).map(|(_, task)| task.meta.updated_at);
    let of_steps = changes.iter().filter_map(|change| match change {
        Change::PutStep(step) => Some(step.taken_at),
        _ => None,
    });
    of_tasks.chain(of_steps).max().unwrap_or_default()
}

/// Returns the tasks of a task's slot, itself included.
fn slot_of<'a>(store: &'a Store, task: &Task) -> impl Iterator<Item = &'a Arc<Task>> {
    store.tasks_in(task.service_id, task.slot)
}

/// Returns whether what was made from one template of a service goes on under another one.
fn goes_on(store: &Store, service: &Service, was: &TaskSpec, is: &TaskSpec) -> bool {
    let changes_in_place = rollout::policy(store, service, None).changes_in_place;
    was.runs_the_same_elsewhere(is) || changes_in_place && was.can_become(is)
}

/// Returns whether the slot still belongs to a service.
fn slot_service<'a>(store: &'a Store, task: &Task) -> Option<&'a Arc<Service>> {
    let is_kept = slot_of(store, task).any(|other| other.desired != skep_model::task::Desired::Remove);
    store.service(task.service_id).filter(|_| is_kept)
}

/// Returns the rollout as it was under way while a commit was decided that changes it, and may end it.
fn under_way(before: &Store, after: &Store, id: ServiceId) -> Option<Rollout> {
    let is = after.rollout(id).filter(|is| before.rollout(id) != Some(*is))?;
    Some(Rollout { phase: Phase::Running, ..Rollout::clone(is) })
}

/// Returns whether a slot has a task that runs and is wanted to.
fn serves(store: &Store, id: ServiceId, slot: SlotId) -> bool {
    store.tasks_in(id, slot).any(|task| task.is_live() && task.status.state == TaskState::Running)
}

/// Returns whether the slot of a step serves as before while others are out of service, for which Swarm's profile has no
/// eye: it waits for the budget, and is in nobody's way.
fn waits_for_budget(store: &Store, step: &Step) -> bool {
    let id = step.service_id;
    let Some(service) = store.service(id) else { return false };
    let rollout = store.rollout(id).map(|rollout| &**rollout);
    let is_ready = store.task(step.task_id).is_some_and(|task| task.desired == Desired::Ready);
    rollout::policy(store, service, rollout).profile != policy::Profile::Swarm
        && step.settled_at.is_none()
        && is_ready
        && serves(store, id, step.slot)
        && store.slots_kept(id).any(|slot| !serves(store, id, slot))
}

/// Returns whether rolling updates have no say in what becomes of the task: nobody takes care of it where it
/// is, its place is closed, or it is a job's.
fn is_beyond_rollouts(store: &Store, task: &Task) -> bool {
    let is_closed =
        |service: &Arc<Service>| service.spec.mode.is_job() || is_closed(store, service, task.slot);
    is_given_up(store, task) || store.service(task.service_id).is_none_or(is_closed)
}

/// Returns whether nobody cares for the task where it is, or it has to leave its node and is not waited for.
fn is_given_up(store: &Store, task: &Task) -> bool {
    let Some(id) = task.node_id else { return false };
    let Some(node) = store.node(id) else { return true };
    let is_drained = node.spec.availability == Availability::Drain;
    if matches!(task.slot, SlotId::Node(_)) {
        return is_drained;
    }
    let is_at_once = store.service(task.service_id).is_none_or(|service| {
        let profile = rollout::policy(store, service, None).profile;
        service.spec.mode.is_job() || profile == policy::Profile::Swarm
    });
    let is_forced = is_drained && node.spec.labels.contains_key(DRAIN);
    node.status.state == NodeState::Down || task.leaves.is_some() && (is_at_once || is_forced)
}
