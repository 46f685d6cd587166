//! A daemon behind a login: `ssh` runs `skep system dial-stdio` there, whose standard streams are the connection.

use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// What is run at the other end.
const REMOTE: [&str; 3] = ["skep", "system", "dial-stdio"];

/// Seconds for the login, so that a host that is down does not hold a command up for minutes.
const CONNECT_TIMEOUT: &str = "ConnectTimeout=30";

/// The standard streams of `ssh`. The program ends with them.
pub(super) struct Login {
    input: ChildStdin,
    output: ChildStdout,
    _child: Child,
}

/// Logs in to `[user@]host[:port]`.
pub(super) fn dial(destination: &str) -> io::Result<Login> {
    let mut child = Command::new("ssh")
        .args(arguments(destination))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let input = child.stdin.take().expect("the standard input is a pipe");
    let output = child.stdout.take().expect("the standard output is a pipe");
    Ok(Login { input, output, _child: child })
}

fn arguments(destination: &str) -> Vec<&str> {
    let mut arguments = vec!["-o", CONNECT_TIMEOUT, "-T"];
    let (host, port) = match destination.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (host, Some(port)),
        _ => (destination, None),
    };
    if let Some(port) = port {
        arguments.extend(["-p", port]);
    }
    arguments.extend(["--", host]);
    arguments.extend(REMOTE);
    arguments
}

impl AsyncRead for Login {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.output).poll_read(context, buffer)
    }
}

impl AsyncWrite for Login {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.input).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.input).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.input).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_is_never_an_option() {
        let words = arguments("me@host:2222").join(" ");
        assert_eq!(words, "-o ConnectTimeout=30 -T -p 2222 -- me@host skep system dial-stdio");
        assert!(arguments("host").join(" ").ends_with("-T -- host skep system dial-stdio"));
    }
}
