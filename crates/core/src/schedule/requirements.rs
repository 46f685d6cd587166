//! What a node is or is not, whatever it holds: constraints, platform, plugins. Many groups require the same, so
//! the nodes that meet it stand in a queue of their own while it is asked for ([`super::queues`]).

use skep_model::constraint::Constraint;
use skep_model::mount::MountKind;
use skep_model::node::{Node, Plugin};
use skep_model::property::architecture;
use skep_model::template::Platform;
use skep_model::{Task, TaskSpec};

use super::filter::Miss;

/// What tasks require of the nature of a node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Requirements {
    pub plugins: Vec<Plugin>,
    /// The log driver, if one is named: asked for only where a node tells which it has.
    pub log: Option<String>,
    /// With the text as typed; `None` where it cannot be parsed, which no node fulfils.
    pub constraints: Vec<(String, Option<Constraint>)>,
    pub platforms: Vec<Platform>,
}

impl Requirements {
    pub fn of(task: &Task) -> Requirements {
        let placement = &task.spec.placement;
        let parse = |text: &String| (text.clone(), Constraint::parse(text).ok());
        Requirements {
            plugins: volume_plugins(&task.spec),
            log: task.spec.log.as_ref().map(|log| log.name.clone()).filter(|name| !name.is_empty()),
            constraints: placement.constraints.iter().map(parse).collect(),
            platforms: placement.platforms.clone(),
        }
    }

    /// Returns whether every node will do.
    pub fn is_nothing(&self) -> bool {
        let Requirements { plugins, log, constraints, platforms } = self;
        plugins.is_empty() && log.is_none() && constraints.is_empty() && platforms.is_empty()
    }

    /// Returns the first that the node does not meet.
    pub fn miss(&self, node: &Node) -> Option<Miss> {
        if self.is_nothing() {
            return None;
        }
        let fails =
            |constraint: &Option<Constraint>| !constraint.as_ref().is_some_and(|one| one.matches(node));
        self.missing_plugin(node)
            .or_else(|| {
                let failed = self.constraints.iter().position(|(_, constraint)| fails(constraint));
                failed.map(Miss::Constraint)
            })
            .or_else(|| (!self.runs_on(&node.description.platform)).then_some(Miss::Platform))
    }

    /// Returns what the node's engine cannot do. One that does not say what it can is taken at its word.
    fn missing_plugin(&self, node: &Node) -> Option<Miss> {
        let plugins = &node.description.plugins;
        if plugins.is_empty() {
            return None;
        }
        let has = |kind: &str, name: &str| {
            let is_it = |has: &str| has == name || has.strip_suffix(":latest") == Some(name);
            plugins.iter().any(|plugin| plugin.kind == kind && is_it(&plugin.name))
        };
        let lacking = self.plugins.iter().position(|plugin| !has(&plugin.kind, &plugin.name));
        if lacking.is_some() {
            return lacking.map(Miss::Plugin);
        }
        let tells_logs = plugins.iter().any(|plugin| plugin.kind == "Log");
        let log = self.log.as_ref().filter(|_| tells_logs);
        log.filter(|name| !has("Log", name)).map(|_| Miss::LogDriver)
    }

    fn runs_on(&self, node: &Platform) -> bool {
        let same = |wanted: &str, has: &str| {
            wanted.is_empty() || has.is_empty() || architecture(wanted) == architecture(has)
        };
        let runs = |platform: &Platform| {
            same(&platform.architecture, &node.architecture) && same(&platform.os, &node.os)
        };
        self.platforms.is_empty() || self.platforms.iter().any(runs)
    }
}

fn volume_plugins(spec: &TaskSpec) -> Vec<Plugin> {
    let mut plugins = Vec::new();
    for mount in &spec.container.mounts {
        let MountKind::Volume(volume) = &mount.kind else { continue };
        let driver = volume.options.as_ref().and_then(|options| options.driver.as_ref());
        let Some(driver) = driver.filter(|driver| !matches!(driver.name.as_str(), "" | "local")) else {
            continue;
        };
        let plugin = Plugin { kind: "Volume".to_owned(), name: driver.name.clone() };
        if !plugins.contains(&plugin) {
            plugins.push(plugin);
        }
    }
    plugins
}
