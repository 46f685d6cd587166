//! `info`: the daemon, its node and its cluster.

use clap::Args;
use serde::Serialize;
use skep_api::wire::{ClusterInfo, Info, SwarmInfo};

use super::flags::ObjectFlags;
use super::inspect::TEMPLATE;
use super::none;
use super::version::ClientVersion;
use crate::context::Context;
use crate::fault::Fault;
use crate::format::bytes;
use crate::template::{Field, Struct, Template, Value, own, to_value};

/// Display system-wide information
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS]", after_help = "system info, info")]
pub(crate) struct Flags {
    #[command(flatten)]
    object: ObjectFlags,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

/// What this program says of itself.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct ClientInfo {
    debug: bool,
    #[serde(flatten)]
    version: ClientVersion,
    plugins: [String; 0],
}

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { object: ObjectFlags { format }, arguments } = flags;
    none(context, &arguments)?;
    let template = match format.as_str() {
        "" => None,
        "json" => Some(Template::parse("{{json .}}")?),
        format => Some(Template::parse(format).map_err(|error| Fault { code: TEMPLATE, ..error.into() })?),
    };
    let debug = context.choice.debug || context.variable("DEBUG").is_some_and(|value| !value.is_empty());
    let client = ClientInfo { debug, version: ClientVersion::new(context, None)?, plugins: [] };
    let Some(template) = template else { return tell(context, &client).await };
    let own = vec![field("ClientInfo", own("client", &client)?), absent("ClientErrors")];
    if asks_something(&format) {
        let text = template.render(&Value::Struct(Struct {
            type_name: "system.sparseInfo".to_owned(),
            fields: own.clone(),
        }));
        // Compat: docker 28.2 asks no daemon for what it knows itself.
        if let Ok(text) = text {
            return Ok(context.io.line(text)?);
        }
    }
    let (info, fault) = match ask(context).await {
        Ok(info) => (info, None),
        Err(fault) => (Info::default(), Some(fault)),
    };
    let mut data = to_value(&info, "system").map_err(|error| Fault::new(error.to_string()))?;
    if let Value::Struct(whole) = &mut data {
        // Compat: docker 28.2 adds facts of its own to the daemon's.
        "system.dockerInfo".clone_into(&mut whole.type_name);
        if fault.is_some() {
            // What a daemon has none of is empty, what nobody told is nothing.
            for (name, nothing) in [("Labels", Value::NilList), ("Runtimes", Value::NilMap)] {
                let field = whole.fields.iter_mut().find(|field| field.name == name);
                field.into_iter().for_each(|field| field.value = nothing.clone());
            }
        }
        whole.fields.push(absent("ServerErrors"));
        whole.fields.extend(own);
    }
    let (text, error) = match template.render(&data) {
        Ok(text) => (text, None),
        Err(error) => (String::new(), Some(Fault::new(error.in_template("")))),
    };
    context.io.line(text)?;
    // The daemon that does not answer is the reason for what is missing.
    let faults: Vec<Fault> = fault.into_iter().chain(error).collect();
    if !faults.is_empty() {
        return Fault::join(faults);
    }
    warn(context, &info)
}

/// Docker's rule for what is a question at all.
fn asks_something(format: &str) -> bool {
    format.split('.').skip(1).any(|rest| rest.starts_with(|letter: char| letter.is_ascii_alphabetic()))
}

fn field(name: &str, value: Value) -> Field {
    Field { name: name.to_owned(), value, is_omitted: false, json_name: None }
}

/// An empty list, which JSON leaves out.
fn absent(name: &str) -> Field {
    Field { is_omitted: true, ..field(name, Value::NilList) }
}

async fn ask(context: &mut Context) -> Result<Info, Fault> {
    Ok(context.client().await?.info().await?)
}

/// Tells everything to people.
async fn tell(context: &mut Context, client: &ClientInfo) -> Result<(), Fault> {
    let own = [
        "Client: Skep".to_owned(),
        format!(" Version:    {}", client.version.version),
        format!(" Context:    {}", client.version.context),
        format!(" Debug Mode: {}", client.debug),
    ];
    context.io.text(&(own.join("\n") + "\n\nServer:\n"))?;
    let info = ask(context).await?;
    context.io.text(&describe(&info))?;
    warn(context, &info)
}

fn warn(context: &mut Context, info: &Info) -> Result<(), Fault> {
    for warning in info.warnings.iter().flatten().chain(&info.swarm.warnings) {
        context.io.warn(warning)?;
    }
    Ok(())
}

fn describe(info: &Info) -> String {
    let mut lines = vec![
        format!(" Containers: {}", info.containers),
        format!("  Running: {}", info.containers_running),
        format!("  Paused: {}", info.containers_paused),
        format!("  Stopped: {}", info.containers_stopped),
        format!(" Images: {}", info.images),
        format!(" Server Version: {}", info.server_version),
        format!(" Storage Driver: {}", info.driver),
    ];
    lines.extend(info.driver_status.iter().flatten().map(|[key, value]| format!("  {key}: {value}")));
    lines.push(format!(" Logging Driver: {}", info.logging_driver));
    lines.push(format!(" Cgroup Driver: {}", info.cgroup_driver));
    if !info.cgroup_version.is_empty() {
        lines.push(format!(" Cgroup Version: {}", info.cgroup_version));
    }
    lines.push(" Plugins:".to_owned());
    let plugins = &info.plugins;
    for (label, names) in [("Volume", &plugins.volume), ("Network", &plugins.network), ("Log", &plugins.log)]
    {
        lines.push(format!("  {label}: {}", names.as_deref().unwrap_or_default().join(" ")));
    }
    swarm(&mut lines, &info.swarm);
    host(&mut lines, info);
    lines.join("\n") + "\n\n"
}

