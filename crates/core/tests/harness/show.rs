//! What a script prints of a service: where it stands, and its revisions.

use std::sync::Arc;

use skep_core::orchestrate::rebalance;
use skep_model::census::Census;
use skep_model::node::NodeState;
use skep_model::placement::Relocation;
use skep_model::rollout::{Direction, Phase};
use skep_model::service::Mode;
use skep_model::{Revision, Task, Timestamp};

use super::World;
use super::script::service;

/// Prints the revisions that are kept, the newest first, each with the time since which it is stable.
pub fn history(world: &World, name: &str) -> String {
    let service = service(world, name);
    let line = |revision: &Arc<Revision>| {
        let mark = if revision.number == service.revision { "*" } else { " " };
        let stable = revision
            .stable_at
            .map_or("-".to_owned(), |at| format!("{}s", at.since(Timestamp::default()).as_secs()));
        let failed = if revision.failed_at.is_some() { " failed" } else { "" };
        let image = &revision.template.container.image;
        format!("{mark}{:<3} {} {image:<10} stable {stable}{failed}\n", revision.number, revision.hash)
    };
    world.store.revisions_of(service.id).rev().map(line).collect()
}

/// Prints the memory limit that the container of each task has, where it is there.
pub fn limits(world: &World, name: &str) -> String {
    let line = |task: &Arc<Task>| {
        let limits = world.limits(task)?.limits.clone().unwrap_or_default();
        Some(format!("{name}.{} {} {} MiB\n", task.slot, task.id, limits.memory_bytes >> 20))
    };
    let live = world.store.tasks_of(service(world, name).id).filter(|task| task.is_live());
    world.with_numbers(&live.filter_map(line).collect::<String>())
}

/// Prints what a person asks first: how many run, of what, and how the rollout fares.
pub fn status(world: &World, name: &str) -> String {
    let service = service(world, name);
    let is_down = |id| world.store.node(id).is_none_or(|node| node.status.state == NodeState::Down);
    let tasks = world.store.tasks_of(service.id).map(|task| &**task);
    let Census { running, desired, completed } = Census::count(&service, tasks, is_down);
    let image = &service.spec.task.container.image;
    let previous = service.previous.as_ref().map_or("none", |known| &known.spec.task.container.image);
    let message = world.store.rollout(service.id).map(|rollout| world.with_numbers(&rollout.message));
    let rollout = match (state(world, name), message) {
        ("no rollout", _) | (_, None) => "no rollout".to_owned(),
        (state, Some(message)) => format!("{state}: {message}"),
    };
    let completed = match service.spec.mode {
        Mode::ReplicatedJob { total_completions, .. } => {
            format!(" ({completed}/{total_completions} completed)")
        }
        Mode::GlobalJob => format!(" ({completed} completed)"),
        Mode::Replicated { .. } | Mode::Global => String::new(),
    };
    format!("{running} of {desired} run{completed}, {image}, before {previous}; {rollout}\n")
}

/// Returns Swarm's word for where the service's rollout stands.
pub fn state(world: &World, name: &str) -> &'static str {
    let rollout = world.store.rollout(service(world, name).id);
    rollout.map_or("no rollout", |rollout| match (rollout.phase, rollout.direction) {
        (Phase::Asked, _) => "no rollout",
        (Phase::Running, Direction::Forward) => "updating",
        (Phase::Paused, Direction::Forward) => "paused",
        (Phase::Completed, Direction::Forward) => "completed",
        (Phase::Running, Direction::Back) => "rollback_started",
        (Phase::Paused, Direction::Back) => "rollback_paused",
        (Phase::Completed, Direction::Back) => "rollback_completed",
    })
}

/// What rebalancing would move.
pub fn moves(world: &World) -> String {
    let node = |id| &world.store.node(id).expect("a node").description.hostname;
    let line = |one: &Relocation| {
        let (name, slot) = (&one.task.service.name, one.task.slot);
        format!("{name}.{slot} from {} to {}\n", node(one.from), node(one.to))
    };
    rebalance::proposals(&world.store).iter().map(line).collect()
}
