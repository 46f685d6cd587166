//! Real containers, with the testbed binary as their shim and libcontainer as their runtime. Needs root. `tests/runc` runs
//! the same by runc.

mod confinement;
mod environment;
mod exec;
mod files;
mod lifecycle;
mod limits;
mod logs;
mod measure;
mod runtimes;
mod survival;
mod terminal;
mod unified;
mod usage;
mod world;

/// The OCI runtime under test: the built-in one.
const RUNTIME: Option<&str> = None;
