//! A container engine made of dice: what takes how long, and what goes wrong.
//!
//! A container's character is in the name of its image, so that whoever looks at a specification knows
//! what will become of it. Containers belong to the machine and outlive the agent; operations under way
//! belong to the agent and die with it, as far as a real one's would.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use skep_core::worker::{Exit, Found, FoundState, Outcome};
use skep_model::template::Resources;
use skep_model::{Task, TaskId, Timestamp};

use crate::dice::Dice;

/// What an image does, named by the part before its colon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Character {
    Good,
    /// Ignores the stop signal.
    Stubborn,
    /// Is in no registry.
    Missing,
    /// Cannot be started.
    Unstartable,
    /// Exits at once, often before its start is known.
    Crashing,
    /// Fails some seconds after it started.
    Fading,
    /// Ends well after some seconds.
    Finishing,
    /// Its health check never succeeds.
    Unhealthy,
    /// Its health check succeeds at first.
    Sickening,
}

impl Character {
    /// Every character with its name; the good ones come first.
    pub const ALL: [(Character, &'static str); 9] = [
        (Character::Good, "good"),
        (Character::Stubborn, "stubborn"),
        (Character::Missing, "missing"),
        (Character::Unstartable, "unstartable"),
        (Character::Crashing, "crashing"),
        (Character::Fading, "fading"),
        (Character::Finishing, "finishing"),
        (Character::Unhealthy, "unhealthy"),
        (Character::Sickening, "sickening"),
    ];

    /// Returns the character of an image; an image of no known name is good.
    pub fn of(image: &str) -> Character {
        let name = image.split(':').next().unwrap_or(image);
        Self::ALL.iter().find(|(_, known)| *known == name).map_or(Character::Good, |(found, _)| *found)
    }

    /// Returns whether a task made from the image comes to run and goes on.
    pub fn is_good(self) -> bool {
        matches!(self, Character::Good | Character::Stubborn)
    }

    /// Returns whether the image needs a health check to show its character.
    pub fn has_healthcheck(self) -> bool {
        matches!(self, Character::Unhealthy | Character::Sickening)
    }
}

#[derive(Clone, Debug)]
pub struct Container {
    /// The task as it was when the container was prepared.
    pub task: Arc<Task>,
    /// Those in force.
    pub limits: Resources,
    pub state: State,
    /// How long its process ran, where an agent saw it end.
    pub ran_for: Option<Duration>,
    /// Whether anybody asked it to stop.
    pub was_told_to_stop: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub enum State {
    Created,
    Running { started_at: Timestamp },
    Exited(Exit),
}

impl Container {
    pub fn is_running(&self) -> bool {
        matches!(self.state, State::Running { .. })
    }

    /// Returns whether nothing of it is left but what is remembered.
    pub fn has_ended(&self) -> bool {
        matches!(self.state, State::Exited(_))
    }

    fn character(&self) -> Character {
        Character::of(&self.task.spec.container.image)
    }
}

/// What the engine does some time after it was asked.
#[derive(Clone, Debug)]
pub enum Later {
    Prepared {
        task: Arc<Task>,
        ticket: u64,
    },
    Runs(TaskId),
    Exits(TaskId, Exit),
    /// The grace period of a stop is over.
    Killed(TaskId),
    Limited(TaskId, Resources),
    Probed(TaskId),
    Removed(TaskId),
    Answer(TaskId, Outcome),
}

/// The containers of one machine.
#[derive(Debug)]
pub struct Engine {
    containers: BTreeMap<TaskId, Container>,
    /// Preparations under way, by the ticket that a cancellation takes away.
    preparing: BTreeMap<TaskId, u64>,
    /// There is an agent.
    is_watched: bool,
    ticket_count: u64,
    /// Share of operations that fail without the image's fault, in percent.
    fault_percent: u64,
    dice: Dice,
}

/// The worker asked for something that makes no sense.
pub type Misuse = String;

/// What comes of a request, and when.
pub type Plan = Vec<(Duration, Later)>;

impl Engine {
    pub fn new(fault_percent: u64, dice: Dice) -> Self {
        let (containers, preparing) = (BTreeMap::new(), BTreeMap::new());
        Engine { containers, preparing, is_watched: false, ticket_count: 0, fault_percent, dice }
    }

