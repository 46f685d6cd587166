//! `volume ls`.

use clap::Args;
use skep_api::client::Volume;

use crate::commands::container::ls::labels;
use crate::commands::flags::ListFlags;
use crate::commands::{none, show_list};
use crate::context::Context;
use crate::fault::Fault;
use crate::format::{Cell, Column, Listing, decimal_bytes, natural_order};

/// List volumes
#[derive(Args, Debug)]
#[command(
    before_help = "[OPTIONS]",
    mut_arg("quiet", |quiet| quiet.help("Only display volume names")),
    mut_arg("filter", |filter| filter.help("Provide filter values (e.g. \"dangling=true\")"))
)]
pub(crate) struct Flags {
    #[command(flatten)]
    list: ListFlags,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

const COLUMNS: &[Column] = &[
    Column { field: "Name", heading: "VOLUME NAME" },
    Column { field: "Driver", heading: "DRIVER" },
    Column { field: "Scope", heading: "SCOPE" },
    Column { field: "Mountpoint", heading: "MOUNTPOINT" },
    Column { field: "Labels", heading: "LABELS" },
    Column { field: "Label", heading: "LABEL" },
    Column { field: "Links", heading: "LINKS" },
    Column { field: "Size", heading: "SIZE" },
    Column { field: "Group", heading: "GROUP" },
    Column { field: "Availability", heading: "AVAILABILITY" },
    Column { field: "Status", heading: "STATUS" },
];

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { list, arguments } = flags;
    none(context, &arguments)?;
    let format = context.list_format(&list.format, "volumesFormat", list.quiet)?;
    let client = context.client().await?;
    let volumes = client.volumes(&list.filters()).await?;
    for warning in &volumes.warnings {
        context.io.warn(warning)?;
    }
    show_list(context, &listing(volumes.volumes), &format, list.quiet)
}

/// One row per volume, in natural order of names.
pub(crate) fn listing(mut volumes: Vec<Volume>) -> Listing {
    volumes.sort_by(|a, b| natural_order(&a.name, &b.name));
    Listing {
        type_name: "*formatter.volumeContext",
        columns: COLUMNS,
        key: "Name",
        table: &["Driver", "Name"],
        raw: &[("Name", "name"), ("Driver", "driver")],
        rows: volumes.iter().map(row).collect(),
    }
}

fn row(volume: &Volume) -> Vec<Cell> {
    let unknown = || "N/A".to_owned();
    let usage = volume.usage_data;
    vec![
        volume.name.as_str().into(),
        volume.driver.as_str().into(),
        volume.scope.as_str().into(),
        volume.mountpoint.as_str().into(),
        labels(&volume.labels).into(),
        Cell::Lookup(volume.labels.clone()),
        usage.map_or_else(unknown, |usage| usage.ref_count.to_string()).into(),
        usage.map_or_else(unknown, |usage| decimal_bytes(usage.size, 4)).into(),
        // What only volumes of a cluster have.
        unknown().into(),
        unknown().into(),
        unknown().into(),
    ]
}
