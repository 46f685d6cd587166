//! `container ls`.

use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use skep_api::client::{ContainerQuery, ContainerSummary};

use super::ports::ports;
use crate::commands::flags::ListFlags;
use crate::commands::{none, show_list};
use crate::context::Context;
use crate::fault::Fault;
use crate::format::{
    Cell, Column, Format, Listing, Reference, decimal_bytes, ellipsis, go_quote, short_digest, since,
};
use crate::grammar::int64;

/// How many display columns a command line and the name of a mount take.
const COMMAND_COLUMNS: usize = 20;
const MOUNT_COLUMNS: usize = 15;

/// List containers
#[derive(Args, Debug)]
#[command(
    before_help = "[OPTIONS]",
    after_help = "container ls, container list, container ps, ps",
    mut_arg("quiet", |quiet| quiet.help("Only display container IDs"))
)]
pub(crate) struct Flags {
    /// Show all containers (default shows just running)
    #[arg(short, long)]
    all: bool,
    #[command(flatten)]
    list: ListFlags,
    /// Show n last created containers (includes all states) (default -1)
    #[arg(short = 'n', long, value_name = "int", value_parser = int64)]
    last: Option<i64>,
    /// Show the latest created container (includes all states)
    #[arg(short, long)]
    latest: bool,
    /// Don't truncate output
    #[arg(long)]
    no_trunc: bool,
    /// Display total file sizes
    #[arg(short, long)]
    size: bool,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

const COLUMNS: &[Column] = &[
    Column { field: "ID", heading: "CONTAINER ID" },
    Column { field: "Names", heading: "NAMES" },
    Column { field: "Image", heading: "IMAGE" },
    Column { field: "Command", heading: "COMMAND" },
    Column { field: "CreatedAt", heading: "CREATED AT" },
    Column { field: "RunningFor", heading: "CREATED" },
    Column { field: "Ports", heading: "PORTS" },
    Column { field: "State", heading: "STATE" },
    Column { field: "Status", heading: "STATUS" },
    Column { field: "Size", heading: "SIZE" },
    Column { field: "Labels", heading: "LABELS" },
    Column { field: "Label", heading: "LABEL" },
    Column { field: "Mounts", heading: "MOUNTS" },
    Column { field: "LocalVolumes", heading: "LOCAL VOLUMES" },
    Column { field: "Networks", heading: "NETWORKS" },
    Column { field: "Platform", heading: "PLATFORM" },
];

const TABLE: &[&str] = &["ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names"];
const TABLE_WITH_SIZE: &[&str] =
    &["ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names", "Size"];

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { all, list, last, latest, no_trunc, size, arguments } = flags;
    none(context, &arguments)?;
    let format = context.list_format(&list.format, "psFormat", list.quiet)?;
    if list.quiet && !list.format.is_empty() {
        context.io.warn("WARNING: Ignoring custom format, because both --format and --quiet are set.")?;
    }
    if !size {
        try_on_nothing(&format)?;
    }
    let last = if latest { Some(1) } else { last.and_then(|last| u64::try_from(last).ok()) };
    let query = ContainerQuery {
        all,
        limit: last.filter(|last| *last > 0),
        // Compat: docker 28.2 measures files only for formats that show them.
        size: size || format.contains(".Size"),
        filters: list.filters(),
    };
    let client = context.client().await?;
    let containers = client.containers(&query).await?;
    let mut listing = listing(&containers, no_trunc, (context.now)());
    if size {
        listing.table = TABLE_WITH_SIZE;
        if matches!(Format::parse(&format), Format::Raw) {
            listing.raw = RAW_WITH_SIZE;
        }
    }
    show_list(context, &listing, &format, list.quiet)
}

/// Fills a template in with a container that has nothing, so that a mistake in it shows also where there is no container.
fn try_on_nothing(format: &str) -> Result<(), Fault> {
    let nothing = listing(&[ContainerSummary::default()], false, Timestamp::UNIX_EPOCH);
    let tried = nothing.render(&Format::parse(format)).map(drop);
    tried.map_err(|error| Fault::new(error.in_ps()))
}

