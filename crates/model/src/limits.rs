//! Bounds and defaults that users meet. The numbers are Swarm's unless the line says otherwise.

use std::time::Duration;

/// Smallest CPU limit or reservation, in billionths of a CPU (0.001 CPU).
pub const NANO_CPUS_MIN: i64 = 1_000_000;
/// Largest CPU limit or reservation, in billionths: a hundred thousand CPUs, more than any machine has and less than the
/// kernel refuses to count.
pub const NANO_CPUS_MAX: i64 = 100_000 * 1_000_000_000;
/// Largest limit of processes: what the kernel can count, on 64 bits.
pub const PIDS_MAX: i64 = 4_194_304;
/// Smallest memory limit or reservation, in bytes (4 MiB).
pub const MEMORY_BYTES_MIN: i64 = 4 * 1024 * 1024;
/// Largest service specification, in bytes of the texts in it.
pub const SPEC_BYTES_MAX: usize = 512 * 1024;
/// Most bytes of all labels of a node or of the cluster; Swarm has no bound.
pub const LABELS_BYTES_MAX: usize = 64 * 1024;
/// Longest service name, in characters.
pub const SERVICE_NAME_LENGTH_MAX: usize = 63;
/// Longest host name of a container, in characters; the kernel's bound.
pub const HOSTNAME_LENGTH_MAX: usize = 64;
/// Most replicas of one service. Swarm has no bound; ours keeps a typing error from filling the store.
pub const REPLICAS_MAX: u64 = 1_000_000;
/// Most levels of spread preferences of one service; Swarm has no bound.
pub const PLACEMENT_PREFERENCES_MAX: usize = 8;
/// Failures of one revision on one node within [`NODE_FAILURES_WITHIN`] from which on the node is only chosen
/// where no other will do.
pub const NODE_FAILURES_MAX: usize = 5;
pub const NODE_FAILURES_WITHIN: Duration = Duration::from_secs(300);
/// Shortest interval or timeout of a health check, when one is given.
pub const HEALTH_DURATION_MIN: Duration = Duration::from_millis(1);

pub const RESTART_DELAY_DEFAULT: Duration = Duration::from_secs(5);
pub const MONITOR_DEFAULT: Duration = Duration::from_secs(5);
pub const STOP_GRACE_DEFAULT: Duration = Duration::from_secs(10);
/// Dead tasks kept per slot for `service ps`, the running one included.
pub const TASK_HISTORY_DEFAULT: i64 = 5;
pub const HEARTBEAT_PERIOD_DEFAULT: Duration = Duration::from_secs(5);
/// A node is down when it was silent for this many heartbeat periods.
pub const HEARTBEAT_GRACE: u32 = 3;
/// The same for a node that a new leader has not heard of yet.
pub const HEARTBEAT_GRACE_UNKNOWN: u32 = 6;
/// Tasks on a node that was down for this long are given up for good: orphaned.
pub const NODE_LOST_AFTER: Duration = Duration::from_secs(24 * 3600);
/// A stop-first replacement waits this long for the task before it to end, then starts all the same.
pub const OLD_TASK_WAIT_MAX: Duration = Duration::from_secs(60);
/// Revisions kept per service, besides those in use and the last [`STABLE_REVISIONS_KEPT`] stable ones.
pub const REVISIONS_KEPT: usize = 20;
/// Stable revisions that are always kept: the one in force, as a rule, and the one to go back to.
pub const STABLE_REVISIONS_KEPT: usize = 2;
/// How long everything has to run a revision before it is stable. Swarm knows no such thing.
pub const BAKE_DEFAULT: Duration = Duration::from_secs(60);
/// Restart instants kept per slot to judge `max_attempts`; more attempts than this count as this many.
pub const RESTARTS_KEPT_MAX: usize = 1_000;

/// A task that fails within this many restart delays of its start, and at least within
/// [`QUICK_FAILURE_MIN`], failed quickly: its slot may be in a crash loop.
pub const QUICK_FAILURE_DELAYS: u32 = 10;
pub const QUICK_FAILURE_MIN: Duration = Duration::from_secs(10);
/// From the second quick failure in a row the restart delay doubles: from at least this…
pub const RESTART_BACKOFF_MIN: Duration = Duration::from_secs(1);
/// …to at most this. Swarm restarts a crash loop every few seconds for ever.
pub const RESTART_BACKOFF_MAX: Duration = Duration::from_secs(300);

/// Longest time that a slot may be asked to be up before the next one is taken up; Skep's own.
pub const MIN_HEALTHY_MAX: Duration = Duration::from_secs(3600);
/// A replacement that is not up after this long has failed; its image may take any time. Skep's own.
pub const START_DEADLINE: Duration = Duration::from_secs(300);
/// Shortest and longest deadline of a start or of progress.
pub const DEADLINE_MIN: Duration = Duration::from_secs(1);
pub const DEADLINE_MAX: Duration = Duration::from_secs(24 * 3600);
/// Longest bound on a whole rollout.
pub const ROLLOUT_DURATION_MAX: Duration = Duration::from_secs(30 * 24 * 3600);
/// Longest time that a revision may be asked to run before it counts as stable; Skep's own.
pub const BAKE_MAX: Duration = Duration::from_secs(7 * 24 * 3600);
/// [`crate::Policy::min_healthy`] under the profile `strict`, where nothing else is said.
pub const MIN_HEALTHY_STRICT: Duration = Duration::from_secs(30);

/// Health check defaults: interval, timeout, retries, interval during the start period.
pub const HEALTH_INTERVAL_DEFAULT: Duration = Duration::from_secs(30);
pub const HEALTH_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);
pub const HEALTH_RETRIES_DEFAULT: u32 = 3;
pub const HEALTH_START_INTERVAL_DEFAULT: Duration = Duration::from_secs(5);

/// How long nothing must have come or gone in a service before one of its tasks is moved to a less loaded node.
pub const REBALANCE_PAUSE: Duration = Duration::from_secs(30);
/// After what time a service that stood evenly, or could not be helped, is looked at again.
pub const REBALANCE_AGAIN: Duration = Duration::from_secs(600);
/// Most moves that a dry run of the rebalancing tells.
pub const REBALANCE_MOVES_TOLD: usize = 100;
