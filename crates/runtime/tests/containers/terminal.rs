//! Terminals, standard input and attachments: a container, or a command in it, in somebody's hands.

use skep_runtime::{
    AttachError, Conduit, Container, Exec, ExecSession, Handle, Mount, Nested, Propagation, RunningExec,
    TerminalSize,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::world::{PATIENCE, World, exec, printed, records, text};

const SIZE: TerminalSize = TerminalSize { rows: 33, columns: 77 };

fn command(args: &[&str]) -> Exec {
    Exec { args: args.iter().map(|a| (*a).to_owned()).collect(), ..Exec::default() }
}

fn on_terminal(args: &[&str]) -> Exec {
    Exec { terminal: Some(SIZE), ..command(args) }
}

/// Reads until `wanted` has come, and returns all that came.
async fn read_until(conduit: &mut Conduit, wanted: &str) -> String {
    let mut read = Vec::new();
    let search = async {
        while !String::from_utf8_lossy(&read).contains(wanted) {
            let count = conduit.read_buf(&mut read).await.expect("readable");
            assert!(count > 0, "{wanted:?} in {:?}", String::from_utf8_lossy(&read));
        }
    };
    tokio::time::timeout(PATIENCE, search).await.unwrap_or_else(|_| panic!("{wanted:?} in time"));
    String::from_utf8(read).expect("UTF-8")
}

async fn read_all(conduit: &mut Conduit) -> String {
    let mut read = String::new();
    tokio::time::timeout(PATIENCE, conduit.read_to_string(&mut read))
        .await
        .expect("in time")
        .expect("readable");
    read
}

async fn code(running: &mut RunningExec) -> i32 {
    tokio::time::timeout(PATIENCE, running.wait()).await.expect("in time").expect("an end")
}

async fn idle(world: &World) -> Handle {
    world.start(&world.shell("sleep 60")).await
}

#[tokio::test]
async fn input_reaches_a_command_until_it_is_closed() {
    let world = World::new();
    let handle = idle(&world).await;
    let session = handle.exec_session(&command(&["sh", "-c", "cat; echo end >&2; exit 3"]), true).await;
    let ExecSession { mut running, input, mut stdout, stderr } = session.expect("executed");
    let mut input = input.expect("an input");
    input.write_all(b"one\n").await.expect("written");
    assert_eq!(read_until(&mut stdout, "one\n").await, "one\n");
    // More than a pipe holds: both directions must move at once.
    let bulk = vec![b'x'; 300_000];
    let (written, echoed) = tokio::join!(
        async {
            input.write_all(&bulk).await.expect("written");
            input.shutdown().await.expect("closed");
            drop(input);
        },
        read_all(&mut stdout)
    );
    let () = written;
    assert_eq!(echoed.len(), bulk.len());
    assert_eq!(read_all(&mut stderr.expect("an error stream")).await, "end\n");
    assert_eq!(code(&mut running).await, 3);
}

#[tokio::test]
async fn without_input_a_command_reads_nothing() {
    let world = World::new();
    let handle = idle(&world).await;
    let mut session = handle.exec_session(&command(&["cat"]), false).await.expect("executed");
    assert!(session.input.is_none());
    assert_eq!(code(&mut session.running).await, 0);
    assert!(session.running.pid() > 1);
}

#[tokio::test]
async fn a_command_on_a_terminal_has_a_terminal() {
    let world = World::new();
    let handle = idle(&world).await;
    let script = "tty; stty size; echo $TERM; trap 'stty size; exit 5' WINCH; echo ready; while :; do sleep 0.02; done";
    let mut session =
        handle.exec_session(&on_terminal(&["sh", "-c", script]), false).await.expect("executed");
    let begin = read_until(&mut session.stdout, "ready\r\n").await;
    assert_eq!(begin, "/dev/pts/0\r\n33 77\r\nxterm\r\nready\r\n");
    assert!(session.stderr.is_none());
    session.stdout.resize(TerminalSize { rows: 11, columns: 22 }).expect("resized");
    assert_eq!(read_until(&mut session.stdout, "\n").await, "11 22\r\n");
    assert_eq!(code(&mut session.running).await, 5);
    drop(session.input);
    assert_eq!(read_all(&mut session.stdout).await, "");
}

#[tokio::test]
async fn a_terminal_passes_control_characters_and_belongs_to_its_user() {
    let world = World::new();
    let handle = idle(&world).await;
    let exec = Exec { user: Some("app".into()), ..on_terminal(&["sh", "-c", "stat -c %U $(tty); exec cat"]) };
    let mut session = handle.exec_session(&exec, false).await.expect("executed");
    assert_eq!(read_until(&mut session.stdout, "\n").await, "app\r\n");
    let mut input = session.input.expect("an input");
    input.write_all(b"hello\n").await.expect("written");
    read_until(&mut session.stdout, "hello\r\nhello\r\n").await;
    input.write_all(b"\x03").await.expect("written");
    assert_eq!(code(&mut session.running).await, 130);
}

#[tokio::test]
async fn a_command_that_outlives_its_daemon_goes_on() {
    let world = World::new();
    let handle = idle(&world).await;
    let exec =
        Exec { outlives_daemon: true, ..command(&["sh", "-c", "sleep 0.2; touch /tmp/lived; sleep 50"]) };
    let session = handle.exec_session(&exec, false).await.expect("executed");
    drop(session);
    let lived = async { while exec_code(&handle, "test -e /tmp/lived").await != Some(0) {} };
    tokio::time::timeout(PATIENCE, lived).await.expect("lived");
}

async fn exec_code(handle: &Handle, script: &str) -> Option<i32> {
    exec(handle, &["sh", "-c", script]).await.code
}

#[tokio::test]
async fn privileged_commands_have_every_capability_but_the_containers_filter() {
    let world = World::new();
    let handle = idle(&world).await;
    let exec = Exec { privileged: true, ..command(&["cat", "/proc/self/status"]) };
    let mut session = handle.exec_session(&exec, false).await.expect("executed");
    let status = read_all(&mut session.stdout).await;
    let own = std::fs::read_to_string("/proc/self/status").expect("readable");
    let line =
        |text: &str, name: &str| text.lines().find(|l| l.starts_with(name)).expect("a line").to_owned();
    assert_eq!(line(&status, "CapEff"), line(&own, "CapEff"));
    assert_eq!(line(&status, "Seccomp:"), "Seccomp:\t2");
}

#[tokio::test]
async fn a_plain_user_may_open_its_streams_again() {
    let world = World::new();
    let script = "echo out > /dev/stdout; echo err > /proc/self/fd/2";
    let mut container = world.shell(&format!("{script}; echo ready; sleep 60"));
    container.process.user = "app".into();
    let handle = world.start(&container).await;
    printed(&handle, "ready").await;
    let mut lines: Vec<String> =
        records(&handle, Default::default()).await.into_iter().map(|r| r.line).collect();
    lines.sort();
    assert_eq!(lines, ["err\n", "out\n", "ready\n"]);
    assert_eq!(exec(&handle, &["sh", "-c", "echo again > /dev/stdout"]).await.output, b"again\n");
}

fn with_terminal(world: &World, script: &str) -> Container {
    let mut container = world.shell(script);
    container.process.terminal = Some(SIZE);
    container
}

#[tokio::test]
async fn a_container_on_a_terminal() {
    let world = World::new();
    let script = "stty size; tty; test -c /dev/console && echo console > /dev/console; echo $TERM; echo error >&2; \
                  trap 'stty size; exit 4' WINCH; echo ready; while :; do sleep 0.02; done";
    let handle = world.start(&with_terminal(&world, script)).await;
    printed(&handle, "ready").await;
    let before = text(&records(&handle, Default::default()).await);
    assert_eq!(before, "33 77\r\n/dev/pts/0\r\nconsole\r\nxterm\r\nerror\r\nready\r\n");
    handle.resize(TerminalSize { rows: 5, columns: 6 }).await.expect("resized");
    assert_eq!(tokio::time::timeout(PATIENCE, handle.wait()).await.expect("an end").code, 4);
    assert!(text(&records(&handle, Default::default()).await).ends_with("ready\r\n5 6\r\n"));
    let error = handle.resize(SIZE).await.expect_err("refused");
    assert!(matches!(error, AttachError::NotRunning(_)), "{error:?}");
}

#[tokio::test]
async fn whoever_attaches_to_a_terminal_types_and_reads() {
    let world = World::new();
    let handle = world.start(&with_terminal(&world, "echo ready; exec sh")).await;
    printed(&handle, "ready").await;
    let mut one = handle.attach(true, true).await.expect("attached");
    let mut two = handle.attach(true, false).await.expect("attached");
    let mut input = one.input.take().expect("an input");
    input.write_all(b"echo $((40+2)); exit 9\n").await.expect("written");
    read_until(one.stdout.as_mut().expect("an output"), "42\r\n").await;
    read_until(two.stdout.as_mut().expect("an output"), "42\r\n").await;
    assert_eq!(handle.wait().await.code, 9);
    read_all(one.stdout.as_mut().expect("an output")).await;
    assert_eq!(read_all(one.stderr.as_mut().expect("an output")).await, "");
}

#[tokio::test]
async fn whoever_attaches_to_pipes_gets_both_and_may_write_if_stdin_is_open() {
    let world = World::new();
    let script = "echo ready; while read line; do test $line = end && exit 6; echo out $line; echo err $line >&2; done";
    let mut container = world.shell(script);
    container.process.open_stdin = true;
    let handle = world.start(&container).await;
    printed(&handle, "ready").await;
    let mut first = handle.attach(true, true).await.expect("attached");
    first.input.take().expect("an input").write_all(b"a\n").await.expect("written");
    assert_eq!(read_until(first.stdout.as_mut().expect("an output"), "\n").await, "out a\n");
    assert_eq!(read_until(first.stderr.as_mut().expect("an output"), "\n").await, "err a\n");
    drop(first);
    // Leaving does not close the container's input.
    let mut second = handle.attach(true, false).await.expect("attached");
    let mut input = second.input.take().expect("an input");
    input.write_all(b"b\n").await.expect("written");
    assert_eq!(read_until(second.stdout.as_mut().expect("an output"), "\n").await, "out b\n");
    input.write_all(b"end\n").await.expect("written");
    assert_eq!(handle.wait().await.code, 6);
    let closed = world.start(&world.shell("sleep 60")).await;
    assert!(closed.attach(true, true).await.expect("attached").input.is_none());
    assert!(matches!(closed.resize(SIZE).await, Err(AttachError::NoTerminal(_))));
}

#[tokio::test]
async fn nothing_is_lost_to_a_reader_that_is_slow_and_a_stuck_one_is_cut_off() {
    let world = World::new();
    let mut container = world.shell("read go; seq 1 400000; echo done >&2; sleep 60");
    container.process.open_stdin = true;
    let handle = world.start(&container).await;
    let mut reader = handle.attach(true, false).await.expect("attached");
    reader.input.take().expect("an input").write_all(b"go\n").await.expect("written");
    let mut stdout = reader.stdout.take().expect("an output");
    let all = read_until(&mut stdout, "\n400000\n").await;
    assert_eq!(all.lines().count(), 400_000);
    printed(&handle, "done").await;

    let mut container = world.shell("read go; seq 1 400000; exit 3");
    container.process.open_stdin = true;
    let handle = world.start(&container).await;
    let mut stuck = handle.attach(true, false).await.expect("attached");
    stuck.input.take().expect("an input").write_all(b"go\n").await.expect("written");
    let exit = tokio::time::timeout(PATIENCE, handle.wait()).await.expect("an end in spite of it");
    assert_eq!(exit.code, 3);
    assert_eq!(text(&records(&handle, Default::default()).await).lines().count(), 400_000);
    drop(stuck);
}

#[tokio::test]
async fn a_terminal_in_the_way_is_refused() {
    let world = World::new();
    let trap = world.path("pts");
    std::fs::create_dir(&trap).expect("a directory");
    let made = std::process::Command::new("mkfifo").arg(trap.join("ptmx")).status().expect("mkfifo runs");
    assert!(made.success());
    let mut container = world.shell("sleep 60");
    container.mounts = vec![Mount::Bind {
        source: trap,
        target: "/dev/pts".into(),
        read_only: false,
        propagation: Propagation::Private,
        nested: Nested::Included,
    }];
    let handle = world.start(&container).await;
    let terminal = on_terminal(&["sh"]);
    let error = tokio::time::timeout(PATIENCE, handle.exec_session(&terminal, false)).await;
    let Err(error) = error.expect("an answer") else { panic!("executed on a pipe") };
    assert!(error.to_string().contains("is not a terminal"), "{error}");
}