const RAW: &[(&str, &str)] = &[
    ("ID", "container_id"),
    ("Image", "image"),
    ("Command", "command"),
    ("CreatedAt", "created_at"),
    ("State", "state"),
    ("Status", "status"),
    ("Names", "names"),
    ("Labels", "labels"),
    ("Ports", "ports"),
];

const RAW_WITH_SIZE: &[(&str, &str)] = &[
    ("ID", "container_id"),
    ("Image", "image"),
    ("Command", "command"),
    ("CreatedAt", "created_at"),
    ("State", "state"),
    ("Status", "status"),
    ("Names", "names"),
    ("Labels", "labels"),
    ("Ports", "ports"),
    ("Size", "size"),
];

/// One row per container, in the daemon's order: the newest first.
pub(crate) fn listing(containers: &[ContainerSummary], no_trunc: bool, now: Timestamp) -> Listing {
    Listing {
        type_name: "*formatter.ContainerContext",
        columns: COLUMNS,
        key: "ID",
        table: TABLE,
        raw: RAW,
        rows: containers.iter().map(|container| row(container, no_trunc, now)).collect(),
    }
}

fn row(container: &ContainerSummary, no_trunc: bool, now: Timestamp) -> Vec<Cell> {
    let created_at = Timestamp::from_second(container.created).unwrap_or(now);
    let command = match no_trunc {
        true => container.command.clone(),
        false => ellipsis(&container.command, COMMAND_COLUMNS),
    };
    let mounts = container.mounts.iter().map(|mount| {
        let name = if mount.name.is_empty() { &mount.source } else { &mount.name };
        if no_trunc { name.clone() } else { ellipsis(name, MOUNT_COLUMNS) }
    });
    let networks: Vec<&str> = container.network_settings.networks.keys().map(String::as_str).collect();
    let volumes = container.mounts.iter().filter(|mount| mount.driver == "local").count();
    vec![
        if no_trunc { container.id.as_str() } else { short_digest(&container.id) }.into(),
        names(container, no_trunc).into(),
        image(container, no_trunc).into(),
        go_quote(&command).into(),
        local_time(created_at).into(),
        format!("{} ago", since(created_at, now)).into(),
        ports(&container.ports).into(),
        container.state.as_str().into(),
        container.status.as_str().into(),
        size(container).into(),
        labels(&container.labels).into(),
        Cell::Lookup(container.labels.clone()),
        mounts.collect::<Vec<_>>().join(",").into(),
        volumes.to_string().into(),
        networks.join(",").into(),
        Cell::Nil,
    ]
}

/// A container linked from another has the other's name in front of its own, which only `--no-trunc` shows.
fn names(container: &ContainerSummary, no_trunc: bool) -> String {
    let names = container.names.iter().map(|name| name.strip_prefix('/').unwrap_or(name));
    let names: Vec<&str> = match no_trunc {
        true => names.collect(),
        false => names.filter(|name| !name.contains('/')).take(1).collect(),
    };
    names.join(",")
}

fn image(container: &ContainerSummary, no_trunc: bool) -> String {
    if container.image.is_empty() {
        return "<no image>".to_owned();
    }
    if no_trunc {
        return container.image.clone();
    }
    let id = short_digest(&container.image_id);
    if !id.is_empty() && id == short_digest(&container.image) {
        return id.to_owned();
    }
    match Reference::parse(&container.image) {
        Some(reference) => match reference.tag() {
            Some(tag) => format!("{}:{tag}", reference.familiar_name()),
            None => reference.familiar_name(),
        },
        None => container.image.clone(),
    }
}

fn size(container: &ContainerSummary) -> String {
    let own = decimal_bytes(container.size_rw, 3);
    match container.size_root_fs {
        1.. => format!("{own} (virtual {})", decimal_bytes(container.size_root_fs, 3)),
        _ => own,
    }
}

/// `k=v,…`.
pub(crate) fn labels(labels: &std::collections::BTreeMap<String, String>) -> String {
    let mut pairs: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    // Compat: docker 28.2 sorts what it shows, in which `a.b=` stands before `a=`.
    pairs.sort();
    pairs.join(",")
}

/// An instant as Go prints it: `2026-01-02 03:04:05 +0000 UTC`.
pub(crate) fn local_time(instant: Timestamp) -> String {
    instant.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S %z %Z").to_string()
}
