//! What is looked up by other ways than ids: functions of the tables, kept up to date write by write.
//!
//! Each task contributes to the indexes on its own. Where a write leaves its contribution as it was (a
//! status that changes nothing here, a placement), nothing but the table is touched; that is what makes
//! large clusters cheap.

use imbl::{OrdMap, OrdSet};
use skep_model::task::{SlotId, TaskState};
use skep_model::{Id, NodeId, ServiceId, Task, TaskId};

use super::TaskKey;
use super::residents::Residents;

/// The indexes over the tasks.
#[derive(Clone, Debug, Default)]
pub struct TaskIndex {
    /// Where a task is kept.
    by_id: OrdMap<TaskId, (ServiceId, SlotId)>,
    residents: Residents,
    /// Live tasks by their revision.
    by_revision: OrdSet<(ServiceId, u64, SlotId, TaskId)>,
    slots: OrdMap<(ServiceId, SlotId), Occupancy>,
    /// Slots that belong to the service while none of their tasks runs.
    idle: OrdSet<(ServiceId, SlotId)>,
    /// Slots with more than one live task: they change hands.
    contested: OrdSet<(ServiceId, SlotId)>,
    /// Slots in which a task was told to stop and did not yet.
    stopping: OrdSet<(ServiceId, SlotId)>,
    /// Slots in which a live task has to leave its node.
    leaving: OrdSet<(ServiceId, SlotId)>,
    tallies: OrdMap<ServiceId, Tally>,
    /// Tasks of jobs by their iteration.
    by_iteration: OrdSet<(ServiceId, u64, SlotId, TaskId)>,
    job_tallies: OrdMap<(ServiceId, u64), JobTally>,
}

/// How many tasks of a slot count in which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Occupancy {
    /// Not to be removed.
    kept: u32,
    live: u32,
    /// Live and observed to run.
    running: u32,
    /// Told to stop, and not observed to be over.
    stopping: u32,
    /// Live, and to leave its node.
    leaving: u32,
}

/// How many slots of a service there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Slots that belong to the service; scaled-down ones only wait for their end.
    pub kept: u64,
    /// Of these, slots with a task that runs and is wanted to.
    pub running: u64,
}

/// How far one iteration of a job is, in slots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobTally {
    /// With a task that is wanted to complete and did not yet, also where it waits for a restart.
    pub open: u64,
    /// With a task that completed.
    pub done: u64,
}

impl TaskIndex {
    /// Takes in that `old` became `new`; either may be absent. A task never changes its service or slot, and
    /// its node only from none to one.
    pub fn replace(&mut self, old: Option<&Task>, new: Option<&Task>) {
        let Some(any) = new.or(old) else { return };
        match (old, new) {
            (None, Some(new)) => drop(self.by_id.insert(new.id, (new.service_id, new.slot))),
            (Some(old), None) => drop(self.by_id.remove(&old.id)),
            _ => {}
        }
        let (before, after) = (old.and_then(|old| old.node_id), new.and_then(|new| new.node_id));
        if before != after {
            before.into_iter().for_each(|node_id| self.residents.remove(node_id, any.id));
            after.into_iter().for_each(|node_id| self.residents.add(node_id, any.id));
        }
        move_entry(&mut self.by_revision, old.and_then(by_revision), new.and_then(by_revision));
        let (before, after) =
            (old.map(occupancy).unwrap_or_default(), new.map(occupancy).unwrap_or_default());
        if before != after {
            self.count((any.service_id, any.slot), before, after);
        }
        if let Some(iteration) = any.iteration {
            move_entry(&mut self.by_iteration, old.and_then(by_iteration), new.and_then(by_iteration));
            self.count_job((any.service_id, iteration), old, new);
        }
    }

    fn count_job(&mut self, job: (ServiceId, u64), old: Option<&Task>, new: Option<&Task>) {
        let is_open = |task: Option<&Task>| u64::from(task.is_some_and(Task::is_live));
        let is_done = |task: Option<&Task>| u64::from(task.is_some_and(Task::is_done));
        let was = self.job_tallies.get(&job).copied().unwrap_or_default();
        let is = JobTally {
            open: was.open - is_open(old) + is_open(new),
            done: was.done - is_done(old) + is_done(new),
        };
        if is == was {
            return;
        }
        match is == JobTally::default() {
            true => drop(self.job_tallies.remove(&job)),
            false => drop(self.job_tallies.insert(job, is)),
        }
    }

