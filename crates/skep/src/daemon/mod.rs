//! `skep daemon`: opens everything in order, serves until it is told to stop, and leaves the containers
//! alone.
//!
//! What cannot be had is said in one sentence with its remedy, and the exit code is 1.

mod claim;
pub mod fatal;
pub mod options;
pub mod root;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{CommandFactory, Parser};
use skep_agent::image::Policy;
use skep_agent::{Engine, chain};
use skep_api::server::listen::tls::{self, TlsError};
use skep_api::server::listen::{Access, ListenError, Listener};
use skep_api::server::{Backend, Server};
use skep_runtime::probe::Probe;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{OnceCell, broadcast};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::backend::Daemon;
use crate::host;
use crate::membership::{Membership, MembershipError};
use crate::node_events;
use fatal::Fatal;
use options::{Flags, LogLevel, Settings, SettingsError};
use root::{Kind, Root, RootError};

/// Threads for work that blocks on the disk or the kernel: more than are ever useful at the same time.
const BLOCKING_THREADS_MAX: usize = 16;
/// How often the kernel's network state is compared with what it should be.
const REPAIR_EVERY: Duration = Duration::from_secs(30);
/// How often freed memory is given back.
const TRIM_EVERY: Duration = Duration::from_secs(30);
/// Events that a slow reader may lag behind before it loses some.
const CHANGES_MAX: usize = 4096;

/// Why the daemon cannot run.
#[derive(Debug, thiserror::Error)]
enum DaemonError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("{0}")]
    Host(String),
    #[error(transparent)]
    Root(#[from] RootError),
    #[error(transparent)]
    Claim(#[from] claim::ClaimError),
    #[error(transparent)]
    Engine(#[from] skep_agent::EngineError),
    #[error(transparent)]
    Membership(#[from] MembershipError),
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("the group {0:?} does not exist; make it with groupadd, or leave --group out")]
    Group(String),
    #[error("{0}; when that is mended, start the daemon again: containers run on")]
    Fatal(String),
    #[error("cannot write the process id to {path}")]
    Pidfile { path: PathBuf, source: std::io::Error },
    #[error("cannot {action}")]
    Start { action: &'static str, source: std::io::Error },
}

/// Returns the grammar of `skep daemon`, for the help of the whole program.
pub fn command() -> clap::Command {
    Flags::command().name("daemon")
}

/// Runs the daemon with the arguments after `skep`; the first of them is `daemon`.
pub fn main(args: &[OsString]) -> ExitCode {
    let flags = match Flags::try_parse_from(args) {
        Ok(flags) => flags,
        // Clap prints help and mistakes alike, each to its own stream.
        Err(error) => {
            let is_mistake = error.use_stderr();
            drop(error.print());
            return if is_mistake { ExitCode::from(125) } else { ExitCode::SUCCESS };
        }
    };
    match start(flags) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("skep daemon: {}", chain(&error));
            ExitCode::FAILURE
        }
    }
}

fn start(flags: Flags) -> Result<(), DaemonError> {
    let settings = Settings::load(flags)?;
    init_log(settings.log_level);
    Probe::run().required().map_err(|missing| DaemonError::Host(missing.to_string()))?;
    skep_runtime::share_heaps();
    let start = |action| move |source| DaemonError::Start { action, source };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .build()
        .map_err(start("start the asynchronous runtime"))?;
    runtime.block_on(run(settings))
}

fn init_log(level: LogLevel) {
    let own = match level {
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warn",
        LogLevel::Error | LogLevel::Fatal => "error",
    };
    // Libraries below the daemon speak up only about trouble.
    let filter = EnvFilter::new(format!(
        "warn,skep={own},skep_agent={own},skep_api={own},skep_raft={own},skep_runtime={own},skep_net={own}"
    ));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
}

async fn run(settings: Settings) -> Result<(), DaemonError> {
    let stop = CancellationToken::new();
    stop_on_signal(stop.clone())?;
    let _data_root = Root::open(Kind::Data, &settings.data_root)?;
    let _exec_root = Root::open(Kind::Exec, &settings.exec_root)?;
    let _pidfile = settings.pidfile.as_deref().map(Pidfile::write).transpose()?;
    let listeners = bind(&settings).await?;
    let _claim = claim::Claim::of(&settings.bridge)?;
    let engine = Engine::open(engine_config(&settings)).await?;
    let engine_id = host::engine_id(&settings.data_root)?;
    let (changes, _) = broadcast::channel(CHANGES_MAX);
    tokio::spawn(node_events::forward(engine.clone(), changes.clone()));
    let mut description = skep_agent::describe(env!("CARGO_PKG_VERSION"), settings.labels.clone());
    description.generic = settings.generic_resources.clone();
    let machine_memory = description.memory_bytes;
    let fatal = Fatal::default();
    let membership =
        Membership::open(&settings.data_root, engine.clone(), description, changes.clone(), fatal.clone())
            .await?;
    let containers = skep_agent::containers::Containers::new(engine.clone());
    let machine_memory = u64::try_from(machine_memory).unwrap_or(0);
    let daemon = Arc::new(Daemon {
        engine_id,
        settings,
        engine,
        containers,
        machine_memory,
        membership,
        changes,
        features: OnceCell::new(),
    });
    tokio::spawn(repair(daemon.engine.clone(), stop.clone()));
    tokio::spawn(trim(stop.clone()));
    tokio::spawn(collect(daemon.engine.clone(), stop.clone()));
    stop_on_failure(stop.clone(), fatal.clone());
    skep_runtime::forget_start();
    tracing::info!(version = env!("CARGO_PKG_VERSION"), pid = std::process::id(), "the daemon is ready");
    let backend: Arc<dyn Backend> = daemon.clone();
    Server::new(backend).serve(listeners, stop).await;
    daemon.membership.shutdown().await;
    take_down(&daemon.engine).await;
    tracing::info!("the daemon stopped");
    fatal.reason().map_or(Ok(()), |reason| Err(DaemonError::Fatal(reason)))
}

/// Mends the node's bridge and packet rules where others disturbed them.
async fn repair(engine: Arc<Engine>, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(REPAIR_EVERY);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        if let Err(error) = engine.repair().await {
            tracing::warn!(error = %chain(&error), "the node's network could not be mended; it is tried again");
        }
    }
}

