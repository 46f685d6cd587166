//! Tries tasks: those of a group one after another, or one by itself.

use std::sync::Arc;

use skep_model::task::SlotId;
use skep_model::{NodeId, Task};

use super::batch::{self, Candidate};
use super::demand::Demand;
use super::explain;
use super::filter::{Claim, Field};
use super::fleet::{is_exclusive, manner};
use super::rank::{Failures, Rank};
use super::spread::{Merit, Tree};
use super::waiting::{GroupKey, Reach, Stuck, Turn};
use super::{EXACT_REASONS_MAX, Misses, Scheduler, ask_all, assign, wait};
use crate::store::{Draft, Store};

/// Tasks for which nodes are chosen before any of them is written. Choosing and writing each go through much code
/// and many maps, which stay at hand while only one of the two is done.
const BATCH: usize = 64;

/// Places tasks of an open group until none is left, no node can take one, or the draft is full.
pub fn group(scheduler: &mut Scheduler, draft: &mut Draft, key: GroupKey, reach: Reach) {
    scheduler.effort += 1;
    let first = scheduler.waiting.group(key).and_then(|group| group.turns.first().copied());
    let Some(first) = first.and_then(|turn| draft.task_at(key.0, turn.slot, turn.id)) else {
        return scheduler.waiting.close(key);
    };
    let demand = Demand::of(draft, first);
    let failures = scheduler.failures_of(key, draft.now());
    if reach == Reach::Anywhere && demand.preferences.is_empty() {
        scheduler.fleet.expect(&demand.requirements);
    }
    let only = match &reach {
        Reach::Anywhere => None,
        Reach::Nodes(ids) => Some(ids),
    };
    let field = Field { store: draft, fleet: &scheduler.fleet, demand: &demand };
    let mut tree = Tree::grow(&field, &failures, only);
    // One pair for all batches: to give out a kibibyte, glibc's malloc first gathers all small pieces it got back.
    let (mut batch, mut chosen) = (Vec::new(), Vec::new());
    loop {
        if draft.is_full() {
            return;
        }
        let Some(group) = scheduler.waiting.group(key) else { break };
        batch::fill(&mut batch, draft, &demand, &group.turns, BATCH);
        for candidate in &batch {
            let Some(id) = choose(scheduler, draft, &demand, &failures, &mut tree, candidate) else { break };
            chosen.push(id);
        }
        let is_exhausted = chosen.is_empty() || chosen.len() < batch.len();
        scheduler.waiting.remove_first(key, chosen.len());
        for (Candidate { task, others }, id) in batch.drain(..).zip(chosen.drain(..)) {
            scheduler.write(draft, &task, id, &others);
        }
        if is_exhausted {
            break;
        }
    }
    close(scheduler, draft, key, reach, &demand);
}

/// Chooses a node for a task, and counts the task there.
fn choose(
    scheduler: &mut Scheduler,
    draft: &Draft,
    demand: &Demand,
    failures: &Failures,
    tree: &mut Tree,
    Candidate { task, others }: &Candidate,
) -> Option<NodeId> {
    scheduler.effort += 1;
    let field = Field { store: draft, fleet: &scheduler.fleet, demand };
    let general = tree.best(&field, failures);
    let special = best_of_own(&field, failures, Some(tree), task, &own_nodes(task, others));
    let seat = general.into_iter().chain(special).min()?.rank.seat();
    scheduler.fleet.give_at(draft, task, seat);
    let load = scheduler.fleet.at(seat).expect("a node was chosen that is there");
    tree.placed(&Field { store: draft, fleet: &scheduler.fleet, demand }, failures, load);
    Some(load.id)
}

/// Notes that a group was tried; what is left of it waits, and says for what.
fn close(scheduler: &mut Scheduler, draft: &Draft, key: GroupKey, reach: Reach, demand: &Demand) {
    scheduler.waiting.close(key);
    if scheduler.waiting.group(key).is_none() {
        return;
    }
    match reach {
        Reach::Anywhere => ask_again(scheduler, draft, key),
        Reach::Nodes(ids) => {
            for id in ids {
                let field = Field { store: draft, fleet: &scheduler.fleet, demand };
                let miss = scheduler.fleet.get(id).and_then(|load| field.miss(load, None));
                miss.into_iter().for_each(|miss| scheduler.waiting.want_more(key, miss));
            }
        }
    }
}

