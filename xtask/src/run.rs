//! The steps of `test`, `compare`, `ci` and `fix`: cargo commands, run one after the other, counted and summed up.
//!
//! Every step runs even when an earlier one failed, so that one run shows everything there is to mend; only
//! a tree that does not build ends it at once. A step that is a whole check (tidy, rustfmt, the seeds) counts
//! as one test, a `cargo test` step counts as the tests that its runner reports.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::count::Count;
use crate::tidy;

/// Seeds that the simulator must survive in every run of the tests.
const SEED_COUNT: &str = "10000";

/// Runs what CI runs: returns true when nothing failed.
pub fn test() -> Result<bool> {
    let mut report = Report::default();
    if !report.step("build", &["build", "--workspace", "--all-targets"])? {
        return report.finish();
    }
    report.tidy()?;
    report.step("format", &["fmt", "--all", "--check"])?;
    report.tests()?;
    report.seeds()?;
    report.finish()
}

/// Runs everything that a change must survive before it lands: returns true when nothing failed.
pub fn ci() -> Result<bool> {
    let mut report = Report::default();
    report.step("format", &["fmt", "--all", "--check"])?;
    report.tidy()?;
    report.step("clippy", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    if !report.step("build", &["build", "--workspace", "--all-targets"])? {
        return report.finish();
    }
    report.tests()?;
    report.documentation()?;
    report.seeds()?;
    report.finish()
}

/// Holds Skep against dockerd 20.10; with arguments, only the scripts of `tests/compare/`, as those say.
pub fn compare(arguments: &[&str]) -> Result<bool> {
    let mut report = Report::default();
    if !report.step("build", &["build", "--package", "skep"])? {
        return report.finish();
    }
    let program = ["run", "--quiet", "--package", "skep-tests", "--bin", "compare", "--"];
    report.step("commands", &[&program[..], arguments].concat())?;
    if arguments.is_empty() {
        report.step("skep typed", &[&program[..], &["--recorded", "--client", "skep"]].concat())?;
        report.step("tests", &["test", "--package", "skep-tests", "--test", "e2e", "--", "--ignored"])?;
    }
    report.finish()
}

/// Applies rustfmt and clippy's own suggestions to the tree.
pub fn fix() -> Result<bool> {
    let mut report = Report::default();
    report.step(
        "clippy --fix",
        &["clippy", "--workspace", "--all-targets", "--fix", "--allow-dirty", "--allow-staged"],
    )?;
    report.step("format", &["fmt", "--all"])?;
    report.finish()
}

/// What happened so far.
#[derive(Default)]
struct Report {
    count: Count,
    failures: Vec<String>,
}

impl Report {
    /// Runs one cargo command that counts as one test; returns whether it succeeded.
    fn step(&mut self, name: &str, arguments: &[&str]) -> Result<bool> {
        heading(name, arguments);
        let passed =
            cargo(arguments).status().with_context(|| format!("cannot run cargo for {name}"))?.success();
        self.record(name, passed, Count::of_step(passed));
        Ok(passed)
    }

    fn tidy(&mut self) -> Result<()> {
        heading("tidy", &["xtask", "tidy"]);
        let passed = tidy::main()?;
        self.record("tidy", passed, Count::of_step(passed));
        Ok(())
    }

    /// Runs every test, each package's failures included, and counts what the runner reports.
    fn tests(&mut self) -> Result<()> {
        let arguments = ["test", "--workspace", "--no-fail-fast"];
        heading("tests", &arguments);
        let mut child = cargo(&arguments).stdout(Stdio::piped()).spawn().context("cannot run cargo test")?;
        let output = child.stdout.take().expect("standard output was asked for as a pipe");
        let count = echo_and_count(BufReader::new(output), &mut std::io::stdout().lock())?;
        let passed = child.wait().context("cannot wait for cargo test")?.success();
        // A test program that dies before its closing line fails the run without a failed test in the sums.
        let unseen = Count::of_step(false);
        self.record("tests", passed, count);
        if !passed && count.failed == 0 {
            self.count += unseen;
        }
        Ok(())
    }

    fn documentation(&mut self) -> Result<()> {
        let arguments = ["doc", "--workspace", "--no-deps", "--document-private-items"];
        heading("documentation", &arguments);
        let status = cargo(&arguments).env("RUSTDOCFLAGS", "-D warnings").status();
        let passed = status.context("cannot run cargo doc")?.success();
        self.record("documentation", passed, Count::of_step(passed));
        Ok(())
    }

    fn seeds(&mut self) -> Result<()> {
        let program = ["run", "--quiet", "--package", "skep-sim", "--"];
        self.step("simulator", &[&program[..], &["--seeds", SEED_COUNT]].concat())?;
        Ok(())
    }

    fn record(&mut self, name: &str, passed: bool, count: Count) {
        self.count += count;
        if !passed {
            self.failures.push(name.to_owned());
        }
    }

    /// Prints the closing line that CI reads; returns whether everything passed.
    fn finish(self) -> Result<bool> {
        println!();
        if !self.failures.is_empty() {
            println!("failed: {}", self.failures.join(", "));
        }
        println!("{}", self.count);
        std::io::stdout().flush().context("cannot write the closing line")?;
        Ok(self.failures.is_empty() && self.count.failed == 0)
    }
}

/// Passes every line on as it comes and sums the closing lines of the test programs.
fn echo_and_count(input: impl BufRead, output: &mut impl Write) -> Result<Count> {
    let mut sum = Count::default();
    for line in input.split(b'\n') {
        let line = line.context("cannot read the output of cargo test")?;
        let line = String::from_utf8_lossy(&line);
        writeln!(output, "{line}").context("cannot pass on the output of cargo test")?;
        if let Some(count) = Count::parse(&line) {
            sum += count;
        }
    }
    Ok(sum)
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn heading(name: &str, arguments: &[&str]) {
    println!("\n== {name}: cargo {}", arguments.join(" "));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_passed_on_and_counted() {
        let input = "test a ... ok\ntest result: ok. 1 passed; 0 failed; 0 ignored; 0 measured\n";
        let mut output = Vec::new();
        let count = echo_and_count(input.as_bytes(), &mut output).unwrap();
        assert_eq!(String::from_utf8(output).unwrap(), input);
        assert_eq!(count, Count { passed: 1, failed: 0, skipped: 0 });
    }
}
