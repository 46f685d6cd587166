//! What is left of a service's budget while its slots are looked at one after another, in one look: what starts or goes
//! for another reason than the budget changes what is left for the slots that come after it.

use std::sync::Arc;
use std::time::Duration;

use skep_core::agenda::Agenda;
use skep_core::random::Random;
use skep_core::store::{Draft, Scope, Store};
use skep_core::{Change, orchestrate};
use skep_model::node::{NodeState, NodeStatus};
use skep_model::rollout::{Direction, Phase};
use skep_model::service::{Mode, UpdateConfig, UpdateOrder};
use skep_model::task::{Desired, SlotId, TaskState, TaskStatus};
use skep_model::{
    Id, Node, NodeId, Revision, Rollout, Service, ServiceId, ServiceSpec, Step, Task, TaskId, Timestamp,
};
use skep_testing::{cluster, node_id, ready_node, revision, service};

const NOW: Timestamp = Timestamp(1_000_000_000_000);

/// A service in the middle of a start-first update from its first to its second revision, with these labels.
struct Update {
    store: Store,
    service: Service,
    changes: Vec<Change>,
    task_count: u128,
}

impl Update {
    fn of(mode: Mode, labels: &[(&str, &str)]) -> Update {
        let update =
            UpdateConfig { parallelism: 0, order: UpdateOrder::StartFirst, ..UpdateConfig::default() };
        let spec = |image: &str| {
            let mut spec = ServiceSpec { name: "web".into(), mode: mode.clone(), ..ServiceSpec::default() };
            spec.update = Some(update.clone());
            spec.labels =
                labels.iter().map(|(key, value)| (format!("skep.rollout.{key}"), (*value).into())).collect();
            Arc::make_mut(&mut spec.task).container.image = image.into();
            spec
        };
        let id = ServiceId::from_number(1);
        let service = Service { revision: 2, revision_count: 2, ..service(id, spec("app:2")) };
        let rollout = Rollout {
            phase: Phase::Running,
            from: Some(1),
            slot_count: 3,
            ..Rollout::asked(id, Direction::Forward, 2, None, NOW)
        };
        let of_revision = |number: u64| revision(id, number, &spec(&format!("app:{number}")));
        let mut changes = vec![Change::PutCluster(cluster().into()), Change::PutRollout(rollout.into())];
        changes.extend((1..=3).map(|number| Change::PutNode(ready_node(number).into())));
        changes.extend([1, 2].map(|number| Change::PutRevision(Arc::<Revision>::new(of_revision(number)))));
        changes.push(Change::PutService(service.clone().into()));
        Update { store: Store::default(), service, changes, task_count: 0 }
    }

    /// Adds a task of a revision to a slot, on the slot's own node or the first one.
    fn put(&mut self, slot: SlotId, revision: u64, desired: Desired, state: TaskState) {
        let node = if let SlotId::Node(id) = slot { id } else { node_id(1) };
        self.put_on(node, slot, revision, desired, state);
    }

    fn put_on(&mut self, node: NodeId, slot: SlotId, revision: u64, desired: Desired, state: TaskState) {
        self.task_count += 1;
        let mut spec = self.service.spec.task.clone();
        Arc::make_mut(&mut spec).container.image = format!("app:{revision}");
        let plain = Task::of(&self.service, TaskId::from_number(self.task_count), slot);
        let task = Task {
            spec,
            revision,
            node_id: Some(node),
            desired,
            status: TaskStatus { state, ..TaskStatus::default() },
            // One that waits for its restart, and whose time has come.
            start_after: if revision == 1 { NOW - Duration::from_secs(1) } else { Timestamp::default() },
            ..plain
        };
        let id = task.id;
        if revision == 2 {
            self.changes.push(Change::PutStep(Step::begun(self.service.id, slot, id, NOW).into()));
        }
        self.changes.push(Change::PutTask(task.into()));
    }

    /// Adds a slot that serves, and whose replacement could take over.
    fn put_due(&mut self, slot: SlotId) {
        self.put(slot, 1, Desired::Running, TaskState::Running);
        self.put(slot, 2, Desired::Ready, TaskState::Ready);
    }

    /// Looks at all slots once. Returns how many tasks are to run beyond one for each of `slots`.
    fn look(self, slots: usize) -> usize {
        let id = self.service.id;
        running(self.looked().tasks_of(id)) - slots
    }

    /// Looks at all slots once.
    fn looked(mut self) -> Draft {
        self.store.apply(1, &self.changes.drain(..).collect());
        let mut draft = Draft::new(&self.store, NOW);
        orchestrate::plan(
            &mut draft,
            &mut Random::new(1),
            &mut Agenda::default(),
            self.service.id,
            &Scope::all(),
        );
        draft
    }
}

/// Counts the tasks that are to run.
fn running<'t>(tasks: impl Iterator<Item = &'t Arc<Task>>) -> usize {
    tasks.filter(|task| task.desired == Desired::Running).count()
}

#[test]
fn what_starts_beside_another_in_a_slot_that_serves_nobody_spends_the_surge() {
    // In the second slot the old task or the new one is to start, and the other one does already.
    for (old, new) in [(Desired::Ready, Desired::Running), (Desired::Running, Desired::Ready)] {
        let labels = [("max-surge", "2"), ("max-unavailable", "1")];
        let mut update = Update::of(Mode::Replicated { replicas: 3 }, &labels);
        update.put_due(SlotId::Number(1));
        let state = |desired| if desired == Desired::Ready { TaskState::Ready } else { TaskState::Starting };
        update.put(SlotId::Number(2), 1, old, state(old));
        update.put(SlotId::Number(2), 2, new, state(new));
        update.put_due(SlotId::Number(3));
        assert_eq!(update.look(3), 2, "the old task is {old:?}, the new one {new:?}");
    }
}

#[test]
fn a_share_of_the_slots_is_less_when_a_node_is_gone() {
    let mut update = Update::of(Mode::Global, &[("max-surge", "50%")]);
    [1, 2, 3].into_iter().for_each(|number| update.put_due(SlotId::Node(node_id(number))));
    update.changes.push(Change::DeleteNode(node_id(2)));
    assert_eq!(update.look(2), 1, "half of two slots");

    // The one that is gone comes last, and was drained before.
    let mut update = Update::of(Mode::Global, &[("max-surge", "50%")]);
    [1, 2].into_iter().for_each(|number| update.put_due(SlotId::Node(node_id(number))));
    update.put(SlotId::Node(node_id(3)), 1, Desired::Shutdown, TaskState::Shutdown);
    update.changes.push(Change::DeleteNode(node_id(3)));
    assert_eq!(update.look(2), 1, "half of two slots");
}

#[test]
fn what_is_lost_with_its_node_is_counted_before_anything_is_handed_over() {
    let mut update = Update::of(Mode::Replicated { replicas: 3 }, &[("max-unavailable", "1")]);
    // The first slot could be handed over, and the others are known to be lost only when they are looked at.
    update.put_due(SlotId::Number(1));
    let down = NodeStatus { state: NodeState::Down, ..NodeStatus::default() };
    update.changes.push(Change::PutNode(Node { status: down, ..ready_node(3) }.into()));
    for slot in [2, 3].map(SlotId::Number) {
        update.put_on(node_id(3), slot, 1, Desired::Running, TaskState::Running);
    }
    let (id, draft) = (update.service.id, update.looked());
    assert_eq!(running(draft.tasks_in(id, SlotId::Number(1))), 1, "two are out of service, and one may be");
}
