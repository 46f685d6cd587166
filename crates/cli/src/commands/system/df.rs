//! `system df`: what takes up the disk.

use clap::Args;
use skep_api::client::{ContainerSummary, DiskUsage, ImageSummary, Volume};

use super::df_verbose::verbose;
use crate::commands::{LIST_FORMAT_HELP, none, show_list};
use crate::context::Context;
use crate::fault::Fault;
use crate::format::{Cell, Column, Listing, decimal_bytes};

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
    if is_verbose && !format.is_empty() {
        return Err(Fault::new("the verbose and the format options conflict"));
    }
    let client = context.client().await?;
    let usage = client.disk_usage().await?;
    if is_verbose {
        let text = verbose(usage, (context.now)());
        return Ok(context.io.text(&text)?);
    }
    show_list(context, &listing(&usage), &format, false)
}

fn listing(usage: &DiskUsage) -> Listing {
    Listing {
        type_name: "*formatter.diskUsageContext",
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
