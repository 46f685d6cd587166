//! Whether a service specification makes sense at all. The order of the checks and the wording are
//! Swarm's, because clients compare both; what needs the store (names taken, versions) is checked by
//! the control plane.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use crate::constraint::{Constraint, ConstraintError};
use crate::service::{FailureAction, Mode, UpdateConfig};
use crate::template::{ContainerSpec, Healthcheck, Resources};
use crate::{ServiceSpec, limits, reference, signal};

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
        for constraint in &self.task.placement.constraints {
            Constraint::parse(constraint)?;
        }
        validate_container(&self.task.container)?;
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
        Ok(())
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
        if memory_bytes != 0 && memory_bytes < limits::MEMORY_BYTES_MIN {
            return refuse(format!("invalid memory value {memory_bytes}: Must be at least 4MiB"));
        }
    }
    if resources.limits.as_ref().is_some_and(|limits| limits.pids < 0) {
        return refuse("invalid pids limit: Must not be negative");
    }
    Ok(())
}

fn validate_container(container: &ContainerSpec) -> Result<(), Invalid> {
    if container.image.is_empty() {
        return refuse("ContainerSpec: image reference must be provided");
    }
    if !reference::is_valid(&container.image) {
        return refuse(format!("ContainerSpec: {:?} is not a valid repository/tag", container.image));
    }
    let mut targets = BTreeSet::new();
    for mount in &container.mounts {
        if !targets.insert(mount.target.trim_end_matches('/')) {
            return refuse(format!("ContainerSpec: duplicate mount point: {}", mount.target));
        }
    }
    validate_process(container)?;
    validate_names(container)?;
    container.healthcheck.as_ref().map_or(Ok(()), validate_healthcheck)
}

fn validate_process(container: &ContainerSpec) -> Result<(), Invalid> {
    let texts = container.env.iter().chain(&container.command).chain(&container.args);
    if texts.chain([&container.dir, &container.user]).any(|text| text.contains('\0')) {
        return refuse(
            "ContainerSpec: a zero byte cannot be part of a command, its environment, user or directory",
        );
    }
    if let Some(pair) = container.env.iter().find(|pair| pair.is_empty() || pair.starts_with('=')) {
        return refuse(format!("ContainerSpec: invalid environment variable: {pair}"));
    }
    if !container.stop_signal.is_empty() && signal::parse(&container.stop_signal).is_none() {
        return refuse(format!("ContainerSpec: invalid signal: {}", container.stop_signal));
    }
    for mount in &container.mounts {
        let target = mount.target.trim_end_matches('/');
        let reserved = ["", "/proc", "/sys"].contains(&target) || target.starts_with("/proc/");
        if reserved && mount.target.starts_with('/') {
            return refuse(format!(
                "ContainerSpec: invalid mount target, {} belongs to the container itself",
                mount.target
            ));
        }
    }
    Ok(())
}

/// Checks what ends up in the container's files below /etc, where a line break would add lines.
fn validate_names(container: &ContainerSpec) -> Result<(), Invalid> {
    if !container.hostname.is_empty() && !is_hostname(&container.hostname) {
        return refuse(format!("ContainerSpec: invalid hostname: {:?}", container.hostname));
    }
    for line in &container.hosts {
        let mut words = line.split_ascii_whitespace();
        let address = words.next().unwrap_or_default();
        let is_address = address == "host-gateway" || address.parse::<IpAddr>().is_ok();
        if !is_address || words.next().is_none() || line.chars().any(char::is_control) {
            return refuse(format!(
                "ContainerSpec: invalid host {line:?}: expected an IP address and a name"
            ));
        }
    }
    let Some(dns) = &container.dns else { return Ok(()) };
    if let Some(server) = dns.nameservers.iter().find(|server| server.parse::<IpAddr>().is_err()) {
        return refuse(format!("ContainerSpec: IP address is not correctly formatted: {server:?}"));
    }
    if let Some(word) = dns.search.iter().chain(&dns.options).find(|word| word.chars().any(char::is_control))
    {
        return refuse(format!("ContainerSpec: invalid DNS setting: {word:?}"));
    }
    Ok(())
}

/// Returns whether the text is a host name: dot-separated labels of letters, digits and inner dashes.
fn is_hostname(text: &str) -> bool {
    let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    let is_label = |label: &str| {
        edge(label.bytes().next())
            && edge(label.bytes().next_back())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    text.len() <= limits::HOSTNAME_LENGTH_MAX && text.split('.').all(is_label)
}

fn validate_healthcheck(health: &Healthcheck) -> Result<(), Invalid> {
    let is_test = match health.test.split_first() {
        None => true,
        Some((kind, rest)) => match kind.as_str() {
            "NONE" => true,
            "CMD" => !rest.is_empty(),
            "CMD-SHELL" => rest.len() == 1,
            _ => false,
        },
    };
    if !is_test {
        return refuse(format!(
            "ContainerSpec: invalid Test in HealthConfig: {:?} is none of [\"NONE\"], [\"CMD\", arguments…] and \
             [\"CMD-SHELL\", line]",
            health.test
        ));
    }
    let durations = [
        ("Interval", health.interval),
        ("Timeout", health.timeout),
        ("StartPeriod", health.start_period),
        ("StartInterval", health.start_interval),
    ];
    for (name, duration) in durations {
        if duration != Duration::ZERO && duration < limits::HEALTH_DURATION_MIN {
            return refuse(format!("ContainerSpec: {name} in HealthConfig cannot be less than 1ms"));
        }
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
    use crate::template::{Limits, Mount, MountKind, Placement};
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
            kind: MountKind::Tmpfs { size_bytes: 0, mode: None },
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
}
