//! What a task's container is made of: the service's wishes over the image's defaults.
//!
//! Pure: the files, the namespace and the layers were prepared by the caller. The rules are Docker's.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use skep_model::log::{LogExtra, LogSettings};
use skep_model::mount::MountKind;
use skep_model::placeholder::{self, Context, Value, expand_container};
use skep_model::template::{ContainerSpec, Healthcheck, Platform};
use skep_model::{Labels, Task, TaskId};
use skep_net::resolv::DnsOptions;
use skep_runtime::{
    Capabilities, Container, EtcFiles, LogLimits, Mount, Process, Resources, Rootfs, TerminalSize, Ulimit,
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
    #[error("invalid volume mount source, must not be an absolute path: {0}")]
    AbsoluteVolume(String),
    #[error("cannot access path {path} in the volume: {reason}")]
    Subpath { path: String, reason: String },
    #[error("IP address is not correctly formatted: {0}")]
    Nameserver(String),
    #[error("{0}")]
    Log(String),
    /// The placeholders of the specification do not make sense on this node.
    #[error("{0}")]
    Expansion(String),
}

/// What was prepared for the container.
#[derive(Clone, Debug)]
pub struct Prepared {
    pub layers: Vec<PathBuf>,
    pub netns: PathBuf,
    pub etc: EtcFiles,
    pub mounts: Vec<Mount>,
}

/// Returns the id of a task's container. It is a function of the task, so that either is found from the
/// other without a record.
pub fn id(task_id: TaskId) -> String {
    let digest = Sha256::digest(format!("skep task {task_id}"));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the task with the placeholders of its container filled in, and judged again: what a label or a host name
/// brings in may be worse than what stood in for it.
pub fn expanded(task: &Task, hostname: &str, platform: &Platform) -> Result<Task, SpecError> {
    let context = Context::of_task(task, hostname, &platform.os, &platform.architecture);
    let container = expand_container(&task.spec.container, &context).map_err(SpecError::Expansion)?;
    container.validate().map_err(|error| SpecError::Expansion(error.to_string()))?;
    let mut task = task.clone();
    if task.spec.container != container {
        Arc::make_mut(&mut task.spec).container = container;
    }
    Ok(task)
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
pub fn environment(spec: &ContainerSpec, image: &image::Config) -> Vec<String> {
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
pub fn describe(
    task: &Task,
    image: &image::Config,
    image_id: &str,
    prepared: Prepared,
) -> Result<Container, SpecError> {
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
        mounts: prepared.mounts,
        etc: prepared.etc,
        netns: Some(prepared.netns),
        resources: resources(&task.spec.resources),
        capabilities: Capabilities { add: spec.capability_add.clone(), drop: spec.capability_drop.clone() },
        no_new_privileges: spec.privileges.as_ref().is_some_and(|privileges| privileges.no_new_privileges),
        log: log_limits(task, image, image_id)?,
        oom_score_adj: spec.oom_score_adj,
        ulimits: spec.ulimits.iter().map(ulimit).collect(),
        sysctls: spec.sysctls.clone(),
    })
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

/// Returns what becomes of the output, with what is noted about each line.
fn log_limits(task: &Task, image: &image::Config, image_id: &str) -> Result<LogLimits, SpecError> {
    let driver = task.spec.log.clone().unwrap_or_default();
    let files = match driver.settings().map_err(SpecError::Log)? {
        LogSettings::None => return Ok(LogLimits { discard: true, ..LogLimits::default() }),
        LogSettings::Files(files) => files,
    };
    Ok(LogLimits {
        max_size_bytes: files.size_bytes_max,
        max_files: files.file_count_max,
        attributes: log_attributes(&files.extra, task, image, image_id)?,
        discard: false,
    })
}

fn log_attributes(
    extra: &LogExtra,
    task: &Task,
    image: &image::Config,
    image_id: &str,
) -> Result<BTreeMap<String, String>, SpecError> {
    let labels = labels(task, image);
    let environment = environment(&task.spec.container, image);
    let variable = |name: &str| {
        environment.iter().find_map(|pair| pair.split_once('=').filter(|(known, _)| *known == name))
    };
    let mut attributes = BTreeMap::new();
    for name in &extra.labels {
        attributes.extend(labels.get(name).map(|value| (name.clone(), value.clone())));
    }
    for name in &extra.env {
        attributes.extend(variable(name).map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
    if let Some(tag) = &extra.tag {
        let tag = log_tag(tag, task, &labels, image_id);
        attributes.insert("tag".to_owned(), tag.map_err(SpecError::Log)?);
    }
    Ok(attributes)
}

/// Fills in the placeholders that Docker's log tags have.
fn log_tag(tag: &str, task: &Task, labels: &Labels, image_id: &str) -> Result<String, String> {
    let id = id(task.id);
    let image_hex = image_id.trim_start_matches("sha256:");
    let short = |id: &str| id.chars().take(12).collect::<String>();
    let fields = vec![
        ("ID", Value::text(short(&id))),
        ("FullID", Value::text(id.clone())),
        ("Name", Value::text(task.name())),
        ("ImageID", Value::text(short(image_hex))),
        ("ImageFullID", Value::text(image_id)),
        ("ImageName", Value::text(task.spec.container.image.as_str())),
        ("ContainerLabels", Value::Map(labels)),
        ("DaemonName", Value::text("skep")),
    ];
    placeholder::expand(tag, &Value::Fields("*logger.Info", fields))
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
    fn container_ids_are_stable_and_docker_shaped() {
        use skep_model::Id;
        let one = id(TaskId::from_number(1));
        assert_eq!(one.len(), 64);
        assert_eq!(one, id(TaskId::from_number(1)));
        assert_ne!(one, id(TaskId::from_number(2)));
    }
}
