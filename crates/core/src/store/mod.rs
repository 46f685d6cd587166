//! What the cluster knows: tables and their indexes, as persistent maps.
//!
//! A clone costs a few reference counts, so readers, snapshots and tentative changes each hold their
//! own version and nobody waits for anybody. Only [`Store::apply`] writes; it never fails, because
//! whatever could be wrong was judged before the change was proposed.
//!
//! Next: [`change`] (what is proposed), [`draft`] (tentative changes on top of a store).

mod audit;
pub mod change;
pub mod draft;
mod dump;
mod index;
mod residents;
pub(crate) mod weight;

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use skep_model::placement::Affinity;
use skep_model::task::SlotId;
use skep_model::{
    Cluster, Node, NodeId, Revision, Rollout, Service, ServiceId, Step, Task, TaskId, Timestamp,
};

pub use change::{Change, ChangeSet, Key};
pub use draft::{Draft, Scope};
pub use dump::Dump;
use index::{FIRST_SLOT, TaskIndex, first_task, last_slot, last_task};
pub use index::{JobTally, Tally};

/// Where a task is kept: by its service and slot. A slot has few tasks, a service has them in the order of its
/// slots.
type TaskKey = (ServiceId, SlotId, TaskId);

/// One version of everything the managers agreed on.
#[derive(Clone, Debug, Default)]
pub struct Store {
    index: u64,
    cluster: Option<Arc<Cluster>>,
    nodes: OrdMap<NodeId, Arc<Node>>,
    revisions: OrdMap<(ServiceId, u64), Arc<Revision>>,
    services: OrdMap<ServiceId, Arc<Service>>,
    /// By their places: what is written together lies together, so that a version shares all but a few leaves
    /// with the one before it.
    tasks: OrdMap<TaskKey, Arc<Task>>,
    rollouts: OrdMap<ServiceId, Arc<Rollout>>,
    steps: OrdMap<(ServiceId, SlotId), Arc<Step>>,
    // Invariant: the indexes below are functions of the tables above; every write keeps them so.
    services_by_name: OrdMap<String, ServiceId>,
    /// By whom they keep away from, services that do.
    keeping_away: OrdSet<(String, ServiceId)>,
    /// Steps whose lanes are not given to others yet.
    steps_open: OrdSet<(ServiceId, SlotId)>,
    task_index: TaskIndex,
}

impl Store {
    /// Returns the index of the log entry applied last.
    pub fn index(&self) -> u64 {
        self.index
    }

    pub fn cluster(&self) -> Option<&Arc<Cluster>> {
        self.cluster.as_ref()
    }

    pub fn node(&self, id: NodeId) -> Option<&Arc<Node>> {
        self.nodes.get(&id)
    }

    pub fn nodes(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.nodes.values()
    }

    pub fn service(&self, id: ServiceId) -> Option<&Arc<Service>> {
        self.services.get(&id)
    }

    pub fn services(&self) -> impl Iterator<Item = &Arc<Service>> {
        self.services.values()
    }

    /// Returns the service of this name, without regard to case.
    pub fn service_named(&self, name: &str) -> Option<&Arc<Service>> {
        self.services.get(self.services_by_name.get(&name.to_ascii_lowercase())?)
    }

    /// Returns the services that must have no task where the service of this name has one.
    pub fn services_keeping_away_from(&self, name: &str) -> impl Iterator<Item = &Arc<Service>> {
        let name = name.to_ascii_lowercase();
        let from = self.keeping_away.range((name.clone(), ServiceId::default())..);
        from.take_while(move |(other, _)| *other == name).filter_map(|(_, id)| self.services.get(id))
    }

    pub fn revision(&self, id: ServiceId, number: u64) -> Option<&Arc<Revision>> {
        self.revisions.get(&(id, number))
    }

    /// Returns the revisions of a service that are kept, oldest first.
    pub fn revisions_of(&self, id: ServiceId) -> impl DoubleEndedIterator<Item = &Arc<Revision>> {
        self.revisions.range((id, u64::MIN)..=(id, u64::MAX)).map(|(_, revision)| revision)
    }

    pub fn rollout(&self, id: ServiceId) -> Option<&Arc<Rollout>> {
        self.rollouts.get(&id)
    }

