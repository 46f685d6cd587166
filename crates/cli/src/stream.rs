//! A process at the other end of a connection, and the user's terminal at this one: what `exec` and `attach` do once they
//! are connected.
//!
//! Input, output and the size of the terminal each go their own way, so that a process that does not read cannot keep
//! its output from being read. The end of the input is passed on, and the output goes on until the process closes it.

use std::io;
use std::time::Duration;

use skep_api::client::{ClientError, Hijacked, Input, Output, Stream, TerminalSize};
use tokio::io::AsyncReadExt;

use crate::context::Context;
use crate::fault::Fault;
use crate::io::Io;
use crate::terminal::{self, Mode, Resizes};

/// How much of the input is read at a time.
const CHUNK_BYTES: usize = 32 << 10;

/// How often a terminal's first size is told to a process that is still starting, and how long to wait in between.
const RESIZES_MAX: u32 = 10;
const RESIZE_AFTER: Duration = Duration::from_millis(10);

/// The keys that let go of a process, unless the user chose others: Ctrl-P, Ctrl-Q.
const DETACH_KEYS: [u8; 2] = [0x10, 0x11];

/// How a process is connected.
#[derive(Clone, Debug, Default)]
pub(crate) struct Session {
    /// The process runs on a terminal.
    pub tty: bool,
    /// The input is connected.
    pub interactive: bool,
    /// Keys that let go of it; empty without a terminal.
    pub detach_keys: Vec<u8>,
}

/// How the connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The process closed its output.
    Over,
    /// The user let go of it.
    Detached,
}

/// Connects the terminal and the process until one of them has enough.
pub(crate) async fn run<R>(
    context: &mut Context,
    session: Session,
    connection: Hijacked,
    resize: impl Fn(TerminalSize) -> R,
) -> Result<End, Fault>
where
    R: Future<Output = Result<(), ClientError>>,
{
    let Session { tty, interactive, detach_keys } = session;
    let Hijacked { mut output, input } = connection;
    let is_raw = interactive && tty && context.io.input_is_terminal;
    let _mode = if is_raw { Some(Mode::raw().map_err(terminal_fault)?) } else { None };
    let source = if interactive { Some(context.io.input()) } else { None };
    let typing = type_into(input, source, Escape::new(if tty { detach_keys } else { Vec::new() }));
    let sizing = follow_size(tty && context.io.output_is_terminal(), resize);
    tokio::pin!(typing, sizing);
    let mut is_typing = true;
    loop {
        tokio::select! {
            more = show(&mut context.io, &mut output, tty) => {
                if !more? {
                    return Ok(End::Over);
                }
            }
            is_detached = &mut typing, if is_typing => {
                if is_detached? {
                    return Ok(End::Detached);
                }
                is_typing = false;
            }
            sized = &mut sizing => sized?,
        }
    }
}

fn terminal_fault(error: io::Error) -> Fault {
    Fault::new(format!("cannot change the mode of the terminal: {error}"))
}

/// Shows the next piece of output; false at its end.
async fn show(io: &mut Io, output: &mut Output, tty: bool) -> Result<bool, Fault> {
    let Some(frame) = output.next(!tty).await? else { return Ok(false) };
    let out = match frame.stream {
        Stream::Stdout => &mut io.out,
        Stream::Stderr => &mut io.err,
    };
    out.write_all(&frame.payload)?;
    out.flush()?;
    Ok(true)
}

/// Passes the input on, and its end; true if the keys to let go came.
async fn type_into(
    mut input: Input,
    source: Option<crate::io::Input>,
    mut escape: Escape,
) -> Result<bool, Fault> {
    let Some(mut source) = source else {
        // The connection must stay open in this direction: its end would be the end of the process's input.
        std::future::pending::<()>().await;
        return Ok(false);
    };
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = source.read(&mut chunk).await;
        let read = read.map_err(|error| Fault::new(format!("cannot read the standard input: {error}")))?;
        let (passed, is_detached) = escape.feed(&chunk[..read]);
        // A process that is over reads no more, which is no mistake of whoever types.
        let is_open =
            if read == 0 { input.close().await.is_ok() } else { input.write(&passed).await.is_ok() };
        if is_detached {
            return Ok(true);
        }
        if read == 0 || !is_open {
            return Ok(false);
        }
    }
}

/// Tells the process the size of the terminal, now and whenever it changes. Ends only with an error.
async fn follow_size<R>(is_wanted: bool, resize: impl Fn(TerminalSize) -> R) -> Result<(), Fault>
where
    R: Future<Output = Result<(), ClientError>>,
{
    if !is_wanted {
        std::future::pending::<()>().await;
    }
    let mut changes = Resizes::listen().map_err(terminal_fault)?;
    for attempt in 1..=RESIZES_MAX {
        let Some(size) = terminal::size() else { break };
        if resize(size).await.is_ok() {
            break;
        }
        tokio::time::sleep(RESIZE_AFTER * attempt).await;
    }
    loop {
        changes.next().await;
        if let Some(size) = terminal::size() {
            // A process that just ended has no terminal; its output tells the rest.
            let _ = resize(size).await;
        }
    }
}

/// Looks for the keys that let go.
#[derive(Debug)]
struct Escape {
    keys: Vec<u8>,
    matched: usize,
}

impl Escape {
    fn new(keys: Vec<u8>) -> Escape {
        Escape { keys, matched: 0 }
    }

    /// Takes bytes in; returns those that go on to the process, and whether the keys are complete.
    fn feed(&mut self, bytes: &[u8]) -> (Vec<u8>, bool) {
        let mut passed = Vec::with_capacity(bytes.len());
        for &byte in bytes {
            if self.keys.get(self.matched) != Some(&byte) {
                passed.extend_from_slice(&self.keys[..self.matched]);
                self.matched = 0;
            }
            if self.keys.get(self.matched) != Some(&byte) {
                passed.push(byte);
                continue;
            }
            self.matched += 1;
            if self.matched == self.keys.len() {
                return (passed, true);
            }
        }
        (passed, false)
    }
}

/// Reads `--detach-keys`; empty means the usual keys.
pub(crate) fn detach_keys(text: &str) -> Result<Vec<u8>, Fault> {
    if text.is_empty() {
        return Ok(DETACH_KEYS.to_vec());
    }
    skep_api::keys::parse(text).ok_or_else(|| {
        Fault::new(format!("invalid detach keys ({text})")).hint("write them like \"ctrl-p,ctrl-q\" or \"a\"")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_begin_an_escape_are_held_back_until_it_is_none() {
        let mut escape = Escape::new(vec![1, 2]);
        assert_eq!(escape.feed(&[9, 1]), (vec![9], false));
        assert_eq!(escape.feed(&[1, 3]), (vec![1, 1, 3], false));
        assert_eq!(escape.feed(&[7, 1, 2, 8]), (vec![7], true));
        assert_eq!(Escape::new(Vec::new()).feed(&[1, 2]), (vec![1, 2], false));
    }
}
