//! Finding containers again after the daemon's end, a crash, or a reboot.
//!
//! | found | meaning |
//! |---|---|
//! | `exit.json` | the container ended, and its shim with it |
//! | a complete `shim.json` of this boot, and the shim lives | it runs, or waits for its start |
//! | the same, but the shim is gone | the shim was killed; what it left is killed too |
//! | anything less | the daemon died during the creation, or the machine rebooted |
//!
//! A process is trusted only after its pidfd is open and its start time matches the record.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::FlockOperation;

use crate::container::{Container, is_valid_id};
use crate::error::AdoptError;
use crate::exit::Exit;
use crate::files::{Durability, read_json, write_json};
use crate::handle::{Handle, Live};
use crate::paths::Bundle;
use crate::protocol::{ShimRecord, boot_id};
use crate::runtime::{Inner, Runtime, blocking};
use crate::sys::process::send_signal;

/// How long the end of a shim that was caught in the middle of a creation is waited for.
const ORPHAN_WAIT_MAX: Duration = Duration::from_secs(10);
/// Pause between two attempts at its lock. A lock that somebody else releases can be awaited only by blocking on it,
/// without a bound.
const ORPHAN_PAUSE: Duration = Duration::from_millis(5);

/// A container found again.
#[derive(Debug)]
pub struct Adopted {
    /// The container's id.
    pub id: String,
    /// The container.
    pub handle: Handle,
    /// What was asked for; `None` if its bundle was not yet written, or is damaged.
    pub container: Option<Container>,
    /// Its state.
    pub state: State,
}

/// The state of a container found again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Created, and waiting for its start.
    Created,
    /// Running.
    Running {
        /// Pid of the first process on the host.
        pid: i32,
        /// When it was started.
        started_at: SystemTime,
    },
    /// Ended.
    Exited(Exit),
}

impl Runtime {
    /// Finds every container of this runtime, in order of id. Call it before creating any.
    pub async fn adopt(&self) -> Result<Vec<Adopted>, AdoptError> {
        let inner = Arc::clone(&self.inner);
        let found = blocking(move || inner.find_all()).await.map_err(AdoptError::Interrupted)??;
        found.into_iter().map(|found| self.revive(found)).collect()
    }

    fn revive(&self, found: Found) -> Result<Adopted, AdoptError> {
        let Found { id, container, condition } = found;
        let (live, state) = match condition {
            Condition::Ended(exit) => (None, State::Exited(exit)),
            Condition::Alive { record, shim, init } => {
                let pid = record.init.map_or(0, |init| init.pid);
                let live = Live::new(pid, shim, init);
                let live = live.map_err(|source| AdoptError::Watch { id: id.clone(), source })?;
                let state = match record.started_at {
                    Some(started_at) => State::Running { pid, started_at },
                    None => State::Created,
                };
                (Some(live), state)
            }
        };
        let exit = if let State::Exited(exit) = &state { Some(exit.clone()) } else { None };
        let handle = Handle::assemble(self, &id, live, exit, matches!(state, State::Running { .. }));
        Ok(Adopted { id, handle, container, state })
    }
}

struct Found {
    id: String,
    container: Option<Container>,
    condition: Condition,
}

enum Condition {
    Ended(Exit),
    Alive { record: ShimRecord, shim: OwnedFd, init: Option<OwnedFd> },
}

