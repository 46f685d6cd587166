//! What a person at the terminal sees: headings, commands as typed, and what they print.
//!
//! On a terminal a command with a progress display draws on it directly. Anywhere else its output passes
//! through here, because the display then repeats unchanged lines several times a second.

use std::io::{BufRead, BufReader, IsTerminal, PipeReader, Write};
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::interrupt::Interrupt;
use crate::docker::Docker;
use crate::process::run;
use crate::wait::{Look, wait_for};

/// Longest wait of the demo for anything.
const PATIENCE: Duration = Duration::from_secs(60);

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const CYAN: &str = "\x1b[36m";
const GREEN: &str = "\x1b[32m";

/// The client that is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    Skep,
    /// The unmodified docker client, which does the same.
    Docker,
}

/// The terminal, and whoever types on it.
#[derive(Debug)]
pub struct Stage<'a> {
    program: Program,
    interrupt: &'a Interrupt,
    is_terminal: bool,
    has_colours: bool,
}

impl Program {
    /// Returns the program's name, as it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Skep => "skep",
            Self::Docker => "docker",
        }
    }
}

impl<'a> Stage<'a> {
    /// Writes to standard output.
    pub fn new(program: Program, interrupt: &'a Interrupt) -> Self {
        let is_terminal = std::io::stdout().is_terminal();
        let has_colours = is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { program, interrupt, is_terminal, has_colours }
    }

    /// Returns the client that is typed.
    pub fn program(&self) -> Program {
        self.program
    }

    /// Tells whether somebody wants the demo to end.
    pub fn is_interrupted(&self) -> bool {
        self.interrupt.is_raised()
    }

    /// Begins a part of the story: what is shown, and why it matters.
    pub fn scene(&self, title: &str, why: &str) -> Result<()> {
        self.print(&format!("\n{}\n{why}\n", self.paint(BOLD, &format!("=== {title}"))))
    }

    /// Says something between two commands.
    pub fn say(&self, text: &str) -> Result<()> {
        self.print(&format!("\n{}\n", self.paint(DIM, &format!("# {text}"))))
    }

    /// Says that a claim was checked.
    pub fn held(&self, claim: &str) -> Result<()> {
        self.print(&format!("{} {claim}\n", self.paint(GREEN, "ok:")))
    }

    /// Shows a command line that is typed.
    pub fn prompt(&self, line: &str) -> Result<()> {
        self.print(&format!("\n{} {line}\n", self.paint(CYAN, "$")))
    }

    /// Prints text as it is.
    pub fn print(&self, text: &str) -> Result<()> {
        let mut terminal = std::io::stdout().lock();
        terminal.write_all(text.as_bytes()).and_then(|()| terminal.flush()).context("cannot write the story")
    }

    /// Types a command that must succeed.
    pub fn types(&self, client: &Docker, words: &[&str]) -> Result<()> {
        let status = self.follow(client, words)?;
        ensure!(status.success(), "{} {} ended with {status}", self.program.name(), words.join(" "));
        Ok(())
    }

    /// Types a command that must end with code 1, and shows that it did.
    pub fn fails(&self, client: &Docker, words: &[&str]) -> Result<()> {
        let status = self.follow(client, words)?;
        let code = status.code().context("the client was killed")?;
        self.prompt("echo $?")?;
        self.print(&format!("{code}\n"))?;
        ensure!(code == 1, "{} {} ended with {code}, not with 1", self.program.name(), words.join(" "));
        Ok(())
    }

    /// Types a command that shows something and ends; returns what it printed.
    pub fn shows(&self, client: &Docker, words: &[&str]) -> Result<String> {
        self.prompt(&self.line(words))?;
        let printed = self.hears(client, words)?;
        self.print(&printed)?;
        Ok(printed)
    }

    /// Runs a command out of sight; returns what it printed.
    pub fn hears(&self, client: &Docker, words: &[&str]) -> Result<String> {
        self.interrupt.check()?;
        run(&mut client.command(words), PATIENCE)?.success().with_context(|| self.line(words))
    }

    /// Waits until the condition holds, or somebody presses Ctrl-C.
    pub fn wait<T>(&self, what: &str, mut look: impl FnMut() -> Result<Look<T>>) -> Result<T> {
        wait_for(what, PATIENCE, || {
            self.interrupt.check()?;
            look()
        })
    }

    /// Returns a command as a person types it.
    pub fn line(&self, words: &[&str]) -> String {
        let quote = |word: &&str| {
            let is_plain = word.chars().all(|sign| sign.is_ascii_alphanumeric() || "-_./:=@,".contains(sign));
            if is_plain { (*word).to_owned() } else { format!("'{word}'") }
        };
        let words: Vec<String> = words.iter().map(quote).collect();
        format!("{} {}", self.program.name(), words.join(" "))
    }

    /// Types a command and lets its output through while it runs.
    fn follow(&self, client: &Docker, words: &[&str]) -> Result<ExitStatus> {
        self.interrupt.check()?;
        self.prompt(&self.line(words))?;
        let (mut child, output) = self.start(client.command(words))?;
        thread::scope(|scope| {
            let printer = output.map(|output| scope.spawn(|| self.print_changes(output)));
            let ended = self.wait("the client to end", || {
                Ok(match child.try_wait().context("cannot wait for the client")? {
                    Some(status) => Look::Done(status),
                    None => Look::NotYet("it runs".into()),
                })
            });
            if ended.is_err() {
                child.kill().and_then(|()| child.wait()).context("cannot end the client")?;
            }
            if let Some(printer) = printer {
                printer.join().expect("printing does not panic")?;
            }
            ended
        })
    }

    /// Starts a command on the terminal, or on a pipe that keeps the order of its two outputs.
    fn start(&self, mut command: Command) -> Result<(Child, Option<PipeReader>)> {
        let mut output = None;
        if !self.is_terminal {
            let (reader, writer) = std::io::pipe().context("cannot make a pipe")?;
            command.stdout(writer.try_clone().context("cannot share a pipe")?).stderr(writer);
            output = Some(reader);
        }
        // The command itself holds the pipe open until it is dropped here.
        Ok((command.spawn().context("cannot start the client")?, output))
    }

    /// Prints each line that differs from the one before.
    fn print_changes(&self, output: PipeReader) -> Result<()> {
        let mut last = None;
        for line in BufReader::new(output).lines() {
            let line = line.context("cannot read what the client prints")?;
            if last.as_ref() != Some(&line) {
                self.print(&format!("{line}\n"))?;
            }
            last = Some(line);
        }
        Ok(())
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.has_colours { format!("{colour}{text}\x1b[0m") } else { text.to_owned() }
    }
}
