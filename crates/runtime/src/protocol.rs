//! What a daemon and a shim say to each other.
//!
//! One JSON document per line. Every line carries the protocol version (R3): an upgraded daemon meets old shims. A version
//! only ever adds: an unknown field is ignored, an unknown request is refused with a sentence.
//!
//! ```text
//! daemon -> shim   a fork of the nursery, given the bundle, the locked lock file and the report pipe
//! shim -> daemon   two Reports on that pipe: Born, then the outcome
//! daemon -> shim   Request on the socket, with descriptors attached; one per connection
//! shim -> daemon   Reply; two of them for an exec, one with a descriptor for an attachment
//! ```
//!
//! Signals and waiting need no message: the daemon holds pidfds of both processes, and `exit.json` outlives the shim.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::container::Exec;
use crate::exit::Ended;
use crate::sys::process::Identity;

/// The version this build speaks.
pub(crate) const PROTOCOL: u32 = 2;
/// The longest line either side accepts: an exec carries an environment.
pub(crate) const LINE_BYTES_MAX: usize = 1 << 20;

/// A line of the protocol.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Line<T> {
    pub protocol: u32,
    pub body: T,
}

impl<T: Serialize> Line<T> {
    /// Renders the line, its end included.
    pub(crate) fn render(body: T) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(&Line { protocol: PROTOCOL, body })
            .expect("protocol types have string keys and no failing serializer");
        bytes.push(b'\n');
        bytes
    }
}

/// A failure in words for the user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    /// Trying again with the same container cannot help.
    pub fatal: bool,
    pub message: String,
}

impl Failure {
    pub(crate) fn fatal(error: &dyn std::error::Error) -> Failure {
        Failure { fatal: true, message: crate::files::chain(error) }
    }

    pub(crate) fn retryable(error: &dyn std::error::Error) -> Failure {
        Failure { fatal: false, message: crate::files::chain(error) }
    }
}

/// What a shim tells on the report pipe: that it is born, then the outcome of the creation.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    Born(ShimRecord),
    Created(ShimRecord),
    Failed(Failure),
}

/// A command to a shim.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// Runs the payload.
    Start,
    /// Runs a command. Attached: its stdout, its stderr and, if it has one, its stdin; or, for a command on a terminal, one
    /// socket, to which the terminal's master is sent before the command runs.
    Exec(Exec),
    /// Copies the container's output from here on into the attached descriptors. Ends with the connection.
    Attach(Attach),
}

/// Which outputs of a container somebody wants; the descriptors are attached in this order. None is fine too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Attach {
    pub stdout: bool,
    pub stderr: bool,
}

/// What the descriptor that comes with [`Reply::Attached`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Input {
    /// No descriptor: the container reads nothing.
    None,
    /// The write end of the container's standard input.
    Pipe,
    /// The master of the container's terminal.
    Terminal,
}

/// An answer of a shim.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    Started(SystemTime),
    /// The command's program runs; its pid on the host, for display only.
    ExecStarted(i32),
    Attached(Input),
    ExecEnded(Ended),
    Refused(Failure),
}

/// `shim.json`: who is who. Written when the shim starts (without an init), when the container is created, and when it is
/// started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ShimRecord {
    pub protocol: u32,
    /// Start times are counted from boot, so a record of another boot identifies nothing.
    pub boot: String,
    pub shim: Identity,
    pub init: Option<Identity>,
    pub started_at: Option<SystemTime>,
}

/// Returns the identity of this boot.
pub(crate) fn boot_id() -> std::io::Result<String> {
    Ok(std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}
