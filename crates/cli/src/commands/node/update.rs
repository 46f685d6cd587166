//! `node update`.

use clap::Args;
use skep_api::wire::NodeSpec;

use crate::commands::exactly_one;
use crate::context::Context;
use crate::fault::Fault;

/// The label of a node that tells how it is drained.
const DRAIN: &str = "skep.drain";
/// At once.
const FORCE: &str = "force";

/// Update a node
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS] NODE")]
pub(crate) struct Flags {
    /// Availability of the node ("active", "pause", "drain")
    #[arg(long, value_name = "string")]
    availability: Option<String>,
    /// With --availability drain: stop the tasks at once, without waiting for their successors
    #[arg(long)]
    force: bool,
    /// Add or update a node label ("key=value")
    #[arg(long, value_name = "list")]
    label_add: Vec<String>,
    /// Remove a node label if exists
    #[arg(long, value_name = "list")]
    label_rm: Vec<String>,
    /// Role of the node ("worker", "manager")
    #[arg(long, value_name = "string")]
    role: Option<String>,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn run(context: &mut Context, mut flags: Flags) -> Result<(), Fault> {
    let reference = exactly_one(context, std::mem::take(&mut flags.arguments))?;
    let client = context.client().await?;
    let node = client.node(&reference).await?;
    let spec = merge(flags, node.spec)?;
    client.update_node(&node.id, node.version, &spec).await?;
    Ok(context.io.line(reference)?)
}

fn merge(flags: Flags, mut spec: NodeSpec) -> Result<NodeSpec, Fault> {
    let Flags { availability, force, label_add, label_rm, role, arguments: _ } = flags;
    spec.role = role.unwrap_or(spec.role);
    match (force, availability.as_deref()) {
        (true, Some("drain")) => drop(spec.labels.insert(DRAIN.to_owned(), FORCE.to_owned())),
        (true, _) => return Err(Fault::new("--force needs --availability drain")),
        // Another drain is another question.
        (false, Some(_)) if spec.labels.get(DRAIN).is_some_and(|how| how == FORCE) => {
            spec.labels.remove(DRAIN);
        }
        (false, _) => {}
    }
    spec.availability = availability.unwrap_or(spec.availability);
    for label in label_add {
        let (key, value) = label.split_once('=').unwrap_or((&label, ""));
        spec.labels.insert(key.to_owned(), value.to_owned());
    }
    for key in label_rm {
        if spec.labels.remove(&key).is_none() {
            return Err(Fault::new(format!("key {key} doesn't exist in node's labels")));
        }
    }
    Ok(spec)
}
