//! A group of one on a real disk: what is committed comes back, whatever happened in between, and what
//! cannot be read is explained.

#![expect(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

use std::path::Path;
use std::time::Duration;

use skep_raft::storage::Record;
use skep_raft::{
    Bootstrap, ChangeError, Config, Delivery, Log, OpenError, ProposalId, ProposeError, Recovered, SealKey,
    SnapshotError, StoreError, limits,
};
use tempfile::TempDir;
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

/// Longer than anything here takes, even on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(60);

struct Group {
    log: Log,
    recovered: Recovered,
    deliveries: Receiver<Delivery>,
}

fn config(dir: &Path) -> Config {
    Config::new(dir.to_owned(), 1, SealKey::new([7; 32]), Bootstrap::Found)
}

fn open(config: Config) -> Group {
    let (log, recovered, deliveries) = Log::open(config).unwrap();
    Group { log, recovered, deliveries }
}

fn open_error(config: Config) -> OpenError {
    Log::open(config).err().expect("opens, and should not")
}

impl Group {
    async fn next(&mut self) -> Delivery {
        let next = timeout(PATIENCE, self.deliveries.recv()).await.expect("a delivery in time");
        next.expect("the log runs")
    }

    async fn leads(&mut self) {
        while !matches!(self.next().await, Delivery::Leader(leadership) if leadership.is_self) {}
    }

    /// Proposes `text` and returns the index it got.
    async fn write(&mut self, id: u64, text: &str) -> u64 {
        self.log.propose(ProposalId(id), text.into()).unwrap();
        loop {
            match self.next().await {
                Delivery::Committed { index, proposal: Some(ProposalId(done)), data, .. } => {
                    assert_eq!((done, &data[..]), (id, text.as_bytes()));
                    return index;
                }
                Delivery::Dropped(id) => panic!("{id:?} dropped"),
                _ => {}
            }
        }
    }

    /// Takes the deliveries up to the one that says that this start leads, and returns all texts.
    async fn texts(&mut self) -> Vec<String> {
        let recovered = self.recovered.entries.iter().map(|entry| entry.data.clone());
        let mut texts: Vec<_> = recovered.collect();
        loop {
            match self.next().await {
                Delivery::Committed { data, .. } => texts.push(data),
                Delivery::Leader(leadership) if leadership.is_self => break,
                _ => {}
            }
        }
        let texts = texts.into_iter().filter(|data| !data.is_empty());
        texts.map(|data| String::from_utf8(data.to_vec()).unwrap()).collect()
    }
}

#[tokio::test]
async fn a_group_of_one_leads_without_an_election() {
    let dir = TempDir::new().unwrap();
    let mut long = config(dir.path());
    long.tick = PATIENCE * 10;
    let mut group = open(long);
    group.leads().await;
    group.write(1, "a").await;
    group.log.shutdown().await;
    assert!(matches!(group.log.propose(ProposalId(2), vec![1]), Err(ProposeError::Closed)));
}

#[tokio::test]
async fn a_clean_stop_is_recovered_before_the_start_is_over() {
    let dir = TempDir::new().unwrap();
    let mut group = open(config(dir.path()));
    group.write(1, "a").await;
    let last = group.write(2, "b").await;
    group.log.shutdown().await;

    let mut group = open(config(dir.path()));
    assert_eq!(group.recovered.entries.last().unwrap().index, last);
    assert_eq!(group.recovered.members.voters, [1]);
    assert_eq!(group.texts().await, ["a", "b"]);
}

#[tokio::test]
async fn dropped_handles_stop_the_log_and_lose_nothing() {
    let dir = TempDir::new().unwrap();
    let mut group = open(config(dir.path()));
    group.write(1, "a").await;
    let mut status = group.log.watch_status();
    drop(group);
    timeout(PATIENCE, async { while status.changed().await.is_ok() {} }).await.unwrap();
    assert_eq!(reopen(config(dir.path())).texts().await, ["a"]);
}

