//! A container engine that does what a script says of its images.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use skep_core::worker::{Effect, Exit, Found, FoundState, Outcome};
use skep_model::template::Resources;
use skep_model::{Task, TaskId, Timestamp};

use super::STEP;

/// What becomes of a container made from an image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Behaviour {
    Runs,
    /// The pull fails for good.
    Missing,
    /// The pull takes this long.
    Slow(Duration),
    Unstartable,
    /// Exits with the code, this long after its start.
    Exits(i32, Duration),
    /// Ignores the stop signal.
    Stubborn,
    /// Cannot be stopped at all: its node hangs.
    Hanging,
    /// Is healthy until this long after its start.
    Sick(Duration),
}

#[derive(Default)]
pub struct Images(BTreeMap<String, Behaviour>);

impl Images {
    pub fn set(&mut self, image: &str, behaviour: Behaviour) {
        self.0.insert(image.to_owned(), behaviour);
    }

    fn of(&self, task: &Task) -> Behaviour {
        self.0.get(&task.spec.container.image).copied().unwrap_or(Behaviour::Runs)
    }
}

#[derive(Clone, Debug, PartialEq)]
enum State {
    Created,
    Running(Timestamp),
    Exited(Exit),
}

#[derive(Debug)]
struct Container {
    behaviour: Behaviour,
    limits: Resources,
    state: State,
}

/// What happens some time after it was asked for.
pub enum Later {
    Prepared(TaskId, Behaviour),
    Started(TaskId),
    Exited(TaskId, Exit),
    Limited(TaskId, Resources),
    Probed(TaskId),
    Removed(TaskId),
    Failed(TaskId, &'static str),
}

impl Later {
    pub fn exits(id: TaskId, code: i32) -> Later {
        Later::Exited(id, Exit { code, ..Exit::default() })
    }
}

#[derive(Default)]
pub struct Engine {
    containers: BTreeMap<TaskId, Container>,
    preparing: BTreeMap<TaskId, Arc<Task>>,
}

impl Engine {
    pub fn perform(&mut self, images: &Images, effect: Effect) -> Vec<(Duration, Later)> {
        match effect {
            Effect::Prepare(task) => {
                let (id, behaviour) = (task.id, images.of(&task));
                self.preparing.insert(id, task);
                match behaviour {
                    Behaviour::Missing => vec![(STEP, Later::Failed(id, "no such image"))],
                    Behaviour::Slow(pause) => vec![(pause, Later::Prepared(id, behaviour))],
                    _ => vec![(STEP, Later::Prepared(id, behaviour))],
                }
            }
            Effect::CancelPreparation(id) => {
                self.preparing.remove(&id);
                vec![(Duration::ZERO, Later::Failed(id, "cancelled"))]
            }
            Effect::Start(id) => match self.containers[&id].behaviour {
                Behaviour::Unstartable => vec![(STEP, Later::Failed(id, "exec: no such file"))],
                Behaviour::Exits(code, after) => {
                    vec![(STEP, Later::Started(id)), (STEP + after, Later::exits(id, code))]
                }
                _ => vec![(STEP, Later::Started(id))],
            },
            Effect::Stop { id, .. } if self.containers[&id].state == State::Created => {
                vec![(Duration::ZERO, Later::exits(id, 137))]
            }
            Effect::Stop { id, grace, .. } => match self.containers[&id].behaviour {
                Behaviour::Stubborn => vec![(grace, Later::exits(id, 137))],
                Behaviour::Hanging => Vec::new(),
                _ => vec![(STEP, Later::exits(id, 143))],
            },
            Effect::Limit { id, limits } => vec![(Duration::ZERO, Later::Limited(id, limits))],
            Effect::Probe { id, .. } => vec![(Duration::ZERO, Later::Probed(id))],
            Effect::Remove(id) => vec![(Duration::ZERO, Later::Removed(id))],
            Effect::Remember { .. } | Effect::Send(_) => unreachable!("the agent does these itself"),
        }
    }

    pub fn happen(&mut self, now: Timestamp, later: Later) -> Option<(TaskId, Outcome)> {
        match later {
            Later::Prepared(id, behaviour) => {
                let task = self.preparing.remove(&id)?;
                let limits = task.spec.resources.enforced();
                self.containers.insert(id, Container { behaviour, limits, state: State::Created });
                Some((id, Outcome::Prepared { container_id: container_id(id), image_health: None }))
            }
            Later::Started(id) => {
                let container = self.containers.get_mut(&id).filter(|known| known.state == State::Created)?;
                container.state = State::Running(now);
                Some((id, Outcome::Started { pid: 1_000, ports: Vec::new() }))
            }
            Later::Exited(id, exit) => {
                let container = self.containers.get_mut(&id)?;
                if !matches!(container.state, State::Exited(_)) {
                    container.state = State::Exited(exit.clone());
                    return Some((id, Outcome::Exited(exit)));
                }
                None
            }
            Later::Limited(id, limits) => {
                self.containers.get_mut(&id)?.limits = limits;
                Some((id, Outcome::Limited))
            }
            Later::Probed(id) => {
                let container = self.containers.get(&id)?;
                let healthy = match (container.behaviour, &container.state) {
                    (Behaviour::Sick(after), State::Running(at)) => now.since(*at) < after,
                    (_, state) => matches!(state, State::Running(_)),
                };
                Some((id, Outcome::Probed { healthy, output: "refused".into() }))
            }
            Later::Removed(id) => {
                self.containers.remove(&id);
                Some((id, Outcome::Removed))
            }
            Later::Failed(id, reason) => {
                self.preparing.remove(&id);
                Some((id, Outcome::Failed { reason: reason.to_owned(), retryable: false }))
            }
        }
    }

    /// Returns the limits of a task's container.
    pub fn limits(&self, id: TaskId) -> Option<&Resources> {
        self.containers.get(&id).map(|container| &container.limits)
    }

    pub fn lose_agent(&mut self) {
        self.preparing.clear();
    }

    pub fn lose_power(&mut self) {
        for container in self.containers.values_mut() {
            let lost = Some("the machine restarted".to_owned());
            container.state = State::Exited(Exit { code: 255, oom_killed: false, lost });
        }
    }

    pub fn found(&self) -> Vec<(TaskId, Found)> {
        let found = |(id, container): (&TaskId, &Container)| {
            let state = match &container.state {
                State::Created => FoundState::Created,
                State::Running(started_at) => {
                    FoundState::Running { pid: 1_000, started_at: *started_at, ports: Vec::new() }
                }
                State::Exited(exit) => FoundState::Exited(exit.clone()),
            };
            (*id, Found { container_id: container_id(*id), image_health: None, state })
        };
        self.containers.iter().map(found).collect()
    }
}

fn container_id(id: TaskId) -> String {
    format!("{id:0>64}")
}
