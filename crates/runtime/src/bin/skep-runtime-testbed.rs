//! Stands in for the `skep` binary in the integration tests: answers to `shim`, and to nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    if skep_runtime::is_shim(&args) {
        return skep_runtime::shim_main(&args);
    }
    eprintln!("this binary only runs as a shim of the runtime's tests");
    ExitCode::FAILURE
}
