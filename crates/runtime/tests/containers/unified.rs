//! The same containers where nothing but cgroup v2 is mounted, as far as this host goes: its controllers may all be in the
//! hands of version 1, and then limits cannot be tried.
//!
//! The hierarchies of a host cannot be exchanged under its feet, but a mount namespace can show version 2 alone. This
//! program runs a part of itself in one.

use std::process::Command;

/// What is run: how a container is confined, begins and ends, and how commands enter it.
const PARTS: [&str; 3] = ["confinement::", "lifecycle::", "exec::"];

/// Needs a controller, which version 1 holds on a hybrid host.
const LIMITED: &str = "a_command_is_held_by_the_containers_limits_and_groups_and_has_no_descriptor_too_many";

/// Shows version 2 alone, then becomes the program.
const ENTER: &str =
    "umount --recursive /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup && exec \"$0\" \"$@\"";

#[test]
fn containers_run_where_there_is_version_2_alone() {
    let program = std::env::current_exe().expect("this program has a path");
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "--", "bash", "-c", ENTER]).arg(program);
    let output = command.args(PARTS).args(["--skip", LIMITED]).output().expect("unshare runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    // A filter that matches nothing would pass as well.
    let passed = said.lines().filter(|line| line.starts_with("test ") && line.ends_with("... ok")).count();
    assert!(passed > 20, "{said}");
}
