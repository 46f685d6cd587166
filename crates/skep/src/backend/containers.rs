//! Containers of this node: everything but the commands that users run in them.

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt};
use skep_agent::containers::{AttachStreams, ContainerError, ContainerErrorClass};
use skep_agent::{ContainerView, LogQuery, LogRecord, LogSource, chain, containers};
use skep_api::server::backend::{Containers, Download, Upload, Waiting};
use skep_api::server::facts::{
    ArchiveOptions, AttachRequest, Chunk, ContainerDetail, ContainerFacts, ContainerLogRequest,
    ContainerSize, Fault, FaultClass, LogLine, LogStream, PathChange, PathStat, Processes, Session,
    StopRequest, TerminalSize, Usage, WaitFor,
};

use super::{Daemon, detail, failed, files};

impl Containers for Daemon {
    fn containers(&self) -> BoxFuture<'_, Vec<ContainerFacts>> {
        async {
            let mut rows = detail::list(self).await;
            rows.sort_by_key(|row| std::cmp::Reverse(row.created_at));
            rows
        }
        .boxed()
    }

    fn container<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<ContainerDetail, Fault>> {
        async move { detail::detail(self, &self.find_container(id)?).await }.boxed()
    }

    fn container_size<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<ContainerSize, Fault>> {
        async move {
            let size = self.containers.size(id).await.map_err(fault)?;
            Ok(ContainerSize { writable: files::bytes(size.writable), root: files::bytes(size.root) })
        }
        .boxed()
    }

    fn container_logs(
        &self,
        id: &str,
        request: ContainerLogRequest,
    ) -> BoxStream<'static, Result<LogLine, Fault>> {
        let view = match self.find_container(id) {
            Ok(view) => view,
            Err(fault) => return stream::iter([Err(fault)]).boxed(),
        };
        let query = LogQuery {
            tail: request.tail,
            since: request.since,
            stdout: request.stdout,
            stderr: request.stderr,
            // The container is there, so nothing is waited for but its end.
            follow: request.follow.then(|| std::future::pending().boxed()),
        };
        let until = request.until;
        let records = self.engine.clone().logs(view.record.task_id, query);
        let lines = records.map(|record| record.map(log_line).map_err(|error| failed(&error)));
        let is_wanted = move |line: &Result<LogLine, Fault>| {
            let late = matches!((line, until), (Ok(line), Some(until)) if line.at > until);
            std::future::ready(!late)
        };
        lines.take_while(is_wanted).boxed()
    }

    fn attach<'a>(&'a self, id: &'a str, request: AttachRequest) -> BoxFuture<'a, Result<Session, Fault>> {
        let AttachRequest { stdin, stdout, stderr } = request;
        let streams = AttachStreams { stdin, stdout, stderr };
        async move { self.containers.attach(id, streams).await.map(session).map_err(fault) }.boxed()
    }

    fn resize<'a>(&'a self, id: &'a str, size: TerminalSize) -> BoxFuture<'a, Result<(), Fault>> {
        async move { self.containers.resize(id, terminal_size(size)).await.map_err(fault) }.boxed()
    }

    fn wait<'a>(&'a self, id: &'a str, condition: WaitFor) -> BoxFuture<'a, Result<Waiting, Fault>> {
        let condition = match condition {
            WaitFor::NotRunning => containers::WaitFor::NotRunning,
            WaitFor::NextExit => containers::WaitFor::NextExit,
            WaitFor::Removed => containers::WaitFor::Removed,
        };
        let waiting = self.containers.wait(id, condition).map(|code| code.map(Ok).boxed()).map_err(fault);
        std::future::ready(waiting).boxed()
    }

    fn stop<'a>(&'a self, id: &'a str, request: StopRequest) -> BoxFuture<'a, Result<bool, Fault>> {
        async move { self.containers.stop(id, request.signal, request.grace).await.map_err(fault) }.boxed()
    }

    fn kill<'a>(&'a self, id: &'a str, signal: i32) -> BoxFuture<'a, Result<(), Fault>> {
        async move { self.containers.kill(id, signal).await.map_err(fault) }.boxed()
    }

    fn remove_container<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), Fault>> {
        async move {
            let task_id = self.find_container(id)?.record.task_id;
            // The worker learns of the end from the container itself, and its service then decides.
            self.engine.kill(task_id).await;
            self.engine.remove(task_id).await.map_err(|error| failed(&error))
        }
        .boxed()
    }

    fn usage<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Usage>, Fault>> {
        async move {
            let usage = self.containers.usage(id).await.map_err(fault)?;
            Ok(usage.map(|usage| files::usage(usage, self.machine_memory)))
        }
        .boxed()
    }

    fn top<'a>(&'a self, id: &'a str, arguments: &'a str) -> BoxFuture<'a, Result<Processes, Fault>> {
        async move {
            let arguments: Vec<String> = arguments.split_whitespace().map(str::to_owned).collect();
            let top = self.containers.top(id, &arguments).await.map_err(fault)?;
            Ok(Processes { titles: top.titles, rows: top.rows })
        }
        .boxed()
    }

    fn path_changes<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Vec<PathChange>, Fault>> {
        async move {
            let changes = self.containers.changes(id).await.map_err(fault)?;
            Ok(changes.into_iter().map(files::change).collect())
        }
        .boxed()
    }

    fn path_stat<'a>(&'a self, id: &'a str, path: &'a str) -> BoxFuture<'a, Result<PathStat, Fault>> {
        async move { self.containers.path_stat(id, path).await.map(files::stat).map_err(fault) }.boxed()
    }

    fn read_archive<'a>(
        &'a self,
        id: &'a str,
        path: &'a str,
    ) -> BoxFuture<'a, Result<(PathStat, Download), Fault>> {
        async move {
            let (stat, archive) = self.containers.archive(id, path).await.map_err(fault)?;
            Ok((files::stat(stat), archive))
        }
        .boxed()
    }

    fn write_archive<'a>(
        &'a self,
        id: &'a str,
        path: &'a str,
        options: ArchiveOptions,
        archive: Upload,
    ) -> BoxFuture<'a, Result<(), Fault>> {
        let options = skep_runtime::PutOptions {
            keep_kinds: options.keep_kinds,
            // Compat: without the flag the archive's own numbers count, with it the container's user.
            owner: match options.chown_to_user {
                true => skep_runtime::Owner::Container,
                false => skep_runtime::Owner::Archive,
            },
        };
        async move { self.containers.put_archive(id, path, options, archive).await.map_err(fault) }.boxed()
    }
}

