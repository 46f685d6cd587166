//! What each kind of write means in each phase of a rollout: the table of `control/write.rs`, played out.
//!
//! A line says where the rollout stands right after the write and a minute later, how many revisions the write made,
//! how many tasks were made since, and whether what was before is what `rollback` returns to. `UPDATE_EXPECT=1` writes what it is now.

use std::fmt::Write;

use expect_test::expect_file;

use crate::harness::{World, script, show};

/// How a service comes into each phase.
const PHASES: [(&str, &[&str]); 6] = [
    ("no rollout", &[]),
    ("running", &["update web image=redis:7 delay=20s", "tick 5s"]),
    ("paused", &["image redis:7 missing", "update web image=redis:7", "tick 5s", "image redis:7 runs"]),
    ("completed", &["update web image=redis:7", "tick 10s"]),
    (
        "going back",
        &["update web rollback-delay=20s", "update web image=redis:7", "tick 10s", "rollback web", "tick 5s"],
    ),
    ("gone back", &["update web image=redis:7", "tick 10s", "rollback web", "tick 20s"]),
];

const WRITES: [(&str, &str); 13] = [
    ("nothing", ""),
    ("credentials", "auth=secret"),
    ("a label", "label=colour:red"),
    ("a label of ours", "label=skep.reason:test"),
    ("replicas", "replicas=3"),
    ("the pace", "monitor=2s"),
    ("restart policy", "restart-delay=9s"),
    ("a limit", "memory=64"),
    ("a limit, not in place", "memory=64 label=skep.rollout.inplace:off"),
    ("where it may run", "constraint=node.hostname==n1"),
    ("a port", "port=80"),
    ("the image", "image=redis:8"),
    ("by force", "force"),
];

#[test]
fn a_write_means_the_same_in_each_phase() {
    let mut table = String::new();
    for (phase, way) in PHASES {
        writeln!(table, "{phase}").expect("a text");
        for (name, options) in WRITES {
            let mut world = World::new(&[8], 5);
            let play = |world: &mut World, command: &str| {
                script::perform(world, &command.split_whitespace().collect::<Vec<_>>());
            };
            play(&mut world, "create web replicas=2 image=redis:6 monitor=1s rollback-monitor=1s");
            play(&mut world, "tick 5s");
            way.iter().for_each(|command| play(&mut world, command));
            let before = script::service(&world, "web");
            let made_before = world.task_count();
            play(&mut world, &format!("update web {options}"));
            let at_once = show::state(&world, "web");
            play(&mut world, "tick 60s");
            let service = script::service(&world, "web");
            let revisions = service.revision_count - before.revision_count;
            let previous = service.previous.is_some_and(|previous| previous.spec == before.spec);
            let later = show::state(&world, "web");
            let made = world.task_count() - made_before;
            let previous = if previous { "previous" } else { "" };
            let line = format!("  {name:<22} {at_once:<18} {later:<18} +{revisions} {made} made  {previous}");
            writeln!(table, "{}", line.trim_end()).expect("a text");
        }
    }
    expect_file!["table.txt"].assert_eq(&table);
}
