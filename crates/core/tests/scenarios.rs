//! Scripts with the output they must print, one file each in `scenarios/`. `UPDATE_EXPECT=1 cargo test
//! -p skep-core --test scenarios` writes what they print now; the language is in `harness/script.rs`.

mod harness;
mod pitfalls;
mod writes;

use expect_test::expect_file;

macro_rules! scenarios {
    ($($name:ident),* $(,)?) => {
        $(
            #[test]
            fn $name() {
                let file = expect_file![concat!("scenarios/", stringify!($name), ".txt")];
                file.assert_eq(&harness::script::run(&file.data()));
            }
        )*
    };
}

scenarios! {
    walk_through,
    profiles,
    deadlines,
    min_healthy_node_loss,
    bad_tag,
    why_monitor,
    missing_image,
    stopping,
    rebalance,
    budget,
    surge,
    held_candidate,
    rollout_of_nothing,
    void_step,
    resume_by_repeat,
    resume_while_watched,
    rollback_manual,
    rollback_automatic,
    rollback_paused,
    start_first,
    failure_ratio,
    continue_on_failure,
    monitor,
    restart_policy,
    scale_during_update,
    scale_while_paused,
    previous_spec,
    out_of_sequence,
    drain,
    history,
    unschedulable,
    enforcement,
    full_node,
    health,
    superseding_update,
    forced_update,
    leader_changes,
    leader_fickle,
    node_loss,
    removal,
    agent_restart,
    parallelism,
    bounded_wait,
    crash_in_mid_update,
    placement_only,
    in_place,
    verbs,
    verb_labels,
    way_back,
    quarantine,
    global,
    global_update,
    job,
    backoff,
    w11_node_is_nobodys_failure,
    w12_job_attempts,
    w35_node_returns,
    w36_job_nodes,
    w40_lost_for_a_day,
    node_unknown,
    node_removed,
}
