//! `--health-*` and `--no-healthcheck`.

use skep_api::wire::HealthConfig;

use super::SpecFlags;
use super::pace::set;
use crate::fault::Fault;

/// What `Test` holds to disable the image's own check.
const NONE: &str = "NONE";

fn conflict() -> Fault {
    Fault::new("--no-healthcheck conflicts with --health-* options")
}

fn disabled() -> HealthConfig {
    HealthConfig { test: vec![NONE.to_owned()], ..HealthConfig::default() }
}

/// The health check of a new service.
pub(super) fn build(flags: &SpecFlags) -> Result<Option<HealthConfig>, Fault> {
    let command = flags.health_cmd.as_ref().filter(|command| !command.is_empty());
    let retries = flags.health_retries.filter(|retries| *retries != 0);
    let durations =
        [flags.health_interval, flags.health_timeout, flags.health_start_period, flags.health_start_interval];
    let is_given = command.is_some() || retries.is_some() || durations.iter().any(Option::is_some);
    match (flags.no_healthcheck, is_given) {
        (true, true) => Err(conflict()),
        (true, false) => Ok(Some(disabled())),
        (false, false) => Ok(None),
        (false, true) => {
            let mut config = HealthConfig::default();
            merge_settings(flags, &mut config);
            Ok(Some(config))
        }
    }
}

/// Merges into the health check of an existing service.
pub(super) fn merge(flags: &SpecFlags, config: &mut Option<HealthConfig>) -> Result<(), Fault> {
    let is_given = flags.health_cmd.is_some()
        || flags.health_retries.is_some()
        || flags.health_interval.is_some()
        || flags.health_timeout.is_some()
        || flags.health_start_period.is_some()
        || flags.health_start_interval.is_some();
    match (flags.no_healthcheck, is_given) {
        (true, true) => return Err(conflict()),
        (true, false) => *config = Some(disabled()),
        (false, false) => {}
        (false, true) => {
            let config = config.get_or_insert_default();
            if config.test.first().is_some_and(|word| word == NONE) {
                config.test.clear();
            }
            merge_settings(flags, config);
        }
    }
    Ok(())
}

fn merge_settings(flags: &SpecFlags, config: &mut HealthConfig) {
    set(&mut config.interval, flags.health_interval);
    set(&mut config.timeout, flags.health_timeout);
    set(&mut config.start_period, flags.health_start_period);
    set(&mut config.start_interval, flags.health_start_interval);
    set(&mut config.retries, flags.health_retries);
    match flags.health_cmd.as_deref() {
        None => {}
        Some("") => config.test.clear(),
        Some(command) => config.test = vec!["CMD-SHELL".to_owned(), command.to_owned()],
    }
}
