//! The defaults that `service inspect` shows (`insertDefaults=true`). They are added on the way out only: what a
//! client reads without asking for them is what somebody set.

use skep_model::limits;
use skep_model::service::UpdateConfig;
use skep_model::template::RestartPolicy;

use super::{nanos, template, update};
use crate::wire;

/// Fills what is absent.
pub fn insert(spec: &mut wire::ServiceSpec) {
    let task = &mut spec.task_template;
    if let Some(container) = &mut task.container_spec {
        container.stop_grace_period.get_or_insert(nanos(limits::STOP_GRACE_DEFAULT));
        container.dns_config.get_or_insert_default();
    }
    task.resources.get_or_insert_default();
    let restart =
        task.restart_policy.get_or_insert_with(|| template::restart_to_wire(&RestartPolicy::default()));
    restart.delay.get_or_insert(nanos(limits::RESTART_DELAY_DEFAULT));
    task.placement.get_or_insert_default();
    for config in [&mut spec.update_config, &mut spec.rollback_config] {
        let config = config.get_or_insert_with(|| update::to_wire(&UpdateConfig::default()));
        if config.monitor == 0 {
            config.monitor = nanos(limits::MONITOR_DEFAULT);
        }
    }
}
