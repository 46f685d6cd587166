//! What services are made of: specifications by dice, good ones and bad ones.

use std::sync::Arc;
use std::time::Duration;

use skep_model::endpoint::{Endpoint, Port, PublishMode};
use skep_model::placement::{AFFINITY_LABEL, ANTI_AFFINITY_LABEL};
use skep_model::policy::{KNOB_PREFIX, PROFILE};
use skep_model::service::{FailureAction, Mode, UpdateConfig, UpdateOrder};
use skep_model::template::{
    ContainerSpec, Healthcheck, Placement, Reservations, Resources, RestartCondition, RestartPolicy,
};
use skep_model::{Labels, ServiceSpec, TaskSpec};

use crate::dice::Dice;
use crate::engine::Character;
use crate::profile::Profile;

/// Draws specifications and parts of them.
#[derive(Debug)]
pub struct Recipes {
    dice: Dice,
    service_count_max: u64,
    is_tight: bool,
    replicas_max: u64,
    image_count: u64,
}

impl Recipes {
    pub fn new(dice: Dice, profile: &Profile) -> Self {
        Recipes {
            dice,
            service_count_max: profile.service_count_max,
            is_tight: profile.is_tight,
            // A large cluster is there for something.
            replicas_max: 6.max(profile.node_count * 2),
            image_count: 0,
        }
    }

    fn mode(&mut self) -> Mode {
        match self.dice.number(0, 99) {
            0..=59 => self.scaled(&Mode::default()),
            60..=79 => Mode::Global,
            80..=91 => self.scaled(&Mode::ReplicatedJob { max_concurrent: 1, total_completions: 1 }),
            _ => Mode::GlobalJob,
        }
    }

    /// Returns another size of the same mode.
    pub fn scaled(&mut self, mode: &Mode) -> Mode {
        match mode {
            Mode::Replicated { .. } => Mode::Replicated { replicas: self.dice.number(0, self.replicas_max) },
            Mode::ReplicatedJob { .. } => {
                let (max_concurrent, total_completions) = (self.dice.number(1, 4), self.dice.number(0, 6));
                Mode::ReplicatedJob { max_concurrent, total_completions }
            }
            other => other.clone(),
        }
    }

    /// Draws a whole service.
    pub fn service(&mut self) -> ServiceSpec {
        let mode = self.mode();
        let mut container = self.container();
        // What never ends is no job, mostly.
        if mode.is_job() && self.dice.chance(60) {
            container.image = format!("finishing:{}", self.image_count);
        }
        let task = TaskSpec {
            container,
            resources: self.resources(),
            restart: self.restart(),
            placement: self.placement(),
            ..TaskSpec::default()
        };
        let name = format!("s{}", self.dice.number(1, self.service_count_max));
        let mut labels = self.company(&name);
        labels.extend(self.labels());
        let spec = ServiceSpec {
            labels,
            name,
            task: Arc::new(task),
            update: self.pace(true).filter(|_| !mode.is_job()),
            mode,
            rollback: self.pace(false),
            endpoint: Endpoint::default(),
        };
        spec.with_endpoint(self.endpoint())
    }

    /// Draws how carefully a service is rolled.
    pub fn labels(&mut self) -> Labels {
        let mut labels = Labels::new();
        if self.dice.chance(60) {
            labels.insert(PROFILE.into(), self.profile());
        }
        if self.dice.chance(15) && !self.is_large() {
            labels.insert("skep.rollout.min-healthy".into(), self.dice.pick(&["0s", "1s", "6s"]).into());
        }
        let deadlines: [(&str, &[&str]); 3] = [
            ("start-deadline", &["2s", "10s", "off"]),
            ("progress-deadline", &["5s", "20s", "off"]),
            ("max-duration", &["30s", "2m"]),
        ];
        for (name, values) in deadlines {
            if self.dice.chance(10) {
                labels.insert(format!("{KNOB_PREFIX}{name}"), self.dice.pick(values).into());
            }
        }
        if self.dice.chance(40) {
            labels.insert("skep.rollout.bake".into(), self.dice.pick(&["0s", "2s", "10s"]).into());
        }
        if self.dice.chance(10) {
            labels.insert("skep.rollout.inplace".into(), "off".into());
        }
        let budgets: [(&str, &[&str]); 4] = [
            ("max-unavailable", &["1", "2", "25%"]),
            ("max-surge", &["1", "2", "50%"]),
            ("order", &["auto", "auto", "start-first"]),
            ("count-terminating", &["false"]),
        ];
        for (name, values) in budgets {
            if self.dice.chance(10) {
                labels.insert(format!("{KNOB_PREFIX}{name}"), self.dice.pick(values).into());
            }
        }
        labels
    }

    pub fn profile(&mut self) -> String {
        let profiles = ["swarm", "swarm", "safe", "strict"];
        self.dice.pick(if self.is_large() { &profiles[..3] } else { &profiles }).into()
    }

