//! A redis client of two commands: which version answers, and is it alive.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::engine::Task;
use crate::sandbox::Sandbox;

/// Longest wait for a connection: on a node's own bridge it is there at once, or never.
const CONNECT_LIMIT: Duration = Duration::from_millis(300);

/// Longest wait for one answer.
const LIMIT: Duration = Duration::from_secs(5);

/// Longest answer to `INFO server`; a real one has about 700 bytes.
const ANSWER_LIMIT: u64 = 64 << 10;

/// Asks the redis of a running task for its version, over the network between node and container.
pub fn version(sandbox: &Sandbox, task: &Task) -> Result<String> {
    let address = address(sandbox, task)?;
    sandbox.in_network(|| version_at(address))
}

/// Returns where the redis of a running task listens.
pub fn address(sandbox: &Sandbox, task: &Task) -> Result<SocketAddr> {
    let address = sandbox.address_of(task.process).with_context(|| format!("task {}", task.id))?;
    format!("{address}:6379").parse().with_context(|| format!("{address} is no address"))
}

/// Asks a redis for its version, over the network that the calling thread is in.
pub fn version_at(address: SocketAddr) -> Result<String> {
    let info = ask(address, "INFO server")?;
    let version = info.lines().find_map(|line| line.strip_prefix("redis_version:"));
    Ok(version.with_context(|| format!("no version in {info:?}"))?.trim().to_owned())
}

/// Sends one command and `QUIT`, and returns everything up to the end of the connection.
fn ask(address: SocketAddr, command: &str) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, CONNECT_LIMIT)
        .with_context(|| format!("cannot reach {address}"))?;
    stream.set_read_timeout(Some(LIMIT)).context("cannot limit the wait")?;
    stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).context("cannot ask redis")?;
    let mut answer = String::new();
    stream.take(ANSWER_LIMIT).read_to_string(&mut answer).context("redis did not answer")?;
    ensure!(!answer.starts_with('-'), "redis refused: {answer}");
    Ok(answer)
}
