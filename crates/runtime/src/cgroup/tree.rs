//! Killing and removing a whole subtree of groups.
//!
//! A container may have made groups of its own below; `rmdir` works from the deepest one up, and only on groups without
//! processes. Both functions accept a group that does not exist.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::CgroupError;
use crate::sys::process::{open_pidfd, send_signal};

/// Rounds of killing and removing; a fork bomb under a pids limit needs two or three.
const ROUND_COUNT_MAX: usize = 20;
/// How long one round waits for the killed processes. A process in an uninterruptible sleep may outlive it.
const ROUND_WAIT_MAX: Duration = Duration::from_secs(2);
/// Pause after a round in which `rmdir` said busy although no process was left: the kernel tells nobody when it has
/// released the last one.
const BUSY_PAUSE: Duration = Duration::from_millis(2);
/// Depth up to which groups are looked for.
const DEPTH_MAX: usize = 32;

/// Kills every process in `root` and below, and waits until they are gone.
pub(super) fn kill(root: &Path) -> Result<(), CgroupError> {
    for _ in 0..ROUND_COUNT_MAX {
        let pids = processes(root)?;
        if pids.is_empty() {
            return Ok(());
        }
        kill_all(&pids);
    }
    let source = io::Error::new(io::ErrorKind::ResourceBusy, "processes remain after many rounds of SIGKILL");
    Err(CgroupError::Remove { path: root.into(), source })
}

/// Removes `root` and everything below, killing first where needed.
pub(super) fn remove(root: &Path) -> Result<(), CgroupError> {
    let mut last = None;
    for _ in 0..ROUND_COUNT_MAX {
        match remove_groups(root) {
            Ok(()) => return Ok(()),
            Err(error) => last = Some(error),
        }
        let pids = processes(root)?;
        if pids.is_empty() {
            std::thread::sleep(BUSY_PAUSE);
        } else {
            kill_all(&pids);
        }
    }
    let source = last.unwrap_or_else(|| io::ErrorKind::ResourceBusy.into());
    Err(CgroupError::Remove { path: root.into(), source })
}

/// Removes `root` and everything below, unless something is in there.
pub(super) fn remove_empty(root: &Path) -> Result<(), CgroupError> {
    match remove_groups(root) {
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy => Ok(()),
        done => done.map_err(|source| CgroupError::Remove { path: root.into(), source }),
    }
}

fn remove_groups(root: &Path) -> io::Result<()> {
    for group in groups(root)?.into_iter().rev() {
        match fs::remove_dir(&group) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Lists `root` and the groups below, parents before children.
fn groups(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut pending = vec![(root.to_owned(), 0)];
    while let Some((group, depth)) = pending.pop() {
        let entries = match fs::read_dir(&group) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            if depth < DEPTH_MAX && entry.file_type()?.is_dir() {
                pending.push((entry.path(), depth + 1));
            }
        }
        found.push(group);
    }
    Ok(found)
}

/// Returns the pids of everything in `root` and below.
pub(super) fn processes(root: &Path) -> Result<BTreeSet<i32>, CgroupError> {
    let mut pids = BTreeSet::new();
    for group in groups(root).map_err(|source| CgroupError::File { path: root.into(), source })? {
        let file = group.join("cgroup.procs");
        match fs::read_to_string(&file) {
            // A process of a foreign pid namespace reads as 0 and cannot be killed from here.
            Ok(text) => {
                pids.extend(text.lines().filter_map(|l| l.parse::<i32>().ok()).filter(|pid| *pid > 0))
            }
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENODEV)) => {}
            Err(source) => return Err(CgroupError::File { path: file, source }),
        }
    }
    Ok(pids)
}

/// Sends SIGKILL to all and waits a bounded time for their ends.
fn kill_all(pids: &BTreeSet<i32>) {
    let mut waiting: Vec<OwnedFd> = pids.iter().filter_map(|pid| open_pidfd(*pid).ok()).collect();
    for pidfd in &waiting {
        if let Err(error) = send_signal(pidfd, libc::SIGKILL) {
            tracing::debug!(%error, "process of a cgroup not killed");
        }
    }
    let Ok(timeout) = Timespec::try_from(ROUND_WAIT_MAX) else { return };
    while !waiting.is_empty() {
        let mut polled: Vec<PollFd<'_>> =
            waiting.iter().map(|fd| PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN)).collect();
        match poll(&mut polled, Some(&timeout)) {
            Ok(0) => return,
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => return,
        }
        let ended: Vec<bool> = polled.iter().map(|p| !p.revents().is_empty()).collect();
        let mut ended = ended.into_iter();
        waiting.retain(|_| !ended.next().unwrap_or(true));
    }
}
