#![forbid(unsafe_code)]
//! The black box: real daemons, real clients and real images, and no code of Skep's own.
//!
//! A test makes a [`Sandbox`] (its own network, mount and process namespaces), starts in it a [`Registry`]
//! and a [`Daemon`] (or an [`Oracle`], which is dockerd 20.10), and talks to them as a user does: with the
//! unmodified docker client ([`Docker`]) or over HTTP ([`Engine`]). Whatever a test leaves running dies with
//! its sandbox, also when the test itself is killed.
//!
//! ```text
//!   test ── Docker ──┐            ┌─ Sandbox ────────────────────────────┐
//!        ── Engine ──┴── socket ──┤ Daemon ── shims ── containers         │
//!        ── Sandbox::in_network ──┤ Registry 127.0.0.1:5000               │
//!                                 └───────────────────────────────────────┘
//! ```
//!
//! Read [`sandbox`] first, then [`cluster`]; `tests/e2e/walkthrough.rs` shows how it reads in use.

pub mod bench;
pub mod clients;
pub mod cluster;
pub mod compare;
pub mod daemon;
pub mod demo;
pub mod docker;
pub mod engine;
pub mod images;
pub mod oracle;
pub mod recorded;
pub mod redis;
pub mod registry;
pub mod sandbox;

mod cgroups;
mod http;
mod process;
pub mod wait;

pub use cluster::Cluster;
pub use daemon::Daemon;
pub use docker::Docker;
pub use engine::Engine;
pub use http::{Http, Response};
pub use images::Image;
pub use oracle::Oracle;
pub use process::{Output, run};
pub use registry::Registry;
pub use sandbox::Sandbox;
pub use wait::{Look, wait_for};
