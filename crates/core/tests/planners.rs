//! Properties of each planner by itself, over stores that random histories lead to: run again on its own
//! result it proposes nothing, it never turns a state back, and a rollout keeps its budget.
//!
//! A history is a list of [`Deed`]s, so a failure shrinks to the few that matter.

#[path = "planners_support/mod.rs"]
mod support;

use proptest::prelude::*;
use skep_core::agenda::Agenda;
use skep_core::orchestrate::{self, reap, replicated, rollout, slot};
use skep_core::random::Random;
use skep_core::schedule::Scheduler;
use skep_core::store::{Draft, Scope};
use skep_model::Service;
use support::{Deed, History};

type Planner = fn(&mut Draft, &mut Random, &Service);

/// What is under test: each changes a draft and may be run at any time.
const PLANNERS: [(&str, Planner); 7] = [
    ("rollout::judge", |draft, _, service| {
        rollout::judge(draft, service.id);
    }),
    ("slot::plan", |draft, random, service| {
        for slot in slot::of_service(draft, service.id) {
            slot::plan(draft, random, service, &slot);
        }
    }),
    ("replicated::plan", |draft, random, service| replicated::plan(draft, random, service)),
    ("rollout::advance", |draft, random, service| {
        rollout::advance(draft, random, service);
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

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_planner_is_idempotent(deeds in prop::collection::vec(Deed::any(), 1..40)) {
        let mut history = History::new();
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
    fn no_planner_turns_a_state_back(deeds in prop::collection::vec(Deed::any(), 1..40)) {
        let mut history = History::new();
        for deed in &deeds {
            history.act(deed);
            for (name, plan) in PLANNERS {
                let Some(service) = history.service() else { continue };
                let changes = history.draft(|draft, random| plan(draft, random, &service));
                for (was, is) in history.tasks_written(&changes) {
                    prop_assert!(was.desired <= is.desired, "{name}: {was:?} and then {is:?}");
                    prop_assert!(was.status.state <= is.status.state, "{name}: {was:?} and then {is:?}");
                    prop_assert!(was.node_id.is_none() || was.node_id == is.node_id, "{name}: {was:?}, {is:?}");
                    prop_assert_eq!((was.slot, was.revision, &was.spec), (is.slot, is.revision, &is.spec));
                }
            }
            history.settle(settle);
        }
    }

    #[test]
    fn a_rollout_keeps_its_budget(deeds in prop::collection::vec(Deed::any(), 1..60)) {
        let mut history = History::new();
        for deed in &deeds {
            history.act(deed);
            let before = history.store.clone();
            history.settle(settle);
            let Some(service) = history.service() else { continue };
            let Some(rollout) = history.store.rollout(service.id) else { continue };
            let known = before.rollout(service.id).filter(|known| known.started_at == rollout.started_at);
            let steps: Vec<_> = history.store.steps_of(service.id).collect();
            let is_new = known.is_none() || steps.iter().any(|step| before.step(service.id, step.slot).is_none());
            let open = steps.iter().filter(|step| step.settled_at.is_none()).count() as u64;
            let parallelism = rollout::config_in_force(&service, Some(rollout)).parallelism;
            if parallelism > 0 && is_new {
                prop_assert!(open <= parallelism, "{open} of {parallelism}: {steps:?}");
            }
        }
    }
}
