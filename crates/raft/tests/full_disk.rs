//! A full disk: the log stops and says so, and loses nothing that it acknowledged. Needs root, for a small
//! file system of its own.

#![expect(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use skep_raft::{
    Bootstrap, Config, Delivery, Log, ProposalId, ProposeError, SealKey, SnapshotError, StoreError,
};
use tempfile::TempDir;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(60);

/// A file system of few megabytes, gone when dropped.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount(megabytes: u32) -> Self {
        let disk = Self(TempDir::new().unwrap());
        disk.run("mount", &["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "skep-raft-test"]);
        disk
    }

    fn grow(&self, megabytes: u32) {
        self.run("mount", &["-o", &format!("remount,size={megabytes}m")]);
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let status = Command::new(program).args(arguments).arg(self.0.path()).status().unwrap();
        assert!(status.success(), "{program} {arguments:?}: {status}");
    }

    fn config(&self) -> Config {
        config(&self.0.path().join("log"))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
        assert!(std::thread::panicking() || unmounted.is_ok_and(|status| status.success()));
    }
}

fn config(dir: &Path) -> Config {
    Config::new(dir.to_owned(), 1, SealKey::new([7; 32]), Bootstrap::Found)
}

#[tokio::test]
async fn a_full_disk_stops_the_log_and_loses_nothing() {
    let disk = SmallDisk::mount(6);
    let (log, _, mut deliveries) = Log::open(disk.config()).unwrap();
    let mut acknowledged = 0u64;
    let failure = loop {
        // Refused once the log has stopped, of which the last delivery says why.
        let proposed = log.propose(ProposalId(acknowledged), vec![7; 100_000]);
        assert!(matches!(proposed, Ok(()) | Err(ProposeError::Closed)), "{proposed:?}");
        let outcome = loop {
            match timeout(PATIENCE, deliveries.recv()).await.unwrap().unwrap() {
                Delivery::Committed { proposal: Some(_), .. } => break None,
                Delivery::Failed(error) => break Some(error),
                _ => {}
            }
        };
        match outcome {
            None => acknowledged += 1,
            Some(error) => break error,
        }
        assert!(acknowledged < 1_000, "the disk never filled up");
    };
    assert!(matches!(failure, StoreError::Write { .. }), "{failure:?}");
    assert!(timeout(PATIENCE, deliveries.recv()).await.unwrap().is_none(), "a failure is the last delivery");
    log.shutdown().await;

    disk.grow(64);
    let (log, recovered, mut deliveries) = Log::open(disk.config()).unwrap();
    let mut held = recovered.entries.iter().filter(|entry| !entry.data.is_empty()).count() as u64;
    loop {
        match timeout(PATIENCE, deliveries.recv()).await.unwrap().unwrap() {
            Delivery::Committed { data, .. } => held += u64::from(!data.is_empty()),
            Delivery::Leader(leadership) if leadership.is_self => break,
            _ => {}
        }
    }
    assert!(held >= acknowledged, "{acknowledged} acknowledged, {held} held");
    log.shutdown().await;
}

#[tokio::test]
async fn a_snapshot_that_does_not_fit_leaves_the_log_running() {
    let disk = SmallDisk::mount(6);
    let (log, _, mut deliveries) = Log::open(disk.config()).unwrap();
    log.propose(ProposalId(1), vec![7]).unwrap();
    let index = loop {
        let delivery = timeout(PATIENCE, deliveries.recv()).await.unwrap().unwrap();
        if let Delivery::Committed { index, proposal: Some(_), .. } = delivery {
            break index;
        }
    };
    let refused = log.snapshot(index, vec![7; 10 << 20]).await;
    assert!(matches!(refused, Err(SnapshotError::Store { .. })), "{refused:?}");
    let files = std::fs::read_dir(disk.0.path().join("log")).unwrap();
    let names: Vec<_> = files.map(|file| file.unwrap().file_name()).collect();
    assert_eq!(names, ["log.redb"], "the half that was written is gone");
    log.snapshot(index, vec![7; 1 << 20]).await.unwrap();
    assert_eq!(log.status().snapshot, index);
    log.shutdown().await;
}
