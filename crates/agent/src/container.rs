//! What a task's container is made of: the service's wishes over the image's defaults.
//!
//! Pure: the files, the namespace and the layers were prepared by the caller. The rules are Docker's.

use std::path::PathBuf;

use sha2::{Digest, Sha256};
use skep_model::mount::MountKind;
use skep_model::template::{ContainerSpec, Healthcheck};
use skep_model::{Labels, Task, TaskId};
use skep_net::resolv::DnsOptions;
use skep_runtime::{
    Capabilities, Container, EtcFiles, LogLimits, Mount, Process, Propagation, Resources, Rootfs,
    TerminalSize, Ulimit,
};

use crate::image;

/// Why a task's container cannot be described. The wording is Docker's where it has one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    #[error("no command specified")]
    NoCommand,
    #[error("invalid mount target, must be an absolute path: {0}")]
    RelativeTarget(String),
    #[error("invalid bind mount source, must be an absolute path: {0}")]
    RelativeSource(String),
    #[error("invalid mount config for type \"bind\": bind source path does not exist: {0}")]
    NoSource(String),
    #[error("the mount propagation {0:?} is not supported; use rprivate, private, rslave or slave")]
    Propagation(String),
    #[error("the volume {0:?} cannot be mounted: this node has no volumes")]
    Volume(String),
    #[error("IP address is not correctly formatted: {0}")]
    Nameserver(String),
    #[error("the log option {name}={value} is not valid: {reason}")]
    LogOption { name: String, value: String, reason: &'static str },
}

/// What was prepared for the container.
#[derive(Clone, Debug)]
pub struct Prepared {
    pub layers: Vec<PathBuf>,
    pub netns: PathBuf,
    pub etc: EtcFiles,
}