/// Opens a log whose driver was left to stop on its own, which it does at once but not before a drop returns.
fn reopen(mut config: Config) -> Group {
    for _ in 0..10_000 {
        let (dir, key) = (config.dir.clone(), config.seal_key.clone());
        match Log::open(config) {
            Ok((log, recovered, deliveries)) => return Group { log, recovered, deliveries },
            Err(OpenError::Locked { .. }) => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
        config = Config::new(dir, 1, key, Bootstrap::Found);
    }
    panic!("still locked")
}

#[tokio::test]
async fn a_stop_does_not_wait_for_an_owner_that_listens_no_more() {
    let dir = TempDir::new().unwrap();
    let mut group = open(config(dir.path()));
    group.leads().await;
    let many = 2 * limits::DELIVERIES_MAX as u64;
    for id in 0..many {
        while group.log.propose(ProposalId(id), vec![1]) == Err(ProposeError::Busy) {
            tokio::task::yield_now().await;
        }
    }
    timeout(PATIENCE, group.log.shutdown()).await.expect("a stop in time");
}

#[tokio::test]
async fn snapshots_cut_the_log_and_replace_each_other() {
    let dir = TempDir::new().unwrap();
    let few = |dir: &Path| {
        let mut config = config(dir);
        (config.snapshot_every, config.keep_entries) = (10, 3);
        config
    };
    let mut group = open(few(dir.path()));
    for round in 1..=3u64 {
        let mut wanted = None;
        let mut id = round * 100;
        while wanted.is_none() {
            id += 1;
            group.log.propose(ProposalId(id), format!("{id}").into()).unwrap();
            loop {
                match group.next().await {
                    Delivery::SnapshotWanted { index } => wanted = Some(index),
                    Delivery::Committed { proposal: Some(_), .. } => break,
                    _ => {}
                }
            }
            assert!(id < round * 100 + 50, "no snapshot was wanted");
        }
        let index = wanted.unwrap();
        group.log.snapshot(index, format!("state {round}").into()).await.unwrap();
        let mut status = group.log.watch_status();
        timeout(PATIENCE, status.wait_for(|status| status.snapshot == index)).await.unwrap().unwrap();
        assert_eq!(status.borrow().first, index - 3 + 1);
        let refused = group.log.snapshot(index, vec![]).await;
        assert!(matches!(refused, Err(SnapshotError::Superseded { .. })));
        let refused = group.log.snapshot(u64::MAX, vec![]).await;
        assert!(matches!(refused, Err(SnapshotError::Ahead { .. })));
    }
    let after = group.write(999, "after").await;
    let status = group.log.status();
    group.log.shutdown().await;
    assert_eq!(snapshot_files(dir.path()), [format!("snapshot-{}", status.snapshot)]);

    // What an interrupted write leaves behind goes away.
    std::fs::write(dir.path().join("snapshot-5.partial"), b"half").unwrap();
    std::fs::write(dir.path().join("snapshot-999999"), b"never named").unwrap();
    let mut group = open(few(dir.path()));
    assert_eq!(snapshot_files(dir.path()), [format!("snapshot-{}", status.snapshot)]);
    let (index, data) = group.recovered.snapshot.clone().unwrap();
    assert_eq!((index, &data[..]), (status.snapshot, &b"state 3"[..]));
    assert_eq!(group.recovered.entries.first().unwrap().index, index + 1);
    assert_eq!(group.recovered.entries.last().unwrap().index, after);
    assert_eq!(group.texts().await.last().unwrap(), "after");
}

fn snapshot_files(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("snapshot-")).collect()
}

#[tokio::test]
async fn reads_are_confirmed_after_what_was_written_before() {
    let dir = TempDir::new().unwrap();
    let mut group = open(config(dir.path()));
    // Asked before there is a leader: answered when there is one.
    assert!(timeout(PATIENCE, group.log.read_index()).await.unwrap().is_ok());
    for id in 1..20 {
        let index = group.write(id, "x").await;
        assert!(group.log.read_index().await.unwrap() >= index);
    }
}

