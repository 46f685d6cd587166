//! How a container ended.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// The end of a container's process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// Exit code; 128 + n for a process that signal n ended.
    pub code: i32,
    /// The signal that ended the process.
    pub signal: Option<i32>,
    /// The kernel killed the process because the container was over its memory limit.
    pub oom_killed: bool,
    /// When the process was started; nothing if it never was, or if nobody is left who knows.
    #[serde(default)]
    pub started_at: Option<SystemTime>,
    /// When the end was observed.
    pub at: SystemTime,
    /// The shim vanished and took the exit code with it: `code` is only a guess (137).
    pub shim_lost: bool,
}

impl Exit {
    /// Builds the exit of a process that ended by itself or by a signal.
    pub(crate) fn observed(status: Ended, oom_killed: bool, started_at: Option<SystemTime>) -> Exit {
        let (code, signal) = match status {
            Ended::Code(code) => (code, None),
            Ended::Signal(signal) => (128 + signal, Some(signal)),
        };
        Exit { code, signal, oom_killed, started_at, at: SystemTime::now(), shim_lost: false }
    }

    /// Builds the exit of a container whose shim is gone without a word.
    pub(crate) fn lost(started_at: Option<SystemTime>) -> Exit {
        let at = SystemTime::now();
        Exit { code: 137, signal: None, oom_killed: false, started_at, at, shim_lost: true }
    }
}

/// What the kernel says about an ended child.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ended {
    Code(i32),
    Signal(i32),
}

impl Ended {
    /// Returns the shell's reading: the code, or 128 + n.
    pub(crate) fn code(self) -> i32 {
        match self {
            Ended::Code(code) => code,
            Ended::Signal(signal) => 128 + signal,
        }
    }
}
