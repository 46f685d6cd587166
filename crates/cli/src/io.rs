//! The only door to the terminal: commands write here, tests read what they wrote.

use std::fmt;
use std::io::{self, IsTerminal, Write};

use tokio::io::AsyncRead;

/// What a command reads.
pub(crate) type Input = Box<dyn AsyncRead + Send + Unpin>;

/// Where a command writes, and what is known about the screen.
pub(crate) struct Io {
    /// Data.
    pub out: Box<dyn Write>,
    /// Everything else.
    pub err: Box<dyn Write>,
    /// The width of standard output in columns, if it is a terminal.
    pub columns: Option<usize>,
    /// The standard input is a terminal.
    pub input_is_terminal: bool,
    /// What a test gives in place of the standard input.
    pub given: Option<Input>,
}

impl Io {
    /// The streams of this process.
    pub(crate) fn process() -> Io {
        Io {
            out: Box::new(io::stdout()),
            err: Box::new(io::stderr()),
            columns: terminal_columns(),
            input_is_terminal: io::stdin().is_terminal(),
            given: None,
        }
    }

    /// The standard input. Taken once by the command that reads it.
    pub(crate) fn input(&mut self) -> Input {
        self.given.take().unwrap_or_else(|| Box::new(tokio::io::stdin()))
    }

    /// Tells whether standard output is a terminal.
    pub(crate) fn output_is_terminal(&self) -> bool {
        self.columns.is_some()
    }

    /// Writes a line of data.
    pub(crate) fn line(&mut self, text: impl fmt::Display) -> io::Result<()> {
        writeln!(self.out, "{text}")
    }

    /// Writes data as it is.
    pub(crate) fn text(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())
    }

    /// Writes a line beside the data.
    pub(crate) fn warn(&mut self, text: impl fmt::Display) -> io::Result<()> {
        writeln!(self.err, "{text}")
    }
}

#[cfg(unix)]
fn terminal_columns() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    // A terminal that does not know its size is as wide as terminals were made.
    Some(if size.ws_col == 0 { 80 } else { size.ws_col.into() })
}

#[cfg(not(unix))]
fn terminal_columns() -> Option<usize> {
    io::stdout().is_terminal().then_some(80)
}
