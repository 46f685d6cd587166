//! Scripted services on a clock of our own: what is shown, and how it ends.

use std::time::Duration;

use expect_test::expect;
use skep_api::wire::{
    Empty, JobStatus, ReplicatedJob, ReplicatedService, UpdateConfig, UpdateStatus, Version,
};

use super::screen::Line;
use super::*;

/// A task in one word: `slot:state`, `slot:state>desired`, or `slot:state!error` with `_` and `|` for blanks and line breaks.
fn task(text: &str) -> Task {
    let (text, err) = text.split_once('!').unwrap_or((text, ""));
    let (slot, states) = text.split_once(':').expect("slot:state");
    let (state, desired) = states.split_once('>').unwrap_or((states, "running"));
    let mut task =
        Task { slot: slot.parse().expect("a slot"), desired_state: desired.to_owned(), ..Task::default() };
    "n1".clone_into(&mut task.node_id);
    state.clone_into(&mut task.status.state);
    task.status.err = err.replace('_', " ").replace('|', "\n");
    task.job_iteration = Some(Version::default());
    task
}

fn look(tasks: &str) -> Look {
    let mut service = Service::default();
    service.spec.mode.replicated = Some(ReplicatedService { replicas: Some(2) });
    let monitor = 2_000_000_000;
    service.spec.update_config = Some(UpdateConfig { monitor, ..UpdateConfig::default() });
    Look { service, tasks: tasks.split_whitespace().map(task).collect(), nodes: vec!["n1".to_owned()] }
}

fn with_status(mut look: Look, state: &str, message: &str) -> Look {
    let (state, message) = (state.to_owned(), message.to_owned());
    look.service.update_status = Some(UpdateStatus { state, message, ..UpdateStatus::default() });
    look
}

/// Plays looks half a second apart until a verdict, and shows the log and the verdict.
fn play(columns: Option<usize>, looks: Vec<Look>) -> String {
    let (mut tracker, mut screen) = (Tracker::new("web"), Screen::new(columns));
    let mut shown = String::new();
    for (index, look) in looks.into_iter().enumerate() {
        let verdict = tracker.observe(Duration::from_millis(500) * index as u32, &look);
        shown.extend(tracker.take_lines().iter().map(|line| screen.draw(line)));
        if verdict != Verdict::Wait {
            return format!("{shown}{verdict:?}\n");
        }
    }
    shown + "Wait\n"
}

