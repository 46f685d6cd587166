//! Gives each task without a node one, or says why there is none.
//!
//! ```text
//!   writes ──follow──► Fleet    what each node holds and offers, and the queues in which nodes are asked
//!                 └──► Waiting  the tasks without a node, in groups that ask the same
//!   plan: open groups ──Demand──► Tree of Pools ──best node──► draft
//!                          └─ no node: the reason, and what to wait for
//! ```
//!
//! Both follow from the store, kept up to date by the writes of each pass, so that what costs is what
//! there is to place and not what there is. Nodes are chosen for a [`batch`] of tasks, and then all of it is
//! written. Which nodes can take a task at all is decided in [`filter`], which of them should in [`rank`] and
//! [`spread`], what a task says that waits in [`explain`].

mod amount;
mod batch;
mod demand;
mod explain;
mod filter;
mod fleet;
mod load;
mod pool;
mod queues;
mod rank;
mod requirements;
mod room;
mod run;
mod seats;
mod spread;
mod uneven;
mod waiting;
mod wake;

pub(crate) use fleet::manner;
pub(crate) use load::Load;
pub(crate) use seats::Seat;

use std::collections::BTreeMap;
use std::sync::Arc;

use skep_model::placement::Affinity;
use skep_model::task::{NodeFailure, TaskState, TaskStatus};
use skep_model::{NodeId, ServiceId, Task, TaskId, Timestamp, limits};

use crate::store::{Draft, Store};
use explain::Misses;
use filter::Field;
use fleet::Fleet;
use rank::Failures;
use waiting::{GroupKey, Waiting};

/// What is known between passes. It holds nothing that a new leader could not rebuild.
#[derive(Debug)]
pub struct Scheduler {
    fleet: Fleet,
    waiting: Waiting,
    /// Services that must be near others or keep away from them.
    affinities: BTreeMap<ServiceId, Affinity>,
    /// Live tasks before which others of their slots failed.
    failures: BTreeMap<(ServiceId, TaskId), (u64, Vec<NodeFailure>)>,
    /// The group whose reasons were brought up to date last, in a round that began at this version of the fleet.
    refreshed: Option<GroupKey>,
    round_began_at: u64,
    /// The version of the fleet of which all reasons speak.
    exact_at: u64,
    /// How many nodes may be asked to bring reasons up to date.
    credit: usize,
    effort: u64,
}

/// Nodes asked in a pass to bring the reasons of tasks up to date that wait: so many that small clusters are
/// always exact, so few that a large one does not notice.
const LOOKS_PER_PASS: usize = 16_384;
/// Tasks of a group whose reason is written anew when only its figures changed. The others learn of it when
/// they are tried.
const EXACT_REASONS_MAX: usize = 100;

impl Scheduler {
    /// Counts everything there is.
    pub fn new(store: &Store) -> Self {
        let mut scheduler = Scheduler {
            fleet: Fleet::count(store),
            waiting: Waiting::default(),
            affinities: BTreeMap::new(),
            failures: BTreeMap::new(),
            refreshed: None,
            round_began_at: 0,
            exact_at: 0,
            credit: 0,
            effort: 0,
        };
        for service in store.services() {
            scheduler.note_affinity(store, service.id);
        }
        for task in store.tasks() {
            scheduler.note_failures(task.id, None, Some(task));
        }
        store.tasks_unplaced().for_each(|task| scheduler.waiting.add(task));
        scheduler
    }

    /// Places what can be placed; writes the reason into what cannot.
    pub fn plan(&mut self, draft: &mut Draft) {
        self.work(draft);
        // Else there may be groups whose turn is yet to come, and whose tasks need no reason.
        if !draft.is_full() {
            self.refresh(draft);
            self.work(draft);
        }
    }

    /// Returns how often a task or a group was tried so far, and a node asked why it takes none.
    pub fn effort(&self) -> u64 {
        self.effort
    }

