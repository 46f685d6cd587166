//! What came of a script, version by version.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use skep_core::Store;
use skep_model::rollout::{Direction, Phase};
use skep_model::task::{Desired, SlotId, TaskState};
use skep_model::{Service, Task, TaskId, Timestamp};

use crate::harness::World;
use crate::harness::script;

/// A script that is being played.
pub struct Story {
    world: Option<World>,
    /// How many versions of the store were there before the part that is looked at.
    began: usize,
}

/// One version of the store.
#[derive(Clone, Copy)]
pub struct Scene<'s>(&'s Store);

impl Story {
    /// Plays the beginning of a script.
    pub fn begin(script: &str) -> Story {
        let mut story = Story { world: None, began: 0 };
        story.go_on(script);
        story
    }

    /// Plays the next part, of which nothing is refused; what is asked next is about it, and the version it
    /// began with.
    pub fn go_on(&mut self, script: &str) {
        let said = self.play(script);
        assert!(!said.contains("refused: "), "{said}");
    }

    /// Plays a part of which something is refused. Returns what its commands print.
    pub fn refused(&mut self, script: &str) -> String {
        let said = self.play(script);
        assert!(said.contains("refused: "), "{said}");
        said
    }

    fn play(&mut self, script: &str) -> String {
        self.began = self.world.as_ref().map_or(0, |world| world.versions.len().saturating_sub(1));
        let lines: Vec<&str> = script.lines().map(str::trim).collect();
        script::play(&mut self.world, &lines.join("\n"))
    }

    fn world(&self) -> &World {
        self.world.as_ref().expect("a script makes a world")
    }

    /// Returns whether a leader that was to be lost is still in office.
    pub fn spared_its_leader(&self) -> bool {
        self.world().loss.is_some()
    }