#[tokio::test]
async fn what_the_log_cannot_carry_is_refused_at_once() {
    let dir = TempDir::new().unwrap();
    let mut group = open(config(dir.path()));
    group.leads().await;
    let large = vec![1; limits::PROPOSAL_BYTES_MAX + 1];
    assert!(matches!(group.log.propose(ProposalId(1), large), Err(ProposeError::TooLarge { .. })));
    assert_eq!(group.log.propose(ProposalId(1), vec![]), Err(ProposeError::Empty));
    let largest = "x".repeat(limits::PROPOSAL_BYTES_MAX);
    group.write(2, &largest).await;
    assert_eq!(group.log.promote(5).await, Err(ChangeError::Unknown { id: 5 }));
    assert_eq!(group.log.remove(1).await, Err(ChangeError::Leads { id: 1 }));
}

#[tokio::test]
async fn members_come_back_with_the_log() {
    let dir = TempDir::new().unwrap();
    let mut group = open(config(dir.path()));
    group.leads().await;
    group.log.add_learner(2).await.unwrap();
    let members = loop {
        if let Delivery::Members(members) = group.next().await {
            break members;
        }
    };
    assert_eq!((members.voters, members.learners), (vec![1], vec![2]));
    drop(group);
    let group = reopen(config(dir.path()));
    assert_eq!(group.recovered.members.learners, [2]);
}

#[tokio::test]
async fn a_second_opener_is_told_what_to_do() {
    let dir = TempDir::new().unwrap();
    let group = open(config(dir.path()));
    let refused = open_error(config(dir.path()));
    assert!(matches!(refused, OpenError::Locked { .. }), "{refused:?}");
    assert!(refused.to_string().contains("stop the other daemon"));
    group.log.shutdown().await;
    open(config(dir.path()));
}

#[tokio::test]
async fn wrong_keys_members_and_settings_are_refused() {
    let dir = TempDir::new().unwrap();
    open(config(dir.path())).log.shutdown().await;
    let other = |key, member| Config::new(dir.path().to_owned(), member, SealKey::new(key), Bootstrap::Found);
    assert!(matches!(open_error(other([8; 32], 1)), OpenError::Sealed { .. }));
    let refused = open_error(other([7; 32], 2));
    assert!(matches!(refused, OpenError::OtherMember { found: 1, configured: 2, .. }), "{refused:?}");
    assert!(matches!(open_error(other([7; 32], 0)), OpenError::Config { .. }));
}

mod damage {
    //! Files as only a disk, an attacker or another release leaves them.

    use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

    use super::*;

    const ENTRIES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("entries");
    const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");

    async fn written(dir: &Path) {
        let mut group = open(config(dir));
        group.write(1, "a").await;
        group.write(2, "b").await;
        group.log.shutdown().await;
    }

    fn edit_entry(dir: &Path, index: u64, edit: impl FnOnce(&mut Vec<u8>)) {
        let database = Database::open(dir.join("log.redb")).unwrap();
        let tx = database.begin_write().unwrap();
        {
            let mut table = tx.open_table(ENTRIES).unwrap();
            let mut record = table.get(index).unwrap().unwrap().value().to_vec();
            edit(&mut record);
            table.insert(index, record.as_slice()).unwrap();
        }
        tx.commit().unwrap();
    }

