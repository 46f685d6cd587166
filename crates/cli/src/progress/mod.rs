//! Waiting for a service to converge, and showing it.
//!
//! ```text
//! daemon ──poll──▶ tracker ──lines──▶ screen ──▶ terminal or log
//! ```
//!
//! [`wait`] polls five times a second. The `tracker` is pure: it looks at one answer at a time and says what to show and
//! whether it is over; `mode` counts tasks for each service mode. The `screen` draws over old lines on a terminal and
//! writes changed lines elsewhere. A rotation of the cluster's root, [`rotation`], is shown on it too.

mod mode;
pub(crate) mod rotation;
mod screen;
mod state;
mod tracker;

use std::io::Write;
use std::rc::Rc;
use std::time::Duration;

use skep_api::client::{Client, Filters};
use skep_api::wire::{Service, Task};
use tokio::time::Instant;

use crate::context::Context;
use crate::fault::Fault;
use screen::Screen;
use tracker::{Tracker, Verdict};

/// The time between two looks.
const POLL_AFTER: Duration = Duration::from_millis(200);

/// How a wait is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait<'a> {
    /// The service, as the texts call it.
    pub service: &'a str,
    /// Shows nothing.
    pub quiet: bool,
}

/// One look at a service.
#[derive(Debug)]
pub(crate) struct Look {
    /// The service.
    pub service: Service,
    /// Its tasks made from the current spec.
    pub tasks: Vec<Task>,
    /// The ids of nodes that are not down.
    pub nodes: Vec<String>,
}

/// Waits until the service has converged and stayed so, or the daemon gave up.
///
/// Bounded by the user: a service that never converges is waited for until Ctrl-C, which leaves it to the daemon.
pub(crate) async fn wait(context: &mut Context, wait: Wait<'_>) -> Result<(), Fault> {
    let client = context.client().await?;
    let interrupt = context.interrupt.clone();
    let columns = context.io.columns;
    let started_at = Instant::now();
    let mut tracker = Tracker::new(wait.service);
    let mut screen = Screen::new(columns);
    loop {
        let looked = interrupt.shield(look(&client, wait.service)).await;
        let verdict = match looked {
            Some(look) => tracker.observe(started_at.elapsed(), &look?),
            None => tracker.interrupted(),
        };
        if !wait.quiet {
            for line in tracker.take_lines() {
                context.io.text(&screen.draw(&line))?;
            }
            context.io.out.flush()?;
        }
        match verdict {
            Verdict::Done => return Ok(()),
            Verdict::Failed(text) => return Err(Fault::new(text)),
            Verdict::Wait if interrupt.shield(tokio::time::sleep(POLL_AFTER)).await.is_some() => {}
            Verdict::Wait => {
                tracker.interrupted();
                for line in tracker.take_lines().iter().filter(|_| !wait.quiet) {
                    context.io.text(&screen.draw(line))?;
                }
                return Ok(());
            }
        }
    }
}

async fn look(client: &Rc<Client>, id: &str) -> Result<Look, Fault> {
    let service = client.service(id, false).await?;
    let mut filters = Filters::one("service", &service.id);
    filters.add("_up-to-date", "true");
    let tasks = client.tasks(&filters).await?;
    let nodes = client.nodes(&Filters::default()).await?;
    let nodes = nodes.into_iter().filter(|node| node.status.state != "down").map(|node| node.id).collect();
    Ok(Look { service, tasks, nodes })
}

#[cfg(test)]
mod tests;
