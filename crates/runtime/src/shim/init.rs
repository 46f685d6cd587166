//! The small init of a container (`--init`): its first process stays this one, passes signals on to the program, reaps
//! what the program leaves behind, and ends as the program ends.
//!
//! It is a fork of the shim that never executes anything, so nothing has to be brought into the container for it. By then it
//! is confined like any process of the container, has no descriptor of the shim's, and cannot be looked into
//! (`PR_SET_DUMPABLE`): its memory is that of the shim, and its binary the one of the node.

use std::io;

use rustix::process::DumpableBehavior;

use super::launch::launch;
use crate::exit::Ended;
use crate::spec::process::ProcessPlan;
use crate::sys::process::{Fork, close_from, exit_now, fork, reap, set_arguments};
use crate::sys::signal::{AllSignals, lead_group};

/// Runs the planned program as a child, and stays. Returns only if the program cannot be run, with a sentence.
///
/// The pipe that tells whether the program runs is closed by the child's `execve` and by this process at once, so whoever
/// waits learns of it as without an init.
pub(super) fn run(plan: &ProcessPlan) -> String {
    match stay(plan) {
        Ok(never) => match never {},
        Err(sentence) => sentence,
    }
}

enum Never {}

fn stay(plan: &ProcessPlan) -> Result<Never, String> {
    let failed = |error: io::Error| format!("cannot set up the init of the container: {error}");
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|errno| failed(errno.into()))?;
    // Before the fork, so that no signal is lost.
    let signals = AllSignals::block().map_err(failed)?;
    match fork().map_err(failed)? {
        // A group of its own, in the foreground if there is a terminal.
        Fork::Child => match lead_group() {
            Ok(()) => Err(launch(plan)),
            Err(error) => Err(failed(error)),
        },
        Fork::Parent(program) => {
            // From here on nobody could be told; the child still can.
            let _ = close_from(3);
            let _ = set_arguments(&["skep-init"]);
            let _ = rustix::thread::set_name(c"skep-init");
            let ended = serve(&signals, program).unwrap_or(Ended::Code(1));
            exit_now(ended.code())
        }
    }
}

/// Passes signals on until the program has ended.
fn serve(signals: &AllSignals, program: i32) -> io::Result<Ended> {
    loop {
        let signal = signals.wait()?;
        if signal != libc::SIGCHLD {
            signals.pass_on(signal, program)?;
            continue;
        }
        while let Some((pid, ended)) = reap()? {
            if pid == program {
                return Ok(ended);
            }
        }
    }
}
