//! Whether a service specification makes sense at all. The order of the checks and the wording are
//! Swarm's, because clients compare both; what needs the store (names taken, versions) is checked by
//! the control plane.

mod cluster;
mod container;

use std::collections::BTreeSet;

use crate::constraint::{Constraint, ConstraintError};
use crate::endpoint::{EndpointMode, PublishMode};
use crate::placeholder::{Context, expand_container};
use crate::placement::Affinity;
use crate::policy::Knobs;
use crate::property::{KNOWN_KEYS, Property};
use crate::service::{FailureAction, Mode, UpdateConfig};
use crate::template::{Placement, Resources};
use crate::{ServiceSpec, limits};

/// Why a specification is refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Invalid {
    #[error("{0}")]
    Argument(String),
    /// Swarm reports this class as an unknown error (HTTP 500), and clients expect it so.
    #[error(transparent)]
    Constraint(#[from] ConstraintError),
}

fn refuse<T>(text: impl Into<String>) -> Result<T, Invalid> {
    Err(Invalid::Argument(text.into()))
}

impl ServiceSpec {
    /// Checks everything that can be judged without the store.
    pub fn validate(&self) -> Result<(), Invalid> {
        validate_name(&self.name)?;
        validate_resources(&self.task.resources)?;
        validate_placement(&self.task.placement)?;
        Affinity::of(&self.name, &self.labels).map_err(Invalid::Argument)?;
        let context = Context::stand_in(&self.name, &self.labels);
        let expanded = expand_container(&self.task.container, &context).map_err(Invalid::Argument)?;
        container::validate(&expanded)?;
        if let Some(log) = &self.task.log {
            log.settings().map_err(|error| Invalid::Argument(format!("TaskSpec: {error}")))?;
        }
        validate_mode(self)?;
        if let Some(update) = &self.update {
            validate_update(update, "update")?;
        }
        if let Some(rollback) = &self.rollback {
            validate_update(rollback, "rollback")?;
            if rollback.failure_action == FailureAction::Rollback {
                return refuse("TaskSpec: rollback-failureaction cannot be rollback");
            }
        }
        let knobs = Knobs::parse(&self.labels).map_err(Invalid::Argument)?;
        knobs.check(self).map_err(Invalid::Argument)?;
        validate_endpoint(self)
    }
}

fn validate_mode(spec: &ServiceSpec) -> Result<(), Invalid> {
    let within = |count: u64, what: &str| match count > limits::REPLICAS_MAX {
        true => refuse(format!("{count} {what} are more than the {} that Skep allows", limits::REPLICAS_MAX)),
        false => Ok(()),
    };
    match spec.mode {
        Mode::Replicated { replicas } => within(replicas, "replicas")?,
        Mode::ReplicatedJob { max_concurrent, total_completions } => {
            within(max_concurrent, "concurrent tasks")?;
            within(total_completions, "completions")?;
        }
        Mode::Global | Mode::GlobalJob => {}
    }
    if spec.mode.is_job() && spec.update.is_some() {
        return refuse("Jobs may not have an update config".to_owned());
    }
    Ok(())
}

fn validate_name(name: &str) -> Result<(), Invalid> {
    if name.is_empty() {
        return refuse("meta: name must be provided");
    }
    let inner = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    if !inner || !edge(name.bytes().next()) || !edge(name.bytes().next_back()) {
        return refuse("name must be valid as a DNS name component");
    }
    if name.len() > limits::SERVICE_NAME_LENGTH_MAX {
        return refuse(format!("name must be {} characters or fewer", limits::SERVICE_NAME_LENGTH_MAX));
    }
    Ok(())
}

