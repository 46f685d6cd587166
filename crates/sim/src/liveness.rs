//! What must be true once nothing breaks any more: everything asked for, or a reason why not.
//!
//! A service whose image is bad cannot run; then its tasks must be tried as its restart policy says, its
//! rollout must have ended or say why it is paused, and nothing that ran before may be disturbed for
//! nothing. A task that fits nowhere must say so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use skep_core::Store;
use skep_core::orchestrate::attempt::should_restart;
use skep_core::orchestrate::rollout;
use skep_core::orchestrate::slot::{self, Slot};
use skep_model::node::{Availability, NodeState};
use skep_model::rollout::Phase;
use skep_model::service::{Mode, UpdateOrder};
use skep_model::task::{Desired, SlotId, TaskState};
use skep_model::{NodeId, Rollout, Service, ServiceId, Task};

use crate::engine::Character;
use crate::fit::{self, Room, is_open};
use crate::machine::Machine;

/// What there is, and which node is lost for good.
pub struct State<'a> {
    store: &'a Store,
    machines: &'a BTreeMap<NodeId, Machine>,
    lost: Option<NodeId>,
}

type Verdict = Result<(), String>;

impl<'a> State<'a> {
    pub fn new(store: &'a Store, machines: &'a BTreeMap<NodeId, Machine>, lost: Option<NodeId>) -> Self {
        State { store, machines, lost }
    }

    /// Returns why not everything has come true yet. A service that was seen as it should be is added
    /// to `settled`: one whose image is bad is not so all the time.
    pub fn first_obstacle(&self, settled: &mut BTreeSet<ServiceId>) -> Option<String> {
        let mut obstacle = self.nodes().err();
        for service in self.store.services() {
            if settled.contains(&service.id) {
                continue;
            }
            match self.service(service) {
                Ok(()) => drop(settled.insert(service.id)),
                Err(reason) => {
                    let image = &service.spec.task.container.image;
                    obstacle.get_or_insert(format!("service {} ({image}): {reason}", service.spec.name));
                }
            }
        }
        settled.retain(|id| self.store.service(*id).is_some());
        obstacle.or_else(|| self.containers().err())
    }

    fn nodes(&self) -> Verdict {
        for node in self.store.nodes() {
            let expected = if self.lost == Some(node.id) { NodeState::Down } else { NodeState::Ready };
            if node.status.state != expected {
                return Err(format!("node {} is {:?}", node.description.hostname, node.status.state));
            }
        }
        Ok(())
    }

    fn service(&self, service: &Service) -> Verdict {
        self.rollout(service)?;
        let slots = slot::of_service(self.store, service.id);
        let (kept, dropped): (Vec<_>, Vec<_>) = slots.iter().partition(|slot| slot.is_kept());
        if let Some(replicas) = service.spec.replicas().filter(|replicas| kept.len() as u64 != *replicas) {
            return Err(format!("{} slots of {replicas}", kept.len()));
        }
        for slot in dropped {
            if slot.tasks.iter().any(|task| !self.is_unreachable(task)) {
                return Err(format!("slot {} was given up and is still there", slot.id));
            }
        }
        if service.spec.mode.is_job() {
            return self.job(service, &slots);
        }
        // What a node has that is paused, lost or closed to the service stays as it is.
        let mut in_reach = kept.into_iter().filter(|slot| is_open(self.store, service, slot.id));
        in_reach.try_for_each(|slot| self.slot(service, slot))
    }

    /// A job is done, or works on as many slots as it may.
    fn job(&self, service: &Service, slots: &[Slot]) -> Verdict {
        let iteration = service.job.map(|job| job.iteration);
        let of_now = |task: &&Arc<Task>| task.iteration == iteration;
        let is_settled = |slot: &&Slot| {
            slot.tasks.iter().filter(of_now).any(|task| task.is_done())
                || self.dead_slot(service, slot).is_ok() && slot.live().next().is_none()
        };
        let (settled, rest): (Vec<_>, Vec<_>) = slots.iter().partition(is_settled);
        let open: Vec<_> = rest.into_iter().filter_map(|slot| slot.live().next()).collect();
        for task in open.iter().filter(|task| !self.is_unreachable(task)) {
            let is_fine = match task.status.state {
                TaskState::Running => self.has_container(task),
                _ => waits_with_reason(task) || !is_good(task),
            };
            if !is_fine {
                return Err(format!("slot {}: task {} is {:?}", task.slot, task.id, task.status.state));
            }
        }
        let due = match service.spec.mode {
            Mode::ReplicatedJob { max_concurrent, total_completions } => {
                max_concurrent.min(total_completions.saturating_sub(settled.len() as u64))
            }
            // Whether each node has its task is an invariant of its own.
            _ => return Ok(()),
        };
        if open.len() as u64 == due {
            return Ok(());
        }
        Err(format!("{} slots are done, {} in work, and {due} should be", settled.len(), open.len()))
    }