    /// Returns whether services are so large that proof of every slot would outlast the quiet phase.
    fn is_large(&self) -> bool {
        self.replicas_max > 24
    }

    pub fn container(&mut self) -> ContainerSpec {
        let (character, name) = if self.dice.chance(60) {
            Character::ALL[self.dice.number(0, 1) as usize]
        } else {
            self.dice.pick(&Character::ALL)
        };
        // A small set of tags, so that a later image may equal an earlier one.
        self.image_count += 1;
        let tag = if self.dice.chance(20) { 1 } else { self.image_count };
        let is_checked = character.has_healthcheck() || self.dice.chance(20);
        let healthcheck = is_checked.then(|| Healthcheck {
            test: vec!["CMD".into(), "true".into()],
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            start_period: Duration::from_secs(self.dice.pick(&[0, 3])),
            start_interval: Duration::from_millis(500),
            retries: 2,
        });
        ContainerSpec {
            image: format!("{name}:{tag}"),
            healthcheck,
            stop_grace: self.dice.chance(80).then(|| self.dice.millis(500, 5_000)),
            ..ContainerSpec::default()
        }
    }

    fn resources(&mut self) -> Resources {
        let (cpus, gigabytes) = match self.is_tight {
            true => (self.dice.number(0, 2) as i64, self.dice.pick(&[0, 0, 2, 5])),
            false => (0, 0),
        };
        let generic = self.dice.chance(5).then(|| ("gpu".to_owned(), self.dice.number(1, 2) as i64));
        let reservations = Reservations {
            nano_cpus: cpus * 1_000_000_000,
            memory_bytes: gigabytes << 30,
            generic: generic.into_iter().collect(),
        };
        let is_some = reservations != Reservations::default();
        Resources { reservations: is_some.then_some(reservations), ..Resources::default() }
    }

    /// Draws ports that tasks open on their nodes: mostly none.
    fn endpoint(&mut self) -> Endpoint {
        let mut endpoint = Endpoint::default();
        if self.dice.chance(10) {
            let published = self.dice.pick(&[80, 80, 81, 0]);
            endpoint.ports.push(Port { target: 80, published, mode: PublishMode::Host, ..Port::default() });
        }
        endpoint
    }

    /// Draws whom a service must be near to or keep away from: mostly nobody.
    pub fn company(&mut self, name: &str) -> Labels {
        let other = format!("s{}", self.dice.number(1, self.service_count_max));
        match self.dice.number(0, 19) {
            0 if other != name => [(AFFINITY_LABEL.to_owned(), format!("service:{other}"))].into(),
            1 => [(ANTI_AFFINITY_LABEL.to_owned(), format!("service:{other}"))].into(),
            _ => Labels::new(),
        }
    }

    pub fn restart(&mut self) -> Option<RestartPolicy> {
        self.dice.chance(60).then(|| RestartPolicy {
            condition: self.dice.pick(&[
                RestartCondition::Any,
                RestartCondition::Any,
                RestartCondition::OnFailure,
                RestartCondition::None,
            ]),
            delay: self.dice.chance(70).then(|| self.dice.millis(0, 6_000)),
            max_attempts: self.dice.pick(&[0, 0, 1, 3]),
            window: self.dice.chance(30).then(|| self.dice.millis(1_000, 20_000)),
        })
    }

    pub fn placement(&mut self) -> Placement {
        let constraints = match self.dice.number(0, 24) {
            0 => vec!["node.hostname == n1".to_owned()],
            1 => vec!["node.hostname != n1".to_owned()],
            2 => vec!["node.labels.zone == a".to_owned()],
            3 => vec!["node.labels.zone != b".to_owned()],
            _ => Vec::new(),
        };
        let max_replicas = if self.dice.chance(10) { self.dice.number(1, 3) } else { 0 };
        let preferences = match self.dice.chance(15) {
            true => vec!["node.labels.zone".to_owned()],
            false => Vec::new(),
        };
        Placement { constraints, preferences, max_replicas, ..Placement::default() }
    }

    pub fn pace(&mut self, may_roll_back: bool) -> Option<UpdateConfig> {
        if self.dice.chance(25) {
            return None;
        }
        let actions = [FailureAction::Pause, FailureAction::Continue, FailureAction::Rollback];
        let actions = if may_roll_back { &actions[..] } else { &actions[..2] };
        Some(UpdateConfig {
            parallelism: self.dice.pick(&[0, 1, 1, 2, 3]),
            delay: self.dice.pick(&[0, 0, 500, 3_000]) * Duration::from_millis(1),
            failure_action: self.dice.pick(actions),
            monitor: self.dice.pick(&[0, 2_000, 5_000, 8_000]) * Duration::from_millis(1),
            monitor_is_default: false,
            max_failure_ratio: self.dice.pick(&[0.0, 0.0, 0.3, 0.6, 1.0]),
            order: self.dice.pick(&[UpdateOrder::StopFirst, UpdateOrder::StopFirst, UpdateOrder::StartFirst]),
        })
    }
}
