//! The task template: what each task of a service runs, and under which limits.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::endpoint::Port;
use crate::log::LogDriver;
use crate::mount::Mount;
use crate::{Labels, limits};

/// What a task runs. Two equal templates never make a task outdated.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TaskSpec {
    pub container: ContainerSpec,
    pub resources: Resources,
    /// `None`: the defaults of [`RestartPolicy`]. Kept apart so that inspect shows what was asked.
    pub restart: Option<RestartPolicy>,
    pub placement: Placement,
    /// `None`: the node's default log driver.
    pub log: Option<LogDriver>,
    /// The host-mode ports of the service's endpoint: tasks open them, so a change of them makes tasks
    /// outdated. Written by [`crate::ServiceSpec::with_endpoint`] alone.
    pub host_ports: Vec<Port>,
    /// Raised by `--force`: equal templates with another number differ.
    pub force_update: u64,
    /// Credentials for the image's registry, as the client sent them. Never shown again.
    pub registry_auth: Option<RegistryAuth>,
    /// Means nothing to a task; inspect shows what was asked.
    pub given_empty: GivenEmpty,
}

/// Sections that the client sent without content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GivenEmpty {
    pub resources: bool,
    pub placement: bool,
}

impl TaskSpec {
    /// Returns the restart policy in force.
    pub fn restart_policy(&self) -> RestartPolicy {
        self.restart.clone().unwrap_or_default()
    }

    /// Returns whether tasks made from either run the same: there is nothing to tell them apart by.
    ///
    /// New credentials alone never replace a running task.
    pub fn runs_the_same(&self, other: &TaskSpec) -> bool {
        self.runs_the_same_elsewhere(other) && self.placement == other.placement
    }

    /// Returns whether tasks made from either run the same, wherever they may run.
    pub fn runs_the_same_elsewhere(&self, other: &TaskSpec) -> bool {
        self.can_become(other)
            && self.resources.effective() == other.resources.effective()
            && self.restart_policy() == other.restart_policy()
    }

    /// Returns whether a task made from `self` can go on as one made from `other`: they differ at most in what
    /// is changed while it runs (limits), or concerns managers alone (restart policy, placement).
    pub fn can_become(&self, other: &TaskSpec) -> bool {
        // Mostly it is the image that differs.
        self.container.image == other.container.image
            && self.force_update == other.force_update
            && self.resources.reserved() == other.resources.reserved()
            && self.log == other.log
            && self.host_ports == other.host_ports
            && (self.container == other.container
                || self.container.effective() == other.container.effective())
    }

    /// Returns the template without what means nothing to a task: sections that say no more than their
    /// absence would, and credentials.
    pub fn effective(&self) -> TaskSpec {
        TaskSpec {
            container: self.container.effective(),
            resources: self.resources.effective(),
            restart: self.restart.clone().filter(|restart| *restart != RestartPolicy::default()),
            registry_auth: None,
            given_empty: GivenEmpty::default(),
            ..self.clone()
        }
    }
}

/// Registry credentials: the client's opaque `X-Registry-Auth` value. Its debug form hides it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RegistryAuth(pub String);

impl fmt::Debug for RegistryAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RegistryAuth(hidden)")
    }
}

/// The container of a task, in Docker's terms.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerSpec {
    pub image: String,
    pub labels: Labels,
    /// Replaces the image's entrypoint when not empty.
    pub command: Vec<String>,
    /// Replaces the image's command when not empty.
    pub args: Vec<String>,
    pub hostname: String,
    pub env: Vec<String>,
    pub dir: String,
    pub user: String,
    pub groups: Vec<String>,
    /// Tri-state as in Docker: absent, off, on.
    pub init: Option<bool>,
    /// The process has a terminal.
    pub tty: bool,
    /// The process's input stays open until it is closed by who attaches; otherwise it is empty.
    pub open_stdin: bool,
    pub read_only: bool,
    pub stop_signal: String,
    pub stop_grace: Option<Duration>,
    pub mounts: Vec<Mount>,
    pub healthcheck: Option<Healthcheck>,
    /// Extra lines of /etc/hosts: `IP name…`.
    pub hosts: Vec<String>,
    /// `None` and an empty one mean the same but are shown as they were given.
    pub dns: Option<Dns>,
    pub capability_add: Vec<String>,
    pub capability_drop: Vec<String>,
    pub privileges: Option<Privileges>,
    pub ulimits: Vec<Ulimit>,
    pub sysctls: BTreeMap<String, String>,
    pub oom_score_adj: i32,
}