    pub fn containers(&self) -> impl Iterator<Item = (&TaskId, &Container)> {
        self.containers.iter()
    }

    pub fn container(&self, id: TaskId) -> Option<&Container> {
        self.containers.get(&id)
    }

    /// From here on only images are to blame.
    pub fn heal(&mut self) {
        self.fault_percent = 0;
    }

    pub fn prepare(&mut self, task: Arc<Task>) -> Result<Plan, Misuse> {
        let id = task.id;
        if self.containers.contains_key(&id) || self.preparing.contains_key(&id) {
            return Err(format!("task {id} is prepared twice"));
        }
        let after = self.dice.millis(5, 1_500);
        let failure = match Character::of(&task.spec.container.image) {
            Character::Missing => Some(("no such image", false)),
            _ if self.dice.chance(self.fault_percent) => {
                Some(("registry does not answer", self.dice.chance(80)))
            }
            _ => None,
        };
        if let Some((reason, retryable)) = failure {
            let outcome = Outcome::Failed { reason: reason.to_owned(), retryable };
            return Ok(vec![(after, Later::Answer(id, outcome))]);
        }
        self.ticket_count += 1;
        self.preparing.insert(id, self.ticket_count);
        Ok(vec![(after, Later::Prepared { task, ticket: self.ticket_count })])
    }

    pub fn cancel(&mut self, id: TaskId) -> Plan {
        // Now and then the cancellation comes too late, and the preparation succeeds.
        if self.dice.chance(20) || self.preparing.remove(&id).is_none() {
            return Plan::new();
        }
        let outcome = Outcome::Failed { reason: "cancelled".to_owned(), retryable: true };
        vec![(self.dice.millis(0, 50), Later::Answer(id, outcome))]
    }

    pub fn start(&mut self, id: TaskId) -> Result<Plan, Misuse> {
        let Some(container) = self.containers.get(&id).filter(|found| found.state == State::Created) else {
            return Err(format!("task {id} is started without a created container"));
        };
        let runs_after = self.dice.millis(1, 100);
        let answers_after = runs_after + self.dice.millis(0, 100);
        let character = container.character();
        if character == Character::Unstartable || self.dice.chance(self.fault_percent) {
            let reason = "exec: no such file".to_owned();
            let outcome = Outcome::Failed { reason, retryable: false };
            return Ok(vec![(answers_after, Later::Answer(id, outcome))]);
        }
        let mut plan = vec![
            (runs_after, Later::Runs(id)),
            (answers_after, Later::Answer(id, Outcome::Started { pid: 1_000, ports: Vec::new() })),
        ];
        let fails = Exit { code: 1, ..Exit::default() };
        let end = match character {
            Character::Crashing => Some((self.dice.millis(1, 200), fails)),
            Character::Fading => Some((self.dice.millis(500, 9_000), fails)),
            Character::Finishing => Some((self.dice.millis(100, 9_000), Exit::default())),
            _ if self.dice.chance(self.fault_percent / 2) => {
                Some((self.dice.millis(1, 20_000), Exit { code: 137, oom_killed: true, lost: None }))
            }
            _ => None,
        };
        plan.extend(end.map(|(after, exit)| (runs_after + after, Later::Exits(id, exit))));
        Ok(plan)
    }

    pub fn stop(&mut self, id: TaskId, grace: Duration) -> Plan {
        let now = Duration::ZERO;
        let fails = self.dice.chance(self.fault_percent);
        let Some(container) = self.containers.get_mut(&id) else {
            let reason = "no such container".to_owned();
            return vec![(now, Later::Answer(id, Outcome::Failed { reason, retryable: true }))];
        };
        if let State::Exited(exit) = &container.state {
            return vec![(now, Later::Answer(id, Outcome::Exited(exit.clone())))];
        }
        if fails {
            let reason = "shim does not answer".to_owned();
            return vec![(now, Later::Answer(id, Outcome::Failed { reason, retryable: true }))];
        }
        container.was_told_to_stop = true;
        if container.state == State::Created {
            return vec![(now, Later::Killed(id))];
        }
        let mut plan = vec![(grace, Later::Killed(id))];
        if container.character() != Character::Stubborn {
            let exit = Exit { code: 143, ..Exit::default() };
            plan.push((self.dice.millis(1, 800), Later::Exits(id, exit)));
        }
        plan
    }