fn validate_resources(resources: &Resources) -> Result<(), Invalid> {
    let limits = resources.limits.as_ref().map(|limits| (limits.nano_cpus, limits.memory_bytes));
    let reservations = resources.reservations.as_ref().map(|kept| (kept.nano_cpus, kept.memory_bytes));
    for (nano_cpus, memory_bytes) in [limits, reservations].into_iter().flatten() {
        if nano_cpus != 0 && nano_cpus < limits::NANO_CPUS_MIN {
            let cpus = nano_cpus as f64 / 1e9;
            return refuse(format!("invalid cpu value {cpus}: Must be at least 0.001"));
        }
        if nano_cpus > limits::NANO_CPUS_MAX {
            let (cpus, most) = (nano_cpus as f64 / 1e9, limits::NANO_CPUS_MAX / 1_000_000_000);
            return refuse(format!("invalid cpu value {cpus}: Must be at most {most}"));
        }
        if memory_bytes != 0 && memory_bytes < limits::MEMORY_BYTES_MIN {
            return refuse(format!("invalid memory value {memory_bytes}: Must be at least 4MiB"));
        }
    }
    let generic = resources.reservations.iter().flat_map(|kept| &kept.generic);
    for (kind, units) in generic {
        if kind.is_empty() {
            return refuse("a generic resource has no kind; expected KIND=UNITS, as in gpu=2");
        }
        if *units < 0 {
            return refuse(format!("cannot ask for negative resource {kind}"));
        }
    }
    let pids = resources.limits.as_ref().map_or(0, |limits| limits.pids);
    if pids > limits::PIDS_MAX {
        return refuse(format!("invalid pids limit {pids}: Must be at most {}", limits::PIDS_MAX));
    }
    if pids < 0 {
        return refuse("invalid pids limit: Must not be negative");
    }
    if resources.swap_bytes.is_some()
        && resources.limits.as_ref().is_none_or(|limits| limits.memory_bytes == 0)
    {
        return refuse("memory swap provided, but no memory-limit was set");
    }
    if let Some(swap_bytes) = resources.swap_bytes.filter(|bytes| *bytes < -1) {
        return refuse(format!("invalid swap value {swap_bytes}: Must be -1 (unlimited) or more"));
    }
    if let Some(value) = resources.swappiness.filter(|value| !(-1..=100).contains(value)) {
        return refuse(format!("invalid value: {value}. valid memory swappiness range is 0-100"));
    }
    Ok(())
}

/// Checks that some node could meet what is asked.
///
/// Swarm takes a constraint or a preference whose key it does not know; tasks of the one then wait for ever,
/// and the other is ignored. Both are slips of the pen, and a client learns of them best at once.
fn validate_placement(placement: &Placement) -> Result<(), Invalid> {
    for text in &placement.constraints {
        if let Some(key) = Constraint::parse(text)?.unknown_key() {
            return refuse(format!(
                "constraint {text:?}: no node has a {key}; the keys are node.ip, {KNOWN_KEYS}"
            ));
        }
    }
    for descriptor in &placement.preferences {
        if Property::parse(descriptor).is_none() {
            return refuse(format!(
                "placement preference spread={descriptor}: no node has one; the keys are {KNOWN_KEYS}"
            ));
        }
    }
    if placement.preferences.len() > limits::PLACEMENT_PREFERENCES_MAX {
        let (count, most) = (placement.preferences.len(), limits::PLACEMENT_PREFERENCES_MAX);
        return refuse(format!("{count} placement preferences are more than the {most} that Skep allows"));
    }
    Ok(())
}

/// Checks the published ports, and that tasks carry those they open.
fn validate_endpoint(spec: &ServiceSpec) -> Result<(), Invalid> {
    let endpoint = &spec.endpoint;
    let has_ingress = endpoint.ports.iter().any(|port| port.mode == PublishMode::Ingress);
    if endpoint.mode == EndpointMode::Dnsrr && has_ingress {
        return refuse("EndpointSpec: port published with ingress mode can't be used with dnsrr mode");
    }
    let mut published = BTreeSet::new();
    for port in &endpoint.ports {
        if port.target == 0 {
            return refuse("EndpointSpec: a published port names no port of the container");
        }
        if port.published != 0 && !published.insert((port.protocol, port.published)) {
            return refuse("EndpointSpec: duplicate published ports provided");
        }
    }
    if !endpoint.host_ports().eq(&spec.task.host_ports) {
        return refuse("EndpointSpec: the template carries other host ports than the endpoint");
    }
    Ok(())
}