    fn rollout(&self, service: &Service) -> Verdict {
        let Some(rollout) = self.store.rollout(service.id) else { return Ok(()) };
        match rollout.phase {
            Phase::Completed => Ok(()),
            Phase::Paused if !rollout.message.is_empty() => Ok(()),
            Phase::Running if self.store.tasks_of(service.id).any(|task| waits_with_reason(task)) => Ok(()),
            // What never stays up cannot prove itself, and others wait until it does.
            Phase::Running if self.has_to_stay_up(service, rollout) => Ok(()),
            Phase::Running if self.is_overdrawn(service) => Ok(()),
            phase => {
                let steps: Vec<_> = self.store.steps_of(service.id).collect();
                Err(format!("its rollout is {phase:?}: {steps:?}"))
            }
        }
    }

    /// Returns whether tasks that end again and again are to stay up for a while.
    fn has_to_stay_up(&self, service: &Service, rollout: &Rollout) -> bool {
        let policy = rollout::policy(self.store, service, Some(rollout));
        let is_good = Character::of(&service.spec.task.container.image).is_good();
        !is_good && !policy.min_healthy.is_zero()
    }

    /// Returns whether slots are out of service, by a bad image or because they fit nowhere, so that others have to
    /// wait.
    fn is_overdrawn(&self, service: &Service) -> bool {
        let is_down = |task: &Task| {
            task.status.state != TaskState::Running && (!is_good(task) || waits_with_reason(task))
        };
        let is_out = |slot: SlotId| {
            let mut live = self.store.tasks_in(service.id, slot).filter(|task| task.is_live()).peekable();
            live.peek().is_some() && live.all(|task| is_down(task))
        };
        self.store.slots_kept(service.id).any(is_out)
    }

    fn slot(&self, service: &Service, slot: &Slot) -> Verdict {
        let number = slot.id;
        for task in slot.tasks.iter().filter(|task| !task.is_live() && !task.is_over()) {
            if !self.is_unreachable(task) {
                return Err(format!("slot {number}: task {} was told to stop and goes on", task.id));
            }
        }
        let live: Vec<_> = slot.live().collect();
        if live.is_empty() {
            return self.dead_slot(service, slot);
        }
        for task in &live {
            let is_fine = match () {
                () if task.is_over() => !is_good(task),
                () if task.status.state == TaskState::Running => self.has_container(task),
                () if waits_with_reason(task) => !self.fits_in_place(service, task),
                () if is_good(task) => self.is_held(service, task) && live.len() > 1,
                () => true,
            };
            if !is_fine {
                let (id, wanted, status) = (task.id, task.desired, &task.status);
                return Err(format!("slot {number}: task {id} is {:?}, wanted {wanted:?}", status.state));
            }
        }
        let successor_waits =
            live.iter().any(|task| waits_with_reason(task) || !is_good(task) || self.is_held(service, task));
        if let Some(task) = live.iter().find(|task| live.len() == 1 && self.has_to_leave(service, task)) {
            return Err(format!("slot {number}: task {} is still on a drained node", task.id));
        }
        if live.len() > 1 && !successor_waits {
            return Err(format!("slot {number} has {} live tasks", live.len()));
        }
        Ok(())
    }

    /// Returns whether the task is on a drained node and nothing keeps it there: no other slot of the service takes the
    /// place, or the budget, that its move would need.
    fn has_to_leave(&self, service: &Service, task: &Task) -> bool {
        let node = task.node_id.and_then(|id| self.store.node(id));
        let is_drained = node.is_some_and(|node| node.spec.availability == Availability::Drain);
        let mut tasks = self.store.tasks_of(service.id);
        is_drained
            && matches!(task.slot, SlotId::Number(_))
            && !self.is_unreachable(task)
            && !self.is_overdrawn(service)
            && !tasks.any(|task| waits_with_reason(task))
    }