    pub fn rollouts(&self) -> impl Iterator<Item = &Arc<Rollout>> {
        self.rollouts.values()
    }

    pub fn step(&self, id: ServiceId, slot: SlotId) -> Option<&Arc<Step>> {
        self.steps.get(&(id, slot))
    }

    /// Returns the slots of a service in mid-change, in their order.
    pub fn steps_of(&self, id: ServiceId) -> impl Iterator<Item = &Arc<Step>> {
        self.steps.range((id, FIRST_SLOT)..=(id, last_slot())).map(|(_, step)| step)
    }

    /// Returns those of them whose lanes are not given to other slots yet.
    pub fn steps_open(&self, id: ServiceId) -> impl Iterator<Item = &Arc<Step>> {
        let open = self.steps_open.range((id, FIRST_SLOT)..=(id, last_slot()));
        open.map(|key| self.steps.get(key).expect("an index names only steps in the table"))
    }

    pub fn task(&self, id: TaskId) -> Option<&Arc<Task>> {
        self.task_index.slot_of(id).map(|(service_id, slot)| self.indexed((service_id, slot, id)))
    }

    /// Returns a task of which is known where it belongs: faster than by its identifier alone.
    pub fn task_at(&self, service_id: ServiceId, slot: SlotId, id: TaskId) -> Option<&Arc<Task>> {
        self.tasks.get(&(service_id, slot, id))
    }

    /// Returns the task that a step brought into its slot, while it is remembered.
    pub fn task_of_step(&self, step: &Step) -> Option<&Arc<Task>> {
        self.task_at(step.service_id, step.slot, step.task_id)
    }

    /// Returns all tasks, by service and slot.
    pub fn tasks(&self) -> impl Iterator<Item = &Arc<Task>> {
        self.tasks.values()
    }

    pub fn task_count(&self) -> usize {
        self.tasks.len()
    }

    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// Returns the tasks of a service in the order of their slots.
    pub fn tasks_of(&self, id: ServiceId) -> impl Iterator<Item = &Arc<Task>> {
        let all = (id, FIRST_SLOT, first_task())..=(id, last_slot(), last_task());
        self.tasks.range(all).map(|(_, task)| task)
    }

    /// Returns the tasks of a service from this slot on, in the order of their slots.
    pub fn tasks_from(&self, id: ServiceId, slot: SlotId) -> impl Iterator<Item = &Arc<Task>> {
        let all = (id, slot, first_task())..=(id, last_slot(), last_task());
        self.tasks.range(all).map(|(_, task)| task)
    }

    /// Returns the tasks of one slot of a service.
    pub fn tasks_in(&self, id: ServiceId, slot: SlotId) -> impl Iterator<Item = &Arc<Task>> {
        // One search, where a range of two ends makes two.
        let from = self.tasks.range((id, slot, first_task())..);
        from.take_while(move |(key, _)| (key.0, key.1) == (id, slot)).map(|(_, task)| task)
    }

    /// Returns the tasks that were given to a node.
    pub fn tasks_on(&self, id: NodeId) -> impl Iterator<Item = &Arc<Task>> {
        self.task_index.of_node(id).map(|id| self.task(id).expect("an index names only tasks in the table"))
    }

    /// Returns whether any task was given to a node.
    pub fn has_tasks_on(&self, id: NodeId) -> bool {
        self.task_index.has_some_on(id)
    }

    /// Returns the live tasks that have no node yet, by service and slot. Looks through all tasks: who keeps
    /// asking keeps count, as the scheduler does.
    pub fn tasks_unplaced(&self) -> impl Iterator<Item = &Arc<Task>> {
        self.tasks().filter(|task| task.node_id.is_none() && task.is_live())
    }

    /// Returns the live tasks of a service that are of another revision than `revision`, by revision and
    /// slot.
    pub fn tasks_of_other_revisions(&self, id: ServiceId, revision: u64) -> impl Iterator<Item = &Arc<Task>> {
        self.task_index.of_other_revisions(id, revision).map(|key| self.indexed(key))
    }

    /// Returns the revisions of which a service has live tasks, newest first.
    pub fn revisions_live(&self, id: ServiceId) -> impl Iterator<Item = u64> {
        self.task_index.live_revisions(id)
    }

