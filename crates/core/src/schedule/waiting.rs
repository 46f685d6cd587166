//! The tasks without a node: what to try next, and what each of the others waits for.
//!
//! Tasks of one service and revision are a *group*. A group is *open* while it is to be tried: on any node, or
//! on those that changed in its favour. One that no node can take is *stuck*, and costs nothing until a change
//! comes that it waits for ([`Want`]). What a single task could do that others of its group cannot, take over
//! from its predecessor on its node, is tried task by task ([`Waiting::retry`]).

use std::collections::{BTreeMap, BTreeSet};

use skep_model::task::SlotId;
use skep_model::{Id, NodeId, ServiceId, Task, TaskId, Timestamp};

use super::amount::Amount;
use super::demand::Demand;
use super::explain::Misses;
use super::filter::Miss;
use super::load::{HostPort, Resource};

/// A service and one of its revisions.
pub type GroupKey = (ServiceId, u64);

/// A task's place in the order in which its group is served: the oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Turn {
    created_at: Timestamp,
    pub slot: SlotId,
    pub id: TaskId,
}

/// Where an open group may find a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    Anywhere,
    /// The others are known to miss.
    Nodes(BTreeSet<NodeId>),
}

/// What a change can bring that a stuck group waits for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Want {
    /// So much of a resource on some node.
    Cpus(i64),
    Memory(i64),
    Generic(String),
    Port(HostPort),
    /// A task of this service to leave a node: it takes a place, or keeps away.
    Leaving(ServiceId),
    /// A task of this service to come to a node.
    Coming(ServiceId),
    /// A service of this name.
    Named(String),
}

/// What is known of a group that no node can take.
#[derive(Clone, Debug)]
pub struct Stuck {
    pub demand: Demand,
    pub misses: Misses,
    pub sentence: String,
    /// [`super::fleet::Fleet::version`] when the nodes were asked.
    pub asked_at: u64,
}

/// The tasks of one group that wait.
#[derive(Debug, Default)]
pub struct Group {
    pub turns: BTreeSet<Turn>,
    opened: Option<(Timestamp, Reach)>,
    pub stuck: Option<Stuck>,
    wants: BTreeSet<Want>,
    /// Nodes on which single tasks could take over from others of their slots.
    own_nodes: BTreeMap<TaskId, Vec<NodeId>>,
}

/// All tasks that wait.
#[derive(Debug, Default)]
pub struct Waiting {
    groups: BTreeMap<GroupKey, Group>,
    open: BTreeSet<(Timestamp, GroupKey)>,
    retry: BTreeSet<(GroupKey, Turn)>,
    wants: BTreeSet<(Want, GroupKey)>,
    by_own_node: BTreeSet<(NodeId, GroupKey, Turn)>,
}

/// So many nodes are looked through one by one; more are found by their order.
const REACH_NODES_MAX: usize = 64;

impl Reach {
    fn widen(&mut self, more: BTreeSet<NodeId>) {
        let Reach::Nodes(known) = self else { return };
        known.extend(more);
        if known.len() > REACH_NODES_MAX {
            *self = Reach::Anywhere;
        }
    }
}

impl Turn {
    pub fn of(task: &Task) -> Turn {
        Turn { created_at: task.meta.created_at, slot: task.slot, id: task.id }
    }

    fn first() -> Turn {
        Turn { created_at: Timestamp(0), slot: SlotId::Number(0), id: TaskId::default() }
    }
}

pub fn key(task: &Task) -> GroupKey {
    (task.service_id, task.revision)
}

impl Waiting {
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    pub fn group(&self, key: GroupKey) -> Option<&Group> {
        self.groups.get(&key)
    }

    pub fn stuck(&self, key: GroupKey) -> Option<&Stuck> {
        self.groups.get(&key)?.stuck.as_ref()
    }

    /// Returns the groups of a service.
    pub fn groups_of(&self, id: ServiceId) -> Vec<GroupKey> {
        self.groups.range((id, u64::MIN)..=(id, u64::MAX)).map(|(key, _)| *key).collect()
    }

    /// Returns the stuck groups that are not to be tried on every node in any case.
    pub fn stuck_on_some(&self) -> impl Iterator<Item = GroupKey> {
        let is_one =
            |group: &Group| group.stuck.is_some() && !matches!(group.opened, Some((_, Reach::Anywhere)));
        self.groups.iter().filter(move |(_, group)| is_one(group)).map(|(key, _)| *key)
    }

    /// Returns the stuck groups after `after`, in their order.
    pub fn stuck_after(&self, after: Option<GroupKey>) -> impl Iterator<Item = (GroupKey, &Stuck)> {
        use std::ops::Bound;
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let range = self.groups.range::<GroupKey, _>((start, Bound::Unbounded));
        range.filter_map(|(key, group)| Some((*key, group.stuck.as_ref()?)))
    }

