//! What this node finds when it looks at itself: what its kernel offers, how its disks and its clock stand, and, in a
//! daemon, how it stands in its cluster.
//!
//! The client calls [`this_machine`] where no daemon answers; a daemon answers [`Daemon::look`] under `/skep/v1/doctor`,
//! and `/info` warns of what [`Features`] and [`machine`] lack. Each finding says what is wrong, what does not work
//! because of it, and what to do; judging is pure, so that tests need no broken machine.

mod cluster;
mod features;
mod machine;

use skep_api::wire::{Condition, Finding};
use skep_cli::DaemonPlace;

pub use cluster::look as look_at_cluster;
pub use features::Features;

use crate::daemon::options::Settings;

/// Looks at this machine as a daemon at this place would find it.
pub async fn this_machine(place: DaemonPlace) -> Vec<Finding> {
    let mut findings = Features::find().await.findings();
    match Settings::of_place(place) {
        Ok(settings) => {
            findings.push(Finding::ok("configuration", "can be used"));
            findings.extend(machine::look(&settings.data_root));
        }
        Err(error) => findings.push(Finding::bad(
            "configuration",
            Condition::Missing,
            skep_agent::chain(&error),
            [
                "no daemon can start with it",
                "correct the file, or start the daemon with another --config-file",
            ],
        )),
    }
    findings
}

/// Looks at the machine below a daemon: features, then disks and clock.
pub fn of_machine(features: &Features, settings: &Settings) -> Vec<Finding> {
    let mut findings = features.findings();
    findings.extend(machine::look(&settings.data_root));
    findings
}