    /// A slot may be without a live task only when its restart policy wants no successor.
    fn dead_slot(&self, service: &Service, slot: &Slot) -> Verdict {
        let is_final = |task: &Arc<Task>| !should_restart(task, &task.spec.restart_policy());
        if !slot.tasks.iter().any(|task| task.is_over() && is_final(task)) {
            return Err(format!("slot {} of {} is empty", slot.id, service.spec.name));
        }
        Ok(())
    }

    /// Returns whether a rollout holds the task back: it is paused, or busy with other slots.
    fn is_held(&self, service: &Service, task: &Task) -> bool {
        let holds = |phase| match phase {
            // What moves as it is to another node is no rollout's.
            Phase::Paused => task.revision == service.revision,
            Phase::Asked | Phase::Running => !self.has_step(service, task),
            Phase::Completed => false,
        };
        let rollout = self.store.rollout(service.id);
        let is_held = rollout.is_some_and(|rollout| holds(rollout.phase)) || self.is_overdrawn(service);
        task.desired == Desired::Ready && is_held
    }

    fn has_step(&self, service: &Service, task: &Task) -> bool {
        self.store.step(service.id, task.slot).is_some()
    }

    /// Returns whether the task needs no more than another of its slot has, which makes room for it.
    fn fits_in_place(&self, service: &Service, task: &Task) -> bool {
        let rollout = self.store.rollout(service.id).map(|rollout| &**rollout);
        let policy = rollout::policy(self.store, service, rollout);
        let mut others = self.store.tasks_in(service.id, task.slot).filter(|other| other.id != task.id);
        // One that was told to run while the order was another needs room of its own.
        policy.order == UpdateOrder::StopFirst
            && task.desired == Desired::Ready
            && others.any(|other| {
                let node = other.node_id.and_then(|id| self.store.node(id));
                let same = (&other.spec.resources, &other.spec.placement)
                    == (&task.spec.resources, &task.spec.placement);
                // A limit per node is another matter: tasks of other templates may have taken the places.
                let is_limited = task.spec.placement.max_replicas > 0;
                same && !is_limited
                    && other.is_live()
                    && !other.is_over()
                    && node.is_some_and(|node| fit::obstacle(self.store, node, task, Room::Shared).is_none())
            })
    }

    fn has_container(&self, task: &Task) -> bool {
        let machine = task.node_id.and_then(|id| self.machines.get(&id));
        let container = machine.and_then(|machine| machine.engine.container(task.id));
        !is_good(task) || container.is_some_and(|container| container.is_running())
    }

    fn is_unreachable(&self, task: &Task) -> bool {
        task.node_id.is_some() && task.node_id == self.lost
    }

    /// Every container belongs to a task of its node.
    fn containers(&self) -> Verdict {
        for machine in self.machines.values().filter(|machine| self.lost != Some(machine.id)) {
            for (id, container) in machine.engine.containers() {
                let task = self.store.task(*id).filter(|task| task.node_id == Some(machine.id));
                let Some(task) = task else {
                    return Err(format!("{} has a container of {id}, which is no task", machine.name()));
                };
                let is_as_wanted = container.limits == task.spec.resources.enforced();
                if container.is_running() && !is_as_wanted && !task.status.err.contains("limits") {
                    return Err(format!("the container of {id} has other limits than its task"));
                }
                if !container.has_ended() && task.is_over() {
                    return Err(format!(
                        "the container of {id} is there, the task is {:?}",
                        task.status.state
                    ));
                }
            }
        }
        Ok(())
    }

    /// Returns what remains of services that are all removed.
    pub fn remains(&self) -> Option<String> {
        if let Some(service) = self.store.services().next() {
            return Some(format!("service {} is still there", service.spec.name));
        }
        if let Some(task) = self.store.tasks().find(|task| !self.is_unreachable(task)) {
            return Some(format!("task {} is {:?}", task.id, task.status.state));
        }
        self.containers().err()
    }
}

fn is_good(task: &Task) -> bool {
    Character::of(&task.spec.container.image).is_good()
}

/// Returns whether the task is in no node's reach and says why.
fn waits_with_reason(task: &Task) -> bool {
    task.is_live() && task.status.state == TaskState::Pending && !task.status.err.is_empty()
}
