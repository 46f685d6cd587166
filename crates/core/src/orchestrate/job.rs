//! Jobs: tasks that are to run to completion, so many in all, or one on each node.
//!
//! A job runs in *iterations*: every write of its service begins another, and what is left of earlier ones
//! ends. A slot is done when a task of the current iteration completed in it. One that failed is tried
//! again as its policy says, and when that wants no more, the slot stays as it is. No rollout moves a job.

use skep_model::service::Mode;
use skep_model::task::{Desired, SlotId};
use skep_model::{Service, Task, Timestamp};

use super::global::{self, Place};
use super::slot::{self, Slot};
use super::{Blueprint, attempt, new_task, restart};
use crate::random::Random;
use crate::store::{Draft, Store, earlier};

/// Begins as many slots of a replicated job as may run at a time.
pub fn plan(draft: &mut Draft, random: &mut Random, service: &Service) {
    let Mode::ReplicatedJob { max_concurrent, total_completions } = service.spec.mode else { return };
    let iteration = iteration(service);
    let begun = draft.last_slot_begun(service.id, iteration).map_or(0, SlotId::number);
    let open = draft.job_tally(service.id, iteration).open;
    let last = total_completions.min(begun.saturating_add(max_concurrent.saturating_sub(open)));
    for number in begun + 1..=last {
        if draft.is_full() {
            return;
        }
        let slot = slot::load(draft, service.id, SlotId::Number(number));
        begin_slot(draft, random, service, &slot);
    }
}

/// Plans one slot of a job. Returns the next deadline.
pub fn plan_slot(
    draft: &mut Draft,
    random: &mut Random,
    service: &Service,
    slot: &Slot,
) -> Option<Timestamp> {
    let place = match place(draft, service, slot.id) {
        Some(Place::Gone) => {
            global::forget(draft, service, slot);
            return None;
        }
        None => {
            give_up(draft, slot);
            return None;
        }
        Some(place) => place,
    };
    retire(draft, service, slot);
    let wake_at = answer_ends(draft, random, service, &slot::load(draft, service.id, slot.id));
    let slot = slot::load(draft, service.id, slot.id);
    if place == Place::Closed {
        slot::shut_down(draft, slot.live());
        return None;
    }
    note_completion(draft, &slot);
    let has_begun =
        |task: &Task| task.iteration == Some(iteration(service)) && (task.is_live() || task.keeps_slot);
    let slot = slot::load(draft, service.id, slot.id);
    if service.spec.mode.is_global() && place == Place::Open && !slot.tasks.iter().any(|task| has_begun(task))
    {
        begin_slot(draft, random, service, &slot);
    }
    earlier(wake_at, start(draft, &slot))
}

/// Returns what there is to offer to a slot: what its node has, or any node where the number is one of the
/// job's. `None`: the job has no such slot any more.
fn place(store: &Store, service: &Service, slot: SlotId) -> Option<Place> {
    match (slot, &service.spec.mode) {
        (SlotId::Node(id), _) => Some(global::place(store, service, id)),
        (SlotId::Number(number), Mode::ReplicatedJob { total_completions, .. }) => {
            (number <= *total_completions).then_some(Place::Open)
        }
        (SlotId::Number(_), _) => None,
    }
}

/// Gives up a slot that the job no longer has, history and all.
fn give_up(draft: &mut Draft, slot: &Slot) {
    for task in slot.tasks.iter().filter(|task| task.desired != Desired::Remove) {
        draft.change_task(task.id, |task| task.desired = Desired::Remove);
    }
}

/// Returns the run that the job is in.
fn iteration(service: &Service) -> u64 {
    service.job.map_or(0, |job| job.iteration)
}

/// Ends what is left of earlier iterations; how they ended stays as history.
fn retire(draft: &mut Draft, service: &Service, slot: &Slot) {
    let is_old = |task: &Task| task.iteration != Some(iteration(service));
    for task in slot.tasks.iter().filter(|task| is_old(task)) {
        let desired = if task.is_over() { Desired::Shutdown } else { Desired::Remove };
        if task.desired < desired && !task.is_done() {
            draft.change_task(task.id, |task| task.desired = desired);
        }
    }
}

/// Answers the ends of tasks that did not complete: by a successor, or the slot stays as it is.
fn answer_ends(draft: &mut Draft, random: &mut Random, service: &Service, slot: &Slot) -> Option<Timestamp> {
    let (ended, wake_at) = slot::end_tasks(draft, slot);
    let Some(last) = ended.last() else { return wake_at };
    if !restart::is_to_follow(draft, last) {
        draft.change_task(last.id, |task| task.keeps_slot = true);
    } else if global::takes_task(draft, service, slot.id) {
        let made_from = Blueprint::of(draft, service);
        let task = restart::successor(draft, random, service, last, made_from);
        draft.put_task(task);
    }
    wake_at
}

/// Notes that the slot is done, so that this is not forgotten with the history.
fn note_completion(draft: &mut Draft, slot: &Slot) {
    for task in slot.tasks.iter().filter(|task| task.is_done() && !task.keeps_slot) {
        draft.change_task(task.id, |task| task.keeps_slot = true);
    }
}

/// Makes a task for a slot that has none in this iteration.
fn begin_slot(draft: &mut Draft, random: &mut Random, service: &Service, slot: &Slot) {
    let made_from = Blueprint::of(draft, service);
    let desired = if waits_until(draft, slot).is_some() { Desired::Ready } else { Desired::Complete };
    let mut task = new_task(draft, random, service, slot.id, made_from, desired);
    // The node may have been away for a while.
    if let Some(before) = slot.tasks.last().filter(|before| before.iteration == task.iteration) {
        attempt::inherit(&mut task, before);
    }
    draft.put_task(task);
}

/// Starts what was prepared and nothing stands in the way of any more. Returns until when to wait.
fn start(draft: &mut Draft, slot: &Slot) -> Option<Timestamp> {
    let stopping_until = waits_until(draft, slot);
    let mut wake_at = None;
    for task in slot.live().filter(|task| task.desired == Desired::Ready && !task.is_over()) {
        let at = task.start_after.max(stopping_until.unwrap_or_default());
        if at > draft.now() {
            wake_at = earlier(wake_at, Some(at));
        } else {
            draft.change_task(task.id, |task| task.desired = Desired::Complete);
        }
    }
    wake_at
}

/// Returns until when tasks of the slot may still be stopping: two runs of a job never overlap in a slot.
fn waits_until(store: &Draft, slot: &Slot) -> Option<Timestamp> {
    slot::still_stopping(store, slot).filter(|until| *until > store.now())
}
