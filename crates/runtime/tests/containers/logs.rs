//! The log on disk and its reader.

use std::time::{Duration, SystemTime};

use skep_runtime::LogLimits;
use skep_runtime::logs::{Query, Reader, Stream};

use crate::world::{PATIENCE, World, records, text};

#[tokio::test]
async fn streams_and_times_are_kept() {
    let world = World::new();
    let before = SystemTime::now();
    let handle = world.start(&world.shell("echo one; echo two >&2; printf three")).await;
    handle.wait().await;
    let records = records(&handle, Query::default()).await;
    let mut lines: Vec<_> = records.iter().map(|r| (r.line.as_str(), r.stream)).collect();
    lines.sort_unstable_by_key(|(line, _)| *line);
    let expected = [("one\n", Stream::Stdout), ("three\n", Stream::Stdout), ("two\n", Stream::Stderr)];
    assert_eq!(lines, expected);
    assert!(records.iter().all(|r| r.time >= before && r.time <= SystemTime::now()));
    let raw = std::fs::read_to_string(handle.log_path()).expect("a log");
    assert!(raw.starts_with("{\"log\":\"") && raw.contains("\\n\",\"stream\":\"std"), "{raw}");
}

#[tokio::test]
async fn long_lines_come_in_pieces_and_nothing_is_lost() {
    let world = World::new();
    let script = "head -c 100000 /dev/zero | tr '\\0' x; echo; seq 1 20000";
    let handle = world.start(&world.shell(script)).await;
    handle.wait().await;
    let records = records(&handle, Query::default()).await;
    let sizes: Vec<usize> = records.iter().take(7).map(|r| r.line.len()).collect();
    assert_eq!(sizes, [16384, 16384, 16384, 16384, 16384, 16384, 1697]);
    let numbers: String = (1..=20000).map(|n| format!("{n}\n")).collect();
    assert_eq!(text(&records[7..]), numbers);
}

#[tokio::test]
async fn rotation_keeps_the_newest_and_the_tail_crosses_files() {
    let world = World::new();
    let mut container = world.shell("seq 1 2000");
    container.log = LogLimits { max_size_bytes: Some(20_000), max_files: 3, ..LogLimits::default() };
    let handle = world.start(&container).await;
    handle.wait().await;
    let directory = handle.log_path().parent().expect("a directory").to_owned();
    let mut sizes: Vec<u64> = std::fs::read_dir(directory)
        .expect("a directory")
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().contains("-json.log"))
        .map(|entry| entry.metadata().expect("a file").len())
        .collect();
    sizes.sort_unstable();
    assert_eq!(sizes.len(), 3);
    assert!(sizes[2] < 20_200, "{sizes:?}");
    let kept = records(&handle, Query::default()).await;
    assert_eq!(kept.last().expect("a record").line, "2000\n");
    let first: usize = kept[0].line.trim().parse().expect("a number");
    assert_eq!(text(&kept), (first..=2000).map(|n| format!("{n}\n")).collect::<String>());
    // A file holds about 230 lines.
    let tail = records(&handle, Query { tail: Some(400), ..Query::default() }).await;
    assert_eq!(text(&tail), (1601..=2000).map(|n| format!("{n}\n")).collect::<String>());
    assert_eq!(records(&handle, Query { tail: Some(0), ..Query::default() }).await.len(), 0);
    let since = kept[kept.len() / 2].time;
    let later = records(&handle, Query { since: Some(since), ..Query::default() }).await;
    assert!(later.len() <= kept.len() && later.iter().all(|record| record.time >= since));
    let future = Query { since: Some(SystemTime::now() + Duration::from_secs(60)), ..Query::default() };
    assert_eq!(records(&handle, future).await.len(), 0);
}

#[tokio::test]
async fn a_follower_sees_everything_across_rotations_and_ends_with_the_container() {
    let world = World::new();
    let mut container =
        world.shell("for i in $(seq 1 3000); do echo line $i; [ $((i % 500)) = 0 ] && sleep 0.05; done");
    container.log = LogLimits { max_size_bytes: Some(50_000), max_files: 4, ..LogLimits::default() };
    let handle = world.start(&container).await;
    let (sender, ended) = tokio::sync::watch::channel(false);
    let waiter = handle.clone();
    tokio::spawn(async move {
        waiter.wait().await;
        sender.send(true)
    });
    let query = Query { follow: Some(ended), ..Query::default() };
    let read = records(&handle, query);
    let records = tokio::time::timeout(PATIENCE, read).await.expect("an end");
    let expected: String = (1..=3000).map(|n| format!("line {n}\n")).collect();
    assert_eq!(text(&records), expected);
}

#[tokio::test]
async fn following_a_log_that_does_not_exist_yet_works() {
    let world = World::new();
    let directory = world.path("logs");
    std::fs::create_dir(&directory).expect("a directory");
    let path = directory.join("x-json.log");
    let (sender, ended) = tokio::sync::watch::channel(false);
    let mut reader =
        Reader::open(&path, Query { follow: Some(ended), ..Query::default() }).await.expect("a reader");
    let reading = tokio::spawn(async move {
        let first = reader.next().await.expect("readable");
        (first, reader.next().await.expect("readable"))
    });
    let line = "{\"log\":\"hi\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-02T03:04:05.6Z\"}\n";
    std::fs::write(&path, line).expect("written");
    sender.send(true).expect("a reader");
    let (first, second) = tokio::time::timeout(PATIENCE, reading).await.expect("an end").expect("no panic");
    assert_eq!(first.map(|record| record.line), Some("hi\n".to_owned()));
    assert_eq!(second, None);
}
