//! The tasks that each node was given.
//!
//! A list for each node, to which is added at the end: what is placed in one pass lies scattered over all nodes, and in
//! one order of all pairs each of them would have a way of its own searched and copied down to its leaf. The last of a list
//! stand in the leaf itself, so that most of what is added allocates nothing.

use std::sync::Arc;

use imbl::OrdMap;
use skep_model::{NodeId, TaskId};

/// The tasks of each node that has some.
#[derive(Clone, Debug, Default)]
pub struct Residents(OrdMap<NodeId, List>);

/// Tasks in the order in which they came.
#[derive(Clone, Debug, Default)]
struct List {
    settled: Option<Arc<[TaskId]>>,
    /// The last that came, up to `count`.
    recent: [TaskId; RECENT_MAX],
    count: u8,
}

impl Residents {
    /// Takes in a task that was not there.
    pub fn add(&mut self, node_id: NodeId, task_id: TaskId) {
        match self.0.get_mut(&node_id) {
            Some(tasks) => tasks.push(task_id),
            None => {
                let mut tasks = List::default();
                tasks.push(task_id);
                self.0.insert(node_id, tasks);
            }
        }
    }

    pub fn remove(&mut self, node_id: NodeId, task_id: TaskId) {
        let Some(tasks) = self.0.get_mut(&node_id) else { return };
        tasks.remove(task_id);
        if tasks.is_empty() {
            self.0.remove(&node_id);
        }
    }

    pub fn has_some(&self, node_id: NodeId) -> bool {
        self.0.contains_key(&node_id)
    }

    /// Returns the tasks of a node in the order of their identifiers, whatever happened in which order.
    pub fn of(&self, node_id: NodeId) -> Vec<TaskId> {
        let mut tasks: Vec<_> = self.0.get(&node_id).into_iter().flat_map(List::iter).collect();
        tasks.sort_unstable();
        tasks
    }

    /// Returns all of them, in the order of nodes and tasks.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, TaskId)> {
        self.0.keys().flat_map(|node_id| self.of(*node_id).into_iter().map(|task_id| (*node_id, task_id)))
    }

    /// Returns whether this is the very same version as the other one.
    pub fn ptr_eq(&self, other: &Residents) -> bool {
        self.0.ptr_eq(&other.0)
    }
}

/// More than what a node is given in a few passes of a large cluster; few enough to be copied with every leaf.
const RECENT_MAX: usize = 3;

impl List {
    fn settled(&self) -> &[TaskId] {
        self.settled.as_deref().unwrap_or_default()
    }

    fn recent(&self) -> &[TaskId] {
        &self.recent[..usize::from(self.count)]
    }

    fn iter(&self) -> impl Iterator<Item = TaskId> {
        self.settled().iter().chain(self.recent()).copied()
    }

    fn is_empty(&self) -> bool {
        self.count == 0 && self.settled.is_none()
    }

    fn push(&mut self, id: TaskId) {
        if self.recent().len() == RECENT_MAX {
            self.settled = Some(self.iter().chain([id]).collect());
            self.count = 0;
            return;
        }
        self.recent[usize::from(self.count)] = id;
        self.count += 1;
    }

    fn remove(&mut self, id: TaskId) {
        if let Some(place) = self.recent().iter().position(|other| *other == id) {
            self.recent[place..].rotate_left(1);
            self.count -= 1;
        } else if let Some(place) = self.settled().iter().position(|other| *other == id) {
            let (before, after) = (&self.settled()[..place], &self.settled()[place + 1..]);
            self.settled = (before.len() + after.len() > 0).then(|| [before, after].concat().into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use skep_model::Id;

    fn node(number: u128) -> NodeId {
        NodeId::from_number(number)
    }

    fn tasks(numbers: &[u128]) -> Vec<TaskId> {
        numbers.iter().map(|number| TaskId::from_number(*number)).collect()
    }

    #[test]
    fn the_tasks_of_a_node_are_told_in_their_order() {
        let mut residents = Residents::default();
        tasks(&[5, 3, 9, 1]).into_iter().for_each(|task| residents.add(node(1), task));
        residents.add(node(2), TaskId::from_number(4));
        residents.remove(node(1), TaskId::from_number(3));
        assert_eq!(residents.of(node(1)), tasks(&[1, 5, 9]));
        assert_eq!(
            residents.iter().map(|(node, task)| (node.number(), task.number())).collect::<Vec<_>>(),
            [(1, 1), (1, 5), (1, 9), (2, 4)]
        );
        residents.remove(node(2), TaskId::from_number(4));
        assert_eq!((residents.has_some(node(1)), residents.has_some(node(2))), (true, false));
    }

    #[test]
    fn a_list_keeps_what_it_was_given_and_not_taken_away() {
        let mut residents = Residents::default();
        let all: Vec<u128> = (1..=9).collect();
        tasks(&all).into_iter().for_each(|task| residents.add(node(1), task));
        for gone in [8, 2, 9, 1, 5, 7] {
            residents.remove(node(1), TaskId::from_number(gone));
            residents.remove(node(1), TaskId::from_number(gone));
        }
        assert_eq!(residents.of(node(1)), tasks(&[3, 4, 6]));
        residents.add(node(1), TaskId::from_number(2));
        assert_eq!(residents.of(node(1)), tasks(&[2, 3, 4, 6]));
        for gone in [6, 2, 3, 4] {
            assert!(residents.has_some(node(1)));
            residents.remove(node(1), TaskId::from_number(gone));
        }
        assert!(!residents.has_some(node(1)));
    }

    #[test]
    fn an_earlier_version_stays_as_it_was() {
        let mut residents = Residents::default();
        tasks(&[1, 2]).into_iter().for_each(|task| residents.add(node(1), task));
        let before = residents.clone();
        residents.add(node(1), TaskId::from_number(3));
        residents.remove(node(1), TaskId::from_number(1));
        assert_eq!(before.of(node(1)), tasks(&[1, 2]));
        assert_eq!(residents.of(node(1)), tasks(&[2, 3]));
        assert!(!residents.ptr_eq(&before));
    }
}