    /// Tries all there is to try, single tasks first.
    fn work(&mut self, draft: &mut Draft) {
        while !draft.is_full() {
            if let Some((key, turn)) = self.waiting.next_retry() {
                run::alone(self, draft, key, turn);
            } else if let Some((key, reach)) = self.waiting.next_open() {
                run::group(self, draft, key, reach);
            } else {
                return;
            }
        }
    }

    /// Asks the nodes again for groups that are stuck while nodes change, one after another, so that what their
    /// tasks say stays true.
    fn refresh(&mut self, draft: &Draft) {
        let version = self.fleet.version();
        if self.exact_at == version {
            return;
        }
        let cost = self.fleet.len().max(1);
        self.credit = (self.credit + LOOKS_PER_PASS).min(LOOKS_PER_PASS.max(cost));
        while self.credit >= cost {
            let next = self.waiting.stuck_after(self.refreshed).next();
            let next = next.map(|(key, stuck)| (key, stuck.asked_at == version));
            self.refreshed = next.map(|(key, _)| key);
            match next {
                Some((_, true)) => self.credit -= 1,
                Some((key, false)) => {
                    self.credit -= cost;
                    run::ask_again(self, draft, key);
                }
                None if self.round_began_at == version => {
                    self.exact_at = version;
                    return;
                }
                None => self.round_began_at = version,
            }
        }
    }

    /// Returns the nodes on which the revision failed often of late.
    fn failures_of(&self, (service, revision): GroupKey, now: Timestamp) -> Failures {
        let mut counts = Failures::new();
        let all = (service, TaskId::default())..;
        let of_service = self.failures.range(all).take_while(|((id, _), _)| *id == service);
        for (_, (_, failures)) in of_service.filter(|(_, (number, _))| *number == revision) {
            for failure in failures.iter().filter(|one| now < one.at + limits::NODE_FAILURES_WITHIN) {
                *counts.entry(failure.node_id).or_default() += 1;
            }
        }
        counts.retain(|_, count| *count as usize >= limits::NODE_FAILURES_MAX);
        counts
    }

    fn note_failures(&mut self, id: TaskId, old: Option<&Task>, new: Option<&Arc<Task>>) {
        if let Some(old) = old.filter(|old| !old.node_failures.is_empty()) {
            self.failures.remove(&(old.service_id, id));
        }
        if let Some(new) = new.filter(|new| !new.node_failures.is_empty() && new.is_live()) {
            let noted = (new.revision, new.node_failures.clone());
            self.failures.insert((new.service_id, id), noted);
        }
    }
}

/// Asks every node why it cannot take a task; the one that can is none of the misses.
fn ask_all(field: &Field<'_>) -> (Misses, Option<NodeId>) {
    let mut misses = Misses::new();
    let mut fits = None;
    for load in field.fleet.iter() {
        match field.miss(load, None) {
            Some(miss) => *misses.entry(miss).or_default() += 1,
            None => fits = fits.or(Some(load.node.id)),
        }
    }
    (misses, fits)
}

fn assign(draft: &mut Draft, task: &Task, node_id: NodeId) {
    let status = status_of(draft, task, TaskState::Assigned, "scheduler assigned task to node", "");
    draft.put_placement(Task { node_id: Some(node_id), ..task.with_status(status) });
}

/// Leaves the task waiting; writes only when the reason is another than before.
fn wait(draft: &mut Draft, task: &Task, reason: &str) {
    if task.status.state == TaskState::Pending && task.status.err == reason {
        return;
    }
    let status = status_of(draft, task, TaskState::Pending, "pending task scheduling", reason);
    draft.put_placement(task.with_status(status));
}

fn status_of(draft: &Draft, task: &Task, state: TaskState, message: &'static str, err: &str) -> TaskStatus {
    TaskStatus {
        state,
        at: draft.now(),
        applied_at: draft.now(),
        message: message.into(),
        err: err.to_owned(),
        container: task.status.container.clone(),
        ports: task.status.ports.clone(),
    }
}
