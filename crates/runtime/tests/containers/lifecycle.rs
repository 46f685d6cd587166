//! From create to delete: exit codes, stopping, failures, and that nothing stays behind.

use std::time::{Duration, Instant};

use skep_runtime::CreateError;

use crate::world::{PATIENCE, World, exec, printed, records, text};

#[tokio::test]
async fn exit_codes_and_signals_are_told_apart() {
    let world = World::new();
    let (exit, text) = world.run(&world.shell("echo hello; echo error >&2; exit 42")).await;
    assert_eq!((exit.code, exit.signal, exit.oom_killed, exit.shim_lost), (42, None, false, false));
    assert_eq!(text, "hello\nerror\n");
    assert_eq!(world.run(&world.shell("true")).await.0.code, 0);
    let handle =
        world.start(&world.shell("trap 'exit 3' USR1; echo ready; while :; do sleep 0.05; done")).await;
    printed(&handle, "ready").await;
    handle.signal(libc_signal::USR1).expect("sent");
    assert_eq!(handle.wait().await.code, 3);
    let handle = world.start(&world.shell("sleep 60")).await;
    handle.signal(libc_signal::KILL).expect("sent");
    let exit = handle.wait().await;
    assert_eq!((exit.code, exit.signal, exit.oom_killed), (137, Some(9), false));
}

mod libc_signal {
    pub const KILL: i32 = 9;
    pub const USR1: i32 = 10;
    pub const TERM: i32 = 15;
}

#[tokio::test]
async fn a_stop_takes_what_the_process_takes() {
    let world = World::new();
    let trapping = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done";
    let handle = world.start(&world.shell(trapping)).await;
    printed(&handle, "ready").await;
    let begin = Instant::now();
    let exit = handle.stop(libc_signal::TERM, Duration::from_secs(20)).await.expect("stopped");
    assert_eq!(exit.code, 7);
    assert!(begin.elapsed() < Duration::from_millis(200), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn what_ignores_its_signal_is_killed_after_the_grace() {
    let world = World::new();
    let handle = world.start(&world.shell("trap '' TERM; echo ready; while :; do sleep 1; done")).await;
    printed(&handle, "ready").await;
    let begin = Instant::now();
    let exit = handle.stop(libc_signal::TERM, Duration::from_millis(300)).await.expect("stopped");
    assert_eq!(exit.code, 137);
    assert!((300..1500).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_created_container_can_be_stopped_and_deleted() {
    let world = World::new();
    let handle = world.runtime.create(&world.shell("true")).await.expect("created");
    let exit = handle.stop(libc_signal::TERM, Duration::from_secs(20)).await.expect("stopped");
    assert_eq!(exit.signal, Some(9));
    handle.delete().await.expect("deleted");
    handle.delete().await.expect("deleted twice");
}

#[tokio::test]
async fn programs_that_cannot_run_are_refused_in_dockers_words() {
    let world = World::new();
    let refusal = async |args: &[&str]| match world.runtime.create(&world.container(args)).await {
        Err(error @ CreateError::Refused(_)) => error.to_string(),
        other => panic!("not refused: {other:?}"),
    };
    assert_eq!(refusal(&["foo"]).await, "exec: \"foo\": executable file not found in $PATH");
    assert_eq!(refusal(&["/foo"]).await, "exec: \"/foo\": stat /foo: no such file or directory");
    assert_eq!(refusal(&["/etc/passwd"]).await, "exec: \"/etc/passwd\": permission denied");
    std::fs::write(world.path("image/bin/broken"), "not a program").expect("written");
    std::process::Command::new("chmod")
        .arg("+x")
        .arg(world.path("image/bin/broken"))
        .status()
        .expect("chmod");
    let handle = world.runtime.create(&world.container(&["broken"])).await.expect("created");
    if crate::RUNTIME.is_some() {
        // runc says that it started, and its process ends with the reason on standard error.
        handle.start().await.expect("started");
        assert_eq!(handle.wait().await.code, 1);
        return;
    }
    let error = handle.start().await.expect_err("an exec format error");
    assert!(error.is_fatal());
    assert_eq!(error.to_string(), "exec /bin/broken: exec format error");
    handle.wait().await;
}

#[tokio::test]
async fn an_init_passes_signals_on_reaps_orphans_and_ends_as_its_program() {
    let world = World::new();
    let mut container = world.shell(
        "cat /proc/1/comm; readlink /proc/1/exe; cat /proc/1/environ; (sleep 0.1 & exit); ls /proc/1/fd; \
         trap 'echo got it; exit 7' TERM; echo ready; while :; do sleep 0.02; done",
    );
    container.process.init = true;
    if crate::RUNTIME.is_some() {
        let error = world.runtime.create(&container).await.expect_err("refused");
        assert!(error.is_fatal() && error.to_string().contains("--init"), "{error}");
        return;
    }
    let handle = world.start(&container).await;
    printed(&handle, "ready").await;
    let before = text(&records(&handle, Default::default()).await);
    assert!(before.starts_with("skep-init\n"), "{before}");
    assert!(!before.contains("skep-runtime-testbed"), "the node's binary shows: {before}");
    // The orphan has ended and is not a zombie: two processes are left, and this one's.
    let count = "for p in /proc/[0-9]*; do test -r $p/stat && cut -d' ' -f3 $p/stat; done | grep -c Z";
    let gone = async { while exec(&handle, &["sh", "-c", count]).await.output != b"0\n" {} };
    tokio::time::timeout(PATIENCE, gone).await.expect("reaped");
    // Without an init, a shell as PID 1 would get this too; what ignores it is a program without a handler.
    assert_eq!(handle.stop(15, PATIENCE).await.expect("stopped").code, 7);
    assert!(text(&records(&handle, Default::default()).await).ends_with("got it\n"));

    let mut plain = world.container(&["sleep", "60"]);
    plain.process.init = true;
    let handle = world.start(&plain).await;
    assert_eq!(
        handle.stop(15, PATIENCE).await.expect("stopped").code,
        143,
        "no handler is needed below an init"
    );

    let mut missing = world.container(&["nothing"]);
    missing.process.init = true;
    let error = world.runtime.create(&missing).await.expect_err("refused");
    assert_eq!(error.to_string(), "exec: \"nothing\": executable file not found in $PATH");
}

#[tokio::test]
async fn an_init_on_a_terminal_leaves_it_to_its_program() {
    if crate::RUNTIME.is_some() {
        return;
    }
    let world = World::new();
    let mut container = world.shell("echo ready; read line; echo got $line; sleep 60");
    container.process.init = true;
    container.process.terminal = Some(skep_runtime::TerminalSize { rows: 20, columns: 70 });
    let handle = world.start(&container).await;
    printed(&handle, "ready").await;
    let mut attached = handle.attach(true, false).await.expect("attached");
    let mut input = attached.input.take().expect("an input");
    tokio::io::AsyncWriteExt::write_all(&mut input, b"words\n").await.expect("written");
    printed(&handle, "got words").await;
    tokio::io::AsyncWriteExt::write_all(&mut input, b"\x03").await.expect("written");
    assert_eq!(tokio::time::timeout(PATIENCE, handle.wait()).await.expect("an end").code, 130);
}