fn host(lines: &mut Vec<String>, info: &Info) {
    let security = info.security_options.as_deref().unwrap_or_default();
    if !security.is_empty() {
        lines.push(" Security Options:".to_owned());
    }
    for option in security {
        let mut parts = option.split(',').filter_map(|part| part.split_once('='));
        lines.extend(parts.next().map(|(_, name)| format!("  {name}")));
        lines.extend(parts.map(|(key, value)| format!("   {}: {value}", crate::format::capitalize(key))));
    }
    lines.extend([
        format!(" Kernel Version: {}", info.kernel_version),
        format!(" Operating System: {}", info.operating_system),
        format!(" OSType: {}", info.os_type),
        format!(" Architecture: {}", info.architecture),
        format!(" CPUs: {}", info.ncpu),
        format!(" Total Memory: {}", bytes(info.mem_total)),
        format!(" Name: {}", info.name),
        format!(" ID: {}", info.id),
        format!(" Docker Root Dir: {}", info.docker_root_dir),
        format!(" Debug Mode: {}", info.debug),
    ]);
    if !info.labels.is_empty() {
        lines.push(" Labels:".to_owned());
        lines.extend(info.labels.iter().map(|label| format!("  {label}")));
    }
    let registries = info.registry_config.as_ref().and_then(|config| config.get("InsecureRegistryCIDRs"));
    let insecure: Vec<&str> = registries
        .and_then(|list| list.as_array())
        .into_iter()
        .flatten()
        .filter_map(|cidr| cidr.as_str())
        .collect();
    if !insecure.is_empty() {
        lines.push(" Insecure Registries:".to_owned());
        lines.extend(insecure.iter().map(|cidr| format!("  {cidr}")));
    }
    lines.push(format!(" Live Restore Enabled: {}", info.live_restore_enabled));
}

fn swarm(lines: &mut Vec<String>, swarm: &SwarmInfo) {
    lines.push(format!(" Swarm: {}", swarm.local_node_state));
    if matches!(swarm.local_node_state.as_str(), "" | "inactive" | "locked") {
        return;
    }
    lines.push(format!("  NodeID: {}", swarm.node_id));
    if !swarm.error.is_empty() {
        lines.push(format!("  Error: {}", swarm.error));
    }
    lines.push(format!("  Is Manager: {}", swarm.control_available));
    if let Some(cluster) =
        swarm.cluster.as_ref().filter(|_| swarm.control_available && swarm.error.is_empty())
    {
        self::cluster(lines, cluster, swarm);
    }
    lines.push(format!("  Node Address: {}", swarm.node_addr));
    let mut managers: Vec<&str> =
        swarm.remote_managers.iter().flatten().map(|peer| peer.addr.as_str()).collect();
    managers.sort_unstable();
    if !managers.is_empty() {
        lines.push("  Manager Addresses:".to_owned());
        lines.extend(managers.iter().map(|address| format!("   {address}")));
    }
}

fn cluster(lines: &mut Vec<String>, cluster: &ClusterInfo, swarm: &SwarmInfo) {
    let spec = &cluster.spec;
    lines.extend([
        format!("  ClusterID: {}", cluster.id),
        format!("  Managers: {}", swarm.managers),
        format!("  Nodes: {}", swarm.nodes),
    ]);
    if !cluster.default_addr_pool.is_empty() {
        lines.push(format!("  Default Address Pool: {}  ", cluster.default_addr_pool.join("  ")));
        lines.push(format!("  SubnetSize: {}", cluster.subnet_size));
    }
    if cluster.data_path_port > 0 {
        lines.push(format!("  Data Path Port: {}", cluster.data_path_port));
    }
    let retention = spec.orchestration.task_history_retention_limit.unwrap_or(5);
    lines.extend([
        "  Orchestration:".to_owned(),
        format!("   Task History Retention Limit: {retention}"),
        "  Raft:".to_owned(),
        format!("   Snapshot Interval: {}", spec.raft.snapshot_interval),
    ]);
    if let Some(kept) = spec.raft.keep_old_snapshots {
        lines.push(format!("   Number of Old Snapshots to Retain: {kept}"));
    }
    let human = |nanos: i64| crate::format::human_duration(nanos / 1_000_000_000);
    lines.extend([
        format!("   Heartbeat Tick: {}", spec.raft.heartbeat_tick),
        format!("   Election Tick: {}", spec.raft.election_tick),
        "  Dispatcher:".to_owned(),
        format!("   Heartbeat Period: {}", human(spec.dispatcher.heartbeat_period)),
        "  CA Configuration:".to_owned(),
        format!("   Expiry Duration: {}", human(spec.ca_config.node_cert_expiry)),
        format!("   Force Rotate: {}", spec.ca_config.force_rotate),
    ]);
    if !spec.ca_config.external_cas.is_empty() {
        lines.push("   External CAs:".to_owned());
        let signer = |ca: &skep_api::wire::ExternalCa| format!("    {}: {}", ca.protocol, ca.url);
        lines.extend(spec.ca_config.external_cas.iter().map(signer));
    }
    lines.push(format!("  Autolock Managers: {}", spec.encryption_config.auto_lock_managers));
    lines.push(format!("  Root Rotation In Progress: {}", cluster.root_rotation_in_progress));
}