/// Gives the memory of busy moments back.
async fn trim(stop: CancellationToken) {
    let mut ticks = tokio::time::interval(TRIM_EVERY);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        // The allocator walks all its heaps, which are not small where a large cluster is led.
        tokio::task::spawn_blocking(skep_runtime::trim_heap).await.expect("trimming does not panic");
    }
}

/// Keeps the disk free of images that nothing needs.
async fn collect(engine: Arc<Engine>, stop: CancellationToken) {
    stop.run_until_cancelled(engine.collect_images(Policy::default())).await;
}

/// Takes the bridge and the mounts down if no container needs them.
async fn take_down(engine: &Engine) {
    if !engine.containers().is_empty() {
        return;
    }
    if let Err(error) = engine.purge().await {
        tracing::warn!(error = %chain(&error), "the node's bridge or mounts could not be taken down");
    }
}

async fn bind(settings: &Settings) -> Result<Vec<Listener>, DaemonError> {
    let access = Access {
        group: settings.group.as_deref().map(group_number).transpose()?,
        tls: settings.tls.as_ref().map(tls::load).transpose()?,
    };
    let mut listeners = Vec::with_capacity(settings.hosts.len());
    for address in &settings.hosts {
        if let skep_api::server::listen::Address::Unix(path) = address
            && let Some(parent) = path.parent()
        {
            let failed = |source| DaemonError::Start { action: "create the directory of the socket", source };
            std::fs::create_dir_all(parent).map_err(failed)?;
        }
        listeners.push(Listener::bind(address, &access).await?);
    }
    Ok(listeners)
}

/// Returns the number of a group that is given by name or number.
fn group_number(group: &str) -> Result<u32, DaemonError> {
    if let Ok(number) = group.parse() {
        return Ok(number);
    }
    let unknown = || DaemonError::Group(group.to_owned());
    let found = nix::unistd::Group::from_name(group).map_err(|_| unknown())?;
    found.map(|found| found.gid.as_raw()).ok_or_else(unknown)
}

fn engine_config(settings: &Settings) -> skep_agent::Config {
    skep_agent::Config {
        data_root: settings.data_root.clone(),
        exec_root: settings.exec_root.clone(),
        cgroup_parent: settings.cgroup_parent.clone(),
        bridge: settings.bridge.clone(),
        subnet: settings.subnet,
        table: table_name(&settings.bridge),
        registries: skep_agent::image::RegistryConfig {
            insecure_registries: settings.insecure_registries.clone(),
            certs_dir: Some("/etc/skep/certs.d".into()),
            ..Default::default()
        },
        oci_runtime: settings.oci_runtime.clone(),
    }
}

/// Returns the name of the nftables table that goes with a bridge, so that two daemons on one machine
/// keep apart.
fn table_name(bridge: &str) -> String {
    if bridge == options::BRIDGE_DEFAULT {
        return "skep".to_owned();
    }
    let plain: String = bridge.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    format!("skep_{plain}")
}

/// Cancels `stop` on SIGTERM, SIGINT or SIGQUIT.
fn stop_on_signal(stop: CancellationToken) -> Result<(), DaemonError> {
    for kind in [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::quit()] {
        let failed = |source| DaemonError::Start { action: "listen for signals", source };
        let mut signals = signal(kind).map_err(failed)?;
        let stop = stop.clone();
        tokio::spawn(async move {
            signals.recv().await;
            stop.cancel();
        });
    }
    Ok(())
}

/// Cancels `stop` when a part of the daemon cannot go on.
fn stop_on_failure(stop: CancellationToken, fatal: Fatal) {
    tokio::spawn(async move {
        fatal.told().await;
        stop.cancel();
    });
}

/// A file with the daemon's process id, removed when the daemon stops.
struct Pidfile(PathBuf);

impl Pidfile {
    fn write(path: &Path) -> Result<Pidfile, DaemonError> {
        let failed = |source| DaemonError::Pidfile { path: path.to_owned(), source };
        std::fs::write(path, format!("{}\n", std::process::id())).map_err(failed)?;
        Ok(Pidfile(path.to_owned()))
    }
}

impl Drop for Pidfile {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "the pidfile could not be removed");
        }
    }
}
