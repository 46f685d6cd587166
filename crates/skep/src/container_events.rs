//! The node's container events in the words of `docker events`, among the cluster's changes.

use std::sync::Arc;

use skep_agent::{ContainerEvent, Engine, Happened};
use skep_api::server::facts::{Changed, LocalEvent};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// Passes events on for as long as the engine lives.
pub async fn forward(engine: Arc<Engine>, changes: broadcast::Sender<Changed>) {
    let mut events = engine.events();
    drop(engine);
    loop {
        match events.recv().await {
            // An error means that nobody listens.
            Ok(event) => drop(changes.send(Changed::Local(Arc::new(local(&event))))),
            Err(RecvError::Lagged(lost)) => tracing::warn!(lost, "container events were lost"),
            Err(RecvError::Closed) => return,
        }
    }
}

fn local(event: &ContainerEvent) -> LocalEvent {
    let container = &event.container;
    let mut attributes = container.labels.clone();
    attributes.insert("image".to_owned(), container.image.clone());
    attributes.insert("name".to_owned(), container.name.clone());
    let mut note = |name: &str, value: String| drop(attributes.insert(name.to_owned(), value));
    let action = match &event.happened {
        Happened::Created => "create",
        Happened::Started => "start",
        Happened::OutOfMemory => "oom",
        Happened::Died { exit_code } => {
            note("exitCode", exit_code.to_string());
            "die"
        }
        Happened::Destroyed => "destroy",
        Happened::Killed { signal } => {
            note("signal", signal.to_string());
            "kill"
        }
        Happened::Stopped => "stop",
        Happened::Attached => "attach",
        Happened::Updated => "update",
        Happened::Resized(size) => {
            note("height", size.rows.to_string());
            note("width", size.columns.to_string());
            "resize"
        }
        Happened::ExecCreated(exec) => {
            note("execID", exec.exec_id.clone());
            &format!("exec_create: {}", exec.command.join(" "))
        }
        Happened::ExecStarted(exec) => {
            note("execID", exec.exec_id.clone());
            &format!("exec_start: {}", exec.command.join(" "))
        }
        Happened::ExecDied { exec_id, exit_code } => {
            note("execID", exec_id.clone());
            note("exitCode", exit_code.to_string());
            "exec_die"
        }
    };
    LocalEvent {
        kind: "container".to_owned(),
        action: action.to_owned(),
        id: container.container_id.clone(),
        attributes,
        at: event.at,
    }
}