    #[tokio::test]
    async fn an_altered_record_is_named() {
        let dir = TempDir::new().unwrap();
        written(dir.path()).await;
        edit_entry(dir.path(), 3, |record| *record.last_mut().unwrap() ^= 1);
        match open_error(config(dir.path())) {
            OpenError::Damaged { source: StoreError::Unseal { record: Record::Entry(3), .. }, .. } => {}
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn swapped_records_are_noticed() {
        let dir = TempDir::new().unwrap();
        written(dir.path()).await;
        let database = Database::open(dir.path().join("log.redb")).unwrap();
        let other = database.begin_read().unwrap().open_table(ENTRIES).unwrap().get(4).unwrap().unwrap();
        let other = other.value().to_vec();
        drop(database);
        edit_entry(dir.path(), 3, |record| *record = other);
        assert!(matches!(open_error(config(dir.path())), OpenError::Damaged { .. }));
    }

    #[tokio::test]
    async fn a_missing_entry_is_noticed() {
        let dir = TempDir::new().unwrap();
        written(dir.path()).await;
        let database = Database::open(dir.path().join("log.redb")).unwrap();
        let tx = database.begin_write().unwrap();
        tx.open_table(ENTRIES).unwrap().remove(3).unwrap();
        tx.commit().unwrap();
        drop(database);
        match open_error(config(dir.path())) {
            OpenError::Damaged { source: StoreError::Missing { record: Record::Entry(3) }, .. } => {}
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn another_format_version_is_named() {
        let dir = TempDir::new().unwrap();
        written(dir.path()).await;
        let database = Database::open(dir.path().join("log.redb")).unwrap();
        let tx = database.begin_write().unwrap();
        tx.open_table(META).unwrap().insert("header", [9u8, 1, 2].as_slice()).unwrap();
        tx.commit().unwrap();
        drop(database);
        let refused = open_error(config(dir.path()));
        assert!(matches!(refused, OpenError::Version { found: 9, supported: 1, .. }), "{refused:?}");
        assert!(refused.to_string().contains("start the release that wrote it"));
    }

    /// An owner that knows of a log is not given an empty one in its place.
    #[tokio::test]
    async fn a_lost_log_is_not_begun_anew() {
        let refuse = |dir: &Path| Config { bootstrap: Bootstrap::Refuse, ..config(dir) };
        let dir = TempDir::new().unwrap();
        assert!(matches!(open_error(refuse(dir.path())), OpenError::Missing { .. }));
        written(dir.path()).await;
        drop(open(refuse(dir.path())));
        let path = dir.path().join("log.redb");
        std::fs::write(&path, b"").unwrap();
        assert!(matches!(open_error(refuse(dir.path())), OpenError::Missing { .. }));
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 0, "nothing was written");
    }

    /// Bits that flip under redb are caught by its checksums, and never panic.
    #[tokio::test]
    async fn a_damaged_file_is_an_error() {
        let dir = TempDir::new().unwrap();
        written(dir.path()).await;
        let path = dir.path().join("log.redb");
        let whole = std::fs::read(&path).unwrap();
        let entry = {
            let database = Database::open(&path).unwrap();
            let table = database.begin_read().unwrap().open_table(ENTRIES).unwrap();
            table.get(3).unwrap().unwrap().value().to_vec()
        };
        let at = whole.windows(entry.len()).position(|window| window == entry).unwrap();
        for offset in [at, at + entry.len() - 1] {
            let mut bent = whole.clone();
            bent[offset] ^= 1;
            std::fs::write(&path, bent).unwrap();
            let refused = open_error(config(dir.path()));
            assert!(matches!(refused, OpenError::Damaged { .. }), "{refused:?}");
        }
        std::fs::write(&path, b"not a log at all").unwrap();
        open_error(config(dir.path()));
    }

    #[tokio::test]
    async fn a_lost_or_altered_snapshot_is_named() {
        let dir = TempDir::new().unwrap();
        let mut group = open(config(dir.path()));
        let index = group.write(1, "a").await;
        group.log.snapshot(index, b"state".to_vec()).await.unwrap();
        group.log.shutdown().await;
        let path = dir.path().join(format!("snapshot-{index}"));
        let mut bytes = std::fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert!(matches!(open_error(config(dir.path())), OpenError::Damaged { .. }));
        std::fs::remove_file(&path).unwrap();
        match open_error(config(dir.path())) {
            OpenError::Damaged { source: StoreError::Missing { record: Record::Snapshot(lost) }, .. } => {
                assert_eq!(lost, index);
            }
            other => panic!("{other:?}"),
        }
    }
}
