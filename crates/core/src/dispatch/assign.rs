//! The difference between what a node was told and what is committed.

use std::sync::Arc;

use skep_model::task::Whole;
use skep_model::{NodeId, Task, TaskId};

use super::session::Session;
use crate::message::{Assignments, Told, checksum};
use crate::store::Store;

/// Returns the next message for the node, if there is news, and records it as told.
///
/// After assignment only what is wanted of a task changes, and its template where that needs no new task, so
/// that is all a node is compared by.
pub fn next(session: &mut Session, store: &Store, node_id: NodeId) -> Option<Assignments> {
    let is_first = session.sequence.is_none();
    let (put, remove) = if is_first {
        session.stale.clear();
        (store.tasks_on(node_id).cloned().collect::<Vec<_>>(), Vec::new())
    } else {
        difference(session, store, node_id)
    };
    if !is_first && put.is_empty() && remove.is_empty() {
        return None;
    }
    for task in &put {
        session.told.insert(task.id, Told::of(task));
    }
    for id in &remove {
        session.told.remove(id);
    }
    let sequence = session.sequence.unwrap_or(0);
    session.sequence = Some(sequence + 1);
    let checksum = checksum(session.told.iter().map(|(id, told)| (*id, *told)));
    let put = put.into_iter().map(Whole).collect();
    Some(Assignments { session: session.id, sequence, put, remove, checksum })
}

fn difference(session: &mut Session, store: &Store, node_id: NodeId) -> (Vec<Arc<Task>>, Vec<TaskId>) {
    let (mut put, mut remove) = (Vec::new(), Vec::new());
    for id in std::mem::take(&mut session.stale) {
        let told = session.told.get(&id);
        match store.task(id).filter(|task| task.node_id == Some(node_id)) {
            Some(task) if told != Some(&Told::of(task)) => put.push(task.clone()),
            None if told.is_some() => remove.push(id),
            _ => {}
        }
    }
    (put, remove)
}
