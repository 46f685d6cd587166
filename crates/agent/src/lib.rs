#![forbid(unsafe_code)]
//! The node's shell: performs what the worker decides, with real images, networks and containers.
//!
//! [`Engine`] is what the node has (runtime, bridge, image store, its own small database); it lives as
//! long as the daemon. [`run`] is the loop around [`skep_core::worker::Worker`]; it lives as long as the
//! node is in a cluster. Nothing here decides what should run; every effect ends in a typed outcome, and
//! those that wait for others are bounded in time.
//!
//! Reading order: `run.rs` (the loop), `engine/mod.rs` (what there is), `engine/prepare.rs` (the long
//! way to a container), `container.rs` (what a task's container is made of, as a pure function).

mod clock;
mod container;
pub mod containers;
mod credentials;
mod describe;
mod engine;
pub mod image;
mod record;
mod run;
pub mod volume;

pub use clock::Clock;
pub use container::environment;
pub use credentials::read as credentials;
pub use describe::{describe, hostname};
pub use engine::logs::{LogQuery, LogRecord, LogSource};
pub use engine::{
    Config, ContainerPaths, ContainerView, Engine, EngineError, ExecHappened, Happened, HealthProbe,
    HealthView, NodeEvent, VolumeHappened, What, chain,
};
pub use record::{ContainerRecord, MountRecord};
pub use run::{Link, run};