    pub fn limit(&mut self, id: TaskId, limits: Resources) -> Plan {
        let after = self.dice.millis(0, 100);
        if self.dice.chance(self.fault_percent) {
            let reason = "the container uses more than that".to_owned();
            return vec![(after, Later::Answer(id, Outcome::Failed { reason, retryable: true }))];
        }
        vec![(after, Later::Limited(id, limits))]
    }

    pub fn probe(&mut self, id: TaskId) -> Plan {
        vec![(self.dice.millis(1, 100), Later::Probed(id))]
    }

    pub fn remove(&mut self, id: TaskId) -> Plan {
        if self.dice.chance(self.fault_percent) {
            let reason = "device or resource busy".to_owned();
            return vec![(Duration::ZERO, Later::Answer(id, Outcome::Failed { reason, retryable: true }))];
        }
        vec![(self.dice.millis(1, 200), Later::Removed(id))]
    }

    /// Lets happen what was planned. Returns what the agent must hear, if it is the one that asked.
    pub fn happen(&mut self, now: Timestamp, later: Later) -> Option<(TaskId, Outcome)> {
        match later {
            Later::Prepared { task, ticket } => {
                let id = task.id;
                self.preparing.remove(&id).filter(|known| *known == ticket)?;
                let limits = task.spec.resources.enforced();
                let state = State::Created;
                let container = Container { task, limits, state, ran_for: None, was_told_to_stop: false };
                self.containers.insert(id, container);
                Some((id, Outcome::Prepared { container_id: container_id(id), image_health: None }))
            }
            Later::Runs(id) => {
                let container = self.containers.get_mut(&id)?;
                if container.state == State::Created {
                    container.state = State::Running { started_at: now };
                }
                None
            }
            Later::Exits(id, exit) => self.exit(now, id, exit),
            Later::Killed(id) => self.exit(now, id, Exit { code: 137, ..Exit::default() }),
            Later::Limited(id, limits) => {
                self.containers.get_mut(&id)?.limits = limits;
                Some((id, Outcome::Limited))
            }
            Later::Probed(id) => Some((id, self.probed(now, id))),
            Later::Removed(id) => {
                self.containers.remove(&id);
                Some((id, Outcome::Removed))
            }
            Later::Answer(id, outcome) => Some((id, outcome)),
        }
    }

    fn exit(&mut self, now: Timestamp, id: TaskId, exit: Exit) -> Option<(TaskId, Outcome)> {
        let container = self.containers.get_mut(&id)?;
        match container.state {
            State::Exited(_) => return None,
            State::Created => {}
            State::Running { started_at } => {
                container.ran_for = self.is_watched.then(|| now.since(started_at));
            }
        }
        container.state = State::Exited(exit.clone());
        Some((id, Outcome::Exited(exit)))
    }

    fn probed(&self, now: Timestamp, id: TaskId) -> Outcome {
        let container = self.containers.get(&id);
        let healthy = container.is_some_and(|container| match (&container.state, container.character()) {
            (State::Running { .. }, Character::Unhealthy) => false,
            (State::Running { started_at }, Character::Sickening) => {
                now.since(*started_at) < Duration::from_secs(9)
            }
            (state, _) => matches!(state, State::Running { .. }),
        });
        Outcome::Probed { healthy, output: if healthy { String::new() } else { "refused".to_owned() } }
    }

    /// An agent starts.
    pub fn watch(&mut self) {
        self.is_watched = true;
    }

    /// The agent died: nobody goes on with the preparations.
    pub fn lose_agent(&mut self) {
        self.is_watched = false;
        self.preparing.clear();
    }

    /// The machine died, and every process with it.
    pub fn lose_power(&mut self) {
        self.lose_agent();
        for container in self.containers.values_mut() {
            if !matches!(container.state, State::Exited(_)) {
                let lost = Some("the machine restarted".to_owned());
                container.state = State::Exited(Exit { code: 255, oom_killed: false, lost });
            }
        }
    }

    /// Returns what a new agent finds.
    pub fn found(&self) -> Vec<(TaskId, Found)> {
        let found = |(id, container): (&TaskId, &Container)| {
            let state = match &container.state {
                State::Created => FoundState::Created,
                State::Running { started_at } => {
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
