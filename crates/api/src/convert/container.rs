//! The container of a task: image, process, files, security.

use skep_model::template::{ContainerSpec, Dns, Healthcheck, Privileges, Ulimit};

use super::{Unconverted, argument, duration, mount, nanos, refuse_if, unsupported};
use crate::wire;

/// Converts a container, or names what of it is not honoured.
pub fn to_model(spec: wire::ContainerSpec) -> Result<ContainerSpec, Unconverted> {
    refuse_if(!spec.secrets.is_empty(), "--secret")?;
    refuse_if(!spec.configs.is_empty(), "--config")?;
    if !matches!(spec.isolation.as_str(), "" | "default") {
        return Err(unsupported(format_args!("--isolation {}", spec.isolation)));
    }
    let stop_grace = spec.stop_grace_period.map(|nanos| {
        duration(nanos).ok_or_else(|| argument("ContainerSpec: stop-grace-period cannot be negative"))
    });
    Ok(ContainerSpec {
        image: spec.image,
        labels: spec.labels,
        command: spec.command,
        args: spec.args,
        hostname: spec.hostname,
        env: spec.env,
        dir: spec.dir,
        user: spec.user,
        groups: spec.groups,
        init: spec.init,
        tty: spec.tty,
        open_stdin: spec.open_stdin,
        read_only: spec.read_only,
        stop_signal: spec.stop_signal,
        stop_grace: stop_grace.transpose()?,
        mounts: spec.mounts.into_iter().map(mount::to_model).collect::<Result<_, _>>()?,
        healthcheck: spec.healthcheck.map(health_to_model).transpose()?,
        hosts: spec.hosts,
        dns: spec.dns_config.map(|dns| Dns {
            nameservers: dns.nameservers,
            search: dns.search,
            options: dns.options,
        }),
        capability_add: spec.capability_add,
        capability_drop: spec.capability_drop,
        privileges: spec.privileges.map(privileges_to_model).transpose()?,
        ulimits: spec
            .ulimits
            .into_iter()
            .map(|limit| Ulimit { name: limit.name, soft: limit.soft, hard: limit.hard })
            .collect(),
        sysctls: spec.sysctls,
        oom_score_adj: i32::try_from(spec.oom_score_adj)
            .ok()
            .filter(|adjust| (-1000..=1000).contains(adjust))
            .ok_or_else(|| argument("ContainerSpec: oom-score-adj must be between -1000 and 1000"))?,
    })
}

/// Options that equal what Skep does anyway are taken; the rest is refused.
fn privileges_to_model(given: wire::Privileges) -> Result<Privileges, Unconverted> {
    let credentials = given.credential_spec.is_some_and(|spec| spec != Default::default());
    refuse_if(credentials, "--credential-spec")?;
    let selinux = given.selinux_context.is_some_and(|context| context != Default::default());
    refuse_if(selinux, "Privileges.SELinuxContext")?;
    let is_default = |mode: &str| matches!(mode, "" | "default");
    let seccomp =
        given.seccomp.is_some_and(|seccomp| !is_default(&seccomp.mode) || !seccomp.profile.is_empty());
    refuse_if(seccomp, "Privileges.Seccomp")?;
    refuse_if(given.app_armor.is_some_and(|profile| !is_default(&profile.mode)), "Privileges.AppArmor")?;
    Ok(Privileges { no_new_privileges: given.no_new_privileges })
}

fn health_to_model(given: wire::HealthConfig) -> Result<Healthcheck, Unconverted> {
    let span = |nanos: i64, name: &str| {
        duration(nanos)
            .ok_or_else(|| argument(format!("ContainerSpec: {name} in HealthConfig cannot be less than 1ms")))
    };
    let retries = match given.retries {
        retries if retries < 0 => {
            return Err(argument("ContainerSpec: Retries in HealthConfig cannot be negative"));
        }
        retries => u32::try_from(retries).unwrap_or(u32::MAX),
    };
    Ok(Healthcheck {
        test: given.test,
        interval: span(given.interval, "Interval")?,
        timeout: span(given.timeout, "Timeout")?,
        start_period: span(given.start_period, "StartPeriod")?,
        start_interval: span(given.start_interval, "StartInterval")?,
        retries,
    })
}

/// Shows a container as the client gave it.
pub fn to_wire(spec: &ContainerSpec) -> wire::ContainerSpec {
    wire::ContainerSpec {
        image: spec.image.clone(),
        labels: spec.labels.clone(),
        command: spec.command.clone(),
        args: spec.args.clone(),
        hostname: spec.hostname.clone(),
        env: spec.env.clone(),
        dir: spec.dir.clone(),
        user: spec.user.clone(),
        groups: spec.groups.clone(),
        // Compat: whoever sends the section at all (stacks always do) reads it back with its nulls.
        privileges: spec.privileges.as_ref().map(|given| wire::Privileges {
            no_new_privileges: given.no_new_privileges,
            ..Default::default()
        }),
        init: spec.init,
        tty: spec.tty,
        open_stdin: spec.open_stdin,
        stop_signal: spec.stop_signal.clone(),
        read_only: spec.read_only,
        mounts: spec.mounts.iter().map(mount::to_wire).collect(),
        stop_grace_period: spec.stop_grace.map(nanos),
        healthcheck: spec.healthcheck.as_ref().map(health_to_wire),
        hosts: spec.hosts.clone(),
        dns_config: spec.dns.as_ref().map(|dns| wire::DnsConfig {
            nameservers: dns.nameservers.clone(),
            search: dns.search.clone(),
            options: dns.options.clone(),
        }),
        // Compat: always there, whatever was sent.
        isolation: "default".to_owned(),
        sysctls: spec.sysctls.clone(),
        capability_add: spec.capability_add.clone(),
        capability_drop: spec.capability_drop.clone(),
        ulimits: spec
            .ulimits
            .iter()
            .map(|limit| wire::Ulimit { name: limit.name.clone(), hard: limit.hard, soft: limit.soft })
            .collect(),
        oom_score_adj: i64::from(spec.oom_score_adj),
        ..Default::default()
    }
}

pub fn health_to_wire(check: &Healthcheck) -> wire::HealthConfig {
    wire::HealthConfig {
        test: check.test.clone(),
        interval: nanos(check.interval),
        timeout: nanos(check.timeout),
        start_period: nanos(check.start_period),
        start_interval: nanos(check.start_interval),
        retries: i64::from(check.retries),
    }
}
