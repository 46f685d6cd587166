//! `node promote` and `node demote`: who is a manager.

use clap::Args;

use crate::commands::at_least_one;
use crate::context::Context;
use crate::fault::Fault;

/// Promote one or more nodes to manager in the swarm
#[derive(Args, Debug)]
#[command(before_help = "NODE [NODE...]")]
pub(crate) struct Promote {
    #[arg(hide = true)]
    arguments: Vec<String>,
}

/// Demote one or more nodes from manager in the swarm
#[derive(Args, Debug)]
#[command(before_help = "NODE [NODE...]")]
pub(crate) struct Demote {
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn promote(context: &mut Context, flags: Promote) -> Result<(), Fault> {
    let done = |node: &str| format!("Node {node} promoted to a manager in the swarm.");
    change(context, &flags.arguments, "manager", done).await
}

pub(crate) async fn demote(context: &mut Context, flags: Demote) -> Result<(), Fault> {
    change(context, &flags.arguments, "worker", |node| format!("Manager {node} demoted in the swarm.")).await
}

/// Compat: docker 28.2 stops at the first failure.
async fn change(
    context: &mut Context,
    references: &[String],
    role: &str,
    done: impl Fn(&str) -> String,
) -> Result<(), Fault> {
    at_least_one(context, references)?;
    let client = context.client().await?;
    for reference in references {
        let mut node = client.node(reference).await?;
        if node.spec.role == role {
            context.io.line(format_args!("Node {} is already a {role}.", node.id))?;
            continue;
        }
        role.clone_into(&mut node.spec.role);
        client.update_node(&node.id, node.version, &node.spec).await?;
        context.io.line(done(reference))?;
    }
    Ok(())
}
