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
    let action = match event.happened {
        Happened::Created => "create",
        Happened::Started => "start",
        Happened::OutOfMemory => "oom",
        Happened::Died { exit_code } => {
            attributes.insert("exitCode".to_owned(), exit_code.to_string());
            "die"
        }
        Happened::Destroyed => "destroy",
    };
    LocalEvent {
        kind: "container".to_owned(),
        action: action.to_owned(),
        id: container.container_id.clone(),
        attributes,
        at: event.at,
    }
}
