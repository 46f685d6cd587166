//! What happens on the node, told to whoever listens: to containers, and because of them to images, volumes and the
//! network.

use std::sync::Arc;
use std::time::SystemTime;

use skep_model::{Labels, Timestamp};
use skep_runtime::TerminalSize;
use tokio::sync::broadcast;

use super::{Engine, Known, timestamp};
use crate::image::Reference;
use crate::record::{ContainerRecord, MountRecord};

/// Events that a slow listener may lag behind before it loses some.
const EVENTS_MAX: usize = 1024;

/// Something that happened on the node.
#[derive(Clone, Debug)]
pub struct NodeEvent {
    pub what: What,
    pub at: Timestamp,
}

/// What happened, and to which object.
#[derive(Clone, Debug)]
pub enum What {
    Container(Happened, Arc<ContainerRecord>),
    /// A registry was asked for an image, because a task needs it, and the image is here.
    ImagePulled {
        reference: Reference,
        labels: Labels,
    },
    /// To the volume of that name.
    Volume(VolumeHappened, String),
    /// A container joined the node's network, or left it.
    Network {
        container_id: String,
        is_joined: bool,
    },
}

/// Something that a container caused with a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VolumeHappened {
    Created,
    Mounted { container_id: String, target: String, read_only: bool },
    Unmounted { container_id: String },
    Destroyed,
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
pub struct Events(broadcast::Sender<NodeEvent>);

impl Default for Events {
    fn default() -> Self {
        Events(broadcast::channel(EVENTS_MAX).0)
    }
}

impl Events {
    pub fn listen(&self) -> broadcast::Receiver<NodeEvent> {
        self.0.subscribe()
    }

    pub fn tell(&self, happened: Happened, container: &Arc<ContainerRecord>, at: Timestamp) {
        self.tell_of(What::Container(happened, container.clone()), at);
    }

    pub(super) fn tell_of(&self, what: What, at: Timestamp) {
        // An error means that nobody listens.
        drop(self.0.send(NodeEvent { what, at }));
    }
}

impl Engine {
    /// Tells of what just happened to something beside containers.
    pub(super) fn tell_of(&self, what: What) {
        self.events.tell_of(what, timestamp(SystemTime::now()));
    }

    /// Tells what a container got with its start. It has had all of it since it was prepared, but Docker tells now.
    pub(super) fn tell_joined(&self, container: &ContainerRecord, at: Timestamp) {
        self.tell_network(container, true, at);
        for mount in volumes(container) {
            let container_id = container.container_id.clone();
            let (target, read_only) = (mount.target.clone(), mount.read_only);
            let happened = VolumeHappened::Mounted { container_id, target, read_only };
            self.events.tell_of(What::Volume(happened, mount.volume.clone()), at);
        }
    }

    /// Tells what a container that ended has no more. One that never started told of nothing that it got.
    pub(super) fn tell_left(&self, known: &Known, at: Timestamp) {
        if known.life().started_at.is_none() {
            return;
        }
        let container = &known.record;
        self.tell_network(container, false, at);
        for mount in volumes(container) {
            let happened = VolumeHappened::Unmounted { container_id: container.container_id.clone() };
            self.events.tell_of(What::Volume(happened, mount.volume.clone()), at);
        }
    }

    fn tell_network(&self, container: &ContainerRecord, is_joined: bool, at: Timestamp) {
        if container.address.is_some() {
            let what = What::Network { container_id: container.container_id.clone(), is_joined };
            self.events.tell_of(what, at);
        }
    }
}

fn volumes(container: &ContainerRecord) -> impl Iterator<Item = &MountRecord> {
    container.mounts.iter().filter(|mount| !mount.volume.is_empty())
}