    /// Returns the live tasks of one revision of a service, by slot.
    pub fn tasks_of_revision(&self, id: ServiceId, revision: u64) -> impl Iterator<Item = &Arc<Task>> {
        self.task_index.of_revision(id, revision).map(|key| self.indexed(key))
    }

    /// Returns whether a live task of the service is of this revision.
    pub fn has_revision_live(&self, id: ServiceId, revision: u64) -> bool {
        self.task_index.has_revision(id, revision)
    }

    /// Returns the slots that belong to a service while none of their tasks runs, in their order.
    pub fn slots_idle(&self, id: ServiceId) -> impl Iterator<Item = SlotId> {
        self.task_index.idle_slots(id)
    }

    /// Returns the slots of a service that change hands: they have more than one live task.
    pub fn slots_contested(&self, id: ServiceId) -> impl Iterator<Item = SlotId> {
        self.task_index.contested_slots(id)
    }

    /// Returns whether a slot has more than one live task.
    pub fn is_contested(&self, id: ServiceId, slot: SlotId) -> bool {
        self.task_index.is_contested(id, slot)
    }

    /// Returns the slots of a service in which a task was told to stop and did not yet.
    pub fn slots_stopping(&self, id: ServiceId) -> impl Iterator<Item = SlotId> {
        self.task_index.stopping_slots(id)
    }

    /// Returns the slots of a service in which a live task has to leave its node.
    pub fn slots_leaving(&self, id: ServiceId) -> impl Iterator<Item = SlotId> {
        self.task_index.leaving_slots(id)
    }

    /// Returns the slots that belong to a service, in their order; scaled-down ones only wait for their end.
    pub fn slots_kept(&self, id: ServiceId) -> impl DoubleEndedIterator<Item = SlotId> {
        self.task_index.kept_slots(id)
    }

    /// Returns how many slots a service has.
    pub fn tally(&self, id: ServiceId) -> Tally {
        self.task_index.tally(id)
    }

    /// Returns how far an iteration of a job is.
    pub fn job_tally(&self, id: ServiceId, iteration: u64) -> JobTally {
        self.task_index.job_tally(id, iteration)
    }

    /// Returns the highest slot of a job that was begun in this iteration.
    pub fn last_slot_begun(&self, id: ServiceId, iteration: u64) -> Option<SlotId> {
        self.task_index.last_slot_begun(id, iteration)
    }

    fn indexed(&self, key: TaskKey) -> &Arc<Task> {
        self.tasks.get(&key).expect("an index names only tasks in the table")
    }

    /// Takes in a committed change set. `index` is that of its log entry.
    pub fn apply(&mut self, index: u64, changes: &ChangeSet) {
        match changes.outcome_on(self) {
            // The same writes to the same version were made when the changes were drafted.
            Some(outcome) => self.clone_from(outcome),
            None => changes.iter().for_each(|change| self.write(change)),
        }
        self.index = index;
    }

    /// Returns whether this is the very same version as the other one, by what both share.
    fn is_same(&self, other: &Store) -> bool {
        let Store {
            index,
            cluster,
            nodes,
            revisions,
            services,
            tasks,
            rollouts,
            steps,
            services_by_name,
            keeping_away,
            steps_open,
            task_index,
        } = self;
        *index == other.index
            && cluster.as_ref().map(Arc::as_ptr) == other.cluster.as_ref().map(Arc::as_ptr)
            && nodes.ptr_eq(&other.nodes)
            && revisions.ptr_eq(&other.revisions)
            && services.ptr_eq(&other.services)
            && tasks.ptr_eq(&other.tasks)
            && rollouts.ptr_eq(&other.rollouts)
            && steps.ptr_eq(&other.steps)
            && services_by_name.ptr_eq(&other.services_by_name)
            && keeping_away.ptr_eq(&other.keeping_away)
            && steps_open.ptr_eq(&other.steps_open)
            && task_index.is_same(&other.task_index)
    }

