//! A redis client of two commands: which version answers, and is it alive.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::engine::Task;
use crate::sandbox::Sandbox;

/// Longest wait for one answer.
const LIMIT: Duration = Duration::from_secs(5);

/// Longest answer to `INFO server`; a real one has about 700 bytes.
const ANSWER_LIMIT: u64 = 64 << 10;

/// Asks the redis of a running task for its version, over the network between node and container.
pub fn version(sandbox: &Sandbox, task: &Task) -> Result<String> {
    let address = sandbox.address_of(task.process).with_context(|| format!("task {}", task.id))?;
    let info = ask(sandbox, &address, "INFO server")?;
    let version = info.lines().find_map(|line| line.strip_prefix("redis_version:"));
    Ok(version.with_context(|| format!("no version in {info:?}"))?.trim().to_owned())
}

/// Sends one command and `QUIT`, and returns everything up to the end of the connection.
fn ask(sandbox: &Sandbox, address: &str, command: &str) -> Result<String> {
    let target: SocketAddr =
        format!("{address}:6379").parse().with_context(|| format!("{address} is no address"))?;
    sandbox.in_network(|| {
        let mut stream =
            TcpStream::connect_timeout(&target, LIMIT).with_context(|| format!("cannot reach {target}"))?;
        stream.set_read_timeout(Some(LIMIT)).context("cannot limit the wait")?;
        stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).context("cannot ask redis")?;
        let mut answer = String::new();
        stream.take(ANSWER_LIMIT).read_to_string(&mut answer).context("redis did not answer")?;
        ensure!(!answer.starts_with('-'), "redis refused: {answer}");
        Ok(answer)
    })
}
