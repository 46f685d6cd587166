//! Whether a node can take a task, said once more in plain words and without the scheduler's help: sums
//! over whole tables instead of figures kept up to date.

use std::collections::{BTreeMap, BTreeSet};

use skep_core::Store;
use skep_core::orchestrate::rollout;
use skep_model::node::{Availability, NodeState, Role};
use skep_model::placement::Affinity;
use skep_model::service::UpdateOrder;
use skep_model::task::{Desired, SlotId, TaskState};
use skep_model::{Node, Service, ServiceId, Task};

/// What keeps a task from a node, in the order in which Swarm looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Obstacle {
    /// The task is another node's own.
    OtherNode,
    NotReady,
    Resources,
    Constraint,
    Platform,
    Port,
    MaxReplicas,
    /// A service that it must be near has no task there.
    Near,
    /// A service that it must keep away from has one.
    Far,
}

/// Whether a task may use what others of its slot have, because they end before it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    Own,
    Shared,
}

/// Returns the first obstacle, if there is any. The task itself is not counted where it is already there.
pub fn obstacle(store: &Store, node: &Node, task: &Task, room: Room) -> Option<Obstacle> {
    if matches!(task.slot, SlotId::Node(id) if id != node.id) {
        Some(Obstacle::OtherNode)
    } else if node.status.state != NodeState::Ready || node.spec.availability != Availability::Active {
        Some(Obstacle::NotReady)
    } else if !has_resources(store, node, task, room) {
        Some(Obstacle::Resources)
    } else if !task.spec.placement.constraints.iter().all(|text| fulfils(node, text)) {
        Some(Obstacle::Constraint)
    } else if !runs_on(node, task) {
        Some(Obstacle::Platform)
    } else if !has_ports(store, node, task, room) {
        Some(Obstacle::Port)
    } else if !has_place(store, node, task, room, task.spec.placement.max_replicas) {
        Some(Obstacle::MaxReplicas)
    } else if !is_near(store, node, task) {
        Some(Obstacle::Near)
    } else if !is_far(store, node, task, room) {
        Some(Obstacle::Far)
    } else {
        None
    }
}

/// A task's CPUs, bytes and units of the one generic resource that there is.
fn demand(task: &Task) -> [i64; 3] {
    let reserved = task.spec.resources.reservations.clone().unwrap_or_default();
    [reserved.nano_cpus, reserved.memory_bytes, reserved.generic.get("gpu").copied().unwrap_or(0)]
}

/// Returns whether the task uses nothing before the others of its slot are over; in doubt, which is in favour of
/// who shares, it may be so.
fn stands_by(store: &Store, task: &Task, room: Room) -> bool {
    let order = store
        .service(task.service_id)
        .map(|service| rollout::policy(store, service, store.rollout(service.id).map(|one| &**one)).order);
    task.desired == Desired::Ready && (room == Room::Shared || order == Some(UpdateOrder::StopFirst))
}

fn has_resources(store: &Store, node: &Node, task: &Task, room: Room) -> bool {
    let wanted = demand(task);
    let offered = &node.description;
    let gpus = offered.generic.get("gpu").copied().unwrap_or(0);
    let offered = [offered.nano_cpus, offered.memory_bytes, gpus];
    // Of each slot: what is used, and the most that anything standing by will use in its place.
    let mut slots: BTreeMap<(ServiceId, SlotId), [[i64; 3]; 2]> = BTreeMap::new();
    for other in store.tasks_on(node.id).filter(|other| !other.is_over() && other.id != task.id) {
        let [used, standing_by] = slots.entry((other.service_id, other.slot)).or_default();
        for (kind, amount) in demand(other).into_iter().enumerate() {
            match other.desired {
                _ if stands_by(store, other, room) => standing_by[kind] = standing_by[kind].max(amount),
                // Told to stop before it began, most likely: it never uses what it was given.
                Desired::Shutdown | Desired::Remove
                    if room == Room::Shared && other.status.state < TaskState::Starting =>
                {
                    standing_by[kind] = standing_by[kind].max(amount);
                }
                _ => used[kind] += amount,
            }
        }
    }
    (0..3).filter(|kind| wanted[*kind] > 0).all(|kind| {
        let own = slots.get(&(task.service_id, task.slot)).map_or(0, |[a, b]| a[kind].max(b[kind]));
        let taken: i64 = slots.values().map(|[used, standing_by]| used[kind].max(standing_by[kind])).sum();
        match room {
            Room::Shared => wanted[kind] <= own || taken - own + wanted[kind] <= offered[kind],
            Room::Own => taken + wanted[kind] <= offered[kind],
        }
    })
}