    fn count(&mut self, slot: (ServiceId, SlotId), before: Occupancy, after: Occupancy) {
        let was = self.slots.get(&slot).copied().unwrap_or_default();
        let is = Occupancy {
            kept: was.kept - before.kept + after.kept,
            live: was.live - before.live + after.live,
            running: was.running - before.running + after.running,
            stopping: was.stopping - before.stopping + after.stopping,
            leaving: was.leaving - before.leaving + after.leaving,
        };
        let stopping = |one: Occupancy| (one.stopping > 0).then_some(slot);
        move_entry(&mut self.stopping, stopping(was), stopping(is));
        let leaving = |one: Occupancy| (one.leaving > 0).then_some(slot);
        move_entry(&mut self.leaving, leaving(was), leaving(is));
        let contested = |one: Occupancy| (one.live > 1).then_some(slot);
        move_entry(&mut self.contested, contested(was), contested(is));
        match is == Occupancy::default() {
            true => drop(self.slots.remove(&slot)),
            false => drop(self.slots.insert(slot, is)),
        }
        if (was.kept > 0, was.running > 0) == (is.kept > 0, is.running > 0) {
            return;
        }
        let idle = |one: Occupancy| (one.kept > 0 && one.running == 0).then_some(slot);
        move_entry(&mut self.idle, idle(was), idle(is));
        let mut tally = self.tallies.get(&slot.0).copied().unwrap_or_default();
        tally.kept = tally.kept - u64::from(was.kept > 0) + u64::from(is.kept > 0);
        tally.running = tally.running - u64::from(was.running > 0) + u64::from(is.running > 0);
        match tally == Tally::default() {
            true => drop(self.tallies.remove(&slot.0)),
            false => drop(self.tallies.insert(slot.0, tally)),
        }
    }

    pub fn slot_of(&self, id: TaskId) -> Option<(ServiceId, SlotId)> {
        self.by_id.get(&id).copied()
    }

    pub fn has_some_on(&self, id: NodeId) -> bool {
        self.residents.has_some(id)
    }

    pub fn of_node(&self, id: NodeId) -> impl Iterator<Item = TaskId> {
        self.residents.of(id).into_iter()
    }

    /// Returns the live tasks of other revisions than `revision`, by revision.
    pub fn of_other_revisions(&self, id: ServiceId, revision: u64) -> impl Iterator<Item = TaskKey> {
        let before = (id, u64::MIN, FIRST_SLOT, first_task())..(id, revision, FIRST_SLOT, first_task());
        let after = (id, revision.saturating_add(1), FIRST_SLOT, first_task())
            ..=(id, u64::MAX, last_slot(), last_task());
        let both = self.by_revision.range(before).chain(self.by_revision.range(after));
        both.map(|(service_id, _, slot, task_id)| (*service_id, *slot, *task_id))
    }

    /// Returns the revisions of the live tasks, newest first.
    pub fn live_revisions(&self, id: ServiceId) -> impl Iterator<Item = u64> {
        let mut below = Some(u64::MAX);
        std::iter::from_fn(move || {
            let all = (id, u64::MIN, FIRST_SLOT, first_task())..=(id, below?, last_slot(), last_task());
            let found = self.by_revision.range(all).next_back().map(|(_, revision, _, _)| *revision);
            below = found.and_then(|revision| revision.checked_sub(1));
            found
        })
    }

    /// Returns the live tasks of one revision, by slot.
    pub fn of_revision(&self, id: ServiceId, revision: u64) -> impl Iterator<Item = TaskKey> {
        let all = (id, revision, FIRST_SLOT, first_task())..=(id, revision, last_slot(), last_task());
        self.by_revision.range(all).map(|(service_id, _, slot, task_id)| (*service_id, *slot, *task_id))
    }

    /// Returns whether a live task is of this revision.
    pub fn has_revision(&self, id: ServiceId, revision: u64) -> bool {
        let all = (id, revision, FIRST_SLOT, first_task())..=(id, revision, last_slot(), last_task());
        self.by_revision.range(all).next().is_some()
    }

    pub fn idle_slots(&self, id: ServiceId) -> impl Iterator<Item = SlotId> {
        self.idle.range((id, FIRST_SLOT)..=(id, last_slot())).map(|(_, slot)| *slot)
    }

    pub fn contested_slots(&self, id: ServiceId) -> impl Iterator<Item = SlotId> {
        self.contested.range((id, FIRST_SLOT)..=(id, last_slot())).map(|(_, slot)| *slot)
    }

    pub fn is_contested(&self, id: ServiceId, slot: SlotId) -> bool {
        self.contested.contains(&(id, slot))
    }

    pub fn stopping_slots(&self, id: ServiceId) -> impl Iterator<Item = SlotId> {
        self.stopping.range((id, FIRST_SLOT)..=(id, last_slot())).map(|(_, slot)| *slot)
    }

    pub fn leaving_slots(&self, id: ServiceId) -> impl Iterator<Item = SlotId> {
        self.leaving.range((id, FIRST_SLOT)..=(id, last_slot())).map(|(_, slot)| *slot)
    }

    pub fn kept_slots(&self, id: ServiceId) -> impl DoubleEndedIterator<Item = SlotId> {
        let all = self.slots.range((id, FIRST_SLOT)..=(id, last_slot()));
        all.filter(|(_, occupancy)| occupancy.kept > 0).map(|((_, slot), _)| *slot)
    }