    /// Takes in a task that waits. One that belongs to a node, or whose group is stuck, is tried by itself.
    pub fn add(&mut self, task: &Task) {
        let (key, turn) = (key(task), Turn::of(task));
        let group = self.groups.entry(key).or_default();
        group.turns.insert(turn);
        if matches!(task.slot, SlotId::Node(_)) || group.stuck.is_some() {
            self.retry.insert((key, turn));
        } else if group.opened.is_none() {
            self.open(key, Reach::Anywhere);
        }
    }

    /// Forgets a task that waits no more.
    pub fn remove(&mut self, task: &Task) {
        let turn = Turn::of(task);
        self.take(key(task), |turns| turns.take(&turn).into_iter().collect());
    }

    /// Forgets the first `count` tasks of a group.
    pub fn remove_first(&mut self, key: GroupKey, count: usize) {
        self.take(key, |turns| std::iter::from_fn(|| turns.pop_first()).take(count).collect());
    }

    /// Lets tasks be taken out of a group, and sees to it that nothing is left of them.
    fn take(&mut self, key: GroupKey, taken: impl FnOnce(&mut BTreeSet<Turn>) -> Vec<Turn>) {
        let Some(group) = self.groups.get_mut(&key) else { return };
        for turn in taken(&mut group.turns) {
            for node in group.own_nodes.remove(&turn.id).unwrap_or_default() {
                self.by_own_node.remove(&(node, key, turn));
            }
            self.retry.remove(&(key, turn));
        }
        if group.turns.is_empty() {
            self.forget(key);
        }
    }

    fn forget(&mut self, key: GroupKey) {
        let Some(group) = self.groups.remove(&key) else { return };
        for want in group.wants {
            self.wants.remove(&(want, key));
        }
        if let Some((since, _)) = group.opened {
            self.open.remove(&(since, key));
        }
    }

    /// Sees to it that a group is tried, also on the nodes in reach.
    pub fn open(&mut self, key: GroupKey, reach: Reach) {
        let Some(group) = self.groups.get_mut(&key) else { return };
        // What belongs to nodes is tried task by task.
        let Some(first) = group.turns.first().filter(|turn| matches!(turn.slot, SlotId::Number(_))) else {
            return;
        };
        let since = first.created_at;
        match (&mut group.opened, reach) {
            (Some((_, Reach::Anywhere)), _) => {}
            (Some((_, known)), Reach::Anywhere) => *known = Reach::Anywhere,
            (Some((_, known)), Reach::Nodes(more)) => known.widen(more),
            (None, reach) => {
                group.opened = Some((since, reach));
                self.open.insert((since, key));
            }
        }
    }

    /// Returns the open group whose first task is the oldest.
    pub fn next_open(&self) -> Option<(GroupKey, Reach)> {
        let (_, key) = self.open.first()?;
        let (_, reach) = self.groups.get(key)?.opened.clone()?;
        Some((*key, reach))
    }

    /// Notes that a group was tried as far as it was open.
    pub fn close(&mut self, key: GroupKey) {
        let Some(group) = self.groups.get_mut(&key) else { return };
        if let Some((since, _)) = group.opened.take() {
            self.open.remove(&(since, key));
        }
    }

    /// Notes why no node can take the group, and what could help it.
    pub fn set_stuck(&mut self, key: GroupKey, stuck: Stuck) {
        let Some(group) = self.groups.get_mut(&key) else { return };
        let wants = wants(&stuck.demand, stuck.misses.keys());
        for want in group.wants.difference(&wants) {
            self.wants.remove(&(want.clone(), key));
        }
        self.wants.extend(wants.iter().map(|want| (want.clone(), key)));
        group.wants = wants;
        group.stuck = Some(stuck);
    }

    /// Notes that a group also waits for what one node lacks.
    pub fn want_more(&mut self, key: GroupKey, miss: Miss) {
        let Some(group) = self.groups.get_mut(&key) else { return };
        let Some(stuck) = &group.stuck else { return };
        for want in wants(&stuck.demand, [&miss]) {
            if group.wants.insert(want.clone()) {
                self.wants.insert((want, key));
            }
        }
    }

    /// Forgets that a group is stuck; whatever it asks for may be something else.
    pub fn reconsider(&mut self, key: GroupKey) {
        let Some(group) = self.groups.get_mut(&key) else { return };
        group.stuck = None;
        for want in std::mem::take(&mut group.wants) {
            self.wants.remove(&(want, key));
        }
        self.open(key, Reach::Anywhere);
        self.retry_all(key, usize::MAX);
    }

    /// Sees to it that the first tasks of a group are tried by themselves.
    pub fn retry_all(&mut self, key: GroupKey, limit: usize) {
        let Some(group) = self.groups.get(&key) else { return };
        self.retry.extend(group.turns.iter().take(limit).map(|turn| (key, *turn)));
    }

