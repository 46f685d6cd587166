//! The processes of a container, as `ps` on this node shows them.
//!
//! Compat: Docker runs `ps` outside of the container with the caller's options and keeps the lines of the container's
//! processes; so do we, because people and scripts pass every option that `ps` has.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::{ContainerError, Containers, Processes};

/// How long `ps` may take.
const PS_WAIT_MAX: Duration = Duration::from_secs(10);

impl Containers {
    /// Lists the container's processes. Without arguments: `-ef`.
    pub async fn top(&self, id: &str, ps_arguments: &[String]) -> Result<Processes, ContainerError> {
        let handle = self.running(id)?;
        check(ps_arguments)?;
        let failed = |reason: String| ContainerError::Ps { id: id.to_owned(), reason };
        let pids = handle.processes().await.map_err(|error| failed(crate::chain(&error)))?;
        let pids: BTreeSet<i32> = pids.into_iter().collect();
        let default = ["-ef".to_owned()];
        let arguments = if ps_arguments.is_empty() { &default[..] } else { ps_arguments };
        // Asking for these alone is quicker, but not every set of options can be joined with that.
        let list: Vec<String> = pids.iter().map(i32::to_string).collect();
        let narrow = [arguments, &["-q".to_owned(), list.join(",")]].concat();
        let output = match ps(&narrow).await {
            Ok(output) => output,
            Err(_) => ps(arguments).await.map_err(failed)?,
        };
        parse(&output, &pids).map_err(failed)
    }
}

async fn ps(arguments: &[String]) -> Result<String, String> {
    let mut command = Command::new("ps");
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    let output = match tokio::time::timeout(PS_WAIT_MAX, command.output()).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err("this node has no program ps; install it (Debian: apt-get install procps)".to_owned());
        }
        Ok(Err(error)) => return Err(format!("ps does not run: {error}")),
        Err(_) => return Err(format!("ps took longer than {} s", PS_WAIT_MAX.as_secs())),
    };
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        return Err(format!("ps: {}", words.lines().next().unwrap_or("it failed without a word")));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Refuses another column that is called PID: it would be taken for the real one.
fn check(arguments: &[String]) -> Result<(), ContainerError> {
    let line = arguments.join(" ");
    for word in line.split([' ', ',']) {
        if let Some((column, title)) = word.split_once('=')
            && title.trim_start().starts_with("PID")
            && column != "pid"
        {
            return Err(ContainerError::PsArguments(format!(
                "specifying \"{column}={title}\" is not allowed"
            )));
        }
    }
    Ok(())
}

/// Picks the lines of the processes out of what `ps` printed.
fn parse(output: &str, pids: &BTreeSet<i32>) -> Result<Processes, String> {
    let mut lines = output.lines();
    let fields = |line: &str| -> Vec<String> {
        line.split([' ', '\t']).filter(|field| !field.is_empty()).map(str::to_owned).collect()
    };
    let titles = fields(lines.next().unwrap_or_default());
    let column = titles.iter().position(|title| title == "PID");
    let column = column.ok_or("Couldn't find PID field in ps output")?;
    let mut rows = Vec::new();
    let mut is_threads = false;
    for line in lines.filter(|line| !line.trim().is_empty()) {
        let mut row = fields(line);
        let Some(pid) = row.get(column) else { return Err(format!("a line of ps without a pid: {line}")) };
        // With -m, the threads of a process follow it and have a dash.
        let is_wanted = if pid == "-" {
            is_threads
        } else {
            let pid: i32 = pid.parse().map_err(|_| format!("Unexpected pid '{pid}'"))?;
            is_threads = pids.contains(&pid);
            is_threads
        };
        if is_wanted {
            // The last column is a command line, which has spaces of its own.
            let rest = row.split_off(row.len().min(titles.len() - 1));
            row.push(rest.join(" "));
            rows.push(row);
        }
    }
    Ok(Processes { titles, rows })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_containers_processes_are_kept() {
        let output = "UID   PID  PPID CMD\nroot    1     0 init\nroot   42     1 sh -c sleep 5\n  app 43 42 sleep 5\nroot 44 1 x\n";
        let found = parse(output, &BTreeSet::from([42, 43])).expect("parsed");
        assert_eq!(found.titles, ["UID", "PID", "PPID", "CMD"]);
        assert_eq!(found.rows, [["root", "42", "1", "sh -c sleep 5"], ["app", "43", "42", "sleep 5"]]);
        let threads = "PID LWP CMD\n42 - sh\n- 42 -\n- 45 -\n1 - init\n- 1 -\n";
        assert_eq!(parse(threads, &BTreeSet::from([42])).expect("parsed").rows.len(), 3);
        assert_eq!(
            parse("A B\n1 2\n", &BTreeSet::new()),
            Err("Couldn't find PID field in ps output".to_owned())
        );
    }

    #[test]
    fn a_false_pid_column_is_refused() {
        let arguments = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert!(check(&arguments("-o pid=PID,args")).is_ok());
        let error = check(&arguments("-o ppid=PID")).expect_err("refused");
        assert_eq!(error.to_string(), "specifying \"ppid=PID\" is not allowed");
    }
}
