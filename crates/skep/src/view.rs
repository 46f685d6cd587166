//! The store as the API reads it.

use std::sync::Arc;

use skep_api::server::backend::{Rows, View};
use skep_model::{Cluster, Node, NodeId, Rollout, Service, ServiceId, Task, TaskId};

use crate::manager::Published;

/// One version of the store, held for as long as a request reads it.
pub struct StoreView {
    pub published: Arc<Published>,
    /// This node, which leads if anybody does: a cluster of one has one manager.
    pub node_id: Option<NodeId>,
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
