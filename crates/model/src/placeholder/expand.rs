//! Placeholders of a container: which texts hold them, and what they stand for.

use std::collections::BTreeMap;

use super::{Value, expand};
use crate::mount::{Mount, MountKind, VolumeMount};
use crate::template::ContainerSpec;
use crate::{Labels, Task};

/// What placeholders may name.
#[derive(Clone, Debug)]
pub struct Context<'a> {
    pub service_id: String,
    pub service_name: &'a str,
    pub service_labels: &'a Labels,
    pub node_id: String,
    pub node_hostname: &'a str,
    pub os: &'a str,
    pub architecture: &'a str,
    pub task_id: String,
    pub task_name: String,
    pub slot: String,
}

impl<'a> Context<'a> {
    /// Returns the context of a task on its node.
    pub fn of_task(task: &'a Task, node_hostname: &'a str, os: &'a str, architecture: &'a str) -> Self {
        let node_id = task.node_id.map(|id| id.to_string()).unwrap_or_default();
        Context {
            service_id: task.service_id.to_string(),
            service_name: &task.service.name,
            service_labels: &task.service.labels,
            node_hostname,
            os,
            architecture,
            task_id: task.id.to_string(),
            task_name: task.name(),
            // Compat: a task without a slot is known by its node.
            slot: task.slot_name(),
            node_id,
        }
    }

    /// Returns a context of stand-ins, by which a specification is judged before there is a task.
    pub fn stand_in(service_name: &'a str, service_labels: &'a Labels) -> Self {
        Context {
            service_id: "serviceid".to_owned(),
            service_name,
            service_labels,
            node_id: "nodeid".to_owned(),
            node_hostname: "nodehostname",
            os: "os",
            architecture: "architecture",
            task_id: "taskid".to_owned(),
            task_name: format!("{service_name}.1.taskid"),
            slot: "1".to_owned(),
        }
    }

    fn root(&self) -> Value<'_> {
        let text = |text: &'a str| Value::text(text);
        let own = |text: &str| Value::text(text.to_owned());
        let platform = vec![("Architecture", text(self.architecture)), ("OS", text(self.os))];
        let service = vec![
            ("ID", own(&self.service_id)),
            ("Name", text(self.service_name)),
            ("Labels", Value::Map(self.service_labels)),
        ];
        let node = vec![
            ("ID", own(&self.node_id)),
            ("Hostname", text(self.node_hostname)),
            ("Platform", Value::Fields("template.Platform", platform)),
        ];
        let task =
            vec![("ID", own(&self.task_id)), ("Name", own(&self.task_name)), ("Slot", own(&self.slot))];
        // Compat: the types are named in errors as Go names Swarm's.
        let root = vec![
            (
                "Service",
                Value::Fields("struct { ID string; Name string; Labels map[string]string }", service),
            ),
            (
                "Node",
                Value::Fields("struct { ID string; Hostname string; Platform template.Platform }", node),
            ),
            ("Task", Value::Fields("struct { ID string; Name string; Slot string }", task)),
        ];
        Value::Fields("*template.Context", root)
    }
}

/// Returns the container with all placeholders filled in.
pub fn expand_container(spec: &ContainerSpec, context: &Context<'_>) -> Result<ContainerSpec, String> {
    let root = context.root();
    let env = spec.env.iter().map(|pair| expand_variable(pair, &root)).collect::<Result<_, _>>();
    let mounts = spec.mounts.iter().map(|mount| expand_mount(mount, &root)).collect::<Result<_, _>>();
    Ok(ContainerSpec {
        env: env.map_err(|error| format!("expanding env failed: {error}"))?,
        mounts: mounts.map_err(|error| format!("expanding mounts failed: {error}"))?,
        hostname: expand(&spec.hostname, &root)
            .map_err(|error| format!("expanding hostname failed: {error}"))?,
        ..spec.clone()
    })
}

fn expand_variable(pair: &str, root: &Value<'_>) -> Result<String, String> {
    let Some((name, value)) = pair.split_once('=') else { return Ok(pair.to_owned()) };
    match expand(value, root) {
        Ok(value) => Ok(format!("{name}={value}")),
        Err(error) => Err(format!("expanding env {pair:?}: {error}")),
    }
}

fn expand_mount(mount: &Mount, root: &Value<'_>) -> Result<Mount, String> {
    let mut mount = mount.clone();
    let source = match &mut mount.kind {
        MountKind::Bind(bind) => Some(&mut bind.source),
        MountKind::Volume(volume) => Some(&mut volume.source),
        MountKind::Tmpfs(_) => None,
    };
    if let Some(source) = source {
        *source =
            expand(source, root).map_err(|error| format!("expanding mount source {source:?}: {error}"))?;
    }
    mount.target = expand(&mount.target, root)
        .map_err(|error| format!("expanding mount target {:?}: {error}", mount.target))?;
    if let MountKind::Volume(VolumeMount { options: Some(options), .. }) = &mut mount.kind {
        options.labels =
            expand_map(&options.labels, root).map_err(|error| format!("expanding volume labels: {error}"))?;
        if let Some(driver) = &mut options.driver {
            driver.options = expand_map(&driver.options, root)
                .map_err(|error| format!("expanding volume driver config: {error}"))?;
        }
    }
    Ok(mount)
}

fn expand_map(map: &BTreeMap<String, String>, root: &Value<'_>) -> Result<BTreeMap<String, String>, String> {
    let entry = |(key, value): (&String, &String)| match expand(value, root) {
        Ok(expanded) => Ok((key.clone(), expanded)),
        Err(error) => Err(format!("expanding map entry {key:?}={value:?}: {error}")),
    };
    map.iter().map(entry).collect()
}
