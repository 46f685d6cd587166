//! Many tasks' logs as one, growing while a client follows.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{BoxStream, SelectAll};
use skep_model::{NodeId, ServiceId, Task, TaskId};
use tokio::sync::broadcast::{self, error::RecvError};

use super::super::facts::{Changed, Fault, LogLine, LogRequest};
use super::super::{Backend, Context, View};
use super::frame::{self, Origin};
use super::{Wish, tasks_of};

/// Logs read at the same time for one client. Each is an open file, here or on another node; the rest wait their turn.
const OPEN_MAX: usize = 512;

/// A task's log that is to be read.
struct Turn {
    origin: Origin,
    follow: bool,
    tail: Option<u64>,
}

/// The joined logs on their way to one client.
pub(super) struct Merge {
    context: Arc<Context>,
    wish: Wish,
    /// The output of terminals is not framed.
    tty: bool,
    /// Tasks whose turn comes when another log has ended.
    waiting: VecDeque<Turn>,
    open: SelectAll<BoxStream<'static, (Origin, Result<LogLine, Fault>)>>,
    /// Tasks taken in so far.
    seen: BTreeSet<TaskId>,
    /// The service whose new tasks join, while a client follows it.
    service: Option<(ServiceId, broadcast::Receiver<Changed>)>,
    failed: bool,
}

impl Merge {
    pub(super) fn new(context: Arc<Context>, wish: Wish, tty: bool) -> Self {
        Merge {
            context,
            wish,
            tty,
            waiting: VecDeque::new(),
            open: SelectAll::new(),
            seen: BTreeSet::new(),
            service: None,
            failed: false,
        }
    }

    /// Takes in a task that was there when the client asked.
    pub(super) fn add(&mut self, task: &Task) {
        self.take_in(task, self.wish.tail);
    }

    /// Takes in a task once. One that is over has said everything, and is not followed.
    fn take_in(&mut self, task: &Task, tail: Option<u64>) {
        if self.seen.insert(task.id) {
            let origin = Origin { task_id: task.id, service_id: task.service_id, node_id: task.node_id };
            self.waiting.push_back(Turn { origin, follow: self.wish.follow && !task.is_over(), tail });
        }
    }

    /// Takes in the tasks that a service has.
    pub(super) fn add_service(&mut self, view: &dyn View, id: ServiceId) {
        tasks_of(view, id).for_each(|task| self.add(task));
    }

    /// Takes in the tasks that a service gets from here on, if the client follows.
    pub(super) fn follow_service(&mut self, id: ServiceId, changes: broadcast::Receiver<Changed>) {
        self.service = self.wish.follow.then_some((id, changes));
    }

    /// Returns the next frame, or `None` at the end.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        loop {
            self.open_waiting();
            if self.failed || (self.open.is_empty() && self.service.is_none()) {
                return None;
            }
            let change = async {
                match &mut self.service {
                    Some((_, changes)) => changes.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.context.stop.cancelled() => return None,
                line = self.open.next(), if !self.open.is_empty() => {
                    // `None`: the last log ended; whether that is the end is asked above.
                    if let Some((origin, line)) = line {
                        return Some(self.frame(origin, line).await);
                    }
                }
                change = change => self.take(change).await,
            }
        }
    }

    fn open_waiting(&mut self) {
        while self.open.len() < OPEN_MAX {
            let Some(Turn { origin, follow, tail }) = self.waiting.pop_front() else { return };
            let lines = self.context.backend.logs(LogRequest {
                task_id: origin.task_id,
                follow,
                tail,
                since: self.wish.since,
                stdout: self.wish.stdout,
                stderr: self.wish.stderr,
            });
            self.open.push(lines.map(move |line| (origin, line)).boxed());
        }
    }

    async fn frame(&mut self, mut origin: Origin, line: Result<LogLine, Fault>) -> Bytes {
        match line {
            Ok(line) => {
                if self.wish.layout.details && origin.node_id.is_none() {
                    origin.node_id = node_of(&*self.context.backend, origin.task_id).await;
                }
                frame::line(self.wish.layout, &origin.details(), self.tty, &line)
            }
            Err(fault) => {
                self.failed = true;
                frame::failure(self.tty, &fault.message)
            }
        }
    }

    /// Takes in what a change brings: a new task of the service, or its end.
    async fn take(&mut self, change: Result<Changed, RecvError>) {
        let Some(id) = self.service.as_ref().map(|(id, _)| *id) else { return };
        match change {
            Ok(Changed::Task(pair)) => {
                if let Some(task) = pair.new.filter(|task| task.service_id == id) {
                    // All that a new task writes is new to the client.
                    self.take_in(&task, None);
                }
            }
            Ok(Changed::Service(pair)) => {
                if pair.new.is_none() && pair.old.is_some_and(|service| service.id == id) {
                    self.service = None;
                }
            }
            Ok(_) => {}
            // Too many changes at once: look at what there is instead.
            Err(RecvError::Lagged(_)) => match self.context.backend.view().await {
                Ok(view) if view.service(id).is_some() => {
                    tasks_of(&*view, id).for_each(|task| self.take_in(task, None));
                }
                Ok(_) => self.service = None,
                Err(refusal) => tracing::warn!(%refusal, "a follower of logs lost sight of its service"),
            },
            Err(RecvError::Closed) => self.service = None,
        }
    }
}

/// A task may have been taken in before it was placed; by its first line it has a node.
async fn node_of(backend: &dyn Backend, id: TaskId) -> Option<NodeId> {
    backend.view().await.ok()?.task(id)?.node_id
}
