//! Properties of revisions over random histories: which are kept, what their numbers and hashes say, and that nothing
//! but a change of what tasks are made from has a say in where a failure leads back to.

#[path = "planners_support/mod.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use skep_core::agenda::Agenda;
use skep_core::orchestrate::{self, keep};
use skep_core::random::Random;
use skep_core::schedule::Scheduler;
use skep_core::store::{Draft, Scope};
use skep_model::service::Mode;
use skep_model::task::TaskState;
use skep_model::{Service, limits};
use support::{Deed, History};

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

/// What no failure should care about.
fn harmless() -> impl Strategy<Value = Deed> {
    prop_oneof![
        Just(Deed::Repeat),
        (0..3u8).prop_map(Deed::Label),
        (1..6u64).prop_map(Deed::Replicas),
        Just(Deed::Pace { parallelism: 1, delay: 0, start_first: false, action: 2, ratio: 0.0 }),
    ]
}

/// Returns where a failure of an image that never was would lead back to.
fn return_to(history: &History) -> Option<u64> {
    let mut history = history.clone();
    history.act(&Deed::Image(99));
    let service = history.service()?;
    history.store.rollout(service.id)?.return_to
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn scaling_labelling_and_repeating_move_no_way_back(
        deeds in prop::collection::vec(Deed::any(), 1..60),
        harmless in prop::collection::vec(harmless(), 1..6),
    ) {
        let mut history = History::of(Mode::Replicated { replicas: 3 });
        for deed in &deeds {
            history.act(deed);
            history.settle(settle);
        }
        let Some(service) = history.service() else { return Ok(()) };
        let runs = history.store.tasks_of(service.id).any(|task| {
            task.is_live() && task.status.state == TaskState::Running
        });
        let before = return_to(&history);
        for deed in &harmless {
            history.act(deed);
        }
        prop_assert!(!runs || before == return_to(&history), "{before:?}, then {:?}", return_to(&history));
    }

    #[test]
    fn what_is_stable_or_in_use_is_kept_and_no_number_is_given_twice(
        deeds in prop::collection::vec(Deed::any(), 100..160),
    ) {
        let mut history = History::of(Mode::Replicated { replicas: 2 });
        let mut hashes: BTreeMap<u64, String> = BTreeMap::new();
        for (index, deed) in deeds.iter().enumerate() {
            // Most of a history is new images here, so that there are more than are kept.
            let image = Deed::Image(u8::try_from(index).unwrap_or(0));
            let in_force = history.service().map_or(0, |service| service.revision);
            let stable: Vec<u64> = history.service().map_or_else(Vec::new, |service| {
                let mut hashes = BTreeSet::new();
                let stable = history.store.revisions_of(service.id).rev().filter(|one| one.stable_at.is_some());
                let distinct = stable.filter(|one| hashes.insert(one.hash.clone()));
                distinct.take(limits::STABLE_REVISIONS_KEPT).map(|one| one.number).collect()
            });
            history.act(if index % 3 == 0 { &image } else { deed });
            history.settle(settle);
            let Some(service) = history.service() else { continue };
            for revision in history.store.revisions_of(service.id) {
                let known = hashes.entry(revision.number).or_insert_with(|| revision.hash.clone());
                prop_assert_eq!(known, &revision.hash, "revision {} is another", revision.number);
                prop_assert!(revision.number <= service.revision_count);
            }
            for number in stable.iter().filter(|number| **number != in_force) {
                prop_assert!(history.store.revision(service.id, *number).is_some(), "{number} was stable");
            }
            let mut needed = keep::revisions(&history.store, service.id);
            needed.extend(history.store.tasks_of(service.id).map(|task| task.revision));
            for number in &needed {
                let is_kept = history.store.revision(service.id, *number).is_some();
                // What a rollout leads away from may have been forgotten with its last task.
                let is_past = history.store.rollout(service.id).and_then(|one| one.given_up) == Some(*number);
                prop_assert!(is_kept || is_past, "{number} is needed");
            }
            let kept = history.store.revisions_of(service.id).count();
            prop_assert!(kept <= limits::REVISIONS_KEPT + needed.len(), "{kept} revisions are kept");
        }
    }
}
