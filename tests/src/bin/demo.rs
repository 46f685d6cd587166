#![forbid(unsafe_code)]
//! `make demo`: a rolling update of a real redis, its failures, a dying daemon and a rollback, as typed by hand.
//!
//! `demo docker` types the unmodified docker client in place of `skep`. The exit code is 0 when every claim
//! held, 130 after Ctrl-C and 1 otherwise. Read `tests/src/demo/` for the story.

use std::process::ExitCode;

use anyhow::{Result, bail};
use skep_tests::demo::{Interrupt, Program, run};

/// What a shell reports for a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    match play() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("\ndemo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn play() -> Result<ExitCode> {
    let program = program()?;
    let interrupt = Interrupt::watch()?;
    match run(program, &interrupt) {
        Err(_) if interrupt.is_raised() => {
            eprintln!("\ndemo: interrupted; everything it had started is gone");
            Ok(ExitCode::from(INTERRUPTED))
        }
        outcome => outcome.map(|()| ExitCode::SUCCESS),
    }
}

fn program() -> Result<Program> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] | ["skep"] => Ok(Program::Skep),
        ["docker"] => Ok(Program::Docker),
        _ => bail!("usage: demo [skep|docker]"),
    }
}
