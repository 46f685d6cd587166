//! The store as the API reads it.

use std::collections::BTreeSet;
use std::sync::Arc;

use skep_agent::Clock;
use skep_api::server::backend::{Rows, View};
use skep_api::server::facts::SlotCounts;
use skep_core::orchestrate::{rebalance, why};
use skep_model::placement::Relocation;
use skep_model::rollout::Wait;
use skep_model::task::SlotId;
use skep_model::{
    Cluster, Node, NodeId, Revision, Rollout, Service, ServiceId, Step, Task, TaskId, Timestamp,
};

use crate::manager::Published;

/// One version of the store, held for as long as a request reads it.
pub struct StoreView {
    pub published: Arc<Published>,
    /// This node, which leads if anybody does: a cluster of one has one manager.
    pub node_id: Option<NodeId>,
}

/// What is waited for is told as of the moment of asking.
fn now() -> Timestamp {
    Clock::default().now()
}

impl View for StoreView {
    fn index(&self) -> u64 {
        self.published.store.index()
    }

    fn leader(&self) -> Option<NodeId> {
        self.node_id.filter(|_| self.published.leads)
    }

    fn cluster(&self) -> Option<&Cluster> {
        self.published.store.cluster().map(|cluster| &**cluster)
    }

    fn nodes(&self) -> Rows<'_, Node> {
        Box::new(self.published.store.nodes().map(|node| &**node))
    }

    fn node(&self, id: NodeId) -> Option<&Node> {
        self.published.store.node(id).map(|node| &**node)
    }

    fn services(&self) -> Rows<'_, Service> {
        Box::new(self.published.store.services().map(|service| &**service))
    }

    fn service(&self, id: ServiceId) -> Option<&Service> {
        self.published.store.service(id).map(|service| &**service)
    }

    fn service_named(&self, name: &str) -> Option<&Service> {
        self.published.store.service_named(name).map(|service| &**service)
    }

    fn rollout(&self, id: ServiceId) -> Option<&Rollout> {
        self.published.store.rollout(id).map(|rollout| &**rollout)
    }

    fn revisions_of(&self, id: ServiceId) -> Rows<'_, Revision> {
        Box::new(self.published.store.revisions_of(id).map(|revision| &**revision))
    }

    fn steps_of(&self, id: ServiceId) -> Rows<'_, Step> {
        Box::new(self.published.store.steps_of(id).map(|step| &**step))
    }

    fn slot_counts(&self, service: &Service) -> SlotCounts {
        let store = &self.published.store;
        let tally = store.tally(service.id);
        let others = store.tasks_of_other_revisions(service.id, service.revision);
        let outdated: BTreeSet<SlotId> = others.map(|task| task.slot).collect();
        let updated = tally.kept.saturating_sub(outdated.len() as u64);
        SlotCounts { total: tally.kept, running: tally.running, updated }
    }

    fn waits(&self, id: ServiceId) -> Vec<Wait> {
        why::waits(&self.published.store, id, now())
    }

    fn relocations(&self) -> Vec<Relocation> {
        rebalance::proposals(&self.published.store)
    }

    fn waiting(&self, task: &Task) -> Option<Wait> {
        why::of_task(&self.published.store, task, now())
    }

    fn tasks(&self) -> Rows<'_, Task> {
        Box::new(self.published.store.tasks().map(|task| &**task))
    }

    fn tasks_of(&self, id: ServiceId) -> Rows<'_, Task> {
        Box::new(self.published.store.tasks_of(id).map(|task| &**task))
    }

    fn task(&self, id: TaskId) -> Option<&Task> {
        self.published.store.task(id).map(|task| &**task)
    }

    fn is_current(&self, service: &Service, task: &Task) -> bool {
        skep_core::orchestrate::current::is_current(&self.published.store, service, task)
    }
}