#[test]
fn a_service_converges_and_is_watched() {
    let steps = ["", "7:preparing", "7:running 3:new", "7:running 3:starting", "7:running 3:running"];
    let steps = steps.into_iter().chain(std::iter::repeat_n("7:running 3:running", 4)).map(look).collect();
    expect![[r#"
        overall progress: 0 out of 2 tasks
        1/2:  
        2/2:  
        overall progress: 1 out of 2 tasks
        overall progress: 2 out of 2 tasks
        verify: Waiting 2 seconds to verify that tasks are stable...
        verify: Waiting 1 seconds to verify that tasks are stable...
        verify: Service web converged
        Done
    "#]]
    .assert_eq(&play(None, steps));
}

#[test]
fn a_failure_restarts_the_watch() {
    let steps =
        ["1:running 2:running", "1:running 2:failed>shutdown", "1:running 2:pending!no|suitable_node"];
    let text = play(None, steps.into_iter().map(look).collect());
    expect![[r#"
        overall progress: 0 out of 2 tasks
        1/2:  
        2/2:  
        overall progress: 2 out of 2 tasks
        verify: Waiting 2 seconds to verify that tasks are stable...
        overall progress: 1 out of 2 tasks
        verify: Detected task failure
        2/2: no suitable node
        Wait
    "#]]
    .assert_eq(&text);
}

#[test]
fn a_paused_update_fails() {
    let reason = "update paused due to failure or early termination of task k2j3";
    let steps = vec![
        look(""),
        with_status(look("1:failed>shutdown!boom"), "updating", "update in progress"),
        with_status(look(""), "paused", reason),
    ];
    expect![[r#"
        overall progress: 0 out of 2 tasks
        1/2:  
        2/2:  
        1/2: boom
        Failed("service update paused: update paused due to failure or early termination of task k2j3")
    "#]]
    .assert_eq(&play(None, steps));
}

#[test]
fn an_automatic_rollback_succeeds() {
    let rolling = || with_status(look("1:running"), "rollback_started", "update rolled back due to failure");
    let done = || with_status(look("1:running 2:running"), "rollback_completed", "rollback completed");
    let steps = vec![look(""), rolling(), rolling(), done(), done(), done(), done(), done()];
    expect![[r#"
        overall progress: 0 out of 2 tasks
        1/2:  
        2/2:  
        rollback: update rolled back due to failure
        overall progress: rolling back update: 1 out of 2 tasks
        overall progress: rolling back update: 2 out of 2 tasks
        verify: Waiting 2 seconds to verify that tasks are stable...
        verify: Waiting 1 seconds to verify that tasks are stable...
        verify: Service web converged
        rollback: rollback completed
        Done
    "#]]
    .assert_eq(&play(None, steps));
}

#[test]
fn a_paused_rollback_fails_and_a_completed_update_is_enough() {
    let paused = with_status(look(""), "rollback_paused", "rollback paused");
    assert!(play(None, vec![paused]).ends_with("Failed(\"service rollback paused: rollback paused\")\n"));
    let completed = with_status(look(""), "completed", "update completed");
    assert_eq!(play(None, vec![completed]), "Done\n");
}

#[test]
fn a_terminal_is_drawn_over() {
    let steps = vec![look("1:preparing 2:running"), look("1:running 2:running")];
    let text = play(Some(120), steps).replace('\x1b', "^").replace('\r', "<\n");
    expect![[r#"

        ^[1A^[2K<
        overall progress: 0 out of 2 tasks <
        ^[1B
        ^[1A^[2K<
        1/2:   <
        ^[1B
        ^[1A^[2K<
        2/2:   <
        ^[1B^[2A^[2K<
        1/2: preparing [=================================>                 ] <
        ^[2B^[1A^[2K<
        2/2: running   [==================================================>] <
        ^[1B^[3A^[2K<
        overall progress: 1 out of 2 tasks <
        ^[3B^[2A^[2K<
        1/2: running   [==================================================>] <
        ^[2B^[1A^[2K<
        2/2: running   [==================================================>] <
        ^[1B^[3A^[2K<
        overall progress: 2 out of 2 tasks <
        ^[3B
        ^[1A^[2K<
        verify: Waiting 2 seconds to verify that tasks are stable... <
        ^[1BWait
    "#]]
    .assert_eq(&text);
}

#[test]
fn narrow_terminals_have_no_bars() {
    let line = Line { bar: Some((1, 2)), ..Line::new("1/1", "new") };
    assert!(!Screen::new(Some(110)).draw(&line).contains('='));
    assert!(Screen::new(Some(111)).draw(&line).contains('='));
}

fn job(tasks: &str) -> Look {
    let mut look = look(tasks);
    look.service.spec.mode = Default::default();
    look.service.spec.mode.replicated_job =
        Some(ReplicatedJob { max_concurrent: Some(2), total_completions: Some(3) });
    look.service.job_status = Some(JobStatus::default());
    look
}

#[test]
fn jobs_complete_without_a_watch() {
    let steps = vec![
        job("0:running>complete 1:new>complete"),
        job("0:complete>complete 1:complete>complete 2:starting>complete"),
        job("0:complete>complete 1:complete>complete 2:complete>complete"),
    ];
    expect![[r#"
        active tasks: 0 out of 2 tasks
        1/3:  
        2/3:  
        3/3:  
        active tasks: 2 out of 2 tasks
        active tasks: 1 out of 1 tasks
        active tasks: 0 out of 0 tasks
        job complete
        Done
    "#]]
    .assert_eq(&play(None, steps));
}

#[test]
fn global_services_wait_for_their_first_task() {
    let global = |tasks: &str| {
        let mut look = look(tasks);
        look.service.spec.mode = Default::default();
        look.service.spec.mode.global = Some(Empty {});
        look
    };
    let steps = vec![global(""), global("0:starting"), global("0:running")];
    expect![[r#"
        overall progress: waiting for new tasks
        overall progress: 0 out of 1 tasks
        overall progress: 1 out of 1 tasks
        verify: Waiting 2 seconds to verify that tasks are stable...
        Wait
    "#]]
    .assert_eq(&play(None, steps));
}

#[test]
fn an_interrupt_leaves_the_rest_to_the_daemon() {
    let mut tracker = Tracker::new("web");
    assert_eq!(tracker.interrupted(), Verdict::Done);
    let text: Vec<String> = tracker.take_lines().into_iter().map(|line| line.text).collect();
    assert_eq!(text, ["Operation continuing in background.", "Use `skep service ps web` to check progress."]);
}

#[test]
fn tasks_on_lost_nodes_and_in_unknown_states_do_not_count() {
    let mut lost = look("1:running 2:running");
    lost.tasks[1].node_id = "n2".to_owned();
    assert!(play(None, vec![lost]).contains("1 out of 2 tasks"));
    assert!(play(None, vec![look("1:running 2:orphaned")]).contains("1 out of 2 tasks"));
    let modeless = Look { service: Service::default(), tasks: Vec::new(), nodes: Vec::new() };
    assert_eq!(play(None, vec![modeless]), "Failed(\"unrecognized service mode\")\n");
}
