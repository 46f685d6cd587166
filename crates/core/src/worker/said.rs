//! What a node says of one task: its status, and whether the managers know it and the node itself has it in writing.
//!
//! States only increase. When to enter which is decided in [`super::task`].

use skep_model::Timestamp;
use skep_model::endpoint::Port;
use skep_model::task::{ContainerStatus, TaskState, TaskStatus};

use super::Exit;

/// The status of one task.
#[derive(Debug, Default)]
pub struct Said {
    status: TaskStatus,
    report: Report,
    /// The end of the task is not remembered yet.
    ended_just_now: bool,
}

/// Whether the managers know the status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Report {
    Due,
    Sent {
        sequence: u64,
    },
    #[default]
    Acknowledged,
}

impl Said {
    /// Returns what is said of a task whose status came with it.
    pub fn known(status: TaskStatus) -> Self {
        Said { status, ..Said::default() }
    }

    pub fn status(&self) -> &TaskStatus {
        &self.status
    }

    /// Takes over what others know better.
    pub fn take_over(&mut self, status: TaskStatus) {
        self.status = status;
    }

    /// There is a container that does not run.
    pub fn contained(&mut self, id: String) {
        self.status.container = Some(ContainerStatus { id, ..ContainerStatus::default() });
    }

    /// The container's process runs, and these ports of the node lead to it.
    pub fn runs(&mut self, pid: i32, ports: Vec<Port>) {
        self.status.container.get_or_insert_default().pid = pid;
        self.status.ports = ports;
        self.report = Report::Due;
    }

    /// The container's process is no more, and no port leads to it.
    pub fn exited(&mut self, code: i32) {
        let container = self.status.container.get_or_insert_default();
        container.pid = 0;
        container.exit_code = code;
        self.status.ports.clear();
    }

    /// Says what is wrong, or with an empty text that nothing is, in the same state.
    pub fn complain(&mut self, err: &str) {
        self.status.err = err.to_owned();
        self.report = Report::Due;
    }

    /// Keeps what is wrong for whatever is reported next.
    pub fn remark(&mut self, err: String) {
        self.status.err = err;
    }

    /// Enters a state on the way up.
    pub fn enter(&mut self, now: Timestamp, state: TaskState, message: &'static str) {
        if state <= self.status.state {
            return;
        }
        self.status.state = state;
        self.status.message = message.into();
        self.status.err.clear();
        self.status.at = now;
        self.report = Report::Due;
    }

    /// Enters the last state. The message stays, unless the end was a good one. Returns whether it was not over before.
    pub fn end(&mut self, now: Timestamp, state: TaskState, err: &str) -> bool {
        if state <= self.status.state {
            return false;
        }
        match state {
            TaskState::Complete => self.status.message = "finished".into(),
            TaskState::Shutdown => self.status.message = "shutdown".into(),
            _ => {}
        }
        self.status.state = state;
        self.status.err = err.to_owned();
        self.status.at = now;
        self.report = Report::Due;
        self.ended_just_now = true;
        true
    }

    /// Tells once that the task ended: an end cannot be found a second time.
    pub fn take_ended_just_now(&mut self) -> bool {
        std::mem::take(&mut self.ended_just_now)
    }

    pub fn is_news(&self) -> bool {
        self.report == Report::Due
    }

    pub fn waits_for_acknowledgement(&self) -> bool {
        self.report != Report::Acknowledged
    }

    pub fn report_anyway(&mut self) {
        self.report = Report::Due;
    }

    /// A new session begins, with a leader that knows this of the task.
    pub fn report_again(&mut self, known: Option<&TaskStatus>) {
        // What was sent in an earlier session may be lost; it is not asked for again there.
        if known != Some(&self.status) || self.report != Report::Acknowledged {
            self.report = Report::Due;
        }
    }

    /// Returns the status to put into the report of this number, if it is not acknowledged.
    pub fn report(&mut self, sequence: u64) -> Option<TaskStatus> {
        if !self.waits_for_acknowledgement() {
            return None;
        }
        self.report = Report::Sent { sequence };
        Some(self.status.clone())
    }

    pub fn acknowledged(&mut self, acknowledged: u64) {
        if matches!(self.report, Report::Sent { sequence } if sequence <= acknowledged) {
            self.report = Report::Acknowledged;
        }
    }
}

/// Says how a container ended when it should not have.
pub fn exit_text(exit: &Exit, cause: Option<&str>) -> String {
    let cause = match (&exit.lost, exit.oom_killed, cause) {
        (Some(lost), _, _) => return lost.clone(),
        (None, true, _) => Some("out of memory"),
        (None, false, cause) => cause,
    };
    match cause {
        Some(cause) => format!("task: non-zero exit ({}): {cause}", exit.code),
        None => format!("task: non-zero exit ({})", exit.code),
    }
}
