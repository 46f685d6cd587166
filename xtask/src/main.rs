#![forbid(unsafe_code)]
//! Developer commands, typed as `cargo xtask <command>`; the `Makefile` calls the same ones.
//!
//! `tidy` checks what reviewers forget, `test` is what CI runs, `ci` is everything, and none of the three
//! ever writes to the tree; `fix` does. Nothing of the product depends on this crate. Read [`tidy`] for the
//! rules and [`run`] for how the steps are carried out and counted.

use std::process::ExitCode;

mod count;
mod run;
mod tidy;
mod workspace;

const USAGE: &str = "\
usage: cargo xtask <command>

  tidy   check the rules that no compiler checks (dependency table, purity, module docs, sizes, …)
  test   tidy, every test of the workspace and the simulator's seeds; ends with `N passed, N failed`
  compare [ARGUMENT…]  the same commands to Skep and to dockerd 20.10, expecting the same answers; see
         `tests/src/bin/compare.rs` for its arguments, without any it also runs the tests that need dockerd
  ci     rustfmt, clippy, tidy, tests, documentation and 10,000 seeds; never writes to the tree
  fix    rustfmt and clippy's own fixes
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        ["tidy"] => tidy::main(),
        ["test"] => run::test(),
        ["compare", arguments @ ..] => run::compare(arguments),
        ["ci"] => run::ci(),
        ["fix"] => run::fix(),
        ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
