//! Commands in running containers.

use std::time::{Duration, Instant};

use skep_runtime::{Exec, ExecError, ExecLimits};

use crate::world::{LIMITS, PATIENCE, World, exec, printed};

#[tokio::test]
async fn output_and_exit_code_come_back() {
    let world = World::new();
    let mut container = world.shell("sleep 60");
    container.process.env = vec!["FROM=container".into()];
    container.process.cwd = "/home/app".into();
    let handle = world.start(&container).await;
    let exit = exec(&handle, &["sh", "-c", "echo out; echo err >&2; echo $FROM $HOME; pwd; exit 9"]).await;
    assert_eq!(exit.code, Some(9));
    assert_eq!(String::from_utf8(exit.output).expect("UTF-8"), "out\nerr\ncontainer /root\n/home/app\n");
    let own = Exec {
        args: ["sh", "-c", "echo $FROM; pwd; id -u"].map(str::to_owned).to_vec(),
        env: vec!["FROM=exec".into()],
        user: Some("app".into()),
        cwd: Some("/tmp".into()),
        ..Exec::default()
    };
    assert_eq!(handle.exec(&own, LIMITS).await.expect("executed").output, b"exec\n/tmp\n1000\n");
    assert_eq!(exec(&handle, &["sh", "-c", "kill -9 $$"]).await.code, Some(137));
}

#[tokio::test]
async fn output_is_bounded_and_nothing_blocks_on_the_rest() {
    let world = World::new();
    let handle = world.start(&world.shell("sleep 60")).await;
    let exit = exec(&handle, &["sh", "-c", "yes | head -c 1000000"]).await;
    assert_eq!((exit.code, exit.output.len()), (Some(0), 4096));
}

#[tokio::test]
async fn a_child_left_behind_does_not_delay_the_answer() {
    let world = World::new();
    let handle = world.start(&world.shell("sleep 60")).await;
    let begin = Instant::now();
    let exit = exec(&handle, &["sh", "-c", "sleep 20 & echo done"]).await;
    assert_eq!((exit.code, exit.output.as_slice()), (Some(0), b"done\n".as_slice()));
    assert!(begin.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_timeout_kills_the_command_and_its_children() {
    let world = World::new();
    let handle = world.start(&world.shell("sleep 60")).await;
    let command = ["sh", "-c", "echo begun; sleep 31 & sleep 32"];
    let slow = Exec { args: command.map(str::to_owned).to_vec(), ..Exec::default() };
    let limits = ExecLimits { timeout: Duration::from_millis(300), output_bytes_max: 100 };
    let exit = handle.exec(&slow, limits).await.expect("executed");
    assert_eq!((exit.code, exit.output.as_slice()), (None, b"begun\n".as_slice()));
    let list = "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; echo; done | grep '^sleep 3[12]'";
    let gone = async { while !exec(&handle, &["sh", "-c", list]).await.output.is_empty() {} };
    tokio::time::timeout(PATIENCE, gone).await.expect("killed in time");
}

#[tokio::test]
async fn what_cannot_run_is_refused_in_words() {
    let world = World::new();
    let handle = world.start(&world.shell("sleep 60")).await;
    let refusal = async |exec: Exec| match handle.exec(&exec, LIMITS).await {
        Err(ExecError::Refused(sentence)) => sentence,
        other => panic!("not refused: {other:?}"),
    };
    let missing = Exec { args: vec!["nothing".into()], ..Exec::default() };
    assert_eq!(refusal(missing).await, "exec: \"nothing\": executable file not found in $PATH");
    let stranger = Exec { args: vec!["true".into()], user: Some("who".into()), ..Exec::default() };
    assert_eq!(refusal(stranger).await, "unable to find user who: no matching entries in passwd file");
    let ended = world.start(&world.shell("true")).await;
    ended.wait().await;
    let error = ended.exec(&Exec { args: vec!["true".into()], ..Exec::default() }, LIMITS).await;
    assert!(matches!(error, Err(ExecError::NotRunning(_))), "{error:?}");
    for (name, code) in [("nothing", 127), ("/nothing", 127), ("/etc", 126), ("/etc/passwd", 126)] {
        let sentence = refusal(Exec { args: vec![name.into()], ..Exec::default() }).await;
        assert_eq!(skep_runtime::exit_code_of_refusal(&sentence), code, "{sentence}");
    }
}

#[tokio::test]
async fn commands_leave_nothing_behind() {
    let world = World::new();
    let handle = world.start(&world.shell("echo ready; sleep 60")).await;
    printed(&handle, "ready").await;
    exec(&handle, &["true"]).await;
    let count = || {
        let state = world.path("exec/run").join(handle.id());
        let shim = shim_pid(&world, handle.id());
        let files = walk(&state) + walk(&world.path("data/containers").join(handle.id()).join("upper"));
        (files, std::fs::read_dir(format!("/proc/{shim}/fd")).expect("descriptors").count())
    };
    let before = count();
    for _ in 0..50 {
        assert_eq!(exec(&handle, &["true"]).await.code, Some(0));
    }
    // The last connection is closed on both sides in no particular order.
    let settled = async {
        while count().0 != before.0 || count().1 > before.1 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, settled).await.unwrap_or_else(|_| panic!("{:?} from {before:?}", count()));
}

#[tokio::test]
async fn many_commands_run_at_once() {
    let world = World::new();
    let handle = world.start(&world.shell("sleep 60")).await;
    let commands = (0..20).map(|index| {
        let handle = handle.clone();
        tokio::spawn(
            async move { exec(&handle, &["sh", "-c", &format!("sleep 0.1; exit {index}")]).await.code },
        )
    });
    for (index, command) in commands.collect::<Vec<_>>().into_iter().enumerate() {
        assert_eq!(command.await.expect("no panic"), Some(index as i32));
    }
}

fn walk(path: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(path).expect("a directory").flatten();
    entries.map(|e| 1 + if e.path().is_dir() && !e.path().is_symlink() { walk(&e.path()) } else { 0 }).sum()
}

pub fn shim_pid(world: &World, id: &str) -> i32 {
    let record = std::fs::read(world.path("exec/run").join(id).join("shim.json")).expect("a record");
    let record: serde_json::Value = serde_json::from_slice(&record).expect("JSON");
    record["shim"]["pid"].as_i64().expect("a pid") as i32
}
