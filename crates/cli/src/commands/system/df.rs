//! `system df`: what takes up the disk.

use clap::Args;
use skep_api::client::{ContainerSummary, DiskUsage, ImageSummary, Volume};

use super::df_verbose::{filled, verbose};
use crate::commands::{LIST_FORMAT_HELP, none};
use crate::context::Context;
use crate::fault::Fault;
use crate::format::{Cell, Column, Format, Listing, decimal_bytes};
use crate::template::Template;

/// Show disk usage of this node
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS]", about = "Show docker disk usage")]
pub(crate) struct Flags {
    #[arg(long, value_name = "string", default_value = "", help = LIST_FORMAT_HELP)]
    format: String,
    /// Show detailed information on space usage
    #[arg(short, long)]
    verbose: bool,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

const COLUMNS: &[Column] = &[
    Column { field: "Type", heading: "TYPE" },
    Column { field: "TotalCount", heading: "TOTAL" },
    Column { field: "Active", heading: "ACTIVE" },
    Column { field: "Size", heading: "SIZE" },
    Column { field: "Reclaimable", heading: "RECLAIMABLE" },
];

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { format, verbose: is_verbose, arguments } = flags;
    none(context, &arguments)?;
    let template = match Format::parse(&format) {
        _ if !is_verbose => None,
        Format::Table => None,
        Format::Json => Some(Template::parse("{{json .}}")?),
        Format::Rows(text) | Format::TableOf(text) => Some(Template::parse(&text)?),
        Format::Raw => return Err(Fault::new("--format raw is not supported with --verbose: use json")),
    };
    let client = context.client().await?;
    let usage = client.disk_usage().await?;
    if let Some(template) = template {
        // Compat: docker 28.2 gives the error no title, and the text no line end.
        let text = filled(&template, usage, (context.now)());
        return Ok(context.io.text(&text.map_err(|error| Fault::new(error.bare()))?)?);
    }
    if is_verbose {
        let text = verbose(usage, (context.now)());
        return Ok(context.io.text(&text)?);
    }
    let listing = listing(&usage);
    let shown = listing.render(&Format::parse(&format));
    // Compat: docker 28.2 has another title here than for other lists.
    Ok(context.io.text(&shown.map_err(|error| Fault::new(error.to_string()))?)?)
}

fn listing(usage: &DiskUsage) -> Listing {
    Listing {
        // Compat: each row has a type of its own in docker, and the first one fails first.
        type_name: "*formatter.diskUsageImagesContext",
        columns: COLUMNS,
        key: "Type",
        table: &["Type", "TotalCount", "Active", "Size", "Reclaimable"],
        raw: &[
            ("Type", "type"),
            ("TotalCount", "total"),
            ("Active", "active"),
            ("Size", "size"),
            ("Reclaimable", "reclaimable"),
        ],
        rows: vec![
            images(usage.layers_size, &usage.images),
            containers(&usage.containers),
            volumes(&usage.volumes),
            row("Build Cache", (0, 0), 0, 0, false),
        ],
    }
}

fn row(kind: &str, (total, active): (usize, usize), size: i64, free: i64, has_share: bool) -> Vec<Cell> {
    let reclaimable = match (has_share, size) {
        (true, 1..) => format!("{} ({}%)", decimal_bytes(free, 4), free.saturating_mul(100) / size),
        _ => decimal_bytes(free, 4),
    };
    vec![
        kind.into(),
        total.to_string().into(),
        active.to_string().into(),
        decimal_bytes(size, 4).into(),
        reclaimable.into(),
    ]
}

fn images(layers: i64, images: &[ImageSummary]) -> Vec<Cell> {
    let active: Vec<&ImageSummary> = images.iter().filter(|image| image.containers > 0).collect();
    let known = active.iter().filter(|image| image.size != -1 && image.shared_size != -1);
    let used: i64 = known.map(|image| image.size - image.shared_size).sum();
    row("Images", (images.len(), active.len()), layers, layers - used, true)
}

fn containers(containers: &[ContainerSummary]) -> Vec<Cell> {
    let is_active = |container: &&ContainerSummary| {
        matches!(container.state.as_str(), "running" | "paused" | "restarting")
    };
    let active = containers.iter().filter(is_active).count();
    let size: i64 = containers.iter().map(|container| container.size_rw).sum();
    let free: i64 = containers.iter().filter(|one| !is_active(one)).map(|container| container.size_rw).sum();
    row("Containers", (containers.len(), active), size, free, true)
}

fn volumes(volumes: &[Volume]) -> Vec<Cell> {
    let usages = || volumes.iter().filter_map(|volume| volume.usage_data);
    let active = usages().filter(|usage| usage.ref_count > 0).count();
    let known = || usages().filter(|usage| usage.size != -1);
    let size: i64 = known().map(|usage| usage.size).sum();
    let free: i64 = known().filter(|usage| usage.ref_count == 0).map(|usage| usage.size).sum();
    row("Local Volumes", (volumes.len(), active), size, free, true)
}
