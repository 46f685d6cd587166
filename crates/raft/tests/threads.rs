//! Three running logs, with threads, clocks and disks, over channels: what the driver adds to a member.
//! Consensus itself is tested in virtual time, in `group`.

#![expect(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use skep_raft::{
    Bootstrap, Config, Delivery, Log, MemberId, ProposalId, ProposeError, SealKey, Status, TransferError,
};
use tempfile::TempDir;
use tokio::sync::mpsc::{Receiver, UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(60);

type Logs = Arc<Mutex<BTreeMap<MemberId, Log>>>;
type Committed = (u64, Vec<u8>);

/// A log, its disk, and a loop that is its owner: it hands messages over and remembers what is committed.
struct Running {
    log: Log,
    committed: UnboundedReceiver<Committed>,
    _dir: TempDir,
}

fn start(id: MemberId, bootstrap: Bootstrap, logs: &Logs) -> Running {
    let dir = TempDir::new().unwrap();
    let mut config = Config::new(dir.path().join("log"), id, SealKey::new([7; 32]), bootstrap);
    // Elections of half a second: short for a test, and long for a disk that many share.
    config.tick = Duration::from_millis(50);
    let (log, _, deliveries) = Log::open(config).unwrap();
    logs.lock().unwrap().insert(id, log.clone());
    let (sender, committed) = unbounded_channel();
    tokio::spawn(own(id, log.clone(), deliveries, Arc::clone(logs), sender));
    Running { log, committed, _dir: dir }
}

async fn own(
    id: MemberId,
    log: Log,
    mut deliveries: Receiver<Delivery>,
    logs: Logs,
    committed: UnboundedSender<Committed>,
) {
    let mut state = Vec::new();
    while let Some(delivery) = deliveries.recv().await {
        match delivery {
            Delivery::Committed { index, data, .. } => {
                state.extend_from_slice(&data);
                drop(committed.send((index, data.to_vec())));
            }
            Delivery::Snapshot { index, data } => {
                state = data.to_vec();
                drop(committed.send((index, state.clone())));
            }
            Delivery::SnapshotWanted { index } => {
                let (log, state) = (log.clone(), state.clone());
                tokio::spawn(async move { log.snapshot(index, state).await.unwrap() });
            }
            Delivery::Send { to, bytes, is_snapshot } => {
                let receiver = logs.lock().unwrap().get(&to).cloned();
                let arrived = receiver.is_some_and(|receiver| receiver.step(id, &bytes).is_ok());
                if is_snapshot {
                    log.report_snapshot(to, arrived).unwrap();
                } else if !arrived {
                    log.report_unreachable(to);
                }
            }
            Delivery::Failed(error) => panic!("{error}"),
            Delivery::Dropped(_) | Delivery::Leader(_) | Delivery::Members(_) => {}
        }
    }
}

async fn reaches(log: &Log, what: &str, reached: impl FnMut(&Status) -> bool) {
    let mut status = log.watch_status();
    timeout(PATIENCE, status.wait_for(reached)).await.expect(what).unwrap();
}

async fn receives(running: &mut Running, text: &str) {
    let until = async {
        while let Some((_, data)) = running.committed.recv().await {
            if data.ends_with(text.as_bytes()) {
                return;
            }
        }
        panic!("the log stopped");
    };
    timeout(PATIENCE, until).await.unwrap_or_else(|_| panic!("{text} not received"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_logs_agree_hand_over_and_outlive_one_of_them() {
    let logs = Logs::default();
    let mut first = start(1, Bootstrap::Found, &logs);
    reaches(&first.log, "leadership", |status| status.leadership.is_self).await;
    first.log.propose(ProposalId(1), b"alone".to_vec()).unwrap();
    receives(&mut first, "alone").await;

    let mut second = start(2, Bootstrap::Join, &logs);
    let mut third = start(3, Bootstrap::Join, &logs);
    for (id, joined) in [(2, &second), (3, &third)] {
        first.log.add_learner(id).await.unwrap();
        let target = first.log.status().committed;
        reaches(&joined.log, "the learner to catch up", |status| status.delivered >= target).await;
        timeout(PATIENCE, promote(&first.log, id)).await.unwrap();
    }
    receives(&mut second, "alone").await;
    receives(&mut third, "alone").await;

    // A follower confirms a read that includes what the leader was acknowledged before.
    first.log.propose(ProposalId(2), b"together".to_vec()).unwrap();
    receives(&mut first, "together").await;
    let written = first.log.status().delivered;
    assert!(timeout(PATIENCE, third.log.read_index()).await.unwrap().unwrap() >= written);

    assert_eq!(third.log.transfer_leader(1).await, Err(TransferError::NotLeader));
    timeout(PATIENCE, first.log.transfer_leader(2)).await.unwrap().unwrap();
    reaches(&second.log, "the second to lead", |status| status.leadership.is_self).await;
    reaches(&first.log, "the first to follow", |status| status.leadership.leader == Some(2)).await;

    logs.lock().unwrap().remove(&2);
    second.log.shutdown().await;
    let leads = |status: &Status| status.leadership.is_self;
    let leader = tokio::select! {
        () = reaches(&first.log, "the first to lead", leads) => &first.log,
        () = reaches(&third.log, "the third to lead", leads) => &third.log,
    };
    leader.propose(ProposalId(3), b"without the second".to_vec()).unwrap();
    for running in [&mut first, &mut third] {
        receives(running, "without the second").await;
        running.log.shutdown().await;
        assert_eq!(running.log.propose(ProposalId(4), vec![1]), Err(ProposeError::Closed));
    }
}

/// Promotes a learner; asked again while the change that added it is not yet everywhere.
async fn promote(log: &Log, id: MemberId) {
    while let Err(refused) = log.promote(id).await {
        assert!(matches!(refused, skep_raft::ChangeError::Pending), "{refused}");
        tokio::task::yield_now().await;
    }
}
