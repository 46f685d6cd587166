//! Commands in running containers, with the docker client.

use std::io::Write;
use std::process::Stdio;

use skep_tests::cluster::OBEDIENT;
use skep_tests::cluster::PATIENCE;
use skep_tests::{Cluster, Look, wait_for};

/// A cluster with one running container, by its name.
fn start(flags: &[&str]) -> (Cluster, String) {
    let mut cluster = Cluster::start().unwrap();
    let image = cluster.busybox("1").unwrap();
    cluster.script("web", flags, &image, OBEDIENT).unwrap();
    cluster.running("web", 1).unwrap();
    let name = cluster.docker.run(&["ps", "--format", "{{.Names}}"]).unwrap();
    (cluster, name.trim().to_owned())
}

#[test]
fn a_command_gives_its_output_and_its_exit_code() {
    let (cluster, name) = start(&["--env", "A=b"]);
    let output =
        cluster.docker.try_run(&["exec", &name, "sh", "-c", "echo out; echo err >&2; exit 7"]).unwrap();
    assert_eq!((output.stdout.as_str(), output.stderr.as_str(), output.code), ("out\n", "err\n", Some(7)));
    let words = ["exec", "-e", "X=y", "-w", "/tmp", "-u", "bee", &name, "sh", "-c", "echo $A $X; pwd; id -u"];
    assert_eq!(cluster.docker.run(&words).unwrap(), "b y\n/tmp\n1000\n");
    let missing = cluster.docker.try_run(&["exec", &name, "no-such-program"]).unwrap();
    assert_eq!(missing.code, Some(127), "{missing:?}");
    assert!(format!("{}{}", missing.stdout, missing.stderr).contains("no-such-program"), "{missing:?}");
}

#[test]
fn input_ends_where_the_client_s_ends() {
    let (cluster, name) = start(&[]);
    let mut command = cluster.docker.command(&["exec", "-i", &name, "sh", "-c", "wc -c; echo done"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // More than any buffer on the way holds.
    let input = vec![b'x'; 3 << 20];
    child.stdin.take().unwrap().write_all(&input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{}\ndone\n", input.len()));
}

#[test]
fn a_terminal_is_one_and_has_the_size_of_the_client_s() {
    let (cluster, name) = start(&[]);
    // `script` gives the client a terminal of its own; `-q` and `-c` are util-linux's.
    let docker = cluster.docker.command(&[
        "exec",
        "-it",
        &name,
        "sh",
        "-c",
        "test -t 0 && test -t 1 && echo tty; exit 3",
    ]);
    let words: Vec<String> = std::iter::once(docker.get_program())
        .chain(docker.get_args())
        .map(|word| format!("'{}'", word.to_string_lossy()))
        .collect();
    let mut script = std::process::Command::new("script");
    script.args(["-qec", &words.join(" "), "/dev/null"]);
    for (name, value) in docker.get_envs() {
        if let Some(value) = value {
            script.env(name, value);
        }
    }
    let output = skep_tests::run(&mut script, PATIENCE).unwrap();
    // At the end of its own input `script` types an end, which its terminal may echo, before or after.
    assert!(output.stdout.contains("tty\r\n") && output.code == Some(3), "{output:?}");
}

#[test]
fn a_detached_command_runs_on() {
    let (cluster, name) = start(&[]);
    cluster.docker.run(&["exec", "-d", &name, "sh", "-c", "sleep 0.2; echo here >/tmp/made"]).unwrap();
    let made = wait_for("the file to be made", PATIENCE, || {
        let output = cluster.docker.try_run(&["exec", &name, "cat", "/tmp/made"])?;
        Ok(if output.code == Some(0) { Look::Done(output.stdout) } else { Look::NotYet(output.stderr) })
    });
    assert_eq!(made.unwrap(), "here\n");
}

#[test]
fn a_container_that_ended_takes_no_commands() {
    let mut cluster = Cluster::start().unwrap();
    let image = cluster.busybox("1").unwrap();
    cluster.script("once", &[], &image, "true").unwrap();
    let task = cluster.task_in("once", "complete").unwrap();
    let (code, said) = cluster.docker.refused(&["exec", &task.container, "true"]).unwrap();
    assert_eq!(code, 1);
    assert!(said.contains("is not running"), "{said}");
}