/// Returns the id of a task's container. It is a function of the task, so that either is found from the
/// other without a record.
pub fn id(task_id: TaskId) -> String {
    let digest = Sha256::digest(format!("skep task {task_id}"));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the host name of a task's container: the one asked for, else the short container id.
pub fn hostname(task: &Task) -> String {
    match task.spec.container.hostname.as_str() {
        "" => id(task.id)[..12].to_owned(),
        hostname => hostname.to_owned(),
    }
}

/// Returns the command line: a given entrypoint drops the image's command with its entrypoint.
pub fn command(spec: &ContainerSpec, image: &image::Config) -> Vec<String> {
    let (entrypoint, cmd) = match (spec.command.is_empty(), spec.args.is_empty()) {
        (true, true) => (&image.entrypoint, &image.cmd),
        (true, false) => (&image.entrypoint, &spec.args),
        (false, _) => (&spec.command, &spec.args),
    };
    entrypoint.iter().chain(cmd).cloned().collect()
}

/// Returns the container's labels: the image's, the service's over them, and Swarm's own last.
pub fn labels(task: &Task, image: &image::Config) -> Labels {
    let mut labels = image.labels.clone();
    labels.extend(task.spec.container.labels.clone());
    let own = [
        ("com.docker.swarm.node.id", task.node_id.map(|id| id.to_string()).unwrap_or_default()),
        ("com.docker.swarm.service.id", task.service_id.to_string()),
        ("com.docker.swarm.service.name", task.service.name.clone()),
        ("com.docker.swarm.task", String::new()),
        ("com.docker.swarm.task.id", task.id.to_string()),
        ("com.docker.swarm.task.name", task.name()),
    ];
    labels.extend(own.map(|(key, value)| (key.to_owned(), value)));
    labels
}

/// Returns the image's environment with the service's over it. A bare name removes the variable.
fn environment(spec: &ContainerSpec, image: &image::Config) -> Vec<String> {
    let name = |pair: &str| pair.split('=').next().unwrap_or_default().to_owned();
    let mut pairs: Vec<String> = Vec::new();
    for pair in image.env.iter().chain(&spec.env) {
        pairs.retain(|earlier| name(earlier) != name(pair));
        if pair.contains('=') {
            pairs.push(pair.clone());
        }
    }
    pairs
}

/// Returns the container of a task.
pub fn describe(task: &Task, image: &image::Config, prepared: Prepared) -> Result<Container, SpecError> {
    let spec = &task.spec.container;
    let args = command(spec, image);
    if args.is_empty() {
        return Err(SpecError::NoCommand);
    }
    let or_image = |own: &str, image: &str| if own.is_empty() { image.to_owned() } else { own.to_owned() };
    Ok(Container {
        id: id(task.id),
        rootfs: Rootfs { layers: prepared.layers, read_only: spec.read_only },
        process: Process {
            args,
            env: environment(spec, image),
            cwd: or_image(&spec.dir, &image.working_dir),
            user: or_image(&spec.user, &image.user),
            groups: spec.groups.clone(),
            terminal: spec.tty.then(TerminalSize::default),
            open_stdin: spec.open_stdin,
            init: spec.init.unwrap_or_default(),
        },
        hostname: hostname(task),
        mounts: mounts(spec)?,
        etc: prepared.etc,
        netns: Some(prepared.netns),
        resources: resources(&task.spec.resources),
        capabilities: Capabilities { add: spec.capability_add.clone(), drop: spec.capability_drop.clone() },
        no_new_privileges: spec.privileges.as_ref().is_some_and(|privileges| privileges.no_new_privileges),
        log: log_limits(task)?,
        oom_score_adj: spec.oom_score_adj,
        ulimits: spec.ulimits.iter().map(ulimit).collect(),
        sysctls: spec.sysctls.clone(),
    })
}

fn mounts(spec: &ContainerSpec) -> Result<Vec<Mount>, SpecError> {
    let mut mounts = Vec::with_capacity(spec.mounts.len());
    for mount in &spec.mounts {
        let target = PathBuf::from(&mount.target);
        if !target.is_absolute() {
            return Err(SpecError::RelativeTarget(mount.target.clone()));
        }
        mounts.push(match &mount.kind {
            MountKind::Bind(bind) => Mount::Bind {
                source: absolute(&bind.source)?,
                target,
                read_only: mount.read_only,
                propagation: match bind.propagation.as_str() {
                    "" | "rprivate" | "private" => Propagation::Private,
                    "rslave" | "slave" => Propagation::Slave,
                    other => return Err(SpecError::Propagation(other.to_owned())),
                },
            },
            MountKind::Volume(volume) => return Err(SpecError::Volume(volume.source.clone())),
            MountKind::Tmpfs(tmpfs) => Mount::Tmpfs {
                target,
                size_bytes: u64::try_from(tmpfs.size_bytes).ok().filter(|bytes| *bytes > 0),
                mode: tmpfs.mode,
            },
        });
    }
    Ok(mounts)
}

fn absolute(source: &str) -> Result<PathBuf, SpecError> {
    let path = PathBuf::from(source);
    if path.is_absolute() { Ok(path) } else { Err(SpecError::RelativeSource(source.to_owned())) }
}

/// Returns the sources of bind mounts, and whether each is to be made when it is missing.
pub fn bind_sources(spec: &ContainerSpec) -> impl Iterator<Item = (PathBuf, bool)> {
    spec.mounts.iter().filter_map(|mount| match &mount.kind {
        MountKind::Bind(bind) => Some((PathBuf::from(&bind.source), bind.create_source)),
        MountKind::Volume(_) | MountKind::Tmpfs(_) => None,
    })
}

/// Returns what the service says about name resolution.
pub fn dns_options(spec: &ContainerSpec) -> Result<DnsOptions, SpecError> {
    let dns = spec.dns.clone().unwrap_or_default();
    let server = |text: String| text.parse().map_err(|_| SpecError::Nameserver(text));
    Ok(DnsOptions {
        servers: dns.nameservers.into_iter().map(server).collect::<Result<_, _>>()?,
        search: dns.search,
        options: dns.options,
    })
}

/// Returns the limits that a task asks for.
pub fn resources(spec: &skep_model::template::Resources) -> Resources {
    let positive = |value: i64| u64::try_from(value).ok().filter(|value| *value > 0);
    let limits = spec.limits.clone().unwrap_or_default();
    Resources {
        memory_bytes: positive(limits.memory_bytes),
        swap_bytes: spec.swap_bytes,
        // -1 is Docker's word for the default.
        swappiness: spec.swappiness.and_then(|value| u64::try_from(value).ok()),
        nano_cpus: positive(limits.nano_cpus),
        pids_limit: positive(limits.pids),
    }
}

fn ulimit(ulimit: &skep_model::template::Ulimit) -> Ulimit {
    // -1 is Docker's word for unlimited.
    let value = |value: i64| u64::try_from(value).unwrap_or(u64::MAX);
    Ulimit { name: ulimit.name.clone(), soft: value(ulimit.soft), hard: value(ulimit.hard) }
}

fn log_limits(task: &Task) -> Result<LogLimits, SpecError> {
    let mut limits = LogLimits::default();
    for (name, value) in task.spec.log.iter().flat_map(|log| &log.options) {
        let wrong = |reason| SpecError::LogOption { name: name.clone(), value: value.clone(), reason };
        match name.as_str() {
            "max-size" => {
                limits.max_size_bytes = match bytes(value) {
                    Some(bytes) if bytes > 0 => Some(bytes),
                    _ => return Err(wrong("a size such as 10m is expected")),
                };
            }
            "max-file" => {
                limits.max_files = match value.parse() {
                    Ok(count) if count > 0 => count,
                    _ => return Err(wrong("a number above 0 is expected")),
                };
            }
            _ => return Err(wrong("Skep knows max-size and max-file")),
        }
    }
    Ok(limits)
}

/// Reads `10m`, `512k`, `1g` or plain bytes; units are powers of 1024.
fn bytes(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let text = text.strip_suffix('b').unwrap_or(&text);
    let (number, shift) = match text.chars().last()? {
        'k' => (&text[..text.len() - 1], 10),
        'm' => (&text[..text.len() - 1], 20),
        'g' => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// Returns an image's health check in the model's terms, or `None` if it has none.
pub fn image_health(image: &image::Config) -> Option<Healthcheck> {
    let health = image.healthcheck.as_ref()?;
    Some(Healthcheck {
        test: health.test.clone(),
        interval: health.interval.unwrap_or_default(),
        timeout: health.timeout.unwrap_or_default(),
        start_period: health.start_period.unwrap_or_default(),
        start_interval: health.start_interval.unwrap_or_default(),
        retries: health.retries.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn image() -> image::Config {
        image::Config {
            entrypoint: strings(&["entry"]),
            cmd: strings(&["serve"]),
            env: strings(&["A=1", "B=2"]),
            ..Default::default()
        }
    }

    #[test]
    fn entrypoint_and_command_follow_dockers_rules() {
        let with = |entry: &[&str], args: &[&str]| {
            let spec = ContainerSpec { command: strings(entry), args: strings(args), ..Default::default() };
            command(&spec, &image()).join(" ")
        };
        assert_eq!(with(&[], &[]), "entry serve");
        assert_eq!(with(&[], &["other"]), "entry other");
        assert_eq!(with(&["mine"], &[]), "mine");
        assert_eq!(with(&["mine"], &["x"]), "mine x");
    }

    #[test]
    fn the_services_environment_wins_and_may_unset() {
        let spec = ContainerSpec { env: strings(&["B=3", "C=", "A"]), ..Default::default() };
        assert_eq!(environment(&spec, &image()), ["B=3", "C="]);
    }

    #[test]
    fn sizes_are_read_as_docker_reads_them() {
        for (text, expected) in [
            ("10m", Some(10 << 20)),
            ("1kb", Some(1024)),
            ("2G", Some(2 << 30)),
            ("77", Some(77)),
            ("m", None),
            ("-1", None),
            ("", None),
        ] {
            assert_eq!(bytes(text), expected, "{text}");
        }
    }

    #[test]
    fn container_ids_are_stable_and_docker_shaped() {
        use skep_model::Id;
        let one = id(TaskId::from_number(1));
        assert_eq!(one.len(), 64);
        assert_eq!(one, id(TaskId::from_number(1)));
        assert_ne!(one, id(TaskId::from_number(2)));
    }
}
