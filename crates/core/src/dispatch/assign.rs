//! The difference between what a node was told and what is committed.

use skep_model::task::Whole;
use skep_model::{NodeId, TaskId};

use super::session::Session;
use crate::message::{Assignments, Told, checksum};
use crate::store::Store;
use crate::store::draft::News;

/// Returns the next message for the node, if there is news, and moves the session on to it.
///
/// After assignment only what is wanted of a task changes, and its template where that needs no new task, so
/// that is all a node is compared by.
pub fn next(
    session: &mut Session,
    store: &Store,
    node_id: NodeId,
    news: impl ExactSizeIterator<Item = News>,
) -> Option<Assignments> {
    let is_first = session.sequence.is_none();
    let (put, remove) = match is_first {
        true => {
            // It is among the whole.
            news.for_each(drop);
            (store.tasks_on(node_id).cloned().map(Whole).collect(), Vec::new())
        }
        false => difference(session, news),
    };
    if is_first {
        for Whole(task) in &put {
            session.tell(task.id, None, Some(Told::of(task)));
        }
    }
    debug_assert_eq!(
        session.checksum(),
        checksum(store.tasks_on(node_id).map(|task| (task.id, Told::of(task)))),
        "a node holds what the store has"
    );
    if !is_first && put.is_empty() && remove.is_empty() {
        return None;
    }
    let sequence = session.sequence.unwrap_or(0);
    session.sequence = Some(sequence + 1);
    Some(Assignments { session: session.id, sequence, put, remove, checksum: session.checksum() })
}

/// Returns what is news to the node, and moves its checksum.
fn difference(session: &mut Session, news: impl ExactSizeIterator<Item = News>) -> (Vec<Whole>, Vec<TaskId>) {
    let (mut put, mut remove) = (Vec::with_capacity(news.len()), Vec::new());
    let mut news = news.peekable();
    while let Some(News { id, before, mut task, .. }) = news.next() {
        while let Some(later) = news.next_if(|later| later.id == id) {
            task = later.task;
        }
        let is_news = session.tell(id, before, task.as_ref().map(|(told, _)| *told));
        match task {
            _ if !is_news => {}
            Some((_, task)) => put.push(Whole(task)),
            None => remove.push(id),
        }
    }
    (put, remove)
}