impl Daemon {
    /// Returns a container by its full id.
    pub(super) fn find_container(&self, id: &str) -> Result<ContainerView, Fault> {
        let found = self.engine.containers().into_iter().find(|view| view.record.container_id == id);
        found.ok_or_else(|| Fault::new(FaultClass::NotFound, format!("No such container: {id}")))
    }
}

/// What the agent says about containers, with the class that becomes a status.
pub(super) fn fault(error: ContainerError) -> Fault {
    let class = match error.class() {
        ContainerErrorClass::NotFound => FaultClass::NotFound,
        ContainerErrorClass::Conflict => FaultClass::Conflict,
        ContainerErrorClass::Invalid => FaultClass::Invalid,
        ContainerErrorClass::Forbidden => FaultClass::Denied,
        ContainerErrorClass::Internal => FaultClass::Failed,
    };
    Fault::new(class, chain(&error))
}

pub(super) fn terminal_size(size: TerminalSize) -> skep_runtime::TerminalSize {
    skep_runtime::TerminalSize { rows: size.height, columns: size.width }
}

/// Hands a process's streams to the API.
pub(super) fn session(session: containers::Session) -> Session {
    let output = session.output.map(|chunk| match chunk {
        Ok(chunk) => Ok(Chunk { stream: log_stream(chunk.source), bytes: chunk.bytes }),
        Err(error) => Err(failed(&error)),
    });
    Session { output: output.boxed(), input: session.input }
}

/// Hands a line of a log to the API.
pub(super) fn log_line(record: LogRecord) -> LogLine {
    LogLine { stream: log_stream(record.source), at: record.at, line: record.line }
}

fn log_stream(source: LogSource) -> LogStream {
    match source {
        LogSource::Stdout => LogStream::Stdout,
        LogSource::Stderr => LogStream::Stderr,
    }
}
