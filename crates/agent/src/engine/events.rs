//! What happens to containers, told to whoever listens.

use std::sync::Arc;

use skep_model::Timestamp;
use skep_runtime::TerminalSize;
use tokio::sync::broadcast;

use crate::record::ContainerRecord;

/// Events that a slow listener may lag behind before it loses some.
const EVENTS_MAX: usize = 1024;

/// Something that happened to a container.
#[derive(Clone, Debug)]
pub struct ContainerEvent {
    pub happened: Happened,
    pub container: Arc<ContainerRecord>,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happened {
    Created,
    Started,
    OutOfMemory,
    Died {
        exit_code: i32,
    },
    Destroyed,
    /// A person sent a signal.
    Killed {
        signal: i32,
    },
    /// A person stopped it.
    Stopped,
    Attached,
    /// Its limits are others now.
    Updated,
    Resized(TerminalSize),
    ExecCreated(ExecHappened),
    ExecStarted(ExecHappened),
    ExecDied {
        exec_id: String,
        exit_code: i32,
    },
}

/// A command that something happened to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecHappened {
    pub exec_id: String,
    /// The program and its arguments.
    pub command: Vec<String>,
}

/// The way to all listeners.
#[derive(Debug)]
pub struct Events(broadcast::Sender<ContainerEvent>);

impl Default for Events {
    fn default() -> Self {
        Events(broadcast::channel(EVENTS_MAX).0)
    }
}

impl Events {
    pub fn listen(&self) -> broadcast::Receiver<ContainerEvent> {
        self.0.subscribe()
    }

    pub fn tell(&self, happened: Happened, container: &Arc<ContainerRecord>, at: Timestamp) {
        // An error means that nobody listens.
        drop(self.0.send(ContainerEvent { happened, container: container.clone(), at }));
    }
}