/// Understands what the operator of this simulator writes: `node.<key> == <value>` and `!=`.
pub fn fulfils(node: &Node, constraint: &str) -> bool {
    let (is_equal, (key, value)) = match (constraint.split_once("=="), constraint.split_once("!=")) {
        (Some(parts), _) => (true, parts),
        (None, Some(parts)) => (false, parts),
        (None, None) => return false,
    };
    let has = match key.trim() {
        "node.hostname" => node.description.hostname.as_str(),
        "node.role" if node.spec.role == Role::Manager => "manager",
        "node.role" => "worker",
        label => {
            let label = label.strip_prefix("node.labels.").expect("a key that the operator writes");
            node.spec.labels.get(label).map_or("", String::as_str)
        }
    };
    has.eq_ignore_ascii_case(value.trim()) == is_equal
}

fn runs_on(node: &Node, task: &Task) -> bool {
    let platforms = &task.spec.placement.platforms;
    let same = |wanted: &str, has: &str| wanted.is_empty() || has.is_empty() || alias(wanted) == alias(has);
    platforms.is_empty()
        || platforms.iter().any(|platform| {
            same(&platform.architecture, &node.description.platform.architecture)
                && same(&platform.os, &node.description.platform.os)
        })
}

/// Both Go and the kernel have names for one thing.
fn alias(name: &str) -> &str {
    match name {
        "amd64" => "x86_64",
        "arm64" => "aarch64",
        other => other,
    }
}

fn has_ports(store: &Store, node: &Node, task: &Task, room: Room) -> bool {
    let ports = |task: &Task| -> BTreeSet<_> {
        let chosen = task.spec.host_ports.iter().filter(|port| port.published != 0);
        chosen.map(|port| (port.protocol, port.published)).collect()
    };
    let wanted = ports(task);
    let mut others = store.tasks_on(node.id).filter(|other| !other.is_over() && other.id != task.id);
    others.all(|other| {
        let follows = room == Room::Shared && (other.service_id, other.slot) == (task.service_id, task.slot);
        follows || wanted.is_disjoint(&ports(other))
    })
}

fn company(service: &Service) -> Affinity {
    Affinity::of(&service.spec.name, &service.spec.labels).expect("the store holds no bad labels")
}

fn has_task_of(store: &Store, node: &Node, name: &str) -> bool {
    let id = store.service_named(name).map(|service| service.id);
    store.tasks_on(node.id).any(|task| Some(task.service_id) == id && task.is_live() && !task.is_over())
}

fn is_near(store: &Store, node: &Node, task: &Task) -> bool {
    let Some(service) = store.service(task.service_id) else { return true };
    company(service).near.iter().all(|name| has_task_of(store, node, name))
}

/// Distance is mutual: a service that is kept away from keeps away itself.
fn is_far(store: &Store, node: &Node, task: &Task, room: Room) -> bool {
    let Some(service) = store.service(task.service_id) else { return true };
    let own = service.spec.name.to_ascii_lowercase();
    let mut far: BTreeSet<String> = company(service).far.into_iter().collect();
    let others = store.services().filter(|other| company(other).far.contains(&own));
    far.extend(others.map(|other| other.spec.name.to_ascii_lowercase()));
    far.iter().all(|name| match *name == own {
        true => has_place(store, node, task, room, 1),
        false => !has_task_of(store, node, name),
    })
}

fn has_place(store: &Store, node: &Node, task: &Task, room: Room, limit: u64) -> bool {
    let others = store.tasks_on(node.id).filter(|other| {
        other.service_id == task.service_id && other.id != task.id && other.is_live() && !other.is_over()
    });
    let slots: BTreeSet<_> = others.map(|other| other.slot).collect();
    let own = u64::from(room == Room::Shared && slots.contains(&task.slot));
    // Where each node has one task there is nothing to limit.
    limit == 0 || matches!(task.slot, SlotId::Node(_)) || (slots.len() as u64) - own < limit
}

/// Returns whether a slot has no place any more: it is a node's that was removed, is drained, or does not meet
/// the constraints.
pub fn is_closed(store: &Store, service: &Service, slot: SlotId) -> bool {
    let SlotId::Node(id) = slot else { return false };
    let constraints = &service.spec.task.placement.constraints;
    store.node(id).is_none_or(|node| {
        node.spec.availability == Availability::Drain || !constraints.iter().all(|text| fulfils(node, text))
    })
}

/// Returns whether a slot can have a new task: it is nobody's in particular, or that of a node that takes
/// tasks.
pub fn is_open(store: &Store, service: &Service, slot: SlotId) -> bool {
    let SlotId::Node(id) = slot else { return true };
    !is_closed(store, service, slot) && store.node(id).is_some_and(|node| node.takes_tasks())
}
