//! Tentative changes on top of a committed store: planners read their own writes, and what remains at
//! the end of the pass is proposed as one change set.
//!
//! What is proposed carries the draft along: a store that is still the version it was drafted on takes it over,
//! and nothing is written twice.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::sync::Arc;

use skep_model::task::SlotId;
use skep_model::{
    Cluster, Meta, Node, NodeId, Revision, Rollout, Service, ServiceId, Step, Task, TaskId, Timestamp,
};

use super::change::Key;
use super::{Change, ChangeSet, Store, weight};
use crate::message::Told;

/// A store with uncommitted writes. Reads go to the [`Store`] underneath by dereference. A clone is as cheap as one of a
/// store, but for what was written in this pass.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The version that the pass began with.
    before: Store,
    store: Store,
    now: Timestamp,
    /// In the order of the writes; of an object the last one counts.
    changes: Vec<(Key, Change)>,
    touched: BTreeMap<ServiceId, Scope>,
    moves: Vec<Move>,
    news: Vec<News>,
    /// About the bytes of the changes, overwritten ones included.
    weight: usize,
}

/// Where in a service to look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Every slot; else those of `slots`. What concerns the service as a whole is looked at in any case.
    pub all: bool,
    pub slots: BTreeSet<SlotId>,
}

/// A write that may matter to where tasks can go: a task or node before and after it, a service of which
/// something was written that decides how its tasks follow each other.
#[derive(Clone, Debug)]
pub enum Move {
    Task { old: Option<Arc<Task>>, new: Option<Arc<Task>> },
    Node { old: Option<Arc<Node>>, new: Option<Arc<Node>> },
    Service(ServiceId),
    Cluster,
}

/// A write to a task that a node has, for the node to be told of when it is committed.
#[derive(Clone, Debug)]
pub struct News {
    pub node_id: NodeId,
    pub id: TaskId,
    /// What the store had of it for the node before this write; `None`: nothing.
    pub before: Option<Told>,
    /// `None`: it is forgotten.
    pub task: Option<(Told, Arc<Task>)>,
}

impl Move {
    /// Returns the node that was written to, if it was a node.
    pub fn node_id(&self) -> Option<NodeId> {
        match self {
            Move::Node { old, new } => new.as_ref().or(old.as_ref()).map(|node| node.id),
            Move::Task { .. } | Move::Service(_) | Move::Cluster => None,
        }
    }

    /// Returns whether tasks might stand more evenly afterwards: a node takes tasks that took none, or is not what it
    /// was, or somebody asks for it.
    pub fn may_level(&self) -> bool {
        let is_same = |old: &Node, new: &Node| {
            old.takes_tasks() && old.spec == new.spec && old.description == new.description
        };
        match self {
            Move::Node { old, new: Some(new) } => {
                new.takes_tasks() && !old.as_ref().is_some_and(|old| is_same(old, new))
            }
            Move::Node { new: None, .. } => false,
            Move::Cluster => true,
            Move::Task { .. } | Move::Service(_) => false,
        }
    }
}

/// A draft of about this many bytes takes no more: what is left is planned after the commit. An eighth of what
/// the log takes in one entry: what is begun can be finished, the next one finds its memory still at hand, and whoever
/// waits for a pass does not wait for long.
const WEIGHT_MAX: usize = 1 << 20;

impl Deref for Draft {
    type Target = Store;
    fn deref(&self) -> &Store {
        &self.store
    }
}

impl Scope {
    pub fn all() -> Self {
        Scope { all: true, slots: BTreeSet::new() }
    }

    pub fn slot(slot: SlotId) -> Self {
        Scope { all: false, slots: [slot].into() }
    }

    /// Widens the scope by another one.
    pub fn add(&mut self, other: Scope) {
        self.all |= other.all;
        match self.all {
            true => self.slots.clear(),
            false => self.slots.extend(other.slots),
        }
    }
}

impl Draft {
    pub fn new(store: &Store, now: Timestamp) -> Self {
        Draft {
            before: store.clone(),
            store: store.clone(),
            now,
            changes: Vec::new(),
            touched: BTreeMap::new(),
            moves: Vec::new(),
            news: Vec::new(),
            weight: 0,
        }
    }