    fn write(&mut self, change: &Change) {
        match change {
            Change::PutCluster(cluster) => self.cluster = Some(cluster.clone()),
            Change::PutNode(node) => drop(self.nodes.insert(node.id, node.clone())),
            Change::DeleteNode(id) => drop(self.nodes.remove(id)),
            Change::PutRevision(revision) => self.put_revision(revision.clone()),
            Change::DeleteRevision { service_id, number } => {
                self.revisions.remove(&(*service_id, *number));
            }
            Change::PutService(service) => self.put_service(service.clone()),
            Change::DeleteService(id) => self.delete_service(*id),
            Change::PutTask(task) => drop(self.put_task(task.clone())),
            Change::DeleteTask { id, service_id, slot, .. } => self.delete_task((*service_id, *slot, *id)),
            Change::PutRollout(rollout) => drop(self.rollouts.insert(rollout.service_id, rollout.clone())),
            Change::DeleteRollout(id) => drop(self.rollouts.remove(id)),
            Change::PutStep(step) => self.put_step(step.clone()),
            Change::DeleteStep { service_id, slot } => {
                self.steps.remove(&(*service_id, *slot));
                self.steps_open.remove(&(*service_id, *slot));
            }
        }
    }

    fn put_service(&mut self, service: Arc<Service>) {
        self.services_by_name.insert(service.spec.name.to_ascii_lowercase(), service.id);
        let kept_away = far_of(&service);
        let (id, old) = (service.id, self.services.insert(service.id, service));
        for name in old.iter().flat_map(|old| far_of(old)) {
            self.keeping_away.remove(&(name, id));
        }
        self.keeping_away.extend(kept_away.into_iter().map(|name| (name, id)));
    }

    fn delete_service(&mut self, id: ServiceId) {
        if let Some(service) = self.services.remove(&id) {
            for name in far_of(&service) {
                self.keeping_away.remove(&(name, id));
            }
            let name = service.spec.name.to_ascii_lowercase();
            // A service made in the same change set may have taken the name over.
            if self.services_by_name.get(&name) == Some(&id) {
                self.services_by_name.remove(&name);
            }
        }
    }

    fn put_step(&mut self, step: Arc<Step>) {
        let key = (step.service_id, step.slot);
        match step.closed {
            true => drop(self.steps_open.remove(&key)),
            false => drop(self.steps_open.insert(key)),
        }
        self.steps.insert(key, step);
    }

    fn put_revision(&mut self, revision: Arc<Revision>) {
        let (id, number) = (revision.service_id, revision.number);
        let template = revision.template.clone();
        let old = self.revisions.insert((id, number), revision);
        // What means nothing to a task was renewed, such as credentials: its tasks have what a snapshot would
        // give them.
        if old.is_some_and(|old| !Arc::ptr_eq(&old.template, &template) && old.template != template) {
            let of_it = self.tasks_of(id).filter(|task| task.revision == number);
            let tasks: Vec<_> = of_it.cloned().collect();
            tasks.into_iter().for_each(|task| drop(self.put_task(task)));
        }
    }

    /// Returns the task as it was, and as it is kept, with the template of its revision.
    fn put_task(&mut self, task: Arc<Task>) -> (Option<Arc<Task>>, Arc<Task>) {
        let task = self.with_template(task);
        let old = self.tasks.insert((task.service_id, task.slot, task.id), task.clone());
        self.task_index.replace(old.as_deref(), Some(&task));
        (old, task)
    }

    /// Attaches the template of its revision to a task that comes from the log or a snapshot.
    fn with_template(&self, mut task: Arc<Task>) -> Arc<Task> {
        let revision = self.revisions.get(&(task.service_id, task.revision));
        if let Some(revision) = revision.filter(|revision| !Arc::ptr_eq(&revision.template, &task.spec)) {
            Arc::make_mut(&mut task).spec = revision.template.clone();
        }
        task
    }

    fn delete_task(&mut self, key: TaskKey) {
        if let Some(task) = self.tasks.remove(&key) {
            self.task_index.replace(Some(&task), None);
        }
    }
}

/// Returns the names of those that a service keeps away from.
fn far_of(service: &Service) -> Vec<String> {
    // What is wrong was refused when it was written.
    Affinity::of(&service.spec.name, &service.spec.labels).unwrap_or_default().far
}

/// The earlier of two deadlines, where either may be absent.
pub(crate) fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
