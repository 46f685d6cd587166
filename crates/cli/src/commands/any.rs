//! `inspect`: whatever object has that name.

use bytes::Bytes;
use clap::Args;

use super::flags::ObjectFlags;
use super::inspect::{RawInspection, check_raw_format};
use super::{at_least_one, container, image, volume};
use crate::context::Context;
use crate::fault::Fault;

/// The kinds of object, in the order in which they are looked for.
const KINDS: [&str; 10] =
    ["container", "image", "network", "volume", "service", "task", "node", "plugin", "secret", "config"];

/// The same for people.
const TYPES: &str =
    r#""config", "container", "image", "network", "node", "plugin", "secret", "service", "task", "volume""#;

/// Return low-level information on Docker objects
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS] NAME|ID [NAME|ID...]")]
pub(crate) struct Flags {
    #[command(flatten)]
    object: ObjectFlags,
    /// Display total file sizes if the type is container
    #[arg(short, long)]
    size: bool,
    /// Only inspect objects of the given type
    #[arg(long = "type", value_name = "string")]
    kind: Option<String>,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { object: ObjectFlags { format }, size, kind, arguments } = flags;
    at_least_one(context, &arguments)?;
    if kind.as_deref() == Some("") {
        return Err(Fault::new(format!("type is empty: must be one of {TYPES}")));
    }
    let kind = kind.unwrap_or_default();
    if !kind.is_empty() && !KINDS.contains(&kind.as_str()) {
        return Err(Fault::new(format!("unknown type: {kind:?}: must be one of {TYPES}")));
    }
    check_raw_format(&format)?;
    let mut inspection = RawInspection::default();
    for reference in &arguments {
        match look(context, reference, &kind, size).await {
            Ok((known, object)) => inspection.add(known, Ok(object)),
            Err(fault) => inspection.add("", Err(fault)),
        }
    }
    inspection.show(context, &format)
}

/// Asks for one kind after the other until one has such an object; where a kind is given, for that alone.
async fn look(
    context: &mut Context,
    reference: &str,
    kind: &str,
    size: bool,
) -> Result<(&'static str, Bytes), Fault> {
    for known in KINDS.into_iter().filter(|known| kind.is_empty() || *known == kind) {
        match look_for(context, reference, known, size).await {
            Err(fault) if kind.is_empty() && is_passed_over(&fault) => {}
            Err(fault) => return Err(fault),
            Ok(object) => {
                if size && known != "container" {
                    context.io.warn(format_args!("WARNING: --size ignored for {known}"))?;
                }
                return Ok((known, object));
            }
        }
    }
    Err(Fault::new(format!("Error: No such object: {reference}")))
}

/// Compat: docker 28.2 goes on past what a node that is no manager cannot answer, and past what a daemon does not have.
fn is_passed_over(fault: &Fault) -> bool {
    let reasons = ["not a swarm manager", "not supported", "invalid reference format"];
    fault.is_absence || reasons.iter().any(|reason| fault.text.contains(reason))
}

async fn look_for(
    context: &mut Context,
    reference: &str,
    kind: &'static str,
    size: bool,
) -> Result<Bytes, Fault> {
    match kind {
        "container" => container::look_at(context, reference, size).await,
        "image" => image::look_at(context, reference, "").await,
        "volume" => volume::look_at(context, reference).await,
        kind => Ok(context.client().await?.inspect_object(kind, reference).await?),
    }
}