    /// Begins a pass at `now`, on a store that has everything committed which this draft proposed.
    pub fn begin(&mut self, store: &Store, now: Timestamp) {
        assert!(self.changes.is_empty(), "a pass begins when the one before it is proposed");
        if !self.before.is_same(store) {
            (self.before, self.store) = (store.clone(), store.clone());
        }
        self.now = now;
    }

    /// Returns the instant of this pass: the time of every write in it.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    pub fn put_cluster(&mut self, mut cluster: Cluster) {
        self.stamp(&mut cluster.meta);
        // Its limits and policies may matter to any service.
        let services: Vec<_> = self.store.services().map(|service| service.id).collect();
        services.into_iter().for_each(|id| self.touch(id, Scope::all()));
        self.moves.push(Move::Cluster);
        self.write(Change::PutCluster(Arc::new(cluster)));
    }

    pub fn put_node(&mut self, mut node: Node) {
        self.stamp(&mut node.meta);
        let (old, new) = (self.store.node(node.id).cloned(), Arc::new(node));
        self.moves.push(Move::Node { old, new: Some(new.clone()) });
        self.write(Change::PutNode(new));
    }

    pub fn delete_node(&mut self, id: NodeId) {
        if let Some(old) = self.store.node(id).cloned() {
            self.moves.push(Move::Node { old: Some(old), new: None });
            self.write(Change::DeleteNode(id));
        }
    }

    /// A revision never changes but for what is noted about it.
    pub fn put_revision(&mut self, revision: Revision) {
        self.touch(revision.service_id, Scope::default());
        self.write(Change::PutRevision(Arc::new(revision)));
    }

    pub fn delete_revision(&mut self, service_id: ServiceId, number: u64) {
        self.write(Change::DeleteRevision { service_id, number });
    }

    pub fn put_service(&mut self, mut service: Service) {
        self.stamp(&mut service.meta);
        self.touch(service.id, Scope::all());
        self.moves.push(Move::Service(service.id));
        self.write(Change::PutService(Arc::new(service)));
    }

    pub fn delete_service(&mut self, id: ServiceId) {
        self.touch(id, Scope::all());
        self.moves.push(Move::Service(id));
        self.write(Change::DeleteService(id));
    }

    pub fn put_task(&mut self, mut task: Task) {
        self.stamp(&mut task.meta);
        self.touch(task.service_id, Scope::slot(task.slot));
        let (old, new) = (self.store.task(task.id).cloned(), Arc::new(task));
        self.moves.push(Move::Task { old, new: Some(new.clone()) });
        self.write_task(new);
    }

    /// Writes what the scheduler decided about a task: a node, or why there is none. Its service is looked at
    /// again as a whole; its slot is only where it has another live task, because else a node alone lets it take no
    /// step.
    pub fn put_placement(&mut self, mut task: Task) {
        self.stamp(&mut task.meta);
        let is_contested = self.store.is_contested(task.service_id, task.slot);
        let scope = if is_contested { Scope::slot(task.slot) } else { Scope::default() };
        self.touch(task.service_id, scope);
        self.write_task(Arc::new(task));
    }

    /// Changes a task in place; does nothing if it is gone.
    pub fn change_task(&mut self, id: TaskId, change: impl FnOnce(&mut Task)) {
        if let Some(task) = self.store.task(id) {
            let mut task = Task::clone(task);
            change(&mut task);
            self.put_task(task);
        }
    }

    pub fn delete_task(&mut self, id: TaskId) {
        if let Some(task) = self.store.task(id).cloned() {
            let (service_id, slot, node_id) = (task.service_id, task.slot, task.node_id);
            let before = Some(Told::of(&task));
            self.touch(service_id, Scope::slot(slot));
            self.moves.push(Move::Task { old: Some(task), new: None });
            self.write(Change::DeleteTask { id, service_id, slot, node_id });
            self.news.extend(node_id.map(|node_id| News { node_id, id, before, task: None }));
        }
    }

    pub fn put_rollout(&mut self, rollout: Rollout) {
        let stage = |rollout: &Rollout| (rollout.phase, rollout.direction, rollout.revision);
        let before = self.store.rollout(rollout.service_id).map(|before| stage(before));
        // What happened to its slots while nobody asked is taken in when it goes on.
        let scope = if before == Some(stage(&rollout)) { Scope::default() } else { Scope::all() };
        self.touch(rollout.service_id, scope);
        self.moves.push(Move::Service(rollout.service_id));
        self.write(Change::PutRollout(Arc::new(rollout)));
    }

    pub fn delete_rollout(&mut self, id: ServiceId) {
        if self.store.rollout(id).is_some() {
            // What it held is free.
            self.touch(id, Scope::all());
            self.moves.push(Move::Service(id));
            self.write(Change::DeleteRollout(id));
        }
    }

    pub fn put_step(&mut self, step: Step) {
        self.touch(step.service_id, Scope::slot(step.slot));
        self.write(Change::PutStep(Arc::new(step)));
    }

    pub fn delete_step(&mut self, service_id: ServiceId, slot: SlotId) {
        if self.store.step(service_id, slot).is_some() {
            self.touch(service_id, Scope::slot(slot));
            self.write(Change::DeleteStep { service_id, slot });
        }
    }

    /// Asks for another look at a service in this pass.
    pub fn touch(&mut self, id: ServiceId, scope: Scope) {
        self.touched.entry(id).or_default().add(scope);
    }

    fn stamp(&self, meta: &mut Meta) {
        meta.version = self.version();
        meta.updated_at = self.now;
    }

    /// The version of an object is one more than the index of the entry applied before it was written: it
    /// rises from pass to pass, and nothing else of it matters to anybody.
    // Invariant: what is committed has no version above the store's index, which never goes back.
    fn version(&self) -> u64 {
        self.store.index + 1
    }

    fn write_task(&mut self, task: Arc<Task>) {
        let (old, kept) = self.store.put_task(task.clone());
        if let Some(node_id) = kept.node_id {
            let before = old.filter(|old| old.node_id == kept.node_id).map(|old| Told::of(&old));
            let (id, told) = (kept.id, Told::of(&kept));
            self.news.push(News { node_id, id, before, task: Some((told, kept)) });
        }
        self.note(Change::PutTask(task));
    }

    fn write(&mut self, change: Change) {
        self.store.write(&change);
        self.note(change);
    }

    fn note(&mut self, change: Change) {
        self.weight += weight::of(&change);
        self.changes.push((change.key(), change));
    }

    /// Returns where was written since the last call.
    pub fn take_touched(&mut self) -> BTreeMap<ServiceId, Scope> {
        std::mem::take(&mut self.touched)
    }

    /// Returns the writes that matter to placement since the last call, in their order; those of the scheduler
    /// itself are not among them.
    pub fn take_moves(&mut self) -> Vec<Move> {
        std::mem::take(&mut self.moves)
    }

    /// Returns whether the object with this meta was written to in this pass.
    pub fn has_written(&self, meta: &Meta) -> bool {
        meta.version == self.version()
    }

    /// Returns whether planners should stop and leave the rest to the next pass.
    pub fn is_full(&self) -> bool {
        self.weight >= WEIGHT_MAX
    }

    /// Returns whether anything was written in this pass.
    pub fn is_clean(&self) -> bool {
        self.changes.is_empty()
    }

    /// Returns what the nodes are to be told of what was written in this pass, in the order of the writes.
    pub fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
    }

    /// Returns what was written in this pass, to be proposed.
    pub fn finish(&mut self) -> ChangeSet {
        // After a full one comes another one for the most part.
        let next = if self.is_full() { Vec::with_capacity(self.changes.len()) } else { Vec::new() };
        self.weight = 0;
        let changes = last_of_each(std::mem::replace(&mut self.changes, next));
        ChangeSet::drafted(changes, self.before.clone(), self.store.clone())
    }
}

/// Returns the last write to each object, in the order in which they are to be applied.
fn last_of_each(mut writes: Vec<(Key, Change)>) -> Vec<Change> {
    // Stable, and fast where it is in order already, as what was placed is.
    writes.sort_by_key(|(key, _)| *key);
    writes.dedup_by(|later, earlier| {
        let is_same = later.0 == earlier.0;
        if is_same {
            std::mem::swap(later, earlier);
        }
        is_same
    });
    writes.into_iter().map(|(_, change)| change).collect()
}
