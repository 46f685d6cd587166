//! The tasks that each node was given.
//!
//! A list for each node, to which is added at the end: what is placed in one pass lies scattered over all nodes, and in
//! one order of all pairs each of them would have a way of its own searched and copied down to its leaf.

use std::sync::Arc;

use imbl::OrdMap;
use skep_model::{NodeId, TaskId};

/// The tasks of each node that has some.
#[derive(Clone, Debug, Default)]
pub struct Residents(OrdMap<NodeId, Arc<Vec<TaskId>>>);

impl Residents {
    /// Takes in a task that was not there.
    pub fn add(&mut self, node_id: NodeId, task_id: TaskId) {
        let Some(tasks) = self.0.get_mut(&node_id) else {
            return drop(self.0.insert(node_id, Arc::new(vec![task_id])));
        };
        match Arc::get_mut(tasks) {
            Some(tasks) => tasks.push(task_id),
            None => {
                // Another one is likely to follow before the next version.
                let mut longer = Vec::with_capacity(tasks.len() + tasks.len() / 8 + 2);
                longer.extend_from_slice(tasks);
                longer.push(task_id);
                *tasks = Arc::new(longer);
            }
        }
    }

    pub fn remove(&mut self, node_id: NodeId, task_id: TaskId) {
        let Some(tasks) = self.0.get_mut(&node_id) else { return };
        // Those that were there first go first for the most part, and are found first as long as the order stays.
        if let Some(place) = tasks.iter().position(|other| *other == task_id) {
            Arc::make_mut(tasks).remove(place);
        }
        if tasks.is_empty() {
            self.0.remove(&node_id);
        }
    }

    pub fn has_some(&self, node_id: NodeId) -> bool {
        self.0.contains_key(&node_id)
    }

    /// Returns the tasks of a node in the order of their identifiers, whatever happened in which order.
    pub fn of(&self, node_id: NodeId) -> Vec<TaskId> {
        let mut tasks = self.0.get(&node_id).map(|tasks| tasks.to_vec()).unwrap_or_default();
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
