//! With stop-first order two processes of one slot never run at the same time. Excused are the bounded
//! wait for a task that does not stop, and nodes that were believed lost.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use skep_core::{Change, Store};
use skep_model::node::NodeState;
use skep_model::service::{UpdateConfig, UpdateOrder};
use skep_model::{NodeId, ServiceId, Task, TaskId, Timestamp, limits};

use super::{Invariant, Moment, Rival};

pub struct StopFirstIsExclusive {
    /// Services that were start-first at any time, in one direction at least.
    start_first: BTreeSet<ServiceId>,
    told_at: BTreeMap<TaskId, Timestamp>,
    /// Tasks whose node was down while they were not over.
    lost: BTreeSet<TaskId>,
    /// By this much the bounded wait may be shorter when the clocks of two leaders differ.
    slack: Duration,
}

impl Invariant for StopFirstIsExclusive {
    fn name(&self) -> &'static str {
        "stop_first_is_exclusive"
    }

    fn see(&mut self, now: Timestamp, moment: &Moment<'_>) -> Result<(), String> {
        match moment {
            Moment::Committed { before, after, changes, .. } => {
                changes.iter().for_each(|change| self.note(before, after, change, now));
                Ok(())
            }
            Moment::Started { store, task, rivals } => self.started(store, task, rivals, now),
            _ => Ok(()),
        }
    }
}

impl StopFirstIsExclusive {
    pub fn new(slack: Duration) -> Self {
        let (start_first, told_at, lost) = (BTreeSet::new(), BTreeMap::new(), BTreeSet::new());
        StopFirstIsExclusive { start_first, told_at, lost, slack }
    }

    fn note(&mut self, before: &Store, after: &Store, change: &Change, now: Timestamp) {
        match change {
            Change::PutService(service) if !service.spec.mode.is_job() => {
                let configs = [&service.spec.update, &service.spec.rollback];
                let is_given = |config: &UpdateConfig| config.order == UpdateOrder::StartFirst;
                // The label may say so, and `auto` comes to it mostly.
                let is_labelled = service.spec.labels.contains_key("skep.rollout.order");
                if is_labelled || configs.into_iter().flatten().any(is_given) {
                    self.start_first.insert(service.id);
                }
            }
            Change::PutTask(task) if !task.is_live() => {
                self.told_at.entry(task.id).or_insert(now);
            }
            Change::PutNode(node) if node.status.state == NodeState::Down => self.lose(after, node.id),
            Change::DeleteNode(id) => self.lose(before, *id),
            _ => {}
        }
    }

    fn lose(&mut self, store: &Store, id: NodeId) {
        let lost = store.tasks_on(id).filter(|task| !task.is_over());
        self.lost.extend(lost.map(|task| task.id));
    }

    fn started(&self, store: &Store, task: &Task, rivals: &[Rival], now: Timestamp) -> Result<(), String> {
        let is_free = self.start_first.contains(&task.service_id) || self.lost.contains(&task.id);
        if is_free || store.service(task.service_id).is_none() {
            return Ok(());
        }
        for rival in rivals {
            let told_at = self.told_at.get(&rival.task.id);
            let is_overdue =
                told_at.is_some_and(|at| now.since(*at) + self.slack >= limits::OLD_TASK_WAIT_MAX);
            if !is_overdue && !self.lost.contains(&rival.task.id) {
                let (name, node) = (rival.task.name(), rival.node_id);
                return Err(format!("{} starts while {name} runs on {node}, told {told_at:?}", task.name()));
            }
        }
        Ok(())
    }
}
