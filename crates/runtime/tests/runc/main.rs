//! The containers of `tests/containers`, run by an external OCI runtime. Needs root, and Debian's package `runc`.
//!
//! What is left out is about libcontainer alone: what is measured, and how the runtimes differ.

#[path = "../containers/confinement.rs"]
mod confinement;
#[path = "../containers/environment.rs"]
mod environment;
#[path = "../containers/exec.rs"]
mod exec;
#[path = "../containers/files.rs"]
mod files;
#[path = "../containers/lifecycle.rs"]
mod lifecycle;
#[path = "../containers/limits.rs"]
mod limits;
#[path = "../containers/logs.rs"]
mod logs;
#[path = "../containers/survival.rs"]
mod survival;
#[path = "../containers/terminal.rs"]
mod terminal;
#[path = "../containers/unified.rs"]
mod unified;
#[path = "../containers/usage.rs"]
mod usage;
#[path = "../containers/world.rs"]
mod world;

/// The OCI runtime under test.
const RUNTIME: Option<&str> = Some("/usr/sbin/runc");