    pub fn tally(&self, id: ServiceId) -> Tally {
        self.tallies.get(&id).copied().unwrap_or_default()
    }

    pub fn job_tally(&self, id: ServiceId, iteration: u64) -> JobTally {
        self.job_tallies.get(&(id, iteration)).copied().unwrap_or_default()
    }

    /// Returns the highest slot with a task of this iteration.
    pub fn last_slot_begun(&self, id: ServiceId, iteration: u64) -> Option<SlotId> {
        let all = (id, iteration, FIRST_SLOT, first_task())..=(id, iteration, last_slot(), last_task());
        self.by_iteration.range(all).next_back().map(|(_, _, slot, _)| *slot)
    }

    /// Returns whether this is the very same version as the other one.
    pub fn is_same(&self, other: &TaskIndex) -> bool {
        let TaskIndex {
            by_id,
            residents,
            by_revision,
            slots,
            idle,
            contested,
            stopping,
            leaving,
            tallies,
            by_iteration,
            job_tallies,
        } = self;
        by_id.ptr_eq(&other.by_id)
            && residents.ptr_eq(&other.residents)
            && by_revision.ptr_eq(&other.by_revision)
            && slots.ptr_eq(&other.slots)
            && idle.ptr_eq(&other.idle)
            && contested.ptr_eq(&other.contested)
            && stopping.ptr_eq(&other.stopping)
            && leaving.ptr_eq(&other.leaving)
            && tallies.ptr_eq(&other.tallies)
            && by_iteration.ptr_eq(&other.by_iteration)
            && job_tallies.ptr_eq(&other.job_tallies)
    }

    /// Returns the first part in which two indexes differ, with the entries that only one of them has.
    pub fn difference(&self, other: &TaskIndex) -> Option<String> {
        let TaskIndex {
            by_id,
            residents,
            by_revision,
            slots,
            idle,
            contested,
            stopping,
            leaving,
            tallies,
            by_iteration,
            job_tallies,
        } = self;
        only_one("by_id", by_id, &other.by_id)
            .or_else(|| only_one("residents", residents.iter(), other.residents.iter()))
            .or_else(|| only_one("by_revision", by_revision, &other.by_revision))
            .or_else(|| only_one("slots", slots, &other.slots))
            .or_else(|| only_one("idle", idle, &other.idle))
            .or_else(|| only_one("contested", contested, &other.contested))
            .or_else(|| only_one("stopping", stopping, &other.stopping))
            .or_else(|| only_one("leaving", leaving, &other.leaving))
            .or_else(|| only_one("tallies", tallies, &other.tallies))
            .or_else(|| only_one("by_iteration", by_iteration, &other.by_iteration))
            .or_else(|| only_one("job_tallies", job_tallies, &other.job_tallies))
    }
}

/// Names the first entry in which two collections of the same order differ.
fn only_one<T: PartialEq + std::fmt::Debug>(
    part: &str,
    a: impl IntoIterator<Item = T>,
    b: impl IntoIterator<Item = T>,
) -> Option<String> {
    let (mut a, mut b) = (a.into_iter(), b.into_iter());
    loop {
        match (a.next(), b.next()) {
            (None, None) => return None,
            (one, other) if one == other => {}
            (one, other) => return Some(format!("{part}: {one:?} and {other:?}")),
        }
    }
}

fn by_revision(task: &Task) -> Option<(ServiceId, u64, SlotId, TaskId)> {
    task.is_live().then_some((task.service_id, task.revision, task.slot, task.id))
}

fn by_iteration(task: &Task) -> Option<(ServiceId, u64, SlotId, TaskId)> {
    task.iteration.map(|iteration| (task.service_id, iteration, task.slot, task.id))
}

fn occupancy(task: &Task) -> Occupancy {
    let is_running = task.is_live() && task.status.state == TaskState::Running;
    Occupancy {
        kept: u32::from(task.desired != skep_model::task::Desired::Remove),
        live: u32::from(task.is_live()),
        running: u32::from(is_running),
        stopping: u32::from(!task.is_live() && !task.is_over() && task.node_id.is_some()),
        leaving: u32::from(task.is_live() && task.leaves.is_some()),
    }
}

fn move_entry<T: Ord + Clone>(set: &mut OrdSet<T>, old: Option<T>, new: Option<T>) {
    if old == new {
        return;
    }
    if let Some(old) = old {
        set.remove(&old);
    }
    if let Some(new) = new {
        set.insert(new);
    }
}

pub(super) const FIRST_SLOT: SlotId = SlotId::Number(0);

pub(super) fn last_slot() -> SlotId {
    SlotId::Node(NodeId::from_number(u128::MAX))
}

pub(super) fn first_task() -> TaskId {
    TaskId::default()
}

pub(super) fn last_task() -> TaskId {
    TaskId::from_number(u128::MAX)
}
