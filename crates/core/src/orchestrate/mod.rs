//! Keeps what runs in line with what was asked, one service at a time.
//!
//! [`plan`] looks at a service's whole state and never at what changed, so a hint, a deadline, a restart
//! and an election take the same path, and running it again on its own result proposes nothing.
//!
//! In order: [`rollout::judge`] counts failures, [`slot`] answers tasks that ended ([`restart`]) and lets
//! prepared ones take over (`handover`), [`replicated`] makes and drops slots, [`rollout::advance`] takes up outdated slots,
//! [`reap`] forgets old tasks.

pub mod current;
mod handover;
pub mod reap;
pub mod replicated;
pub mod restart;
pub mod rollout;
pub mod slot;

use std::sync::Arc;
use std::time::Duration;

use skep_model::task::{Desired, ServiceStamp, TaskStatus};
use skep_model::{Meta, Service, ServiceId, Task, TaskSpec, Timestamp};

use crate::random::Random;
use crate::store::{Draft, earlier};

/// Plans one service. Returns when it must be looked at again, if nothing happens before.
pub fn plan(draft: &mut Draft, random: &mut Random, id: ServiceId) -> Option<Timestamp> {
    if draft.service(id).is_none() {
        remove_tasks(draft, id);
        return None;
    }
    let mut wake_at = rollout::judge(draft, id);
    let service = draft.service(id).expect("judging a rollout does not delete its service").clone();
    for slot in slot::of_service(draft, id) {
        if draft.is_full() {
            return wake_at;
        }
        wake_at = earlier(wake_at, slot::plan(draft, random, &service, &slot));
    }
    replicated::plan(draft, random, &service);
    wake_at = earlier(wake_at, rollout::advance(draft, random, &service));
    reap::plan(draft, &service);
    wake_at
}

/// The service is gone: its tasks end and are then forgotten.
fn remove_tasks(draft: &mut Draft, id: ServiceId) {
    let tasks: Vec<_> = draft.tasks_of(id).cloned().collect();
    for task in tasks {
        if task.desired != Desired::Remove && !draft.is_full() {
            draft.change_task(task.id, |task| task.desired = Desired::Remove);
        }
    }
    reap::removed(draft, id);
}

/// What a new task is made from.
struct Blueprint {
    spec: Arc<TaskSpec>,
    revision: u64,
}

impl Blueprint {
    fn of(service: &Service) -> Self {
        Blueprint { spec: service.spec.task.clone(), revision: service.revision }
    }
}

/// Returns a new task for a slot, not yet written.
fn new_task(
    draft: &Draft,
    random: &mut Random,
    service: &Service,
    slot: u64,
    made_from: Blueprint,
    desired: Desired,
) -> Task {
    let now = draft.now();
    // Within a slot the order of tasks is the order of their making, also within one instant.
    let newest = draft.tasks_in(service.id, slot).map(|task| task.meta.created_at).max();
    let created_at = newest.map_or(now, |newest| now.max(newest + Duration::from_nanos(1)));
    Task {
        id: random.id(),
        meta: Meta { created_at, ..Meta::new(now) },
        service_id: service.id,
        service: Arc::new(ServiceStamp {
            name: service.spec.name.clone(),
            labels: service.spec.labels.clone(),
        }),
        slot,
        spec: made_from.spec,
        revision: made_from.revision,
        node_id: None,
        desired,
        status: TaskStatus { at: now, applied_at: now, message: "created".into(), ..TaskStatus::default() },
        start_after: Timestamp::default(),
        restarts: Vec::new(),
        keeps_slot: false,
    }
}
