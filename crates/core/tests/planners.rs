//! Properties of each planner by itself, over stores that random histories lead to: run again on its own
//! result it proposes nothing, it never turns a state back, and a rollout keeps its budget.
//!
//! A history is a list of [`Deed`]s, so a failure shrinks to the few that matter.

#[path = "planners_support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;
use skep_core::agenda::Agenda;
use skep_core::orchestrate::budget::Purse;
use skep_core::orchestrate::{self, bake, job, reap, relocate, replicated, rollout, slot};
use skep_core::random::Random;
use skep_core::schedule::Scheduler;
use skep_core::store::{Change, ChangeSet, Draft, Scope, Store};
use skep_model::node::Availability;
use skep_model::service::Mode;
use skep_model::task::{Desired, SlotId, TaskState};
use skep_model::{Service, Step, Task};
use support::{Deed, History};

type Planner = fn(&mut Draft, &mut Random, &Service);

/// What is under test: each changes a draft and may be run at any time.
const PLANNERS: [(&str, Planner); 11] = [
    ("enforce::plan", |draft, _, _| {
        let nodes: Vec<_> = draft.nodes().map(|node| node.id).collect();
        nodes.into_iter().for_each(|id| orchestrate::enforce::plan(draft, id));
    }),
    ("rollout::judge", |draft, _, service| {
        rollout::judge(draft, service.id, &Scope::all());
    }),
    ("plan_slot", |draft, random, service| {
        let nodes = draft.nodes().map(|node| SlotId::Node(node.id));
        let nodes = nodes.filter(|_| service.spec.mode.is_global());
        let slots: BTreeSet<_> = draft.tasks_of(service.id).map(|task| task.slot).chain(nodes).collect();
        for id in slots {
            let slot = slot::load(draft, service.id, id);
            orchestrate::plan_slot(draft, random, &mut Purse::default(), service, &slot);
        }
    }),
    ("replicated::plan", |draft, random, service| replicated::plan(draft, random, service)),
    ("job::plan", |draft, random, service| job::plan(draft, random, service)),
    ("rollout::advance", |draft, random, service| {
        rollout::advance(draft, random, service);
    }),
    ("relocate::plan", |draft, random, service| relocate::plan(draft, random, service)),
    ("bake::plan", |draft, _, service| {
        bake::plan(draft, service);
    }),
    ("reap::plan", |draft, _, service| {
        let slots: Vec<_> = slot::of_service(draft, service.id).into_iter().map(|slot| slot.id).collect();
        slots.into_iter().for_each(|slot| reap::plan(draft, service, slot));
    }),
    ("schedule::plan", |draft, _, _| Scheduler::new(draft).plan(draft)),
    ("orchestrate::plan", |draft, random, service| settle(draft, random, service)),
];

/// Plans a service until nothing changes, as one pass of the leader does.
fn settle(draft: &mut Draft, random: &mut Random, service: &Service) {
    for _ in 0..16 {
        orchestrate::plan(draft, random, &mut Agenda::default(), service.id, &Scope::all());
        Scheduler::new(draft).plan(draft);
        if draft.take_touched().is_empty() {
            return;
        }
    }
    panic!("sixteen rounds of planning do not settle");
}

fn any_mode() -> impl Strategy<Value = Mode> {
    let job = (1..3u64, 0..5u64).prop_map(|(max_concurrent, total_completions)| Mode::ReplicatedJob {
        max_concurrent,
        total_completions,
    });
    prop_oneof![
        2 => Just(Mode::Replicated { replicas: 3 }),
        1 => Just(Mode::Global),
        1 => job,
        1 => Just(Mode::GlobalJob),
    ]
}

