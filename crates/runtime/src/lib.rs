//! One container on one machine: bundle, shim, libcontainer, output, exec, cgroup, exit status.
//!
//! ```text
//! daemon (async, many threads)                      shim (one per container, one thread)
//! Runtime::create --nursery, report pipe-->         create: overlay, OCI runtime, devices
//! Handle::start, exec --unix socket-->              serve: output -> JSON log, children, requests
//! Handle::signal --pidfd--> container               exit.json, then its own end
//! Handle::wait <--pidfd of the shim--
//! ```
//!
//! The daemon may end, crash or be replaced at any time: containers go on, and [`Runtime::adopt`] finds them again.
//! What this crate does not know: images (it is given unpacked layers), networks (it is given a namespace), services.
//!
//! Whoever links this crate must call [`is_shim`] and [`shim_main`] first thing in `main`, before any thread exists: the
//! daemon executes itself to make shims. Read `container` for the input, `runtime` and `handle` for the daemon's side,
//! `shim` for the other.

mod adopt;
mod attach;
mod binary;
mod cgroup;
mod conduit;
mod container;
mod error;
mod exec;
mod exit;
mod files;
mod handle;
pub mod logs;
mod nursery;
mod paths;
pub mod probe;
mod protocol;
mod runtime;
mod shim;
mod shim_client;
mod spec;
mod spread;
mod sys;
mod tree;
mod usage;

use std::ffi::OsString;
use std::process::ExitCode;

pub use adopt::{Adopted, State};
pub use attach::{AttachError, Attachment, Connection};
pub use binary::BinaryError;
pub use cgroup::{CgroupError, Layout};
pub use conduit::Conduit;
pub use container::{
    Capabilities, Container, EtcFiles, Exec, LogLimits, Mount, Nested, Process, Propagation, Resources,
    Rootfs, TerminalSize, Ulimit,
};
pub use error::{
    AdoptError, CreateError, DeleteError, ExecError, OpenError, PurgeError, SignalError, StartError,
    UpdateError,
};
pub use exec::{ExecExit, ExecLimits, ExecSession, RunningExec, exit_code_of_refusal};
pub use exit::Exit;
pub use handle::Handle;
pub use runtime::{Options, Runtime};
pub use spec::LimitError;
pub use spread::spread;
pub use sys::memory::{forget_start, share_heaps, trim_heap};
pub use tree::{Change, ChangeKind, Owner, PathStat, PutOptions, Size, Tree, TreeError};
pub use usage::{BlockUsage, CpuUsage, MemoryUsage, NetworkUsage, Usage, UsageError};

/// The hidden command: `skep shim-nursery <cgroup> <padding>`, with a socket of the daemon as its standard input.
pub(crate) const NURSERY_COMMAND: &str = "shim-nursery";

/// Returns whether this process was started to make shims. `args` are those of the process, its own name first.
pub fn is_shim(args: &[OsString]) -> bool {
    args.get(1).is_some_and(|command| command == NURSERY_COMMAND)
}

/// Runs the nursery of shims. Must be called before the process has a second thread; returns when the daemon has ended.
/// The shims themselves are forks, and end inside.
pub fn shim_main(args: &[OsString]) -> ExitCode {
    let [_, _, cgroup, _] = args else {
        eprintln!("skep {NURSERY_COMMAND}: this command is for the daemon only");
        return ExitCode::FAILURE;
    };
    let cgroup = cgroup.to_string_lossy().into_owned();
    ExitCode::from(shim::main(&cgroup))
}
