//! Whether a container makes sense: image, process, mounts, names, health check.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use super::{Invalid, refuse};
use crate::mount::MountKind;
use crate::template::{ContainerSpec, Healthcheck, Ulimit};
use crate::{limits, reference, signal};

impl ContainerSpec {
    /// Checks a container whose placeholders are filled in.
    pub fn validate(&self) -> Result<(), Invalid> {
        validate(self)
    }
}

/// Checks a container whose placeholders are filled in.
pub(super) fn validate(container: &ContainerSpec) -> Result<(), Invalid> {
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
    validate_mounts(container)?;
    validate_ulimits(&container.ulimits)?;
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
    Ok(())
}

fn validate_mounts(container: &ContainerSpec) -> Result<(), Invalid> {
    for mount in &container.mounts {
        let target = mount.target.trim_end_matches('/');
        let reserved = ["", "/proc", "/sys"].contains(&target) || target.starts_with("/proc/");
        if reserved && mount.target.starts_with('/') {
            return refuse(format!(
                "ContainerSpec: invalid mount target, {} belongs to the container itself",
                mount.target
            ));
        }
        let MountKind::Volume(volume) = &mount.kind else { continue };
        let driver = volume.options.as_ref().and_then(|options| options.driver.as_ref());
        if let Some(driver) = driver.filter(|driver| !matches!(driver.name.as_str(), "" | "local")) {
            return refuse(format!(
                "ContainerSpec: the volume driver {:?} is not supported: Skep knows local",
                driver.name
            ));
        }
    }
    Ok(())
}

/// The resource limits of processes, by Docker's names.
const ULIMITS: [&str; 15] = [
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

fn validate_ulimits(ulimits: &[Ulimit]) -> Result<(), Invalid> {
    for Ulimit { name, soft, hard } in ulimits {
        if !ULIMITS.contains(&name.as_str()) {
            return refuse(format!("ContainerSpec: invalid ulimit type: {name}"));
        }
        // -1 is Docker's word for unlimited.
        if *hard != -1 && (*soft == -1 || soft > hard) {
            return refuse(format!(
                "ContainerSpec: ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}"
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