/// Returns each task that is written and was there before, as it was and as it will be.
fn tasks_written<'a>(
    store: &'a Store,
    changes: &'a ChangeSet,
) -> impl Iterator<Item = (&'a Arc<Task>, &'a Arc<Task>)> {
    changes.iter().filter_map(|change| match change {
        Change::PutTask(task) => Some((store.task(task.id)?, task)),
        _ => None,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_planner_is_idempotent(mode in any_mode(), deeds in prop::collection::vec(Deed::any(), 1..40)) {
        let mut history = History::of(mode);
        for deed in &deeds {
            history.act(deed);
            for (name, plan) in PLANNERS {
                let Some(service) = history.service() else { continue };
                let once = history.draft(|draft, random| plan(draft, random, &service));
                let mut result = history.store.clone();
                result.apply(history.store.index() + 1, &once);
                let Some(service) = result.services().next().cloned() else { continue };
                let mut draft = Draft::new(&result, history.now);
                plan(&mut draft, &mut Random::new(99), &service);
                let twice = draft.finish();
                prop_assert!(twice.is_empty(), "{name} on its own result: {twice:?}");
            }
            history.settle(settle);
        }
    }

    #[test]
    fn no_planner_turns_a_state_back(mode in any_mode(), deeds in prop::collection::vec(Deed::any(), 1..40)) {
        let mut history = History::of(mode);
        for deed in &deeds {
            history.act(deed);
            for (name, plan) in PLANNERS {
                let Some(service) = history.service() else { continue };
                let changes = history.draft(|draft, random| plan(draft, random, &service));
                // A rollout that is judged may have gone back first.
                let in_force = changes.iter().find_map(|change| match change {
                    Change::PutService(service) => Some(service.revision),
                    _ => None,
                });
                let in_force = in_force.unwrap_or(service.revision);
                for (was, is) in tasks_written(&history.store, &changes) {
                    prop_assert!(was.desired <= is.desired, "{name}: {was:?} and then {is:?}");
                    prop_assert!(was.status.state <= is.status.state, "{name}: {was:?} and then {is:?}");
                    prop_assert!(was.node_id.is_none() || was.node_id == is.node_id, "{name}: {was:?}, {is:?}");
                    prop_assert_eq!(was.slot, is.slot);
                    let goes_on = is.revision == in_force && was.spec.can_become(&is.spec);
                    prop_assert!(was.revision == is.revision && was.spec == is.spec || goes_on, "{name}: {is:?}");
                }
            }
            history.settle(settle);
        }
    }

    #[test]
    fn a_rollout_keeps_its_budget(deeds in prop::collection::vec(Deed::any(), 1..60)) {
        let mut history = History::of(Mode::Replicated { replicas: 3 });
        for deed in &deeds {
            history.act(deed);
            let before = history.store.clone();
            history.settle(settle);
            let Some(service) = history.service() else { continue };
            let Some(rollout) = history.store.rollout(service.id) else { continue };
            let known = before.rollout(service.id).filter(|known| known.started_at == rollout.started_at);
            let has_idle_slot = history.store.slots_idle(service.id).next().is_some();
            let steps: Vec<_> = history.store.steps_of(service.id).collect();
            let is_new = known.is_none() || steps.iter().any(|step| before.step(service.id, step.slot).is_none());
            // What still serves as before, because the budget is spent, is in nobody's way.
            let serves = |step: &Step| {
                let mut tasks = history.store.tasks_in(service.id, step.slot);
                let runs = tasks.any(|task| task.is_live() && task.status.state == TaskState::Running);
                let replacement = history.store.task(step.task_id);
                runs && replacement.is_some_and(|task| task.desired == Desired::Ready)
            };
            let open = steps.iter().filter(|step| step.settled_at.is_none());
            let open = open.filter(|step| !has_idle_slot || !serves(step)).count() as u64;
            let lanes = rollout::policy(&history.store, &service, Some(rollout)).lanes;
            prop_assert!(open <= lanes || !is_new, "{open} of {lanes}: {steps:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_global_service_has_one_slot_on_each_node_that_takes_tasks(
        deeds in prop::collection::vec(Deed::any(), 1..40),
    ) {
        let mut history = History::of(Mode::Global);
        for deed in &deeds {
            history.act(deed);
            history.settle(settle);
            let Some(service) = history.service() else { continue };
            for node in history.store.nodes() {
                let slot = slot::load(&history.store, service.id, SlotId::Node(node.id));
                let has_one = slot.live().next().is_some() || slot.last_holder().is_some();
                prop_assert!(has_one || !node.takes_tasks(), "nothing on {node:?}");
                let is_drained = node.spec.availability == Availability::Drain;
                prop_assert!(!is_drained || slot.live().next().is_none(), "something on {node:?}");
                let elsewhere = |task: &&std::sync::Arc<skep_model::Task>| task.node_id.is_some_and(|id| id != node.id);
                prop_assert_eq!(slot.tasks.iter().find(elsewhere), None);
            }
        }
    }

    #[test]
    fn a_job_runs_no_more_than_it_may_and_finishes_no_slot_twice(
        concurrent in 1..3u64,
        total in 0..5u64,
        deeds in prop::collection::vec(Deed::any(), 1..40),
    ) {
        let mode = Mode::ReplicatedJob { max_concurrent: concurrent, total_completions: total };
        let mut history = History::of(mode);
        for deed in &deeds {
            history.act(deed);
            history.settle(settle);
            let Some(service) = history.service() else { continue };
            let Mode::ReplicatedJob { max_concurrent, total_completions } = service.spec.mode else { continue };
            let iteration = service.job.map(|job| job.iteration);
            let of_run = || history.store.tasks_of(service.id).filter(|task| task.iteration == iteration);
            let open = of_run().filter(|task| task.is_live()).count() as u64;
            let done: Vec<_> = of_run().filter(|task| task.is_done()).map(|task| task.slot).collect();
            let slots: BTreeSet<_> = done.iter().copied().collect();
            prop_assert!(open <= max_concurrent, "{open} of {max_concurrent} at a time");
            prop_assert_eq!(slots.len(), done.len(), "{:?}", done);
            prop_assert!(slots.iter().all(|slot| (1..=total_completions).contains(&slot.number())));
            let tally = history.store.job_tally(service.id, iteration.unwrap_or_default());
            prop_assert_eq!((tally.open, tally.done), (open, done.len() as u64));
            let is_stuck = open == 0 && (done.len() as u64) < total_completions;
            let begun: BTreeSet<_> = of_run().map(|task| task.slot).collect();
            prop_assert!(!is_stuck || begun.len() as u64 == total_completions, "it stands still: {begun:?}");
        }
    }
}
