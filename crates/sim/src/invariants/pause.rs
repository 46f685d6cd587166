//! A paused rollout starts nothing: no further slot gets its revision, and none that still has another
//! loses it.

use std::sync::Arc;

use skep_core::Store;
use skep_core::orchestrate::current::is_current;
use skep_model::rollout::{Direction, Phase};
use skep_model::task::{Desired, SlotId};
use skep_model::{Rollout, Task, Timestamp};

use super::{Invariant, Moment, slot_of, task_writes};

pub struct PausedRolloutsStartNothing;

impl Invariant for PausedRolloutsStartNothing {
    fn name(&self) -> &'static str {
        "paused_rollouts_start_nothing"
    }

    fn see(&mut self, _: Timestamp, moment: &Moment<'_>) -> Result<(), String> {
        let Moment::Committed { before, after, changes, .. } = moment else { return Ok(()) };
        for (known, task) in task_writes(before, changes) {
            let Some(rollout) = paused(before, after, task) else { continue };
            let is_started = match known {
                None => true,
                Some(known) => known.desired == Desired::Ready && task.desired == Desired::Running,
            };
            // What a slot is made from at first is the business of `slots_keep_their_revision`.
            let is_vacant = !slot_of(before, task).any(|other| other.is_live());
            let is_new =
                slot_of(before, task).next().is_none() || is_vacant && matches!(task.slot, SlotId::Node(_));
            let is_spread =
                task.revision == rollout.revision && is_started && !is_new && !has_revision(before, task);
            if is_spread {
                return Err(format!("{} is started while its rollout is paused", task.name()));
            }
        }
        Ok(())
    }
}

/// Returns the task's rollout if it was paused before the commit and still is. Going back is another
/// matter: a slot that goes down while a rollback is paused comes back with the old template.
fn paused<'a>(before: &Store, after: &'a Store, task: &Task) -> Option<&'a Rollout> {
    let rollout = after.rollout(task.service_id)?;
    let was = before.rollout(task.service_id)?;
    let same = was.phase == Phase::Paused && was.started_at == rollout.started_at;
    let is_paused = rollout.phase == Phase::Paused && rollout.direction == Direction::Forward;
    (same && is_paused).then_some(rollout)
}

/// Returns whether the slot had come to the revision before: no live task of another one is left.
fn has_revision(store: &Store, task: &Task) -> bool {
    let Some(service) = store.service(task.service_id) else { return false };
    let is_same = |other: &Arc<Task>| other.revision == task.revision || is_current(store, service, other);
    let mut live = slot_of(store, task).filter(|other| other.is_live() && !other.is_over()).peekable();
    let mut last: Vec<_> = slot_of(store, task).collect();
    last.sort_by_key(|other| (other.meta.created_at, other.id));
    match live.peek() {
        Some(_) => live.all(is_same),
        None => last.last().is_some_and(|other| is_same(other)),
    }
}
