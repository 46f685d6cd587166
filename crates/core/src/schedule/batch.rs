//! The tasks of a group whose turn it is, each with the others of its slot.

use std::collections::BTreeSet;
use std::sync::Arc;

use skep_model::{ServiceId, Task};

use super::demand::Demand;
use super::waiting::Turn;
use crate::store::Store;

/// A task to place.
#[derive(Debug)]
pub struct Candidate {
    pub task: Arc<Task>,
    /// Those of its slot that are not over.
    pub others: Vec<Arc<Task>>,
}

impl Candidate {
    /// Returns the task whose turn it is, if it is there.
    pub fn of(store: &Store, service_id: ServiceId, turn: Turn) -> Option<Candidate> {
        let mut tasks = store.tasks_in(service_id, turn.slot);
        find(turn, &mut tasks)
    }
}

/// Tasks that are passed over to come from one slot to another; beyond that it is looked for.
const STRIDE_MAX: usize = 8;

/// Fills an empty batch with the first `limit` tasks of a group, fewer where the choice for one depends on the one
/// before it being written. The tasks of a group wait in the order of their slots for the most part, and so are they
/// stored: they are walked along.
pub fn fill(
    batch: &mut Vec<Candidate>,
    store: &Store,
    demand: &Demand,
    turns: &BTreeSet<Turn>,
    limit: usize,
) {
    debug_assert!(batch.is_empty(), "what was in it would be placed again");
    let service_id = demand.service_id;
    let limit = if demand.counts_slots() { 1 } else { limit };
    let Some(first) = turns.first() else { return };
    let mut walk = store.tasks_from(service_id, first.slot).peekable();
    for turn in turns.iter().take(limit) {
        let passed = std::iter::from_fn(|| walk.next_if(|task| task.slot < turn.slot)).take(STRIDE_MAX);
        passed.for_each(drop);
        if walk.peek().is_none_or(|task| task.slot != turn.slot) {
            walk = store.tasks_from(service_id, turn.slot).peekable();
        }
        let slot = std::iter::from_fn(|| walk.next_if(|task| task.slot == turn.slot));
        let Some(candidate) = find(*turn, slot) else { break };
        // Another one of the same slot may follow it to its node.
        let is_alone = candidate.others.is_empty();
        batch.push(candidate);
        if !is_alone {
            break;
        }
    }
}

/// Finds the task among those of its slot.
fn find<'t>(turn: Turn, slot: impl Iterator<Item = &'t Arc<Task>>) -> Option<Candidate> {
    let (mut own, mut others) = (None, Vec::new());
    for task in slot {
        if task.id == turn.id {
            own = Some(task.clone());
        } else if !task.is_over() {
            others.push(task.clone());
        }
    }
    own.map(|task| Candidate { task, others })
}
