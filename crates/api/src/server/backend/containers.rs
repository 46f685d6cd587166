//! What the server asks of a node's containers.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;

use super::super::facts::{
    ArchiveOptions, AttachRequest, ContainerDetail, ContainerFacts, ContainerLogRequest, ContainerSize,
    ExecFacts, ExecSpec, Fault, LogLine, PathChange, PathStat, Processes, Session, StopRequest, TerminalSize,
    Usage, WaitFor,
};

/// Bytes that a client sends, in parts; a part that is an error ends them.
pub type Upload = BoxStream<'static, std::io::Result<Bytes>>;
/// Bytes that a client gets, in parts; an error cuts the answer off.
pub type Download = BoxStream<'static, std::io::Result<Bytes>>;

/// The end of a process, still to come.
pub type Waiting = BoxFuture<'static, Result<i32, Fault>>;

/// Containers of this node, by their full ids.
///
/// The server finds the id behind a name or a beginning of an id in [`Containers::containers`]; a container that is gone
/// by then is [`super::super::facts::FaultClass::NotFound`].
pub trait Containers: Send + Sync {
    /// Returns the containers of this node, newest first.
    fn containers(&self) -> BoxFuture<'_, Vec<ContainerFacts>>;

    fn container<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<ContainerDetail, Fault>>;

    /// Measures the container's files; reads every directory of its writable layer.
    fn container_size<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<ContainerSize, Fault>>;

    /// Reads the container's log; with `follow` until its process ends. Dropping the stream ends the reading.
    fn container_logs(
        &self,
        id: &str,
        request: ContainerLogRequest,
    ) -> BoxStream<'static, Result<LogLine, Fault>>;

    /// Joins the streams of the container's first process.
    fn attach<'a>(&'a self, id: &'a str, request: AttachRequest) -> BoxFuture<'a, Result<Session, Fault>>;

    /// Sets the size of the terminal of the container's first process.
    fn resize<'a>(&'a self, id: &'a str, size: TerminalSize) -> BoxFuture<'a, Result<(), Fault>>;

    /// Begins to wait; what comes out of the wait is the exit code. Dropping it ends the waiting.
    fn wait<'a>(&'a self, id: &'a str, condition: WaitFor) -> BoxFuture<'a, Result<Waiting, Fault>>;

    /// Stops the container's process and returns whether it ran. What becomes of the task is its service's policy.
    fn stop<'a>(&'a self, id: &'a str, request: StopRequest) -> BoxFuture<'a, Result<bool, Fault>>;

    /// Sends a signal to the container's first process.
    fn kill<'a>(&'a self, id: &'a str, signal: i32) -> BoxFuture<'a, Result<(), Fault>>;

    /// Removes a container; one whose process runs is killed first.
    fn remove_container<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), Fault>>;

    /// Measures what a container uses; `None` if its process does not run.
    fn usage<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Usage>, Fault>>;

    /// Lists the container's processes. `arguments` are those of `ps`.
    fn top<'a>(&'a self, id: &'a str, arguments: &'a str) -> BoxFuture<'a, Result<Processes, Fault>>;

    /// Lists what differs from the image, in the order of the paths.
    fn path_changes<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Vec<PathChange>, Fault>>;

    /// Looks at a path. Links are resolved inside the container's root, never outside.
    fn path_stat<'a>(&'a self, id: &'a str, path: &'a str) -> BoxFuture<'a, Result<PathStat, Fault>>;

    /// Packs a path into a tar archive.
    fn read_archive<'a>(
        &'a self,
        id: &'a str,
        path: &'a str,
    ) -> BoxFuture<'a, Result<(PathStat, Download), Fault>>;

    /// Unpacks a tar archive, compressed or not, into a directory of the container.
    fn write_archive<'a>(
        &'a self,
        id: &'a str,
        path: &'a str,
        options: ArchiveOptions,
        archive: Upload,
    ) -> BoxFuture<'a, Result<(), Fault>>;
}

/// Commands that users run in containers. The server checks that the container runs before it asks.
pub trait Execs: Send + Sync {
    /// Notes a command; returns its id.
    fn exec_create<'a>(
        &'a self,
        container_id: &'a str,
        spec: ExecSpec,
    ) -> BoxFuture<'a, Result<String, Fault>>;

    /// Returns a noted command that may be started; one that ran or runs may not.
    fn exec_startable<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<ExecFacts, Fault>>;

    /// Starts a noted command and joins its streams. Returns when its program runs, or with the sentence that says
    /// why it does not; then its exit code is 126 or 127.
    fn exec_start<'a>(
        &'a self,
        id: &'a str,
        size: Option<TerminalSize>,
    ) -> BoxFuture<'a, Result<Session, Fault>>;

    /// Starts a noted command without anybody at its streams.
    fn exec_start_detached<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), Fault>>;

    /// Sets the size of the command's terminal; waits shortly for one that is just being started.
    fn exec_resize<'a>(&'a self, id: &'a str, size: TerminalSize) -> BoxFuture<'a, Result<(), Fault>>;

    fn exec<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<ExecFacts, Fault>>;
}
