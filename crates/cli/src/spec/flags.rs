//! The flags that `service create` and `service update` share. Absent means "not given", whatever the default is.

use clap::Args;
use skep_api::wire::{CredentialSpec, Ulimit};

use crate::grammar::{
    boolean, bytes, cpus, credential_spec, duration, env, float32, int64, positive_duration, uint64, words,
};

/// The words of `--args` and `--entrypoint`.
pub(crate) type Words = Vec<String>;

#[derive(Args, Clone, Debug, Default, PartialEq)]
pub(crate) struct SpecFlags {
    /// Add Linux capabilities
    #[arg(long, value_name = "list")]
    pub cap_add: Vec<String>,
    /// Drop Linux capabilities
    #[arg(long, value_name = "list")]
    pub cap_drop: Vec<String>,
    /// Credential spec for managed service account (Windows only)
    #[arg(long, value_name = "credential-spec", value_parser = credential_spec)]
    pub credential_spec: Option<CredentialSpec>,
    /// Exit immediately instead of waiting for the service to converge
    #[arg(short, long)]
    pub detach: bool,
    /// Endpoint mode (vip or dnsrr)
    #[arg(long, value_name = "string")]
    pub endpoint_mode: Option<String>,
    /// Overwrite the default ENTRYPOINT of the image
    #[arg(long, value_name = "command", value_parser = words)]
    pub entrypoint: Option<Words>,
    /// Command to run to check health
    #[arg(long, value_name = "string")]
    pub health_cmd: Option<String>,
    /// Time between running the check (ms|s|m|h)
    #[arg(long, value_name = "duration", value_parser = positive_duration)]
    pub health_interval: Option<i64>,
    /// Consecutive failures needed to report unhealthy
    #[arg(long, value_name = "int", value_parser = int64)]
    pub health_retries: Option<i64>,
    /// Time between running the check during the start period (ms|s|m|h)
    #[arg(long, value_name = "duration", value_parser = positive_duration)]
    pub health_start_interval: Option<i64>,
    /// Start period for the container to initialize before counting retries towards unstable (ms|s|m|h)
    #[arg(long, value_name = "duration", value_parser = positive_duration)]
    pub health_start_period: Option<i64>,
    /// Maximum time to allow one check to run (ms|s|m|h)
    #[arg(long, value_name = "duration", value_parser = positive_duration)]
    pub health_timeout: Option<i64>,
    /// Container hostname
    #[arg(long, value_name = "string")]
    pub hostname: Option<String>,
    /// Use an init inside each service container to forward signals and reap processes
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub init: Option<bool>,
    /// Service container isolation mode
    #[arg(long, value_name = "string")]
    pub isolation: Option<String>,
    /// Limit CPUs
    #[arg(long, value_name = "decimal", value_parser = cpus)]
    pub limit_cpu: Option<i64>,
    /// Limit Memory
    #[arg(long, value_name = "bytes", value_parser = bytes)]
    pub limit_memory: Option<i64>,
    /// Limit maximum number of processes (default 0 = unlimited)
    #[arg(long, value_name = "int", value_parser = int64)]
    pub limit_pids: Option<i64>,
    /// Logging driver for service
    #[arg(long, value_name = "string")]
    pub log_driver: Option<String>,
    /// Logging driver options
    #[arg(long, value_name = "list", value_parser = env)]
    pub log_opt: Vec<String>,
    /// Number of job tasks to run concurrently (default equal to --replicas)
    #[arg(long, value_name = "uint", value_parser = uint64)]
    pub max_concurrent: Option<u64>,
    /// Disable any container-specified HEALTHCHECK
    #[arg(long)]
    pub no_healthcheck: bool,
    /// Do not query the registry to resolve image digest and supported platforms
    #[arg(long)]
    pub no_resolve_image: bool,
    // Compat: docker 28.2 has the blank at the end of this text.
    #[arg(long, value_name = "int", value_parser = int64, help = "Tune host's OOM preferences (-1000 to 1000) ")]
    pub oom_score_adj: Option<i64>,
    /// Suppress progress output
    #[arg(short, long)]
    pub quiet: bool,
    /// Mount the container's root filesystem as read only
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub read_only: Option<bool>,
    /// Number of tasks
    #[arg(long, value_name = "uint", value_parser = uint64)]
    pub replicas: Option<u64>,
    /// Maximum number of tasks per node (default 0 = unlimited)
    #[arg(long, value_name = "uint", value_parser = uint64)]
    pub replicas_max_per_node: Option<u64>,
    /// Reserve CPUs
    #[arg(long, value_name = "decimal", value_parser = cpus)]
    pub reserve_cpu: Option<i64>,
    /// Reserve Memory
    #[arg(long, value_name = "bytes", value_parser = bytes)]
    pub reserve_memory: Option<i64>,
    /// Restart when condition is met ("none", "on-failure", "any")
    #[arg(long, value_name = "string")]
    pub restart_condition: Option<String>,
    /// Delay between restart attempts (ns|us|ms|s|m|h)
    #[arg(long, value_name = "duration", value_parser = duration)]
    pub restart_delay: Option<i64>,
    /// Maximum number of restarts before giving up
    #[arg(long, value_name = "uint", value_parser = uint64)]
    pub restart_max_attempts: Option<u64>,
    /// Window used to evaluate the restart policy (ns|us|ms|s|m|h)
    #[arg(long, value_name = "duration", value_parser = duration)]
    pub restart_window: Option<i64>,
    /// Delay between task rollbacks (ns|us|ms|s|m|h)
    #[arg(long, value_name = "duration", value_parser = duration)]
    pub rollback_delay: Option<i64>,
    /// Action on rollback failure ("pause", "continue")
    #[arg(long, value_name = "string")]
    pub rollback_failure_action: Option<String>,
    /// Failure rate to tolerate during a rollback
    #[arg(long, value_name = "float", value_parser = float32)]
    pub rollback_max_failure_ratio: Option<f32>,
    /// Duration after each task rollback to monitor for failure (ns|us|ms|s|m|h)
    #[arg(long, value_name = "duration", value_parser = duration)]
    pub rollback_monitor: Option<i64>,
    /// Rollback order ("start-first", "stop-first")
    #[arg(long, value_name = "string")]
    pub rollback_order: Option<String>,
    /// Maximum number of tasks rolled back simultaneously (0 to roll back all at once)
    #[arg(long, value_name = "uint", value_parser = uint64)]
    pub rollback_parallelism: Option<u64>,
    /// Time to wait before force killing a container (ns|us|ms|s|m|h)
    #[arg(long, value_name = "duration", value_parser = duration)]
    pub stop_grace_period: Option<i64>,
    /// Signal to stop the container
    #[arg(long, value_name = "string")]
    pub stop_signal: Option<String>,
    /// Allocate a pseudo-TTY
    #[arg(short, long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub tty: Option<bool>,
    /// Delay between updates (ns|us|ms|s|m|h)
    #[arg(long, value_name = "duration", value_parser = duration)]
    pub update_delay: Option<i64>,
    /// Action on update failure ("pause", "continue", "rollback")
    #[arg(long, value_name = "string")]
    pub update_failure_action: Option<String>,
    /// Failure rate to tolerate during an update
    #[arg(long, value_name = "float", value_parser = float32)]
    pub update_max_failure_ratio: Option<f32>,
    /// Duration after each task update to monitor for failure (ns|us|ms|s|m|h)
    #[arg(long, value_name = "duration", value_parser = duration)]
    pub update_monitor: Option<i64>,
    /// Update order ("start-first", "stop-first")
    #[arg(long, value_name = "string")]
    pub update_order: Option<String>,
    /// Maximum number of tasks updated simultaneously (0 to update all at once)
    #[arg(long, value_name = "uint", value_parser = uint64)]
    pub update_parallelism: Option<u64>,
    /// Username or UID (format: <name|uid>[:<group|gid>])
    #[arg(short, long, value_name = "string")]
    pub user: Option<String>,
    /// Send registry authentication details to swarm agents
    #[arg(long)]
    pub with_registry_auth: bool,
    /// Working directory inside the container
    #[arg(short, long, value_name = "string")]
    pub workdir: Option<String>,
}

/// A limit on a resource, by name.
pub(super) fn by_name(mut ulimits: Vec<Ulimit>) -> Vec<Ulimit> {
    // Of several values for one name the last counts, as in docker's map.
    ulimits.reverse();
    ulimits.sort_by(|a, b| a.name.cmp(&b.name));
    ulimits.dedup_by(|a, b| a.name == b.name);
    ulimits
}