    /// Sees to it that those tasks of a group are tried by themselves that could take over from others.
    pub fn retry_with_others(&mut self, key: GroupKey) {
        let Some(group) = self.groups.get(&key) else { return };
        let with_others = group.turns.iter().filter(|turn| group.own_nodes.contains_key(&turn.id));
        self.retry.extend(with_others.map(|turn| (key, *turn)));
    }

    /// Sees to it that a task is tried by itself, if it waits.
    pub fn retry(&mut self, task: &Task) {
        let (key, turn) = (key(task), Turn::of(task));
        if self.groups.get(&key).is_some_and(|group| group.turns.contains(&turn)) {
            self.retry.insert((key, turn));
        }
    }

    /// Sees to it that tasks are tried by themselves that could take over from others on this node.
    pub fn retry_on(&mut self, id: NodeId) {
        if self.by_own_node.is_empty() {
            return;
        }
        let first = (id, (ServiceId::default(), 0), Turn::first());
        let here = self.by_own_node.range(first..).take_while(|(node, ..)| *node == id);
        self.retry.extend(here.map(|(_, key, turn)| (*key, *turn)));
    }

    pub fn next_retry(&self) -> Option<(GroupKey, Turn)> {
        self.retry.first().copied()
    }

    /// Notes that a task was tried by itself, on these nodes.
    pub fn tried(&mut self, key: GroupKey, turn: Turn, nodes: Vec<NodeId>) {
        self.retry.remove(&(key, turn));
        let Some(group) = self.groups.get_mut(&key) else { return };
        let before = match nodes.is_empty() {
            true => group.own_nodes.remove(&turn.id),
            false => group.own_nodes.insert(turn.id, nodes.clone()),
        };
        for node in before.unwrap_or_default() {
            self.by_own_node.remove(&(node, key, turn));
        }
        self.by_own_node.extend(nodes.into_iter().map(|node| (node, key, turn)));
    }

    /// Returns the groups that wait for one of these.
    pub fn who_wants(&self, wants: &[Want]) -> BTreeSet<GroupKey> {
        let mut keys = BTreeSet::new();
        if self.wants.is_empty() {
            return keys;
        }
        for want in wants {
            let first = (want.clone(), (ServiceId::default(), u64::MIN));
            let of_want = self.wants.range(first..).take_while(|(other, _)| other == want);
            keys.extend(of_want.map(|(_, key)| *key));
        }
        keys
    }

    /// Returns the groups that wait for no more than is free of what was taken before.
    pub fn who_fits(&self, freed: &Amount, free: &Amount) -> BTreeSet<GroupKey> {
        let first = (ServiceId::default(), u64::MIN);
        let last = (ServiceId::from_number(u128::MAX), u64::MAX);
        let up_to = |from: Want, to: Want| self.wants.range((from, first)..=(to, last)).map(|(_, key)| *key);
        let mut keys = BTreeSet::new();
        if freed.nano_cpus > 0 && free.nano_cpus >= 0 {
            keys.extend(up_to(Want::Cpus(0), Want::Cpus(free.nano_cpus)));
        }
        if freed.memory_bytes > 0 && free.memory_bytes >= 0 {
            keys.extend(up_to(Want::Memory(0), Want::Memory(free.memory_bytes)));
        }
        let kinds: Vec<_> = freed.generic.keys().map(|kind| Want::Generic(kind.clone())).collect();
        keys.extend(self.who_wants(&kinds));
        keys
    }
}

/// Returns what could turn these misses. A node that is written to is looked at in any case.
fn wants<'m>(demand: &Demand, misses: impl IntoIterator<Item = &'m Miss>) -> BTreeSet<Want> {
    let want = |miss: &Miss| {
        Some(match miss {
            Miss::Absent(_) | Miss::Plugin(_) | Miss::LogDriver | Miss::Constraint(_) | Miss::Platform => {
                return None;
            }
            Miss::Lacks(Resource::Cpus) => Want::Cpus(demand.amount.nano_cpus),
            Miss::Lacks(Resource::Memory) => Want::Memory(demand.amount.memory_bytes),
            Miss::Lacks(Resource::Generic(index)) => {
                Want::Generic(demand.amount.generic.keys().nth(*index)?.clone())
            }
            Miss::Port(index) => Want::Port(*demand.ports.get(*index)?),
            Miss::MaxReplicas => Want::Leaving(demand.service_id),
            Miss::Near(index) => Want::Coming(demand.near.get(*index)?.1?),
            Miss::Far(index) => Want::Leaving(demand.far.get(*index)?.1),
        })
    };
    let near = demand.near.iter().map(|(name, _)| Want::Named(name.clone()));
    misses.into_iter().filter_map(want).chain(near).collect()
}