impl Inner {
    fn find_all(&self) -> Result<Vec<Found>, AdoptError> {
        let mut ids = std::collections::BTreeSet::new();
        for path in [self.paths.containers(), self.paths.states()] {
            let list = || -> io::Result<Vec<String>> {
                fs::read_dir(&path)?.map(|e| Ok(e?.file_name().to_string_lossy().into_owned())).collect()
            };
            match list() {
                Ok(names) => ids.extend(names.into_iter().filter(|name| is_valid_id(name))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(AdoptError::List { path, source }),
            }
        }
        let boot = boot_id().map_err(|source| AdoptError::State { id: "any".into(), source })?;
        ids.into_iter().map(|id| self.find(id, &boot)).collect()
    }

    fn find(&self, id: String, boot: &str) -> Result<Found, AdoptError> {
        let container = match read_json::<Bundle>(&self.paths.bundle(&id).bundle()) {
            Ok(bundle) => bundle.map(|bundle| bundle.container),
            // Torn by a power failure: the container is gone anyway, and must be reported all the same.
            Err(error) => {
                tracing::warn!(container.id = id, %error, "bundle unreadable");
                None
            }
        };
        let condition = self.examine(&id, boot)?;
        Ok(Found { id, container, condition })
    }

    fn examine(&self, id: &str, boot: &str) -> Result<Condition, AdoptError> {
        let record: Option<ShimRecord> = read_json(&self.paths.state(id).shim()).unwrap_or_else(|error| {
            tracing::warn!(container.id = id, %error, "record of a shim unreadable");
            None
        });
        let started_at = record.as_ref().and_then(|record| record.started_at);
        if let Some(exit) = self.exit(id) {
            // Shims of earlier versions left it to their record.
            return Ok(Condition::Ended(Exit { started_at: exit.started_at.or(started_at), ..exit }));
        }
        let record = record.filter(|record| record.boot == boot);
        let failed = |source| AdoptError::State { id: id.to_owned(), source };
        let shim = record.as_ref().map(|r| r.shim.open()).transpose().map_err(failed)?.flatten();
        match (record, shim) {
            (Some(record @ ShimRecord { init: Some(init), .. }), Some(shim)) => {
                let init = init.open().map_err(failed)?;
                Ok(Condition::Alive { record, shim, init })
            }
            (record, shim) => self.bury(id, record, shim),
        }
    }

    /// Kills what is left of a container without a working shim.
    fn bury(
        &self,
        id: &str,
        record: Option<ShimRecord>,
        shim: Option<OwnedFd>,
    ) -> Result<Condition, AdoptError> {
        let failed = |source| AdoptError::State { id: id.to_owned(), source };
        if let Some(shim) = shim {
            send_signal(&shim, libc::SIGKILL).map_err(failed)?;
        }
        let started_at = record.as_ref().and_then(|record| record.started_at);
        if let Some(init) = record.and_then(|record| record.init)
            && let Some(init) = init.open().map_err(failed)?
        {
            send_signal(&init, libc::SIGKILL).map_err(failed)?;
        }
        self.await_orphan(id)?;
        // It may have ended properly at the very last moment.
        Ok(Condition::Ended(self.exit(id).unwrap_or_else(|| self.lose(id, started_at))))
    }

    /// Kills until no process holds the container's lock. A shim just born has it before it has written its record, and gives
    /// up when it finds its daemon gone; a first process whose shim was killed waits for its start forever.
    fn await_orphan(&self, id: &str) -> Result<(), AdoptError> {
        let failed = |source| AdoptError::State { id: id.to_owned(), source };
        let cgroup = self.cgroup(id);
        let kill = || {
            self.hierarchies.kill(&cgroup).map_err(|source| AdoptError::Kill { id: id.to_owned(), source })
        };
        let lock = match File::open(self.paths.state(id).lock()) {
            Ok(lock) => lock,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return kill(),
            Err(error) => return Err(failed(error)),
        };
        let deadline = Instant::now() + ORPHAN_WAIT_MAX;
        loop {
            kill()?;
            match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(()),
                Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < deadline => {
                    std::thread::sleep(ORPHAN_PAUSE)
                }
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    return Err(failed(io::Error::new(
                        io::ErrorKind::TimedOut,
                        "a shim without a record does not end",
                    )));
                }
                Err(error) => return Err(failed(error.into())),
            }
        }
    }

    /// Returns how a container ended, if its shim, or an earlier look, wrote it down. The run directory is gone after a reboot.
    pub(crate) fn exit(&self, id: &str) -> Option<Exit> {
        let places = [self.paths.state(id).exit(), self.paths.bundle(id).exit()];
        places.iter().find_map(|place| {
            read_json(place).unwrap_or_else(|error| {
                tracing::warn!(container.id = id, %error, "exit of a container unreadable");
                None
            })
        })
    }

    /// Writes down that nobody knows how a container ended, so that it is the same at every later look.
    pub(crate) fn lose(&self, id: &str, started_at: Option<SystemTime>) -> Exit {
        let exit = Exit::lost(started_at);
        match write_json(&self.paths.bundle(id).exit(), &exit, Durability::Durable) {
            // What has no bundle is forgotten together with this.
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(container.id = id, %error, "exit of a container not written");
            }
            _ => {}
        }
        exit
    }
}
