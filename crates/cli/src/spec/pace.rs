//! `--update-*`, `--rollback-*` and `--restart-*`: one flag brings the whole block, filled with defaults.

use skep_api::wire::{RestartPolicy, UpdateConfig};

use super::SpecFlags;

/// Nanoseconds in a second.
const SECOND: i64 = 1_000_000_000;

/// The six values of an update or rollback config, as given.
struct Pace<'a> {
    parallelism: Option<u64>,
    delay: Option<i64>,
    monitor: Option<i64>,
    failure_action: Option<&'a String>,
    max_failure_ratio: Option<f32>,
    order: Option<&'a String>,
}

impl Pace<'_> {
    fn is_given(&self) -> bool {
        self.parallelism.is_some()
            || self.delay.is_some()
            || self.monitor.is_some()
            || self.failure_action.is_some()
            || self.max_failure_ratio.is_some()
            || self.order.is_some()
    }

    fn merge(&self, config: &mut Option<UpdateConfig>) {
        if !self.is_given() {
            return;
        }
        let config = config.get_or_insert_with(|| UpdateConfig {
            parallelism: 1,
            delay: 0,
            failure_action: "pause".to_owned(),
            monitor: 5 * SECOND,
            max_failure_ratio: 0.0,
            order: "stop-first".to_owned(),
        });
        set(&mut config.parallelism, self.parallelism);
        set(&mut config.delay, self.delay);
        set(&mut config.monitor, self.monitor);
        set(&mut config.failure_action, self.failure_action.cloned());
        set(&mut config.max_failure_ratio, self.max_failure_ratio);
        set(&mut config.order, self.order.cloned());
    }
}

/// Overwrites a field if a value was given.
pub(super) fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

fn update_pace(flags: &SpecFlags) -> Pace<'_> {
    Pace {
        parallelism: flags.update_parallelism,
        delay: flags.update_delay,
        monitor: flags.update_monitor,
        failure_action: flags.update_failure_action.as_ref(),
        max_failure_ratio: flags.update_max_failure_ratio,
        order: flags.update_order.as_ref(),
    }
}

fn rollback_pace(flags: &SpecFlags) -> Pace<'_> {
    Pace {
        parallelism: flags.rollback_parallelism,
        delay: flags.rollback_delay,
        monitor: flags.rollback_monitor,
        failure_action: flags.rollback_failure_action.as_ref(),
        max_failure_ratio: flags.rollback_max_failure_ratio,
        order: flags.rollback_order.as_ref(),
    }
}

/// Tells whether any update or rollback flag was given.
pub(super) fn is_given(flags: &SpecFlags) -> bool {
    update_pace(flags).is_given() || rollback_pace(flags).is_given()
}

/// Merges `--update-*`.
pub(super) fn merge_update(flags: &SpecFlags, config: &mut Option<UpdateConfig>) {
    update_pace(flags).merge(config);
}

/// Merges `--rollback-*`.
pub(super) fn merge_rollback(flags: &SpecFlags, config: &mut Option<UpdateConfig>) {
    rollback_pace(flags).merge(config);
}

/// Merges `--restart-*`.
pub(super) fn merge_restart(flags: &SpecFlags, policy: &mut Option<RestartPolicy>) {
    let given = flags.restart_condition.is_some()
        || flags.restart_delay.is_some()
        || flags.restart_max_attempts.is_some()
        || flags.restart_window.is_some();
    if !given {
        return;
    }
    let policy = policy.get_or_insert_with(|| RestartPolicy {
        condition: "any".to_owned(),
        delay: Some(5 * SECOND),
        max_attempts: Some(0),
        window: None,
    });
    set(&mut policy.condition, flags.restart_condition.clone());
    policy.delay = flags.restart_delay.or(policy.delay);
    policy.max_attempts = flags.restart_max_attempts.or(policy.max_attempts);
    policy.window = flags.restart_window.or(policy.window);
}