impl ContainerSpec {
    /// Returns how long a stop waits between the stop signal and SIGKILL.
    pub fn stop_grace(&self) -> Duration {
        self.stop_grace.unwrap_or(limits::STOP_GRACE_DEFAULT)
    }

    fn effective(&self) -> ContainerSpec {
        // Where one lies below another decides in which order they are mounted, and docker's client sends them in
        // another order with its first update of whatever.
        let mut mounts = self.mounts.clone();
        mounts.sort_by(|a, b| a.target.cmp(&b.target));
        ContainerSpec {
            mounts,
            dns: self.dns.clone().filter(|dns| *dns != Dns::default()),
            privileges: self.privileges.clone().filter(|privileges| *privileges != Privileges::default()),
            stop_grace: self.stop_grace.filter(|grace| *grace != limits::STOP_GRACE_DEFAULT),
            ..self.clone()
        }
    }
}

/// Security options that Docker keeps together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Privileges {
    pub no_new_privileges: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dns {
    pub nameservers: Vec<String>,
    pub search: Vec<String>,
    pub options: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ulimit {
    pub name: String,
    pub soft: i64,
    pub hard: i64,
}

/// How a task's health is probed. Zero durations and retries mean: the image's, else the default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Healthcheck {
    /// `[]` inherits, `["NONE"]` disables, `["CMD", …]` or `["CMD-SHELL", line]` run.
    pub test: Vec<String>,
    pub interval: Duration,
    pub timeout: Duration,
    pub start_period: Duration,
    pub start_interval: Duration,
    pub retries: u32,
}

/// Limits are enforced by the kernel, reservations by the scheduler.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// `None` and an empty one mean the same but are shown as they were given.
    pub limits: Option<Limits>,
    pub reservations: Option<Reservations>,
    /// Swap beside the memory limit, in bytes; -1: unlimited; `None`: as much as memory.
    pub swap_bytes: Option<i64>,
    /// How readily the kernel swaps, 0 to 100; `None` and -1: its default.
    pub swappiness: Option<i64>,
}

impl Resources {
    /// Returns what the scheduler sets aside.
    fn reserved(&self) -> Reservations {
        self.reservations.clone().unwrap_or_default()
    }

    /// Returns what the kernel enforces.
    pub fn enforced(&self) -> Resources {
        Resources { reservations: None, ..self.effective() }
    }

    fn effective(&self) -> Resources {
        Resources {
            limits: self.limits.clone().filter(|limits| *limits != Limits::default()),
            reservations: self.reservations.clone().filter(|reserved| *reserved != Reservations::default()),
            ..self.clone()
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Billionths of a CPU; 0: none.
    pub nano_cpus: i64,
    /// Bytes; 0: none.
    pub memory_bytes: i64,
    /// Processes and threads; 0: none.
    pub pids: i64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reservations {
    pub nano_cpus: i64,
    pub memory_bytes: i64,
    /// Units of resources that operators declare on nodes, by kind: `gpu` 2.
    pub generic: BTreeMap<String, i64>,
}

/// Whether and when a task that ended is replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RestartPolicy {
    pub condition: RestartCondition,
    /// `None`: 5 s.
    pub delay: Option<Duration>,
    /// 0: unlimited.
    pub max_attempts: u64,
    /// Span over which attempts are counted; `None`: the life of the template.
    pub window: Option<Duration>,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        RestartPolicy { condition: RestartCondition::Any, delay: None, max_attempts: 0, window: None }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RestartCondition {
    None,
    OnFailure,
    #[default]
    Any,
}

/// Where tasks may run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Placement {
    /// As typed: `node.role == manager`.
    pub constraints: Vec<String>,
    /// Properties of nodes to spread tasks over, most significant first: `node.labels.zone`.
    pub preferences: Vec<String>,
    pub platforms: Vec<Platform>,
    /// 0: unlimited.
    pub max_replicas: u64,
}

/// A processor architecture and operating system; an empty field matches any.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Platform {
    pub architecture: String,
    pub os: String,
}