fn validate_update(config: &UpdateConfig, kind: &str) -> Result<(), Invalid> {
    if !(0.0..=1.0).contains(&config.max_failure_ratio) {
        return refuse(format!("TaskSpec: {kind}-maxfailureratio cannot be less than 0 or bigger than 1"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::{Endpoint, Port};
    use crate::log::LogDriver;
    use crate::mount::{Mount, MountKind, TmpfsMount};
    use crate::template::{ContainerSpec, Healthcheck, Limits, Reservations, Ulimit};
    use crate::{Labels, TaskSpec};
    use std::sync::Arc;

    fn spec(change: impl FnOnce(&mut ServiceSpec, &mut TaskSpec)) -> ServiceSpec {
        let mut task = TaskSpec::default();
        task.container.image = "redis:7".into();
        let mut spec = ServiceSpec { name: "web".into(), labels: Labels::new(), ..Default::default() };
        change(&mut spec, &mut task);
        spec.task = Arc::new(task);
        spec
    }

    fn tmpfs(target: &str) -> Mount {
        Mount {
            target: target.into(),
            read_only: false,
            kind: MountKind::Tmpfs(TmpfsMount::default()),
            consistency: String::new(),
        }
    }

    fn refusal(change: impl FnOnce(&mut ServiceSpec, &mut TaskSpec)) -> String {
        spec(change).validate().expect_err("an invalid specification").to_string()
    }

    #[test]
    fn accepts_the_ordinary() {
        spec(|_, _| {}).validate().expect("a valid specification");
    }

    #[test]
    fn refuses_in_swarms_words() {
        assert_eq!(refusal(|s, _| s.name = String::new()), "meta: name must be provided");
        assert_eq!(refusal(|s, _| s.name = "a.b".into()), "name must be valid as a DNS name component");
        assert_eq!(refusal(|s, _| s.name = "-a".into()), "name must be valid as a DNS name component");
        assert_eq!(refusal(|s, _| s.name = "a".repeat(64)), "name must be 63 characters or fewer");
        assert_eq!(
            refusal(|_, t| t.container.image = String::new()),
            "ContainerSpec: image reference must be provided"
        );
        assert_eq!(
            refusal(|_, t| t.container.image = "Bad Image".into()),
            "ContainerSpec: \"Bad Image\" is not a valid repository/tag"
        );
        let contains = |change: fn(&mut ContainerSpec), text: &str| {
            let refusal = refusal(|_, task| change(&mut task.container));
            assert!(refusal.contains(text), "{refusal}");
        };
        contains(|c| c.env = vec!["A=\0".into()], "zero byte");
        contains(|c| c.env = vec!["=a".into()], "invalid environment variable: =a");
        contains(|c| c.stop_signal = "FOO".into(), "invalid signal: FOO");
        contains(|c| c.mounts = vec![tmpfs("/proc/")], "/proc/ belongs to the container");
        contains(|c| c.mounts = vec![tmpfs("/")], "/ belongs to the container");
        contains(|c| c.hostname = "../../x".into(), "invalid hostname");
        contains(|c| c.hosts = vec!["garbage".into()], "invalid host \"garbage\"");
        let line_break = |c: &mut ContainerSpec| {
            c.dns = Some(crate::template::Dns { nameservers: vec!["x\ny".into()], ..Default::default() });
        };
        contains(line_break, "IP address is not correctly formatted");
        let odd_test = |c: &mut ContainerSpec| {
            c.healthcheck = Some(Healthcheck { test: vec!["CMD".into()], ..Default::default() });
        };
        contains(odd_test, "invalid Test in HealthConfig");
        assert_eq!(
            refusal(|_, t| t.container.mounts = vec![tmpfs("/a"), tmpfs("/a/")]),
            "ContainerSpec: duplicate mount point: /a/"
        );
        assert_eq!(
            refusal(|_, t| t.resources.limits = Some(Limits { nano_cpus: 100_000, ..Default::default() })),
            "invalid cpu value 0.0001: Must be at least 0.001"
        );
        let with = |limits| refusal(|_, t| t.resources.limits = Some(limits));
        assert_eq!(
            with(Limits { nano_cpus: i64::MAX, ..Default::default() }),
            "invalid cpu value 9223372036.854776: Must be at most 100000"
        );
        assert_eq!(
            with(Limits { pids: 5_000_000, ..Default::default() }),
            "invalid pids limit 5000000: Must be at most 4194304"
        );
        assert_eq!(
            refusal(|_, t| t.resources.limits = Some(Limits { memory_bytes: 1, ..Default::default() })),
            "invalid memory value 1: Must be at least 4MiB"
        );
        assert_eq!(
            refusal(|s, _| s.update = Some(UpdateConfig { max_failure_ratio: 1.5, ..Default::default() })),
            "TaskSpec: update-maxfailureratio cannot be less than 0 or bigger than 1"
        );
        assert_eq!(
            refusal(|s, _| s.rollback = Some(UpdateConfig { max_failure_ratio: -1.0, ..Default::default() })),
            "TaskSpec: rollback-maxfailureratio cannot be less than 0 or bigger than 1"
        );
        assert_eq!(
            refusal(|_, t| t.placement = Placement { constraints: vec!["x".into()], ..Default::default() }),
            "constraint expected one operator from ==, !="
        );
    }

    #[test]
    fn refuses_options_of_one_node_in_swarms_words() {
        let limited =
            |limits, swap_bytes| crate::template::Resources { limits, swap_bytes, ..Default::default() };
        assert_eq!(
            refusal(|_, t| t.resources = limited(None, Some(1 << 30))),
            "memory swap provided, but no memory-limit was set"
        );
        let ulimit = |name: &str, soft, hard| Ulimit { name: name.into(), soft, hard };
        assert_eq!(
            refusal(|_, t| t.container.ulimits = vec![ulimit("nofiles", 1, 2)]),
            "ContainerSpec: invalid ulimit type: nofiles"
        );
        assert_eq!(
            refusal(|_, t| t.container.ulimits = vec![ulimit("nofile", 3, 2)]),
            "ContainerSpec: ulimit soft limit must be less than or equal to hard limit: 3 > 2"
        );
        spec(|_, t| t.container.ulimits = vec![ulimit("core", -1, -1), ulimit("nofile", 3, -1)])
            .validate()
            .expect("unlimited is more than any number");
        let log = LogDriver { name: "json-file".into(), options: [("max-file".into(), "0".into())].into() };
        assert_eq!(refusal(|_, t| t.log = Some(log)), "TaskSpec: max-file cannot be less than 1");
        assert_eq!(
            refusal(|_, t| t.container.mounts = vec![tmpfs("/{{.Service.Name}}"), tmpfs("/web")]),
            "ContainerSpec: duplicate mount point: /web"
        );
        assert_eq!(
            refusal(|_, t| t.container.env = vec!["A={{.Nothing}}".into()]),
            "expanding env failed: expanding env \"A={{.Nothing}}\": template: expansion:1:2: executing \"expansion\" \
             at <.Nothing>: can't evaluate field Nothing in type *template.Context"
        );
        spec(|_, t| t.container.hostname = "{{.Service.Name}}-{{.Task.Slot}}".into())
            .validate()
            .expect("a host name with placeholders");
    }

    #[test]
    fn w01_generic_reservations_are_judged() {
        let reserve = |kind: &str, units: i64| {
            refusal(|_, t| {
                let generic = [(kind.to_owned(), units)].into();
                t.resources.reservations = Some(Reservations { generic, ..Default::default() });
            })
        };
        assert_eq!(reserve("gpu", -1), "cannot ask for negative resource gpu");
        assert_eq!(reserve("", 1), "a generic resource has no kind; expected KIND=UNITS, as in gpu=2");
    }

    #[test]
    fn w02_a_key_that_no_node_has_is_refused_with_those_there_are() {
        let constrain = |text: &str| refusal(|_, t| t.placement.constraints = vec![text.to_owned()]);
        assert_eq!(
            constrain("node.colour==red"),
            "constraint \"node.colour==red\": no node has a node.colour; the keys are node.ip, node.id, \
             node.hostname, node.role, node.platform.os, node.platform.arch, node.labels.KEY, engine.labels.KEY"
        );
        let prefer = |text: &str| refusal(|_, t| t.placement.preferences = vec![text.to_owned()]);
        assert!(
            prefer("rack").starts_with("placement preference spread=rack: no node has one; the keys are")
        );
        spec(|_, t| t.placement.preferences = vec!["node.labels.rack".into()])
            .validate()
            .expect("a preference");
    }

    #[test]
    fn published_ports_are_judged_as_swarm_does() {
        let host = Port { target: 80, published: 8080, mode: PublishMode::Host, ..Default::default() };
        let ingress = Port { mode: PublishMode::Ingress, ..host.clone() };
        let with = |mode, ports: &[&Port]| {
            let ports = ports.iter().map(|port| (*port).clone()).collect();
            spec(|_, _| {})
                .with_endpoint(Endpoint { mode, ports })
                .validate()
                .map_err(|error| error.to_string())
        };
        assert_eq!(with(EndpointMode::Dnsrr, &[&host]), Ok(()));
        assert_eq!(
            with(EndpointMode::Dnsrr, &[&ingress]),
            Err("EndpointSpec: port published with ingress mode can't be used with dnsrr mode".to_owned())
        );
        let twice = Err("EndpointSpec: duplicate published ports provided".to_owned());
        assert_eq!(with(EndpointMode::Vip, &[&host, &ingress]), twice);
        let chosen = Port { published: 0, ..host.clone() };
        assert_eq!(with(EndpointMode::Vip, &[&chosen, &chosen]), Ok(()));
        let carried =
            spec(|_, _| {}).with_endpoint(Endpoint { mode: EndpointMode::Vip, ports: vec![ingress, host] });
        assert_eq!(carried.task.host_ports.len(), 1);
        let torn = ServiceSpec { endpoint: Endpoint::default(), ..carried };
        torn.validate().expect_err("tasks would open ports that the service does not show");
    }
}