/// Asks all nodes why they cannot take the tasks of a group, and sees to it that the tasks say so.
pub fn ask_again(scheduler: &mut Scheduler, draft: &Draft, key: GroupKey) {
    let Some(group) = scheduler.waiting.group(key) else { return };
    let first = group.turns.first();
    let Some(task) = first.and_then(|turn| draft.task_at(key.0, turn.slot, turn.id)) else { return };
    let demand = Demand::of(draft, task);
    let field = Field { store: draft, fleet: &scheduler.fleet, demand: &demand };
    let (misses, fits) = ask_all(&field);
    let sentence = explain::sentence(&demand, &misses);
    let before = group.stuck.as_ref().map(|stuck| (&stuck.misses, &stuck.sentence));
    let limit = match before {
        Some((_, known)) if *known == sentence => 0,
        Some((known, _)) if known.keys().eq(misses.keys()) => EXACT_REASONS_MAX,
        _ => usize::MAX,
    };
    let asked_at = scheduler.fleet.version();
    scheduler.effort += scheduler.fleet.len() as u64;
    scheduler.waiting.set_stuck(key, Stuck { demand, misses, sentence, asked_at });
    scheduler.waiting.retry_all(key, limit);
    if let Some(id) = fits {
        scheduler.waiting.open(key, Reach::Nodes([id].into()));
    }
}

/// Tries one task where others of its group cannot go: on its own node, or in the place of its predecessor.
/// Writes the reason where that fails.
pub fn alone(scheduler: &mut Scheduler, draft: &mut Draft, key: GroupKey, turn: Turn) {
    scheduler.effort += 1;
    scheduler.waiting.tried(key, turn, Vec::new());
    let Some(Candidate { task, others }) = Candidate::of(draft, key.0, turn) else { return };
    let is_bound = matches!(task.slot, SlotId::Node(_));
    let stuck = scheduler.waiting.stuck(key);
    if stuck.is_none() && !is_bound {
        // The group is open: its turn comes.
        return;
    }
    let own = own_nodes(&task, &others);
    if own.is_empty() {
        let sentence = stuck.map_or("", |stuck| stuck.sentence.as_str());
        return wait(draft, &task, sentence);
    }
    let demand = Demand::of(draft, &task);
    let failures = scheduler.failures_of(key, draft.now());
    let field = Field { store: draft, fleet: &scheduler.fleet, demand: &demand };
    if let Some(best) = best_of_own(&field, &failures, None, &task, &own) {
        let seat = best.rank.seat();
        scheduler.fleet.give_at(draft, &task, seat);
        let id = scheduler.fleet.at(seat).expect("a node was chosen that is there").id;
        scheduler.waiting.remove(&task);
        scheduler.write(draft, &task, id, &others);
        return;
    }
    let reason = match is_bound {
        // Compat: of a task that belongs to a node Swarm gives the reason without the sentence around it.
        true => explain::reasons(&demand, &own_misses(&field, &task, &own)),
        false => stuck.map_or_else(String::new, |stuck| stuck.sentence.clone()),
    };
    wait(draft, &task, &reason);
    scheduler.waiting.tried(key, turn, own);
}

impl Scheduler {
    /// Writes that a task, which waits no more, has the node, where it is counted already.
    fn write(&mut self, draft: &mut Draft, task: &Task, id: NodeId, others: &[Arc<Task>]) {
        assign(draft, task, id);
        self.came(draft, task.service_id, id);
        // Another one that waits in this slot may stand by here.
        let waiting = others.iter().filter(|other| other.node_id.is_none());
        waiting.for_each(|other| self.waiting.retry(other));
    }
}

/// Returns the nodes that mean something else to this task than to others of its group: its own, or those that
/// have others of its slot.
fn own_nodes(task: &Task, others: &[Arc<Task>]) -> Vec<NodeId> {
    if let SlotId::Node(id) = task.slot {
        return vec![id];
    }
    let mut nodes: Vec<_> = others.iter().filter_map(|other| other.node_id).collect();
    nodes.sort_unstable();
    nodes.dedup();
    nodes
}

fn claim(store: &Store, task: &Task) -> Claim {
    Claim { slot: task.slot, manner: manner(store, task), is_exclusive: is_exclusive(store, task.service_id) }
}

/// Returns the best of the task's own nodes, if one of them can take it.
fn best_of_own(
    field: &Field<'_>,
    failures: &Failures,
    tree: Option<&Tree>,
    task: &Task,
    own: &[NodeId],
) -> Option<Merit> {
    if own.is_empty() {
        return None;
    }
    let claim = claim(field.store, task);
    let loads = own.iter().filter_map(|id| field.fleet.get(*id));
    let fitting = loads.filter(|load| field.miss(load, Some(claim)).is_none());
    let merit = |load: &super::load::Load| {
        let rank = Rank::of(field, failures, load);
        tree.map_or_else(|| Merit::of(rank), |tree| tree.merit(rank, &load.node))
    };
    fitting.map(merit).min()
}

fn own_misses(field: &Field<'_>, task: &Task, own: &[NodeId]) -> Misses {
    let claim = claim(field.store, task);
    let mut misses = Misses::new();
    for load in own.iter().filter_map(|id| field.fleet.get(*id)) {
        if let Some(miss) = field.miss(load, Some(claim)) {
            *misses.entry(miss).or_default() += 1;
        }
    }
    misses
}
