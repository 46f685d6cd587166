//! `cluster rebalance`.

use clap::Args;
use skep_api::wire::Relocation;

use crate::commands::{LIST_FORMAT_HELP, none, show_list};
use crate::context::Context;
use crate::fault::Fault;
use crate::format::{Cell, Column, Listing};

/// Show which tasks rebalancing would move to less loaded nodes
#[derive(Args, Debug)]
#[command(before_help = "--dry-run [OPTIONS]")]
pub(crate) struct Flags {
    /// Only tell; nothing is moved
    #[arg(long)]
    dry_run: bool,
    #[arg(long, value_name = "string", default_value = "", hide_default_value = true, help = LIST_FORMAT_HELP)]
    format: String,
    /// Only display the ids of the tasks
    #[arg(short, long)]
    quiet: bool,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

const COLUMNS: &[Column] = &[
    Column { field: "TaskID", heading: "TASK" },
    Column { field: "Service", heading: "SERVICE" },
    Column { field: "Slot", heading: "SLOT" },
    Column { field: "From", heading: "FROM" },
    Column { field: "To", heading: "TO" },
];

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { dry_run, format, quiet, arguments } = flags;
    none(context, &arguments)?;
    if !dry_run {
        let text = "rebalancing goes on by itself while the cluster asks for it: `skep cluster set rebalance=on`; \
                    --dry-run tells what it would move";
        return Err(Fault::new(text));
    }
    let moves = context.client().await?.relocations().await?;
    let listing = Listing {
        type_name: "*cluster.relocationContext",
        columns: COLUMNS,
        key: "TaskID",
        table: &["TaskID", "Service", "Slot", "From", "To"],
        raw: &[("TaskID", "task_id"), ("From", "from"), ("To", "to")],
        rows: moves.iter().map(row).collect(),
    };
    show_list(context, &listing, &format, quiet)
}

fn row(one: &Relocation) -> Vec<Cell> {
    let Relocation { service_name, slot, task_id, from, to } = one;
    [task_id, service_name, slot, from, to].map(|text| text.as_str().into()).into()
}
