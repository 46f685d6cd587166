//! Keeps what runs in line with what was asked, one service at a time.
//!
//! [`plan`] looks at what there is and never at how it changed: a scope only says where to look, so a hint, a deadline,
//! a restart and an election take the same path, and running it again on its own result, with any scope, proposes
//! nothing.
//!
//! In order: [`rollout::judge`] counts failures, [`replicated`] drops slots, [`slot`] answers tasks that ended
//! ([`restart`], [`attempt`]; the slots where one did come first) and lets prepared ones take over (`handover`),
//! [`replicated`] makes slots ([`global`] and [`job`] make and drop theirs), [`rollout::advance`] takes up outdated slots,
//! [`relocate`] moves what has to leave its node (also for evenness: [`rebalance`]), [`bake`] tells what works (of a
//! service that is at `rest`), [`reap`] forgets old tasks. Before all of it, [`enforce`] marks what a node cannot keep.
//! How much of a service may be in change at a time is the [`budget`]'s to say. [`why`] says what all of them wait for,
//! and changes nothing.

pub mod attempt;
pub mod bake;
pub mod budget;
pub mod current;
pub mod enforce;
pub mod global;
mod handover;
pub mod job;
pub mod keep;
pub mod reap;
pub mod rebalance;
pub mod relocate;
pub mod replicated;
mod rest;
pub mod restart;
pub mod rollout;
pub mod slot;
pub mod why;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use skep_model::service::Mode;
use skep_model::task::{Desired, SlotId, TaskStatus};
use skep_model::{Meta, Service, ServiceId, Task, TaskSpec, Timestamp};

use budget::Purse;

use crate::agenda::Agenda;
use crate::random::Random;
use crate::store::{Draft, Scope, Store, earlier};

/// Plans one service: the slots in `scope`, and what concerns it as a whole. Sets the deadlines of what it
/// planned. Returns what the draft had no room for.
pub fn plan(
    draft: &mut Draft,
    random: &mut Random,
    agenda: &mut Agenda,
    id: ServiceId,
    scope: &Scope,
) -> Option<Scope> {
    if draft.service(id).is_none() {
        agenda.forget(id);
        remove_tasks(draft, id);
        return draft.is_full().then(Scope::default);
    }
    rollout::judge(draft, id, scope);
    let service = draft.service(id).expect("judging a rollout does not delete its service").clone();
    let has_others = draft.tasks_of_other_revisions(id, service.revision).next().is_some();
    if matches!(service.spec.mode, Mode::Replicated { .. }) {
        // Before slots take their next steps: one that serves is kept, and may be about to hand over.
        replicated::give_up(draft, &service);
    }
    // Invariant: what ended, or is gone, is counted before anything is handed over. A slot that has an end to answer hands
    // over nothing that serves: what served in it is what ended.
    let (mut ended, mut left): (BTreeSet<_>, BTreeSet<_>) = slots_in(draft, agenda, &service, scope)
        .into_iter()
        .partition(|slot| slot::has_ended(draft, id, *slot));
    let mut purse = Purse::default();
    while let Some(slot) = ended.pop_first().or_else(|| left.pop_first()) {
        if has_others && !service.spec.mode.is_job() {
            current::adopt(draft, &service, &slot::load(draft, id, slot));
        }
        let loaded = slot::load(draft, id, slot);
        let wake_at = plan_slot(draft, random, &mut purse, &service, &loaded);
        agenda.set(id, Some(slot), wake_at);
        reap::plan(draft, &service, slot);
        if draft.is_full() {
            left.extend(ended.into_iter().chain(purse.into_refused()));
            return Some(Scope { all: false, slots: left });
        }
    }
    agenda.hold(id, purse.into_refused());
    match service.spec.mode {
        Mode::Replicated { .. } => replicated::plan(draft, random, &service),
        Mode::ReplicatedJob { .. } => job::plan(draft, random, &service),
        Mode::Global | Mode::GlobalJob => {}
    }
    let wake_at = rollout::advance(draft, random, &service);
    relocate::plan(draft, random, &service);
    agenda.set(id, None, earlier(wake_at, bake::plan(draft, &service)));
    draft.is_full().then(Scope::default)
}

/// Plans one slot by itself, as its service has it. Returns the next deadline.
pub fn plan_slot(
    draft: &mut Draft,
    random: &mut Random,
    purse: &mut Purse,
    service: &Service,
    slot: &slot::Slot,
) -> Option<Timestamp> {
    match service.spec.mode {
        Mode::Replicated { .. } => slot::plan(draft, random, purse, service, slot),
        Mode::Global => global::plan(draft, random, purse, service, slot),
        Mode::ReplicatedJob { .. } | Mode::GlobalJob => job::plan_slot(draft, random, service, slot),
    }
}

/// Returns the slots to look at: those in scope, and those that wait for the budget. Where each node has a slot, it
/// has one before there is a task in it.
fn slots_in(store: &Store, agenda: &Agenda, service: &Service, scope: &Scope) -> BTreeSet<SlotId> {
    if !scope.all {
        return scope.slots.iter().copied().chain(agenda.held(service.id)).collect();
    }
    let mut slots: BTreeSet<_> = store.tasks_of(service.id).map(|task| task.slot).collect();
    if service.spec.mode.is_global() {
        slots.extend(store.nodes().map(|node| SlotId::Node(node.id)));
    }
    slots
}

/// The service is gone: its tasks end and are then forgotten.
fn remove_tasks(draft: &mut Draft, id: ServiceId) {
    let tasks: Vec<_> = draft.tasks_of(id).cloned().collect();
    for task in tasks {
        if draft.is_full() {
            return;
        }
        if task.desired != Desired::Remove {
            draft.change_task(task.id, |task| task.desired = Desired::Remove);
        }
    }
    reap::service(draft, id);
}

/// What a new task is made from.
struct Blueprint {
    spec: Arc<TaskSpec>,
    revision: u64,
}

impl Blueprint {
    fn of(store: &Store, service: &Service) -> Self {
        Blueprint::of_revision(store, service, service.revision)
    }

    /// Returns the blueprint of a revision of the service that is kept; else that of the one in force.
    fn of_revision(store: &Store, service: &Service, number: u64) -> Self {
        match store.revision(service.id, number) {
            Some(revision) => Blueprint { spec: revision.template.clone(), revision: number },
            None => Blueprint { spec: service.spec.task.clone(), revision: service.revision },
        }
    }
}

/// Returns a new task for a slot, not yet written.
fn new_task(
    draft: &Draft,
    random: &mut Random,
    service: &Service,
    slot: SlotId,
    made_from: Blueprint,
    desired: Desired,
) -> Task {
    let now = draft.now();
    // Within a slot the order of tasks is the order of their making, also within one instant.
    let newest = draft.tasks_in(service.id, slot).map(|task| task.meta.created_at).max();
    let created_at = newest.map_or(now, |newest| now.max(newest + Duration::from_nanos(1)));
    Task {
        meta: Meta { created_at, ..Meta::new(now) },
        spec: made_from.spec,
        revision: made_from.revision,
        desired,
        status: TaskStatus { at: now, applied_at: now, message: "created".into(), ..TaskStatus::default() },
        iteration: service.job.map(|job| job.iteration),
        ..Task::of(service, random.id(), slot)
    }
}