    /// Returns how it ended.
    pub fn end(&self) -> Scene<'_> {
        Scene(&self.world().store)
    }

    fn scenes(&self) -> impl Iterator<Item = (Timestamp, Scene<'_>)> {
        self.world().versions[self.began..].iter().map(|(at, store)| (*at, Scene(store)))
    }

    /// Asserts that something holds in every version.
    pub fn always(&self, what: &str, holds: impl Fn(Scene<'_>) -> bool) {
        for (at, scene) in self.scenes() {
            assert!(holds(scene), "{what}: not so at {at:?}: {}", scene.describe());
        }
    }

    /// Returns for how long something held, in all.
    pub fn time_in_which(&self, holds: impl Fn(Scene<'_>) -> bool) -> Duration {
        let begins: Vec<_> = self.scenes().map(|(at, scene)| (at, holds(scene))).collect();
        let ends = begins.iter().skip(1).map(|(at, _)| *at).chain([self.world().now]);
        begins.iter().zip(ends).filter(|((_, holds), _)| *holds).map(|((at, _), end)| end.since(*at)).sum()
    }

    /// Returns the tasks that were made, in the order of their making.
    pub fn made(&self, name: &str) -> Vec<Arc<Task>> {
        let before: BTreeSet<TaskId> = self.scenes().take(1).flat_map(|(_, scene)| scene.ids(name)).collect();
        let mut made: BTreeMap<TaskId, Arc<Task>> = BTreeMap::new();
        for (_, scene) in self.scenes() {
            for task in scene.tasks(name).filter(|task| !before.contains(&task.id)) {
                made.entry(task.id).or_insert_with(|| task.clone());
            }
        }
        let mut made: Vec<_> = made.into_values().collect();
        made.sort_by_key(|task| (task.meta.created_at, task.slot, task.id));
        made
    }

    /// Returns the slots that were ever given this image, in the order in which they were.
    pub fn slots_given(&self, name: &str, image: &str) -> Vec<u64> {
        let mut slots = Vec::new();
        for task in self.made(name).iter().filter(|task| task.spec.container.image == image) {
            if !slots.contains(&task.slot.number()) {
                slots.push(task.slot.number());
            }
        }
        slots
    }
}

impl<'s> Scene<'s> {
    pub fn store(self) -> &'s Store {
        self.0
    }

    pub fn service(self, name: &str) -> &'s Service {
        self.0.service_named(name).unwrap_or_else(|| panic!("no service {name}"))
    }

    /// Returns the tasks of a service that may be gone.
    pub fn tasks(self, name: &str) -> impl Iterator<Item = &'s Arc<Task>> {
        self.0.tasks().filter(move |task| task.service.name == name)
    }

    fn ids(self, name: &str) -> Vec<TaskId> {
        self.tasks(name).map(|task| task.id).collect()
    }

    /// Returns how many tasks run and are wanted to.
    pub fn running(self, name: &str) -> usize {
        self.tasks(name).filter(|task| runs(task)).count()
    }

    /// Returns the images of the tasks that run and are wanted to, sorted.
    pub fn images(self, name: &str) -> Vec<&'s str> {
        let mut images: Vec<_> =
            self.tasks(name).filter(|task| runs(task)).map(|task| &*task.spec.container.image).collect();
        images.sort_unstable();
        images
    }

    /// Returns how many live tasks there are.
    pub fn live(self, name: &str) -> usize {
        self.tasks(name).filter(|task| task.is_live()).count()
    }

    /// Returns how many tasks hold resources: they were made, and are not over.
    pub fn standing(self, name: &str) -> usize {
        self.tasks(name).filter(|task| !task.is_over()).count()
    }

    /// Returns for each slot how many of its tasks may have a process: started, and not seen to end.
    pub fn processes(self, name: &str) -> BTreeMap<SlotId, usize> {
        let mut processes = BTreeMap::new();
        let may_run = |task: &&Arc<Task>| {
            let was_started = task.is_started() || task.status.state >= TaskState::Starting;
            was_started && !task.is_over()
        };
        for task in self.tasks(name).filter(may_run) {
            *processes.entry(task.slot).or_default() += 1;
        }
        processes
    }

    /// Returns the state of the service's rollout in Docker's words; empty where there is none.
    pub fn rollout(self, name: &str) -> &'static str {
        let rollout = self.0.service_named(name).and_then(|service| self.0.rollout(service.id));
        match rollout.map(|rollout| (rollout.phase, rollout.direction)) {
            None | Some((Phase::Asked, _)) => "",
            Some((Phase::Running, Direction::Forward)) => "updating",
            Some((Phase::Running, Direction::Back)) => "rollback_started",
            Some((Phase::Paused, Direction::Forward)) => "paused",
            Some((Phase::Paused, Direction::Back)) => "rollback_paused",
            Some((Phase::Completed, Direction::Forward)) => "completed",
            Some((Phase::Completed, Direction::Back)) => "rollback_completed",
        }
    }

    /// Returns what the service's rollout says of itself.
    pub fn message(self, name: &str) -> &'s str {
        self.0.rollout(self.service(name).id).map_or("", |rollout| &rollout.message)
    }

    /// Returns the sentences of the tasks that have none to run on, sorted.
    pub fn complaints(self, name: &str) -> Vec<&'s str> {
        let waits = |task: &&Arc<Task>| task.is_live() && task.status.state == TaskState::Pending;
        let mut complaints: Vec<_> = self.tasks(name).filter(waits).map(|task| &*task.status.err).collect();
        complaints.sort_unstable();
        complaints
    }

    fn describe(self) -> String {
        let line = |task: &Arc<Task>| {
            let (image, state) = (&task.spec.container.image, task.status.state);
            format!("{}.{} {image} wanted {:?} is {state:?}", task.service.name, task.slot, task.desired)
        };
        self.0.tasks().map(line).collect::<Vec<_>>().join("; ")
    }
}

fn runs(task: &Task) -> bool {
    task.desired == Desired::Running && task.status.state == TaskState::Running
}
