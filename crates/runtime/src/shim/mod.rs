//! The process beside each container: parent of its first process, holder of its output and of its exit code.
//!
//! ```text
//! daemon --spawn once--> nursery --fork--> the shim (own session, PPID 1, shims' cgroup, one thread, no async runtime)
//!                                            `--OCI runtime--> the container's first process
//! ```
//!
//! It outlives the daemon, and nothing in it waits for one. `nursery` forks it, `create` builds the container, `serve` is its life, `exec`
//! runs commands; `oci` is the seam to libcontainer and runc.

mod client;
mod complaints;
mod confine;
mod create;
mod exec;
mod init;
mod launch;
mod libcontainer;
mod nursery;
mod oci;
mod rootfs;
mod run;
mod runc;
mod serve;
mod stdio;
mod streams;
mod targets;
mod watcher;

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

pub(crate) use self::rootfs::{MARK, MOUNT_TABLE, detached_layers, detached_root};

use self::create::Setting;
use self::serve::Serve;
use crate::cgroup::Hierarchies;
use crate::files::{chain, read_json, remove_tree};
use crate::paths::{BUNDLE_VERSION, Bundle, BundlePaths, StatePaths};
use crate::protocol::{Failure, Line, PROTOCOL, Report, ShimRecord, boot_id};
use crate::sys::process::{Identity, redirect, set_arguments};

/// Exit code of a shim that could not do its work; the reason is in the report or in `shim.log`.
const FAILED: u8 = 1;

/// Descriptors from the daemon.
struct Inherited {
    /// The lock file; the lock lasts as long as any process has this description open.
    lock: OwnedFd,
    /// The report pipe.
    report: OwnedFd,
    /// `shim.log`, which becomes standard error.
    complaints: OwnedFd,
}

/// Runs the nursery of shims, and in its forks the shims; returns the exit code.
pub(crate) fn main(cgroup: &str) -> u8 {
    match nursery::run(cgroup) {
        Ok(()) => 0,
        Err(error) => complain("the shims' nursery gives up", &*error),
    }
}

fn complain(what: &str, error: &dyn std::error::Error) -> u8 {
    eprintln!("skep: {what}: {}", chain(error));
    FAILED
}

/// The life of a newborn shim; returns its exit code.
fn live(bundle: PathBuf, inherited: Inherited) -> u8 {
    let Inherited { lock, report, complaints } = inherited;
    let code = match detach(&bundle, complaints) {
        Ok(()) => run(&BundlePaths(bundle), report),
        Err(error) => complain("a shim cannot detach from the nursery", &error),
    };
    drop(lock);
    code
}

/// Becomes a process of its own: own session, own name, heir of everything that the container leaves behind.
fn detach(bundle: &Path, complaints: OwnedFd) -> io::Result<()> {
    redirect(&complaints, 2)?;
    rustix::process::setsid()?;
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let id = bundle.file_name().map(|id| id.to_string_lossy().into_owned()).unwrap_or_default();
    set_arguments(&["skep", "shim", &id])?;
    rustix::thread::set_name(c"skep-shim")?;
    complaints::collect();
    Ok(())
}

fn run(paths: &BundlePaths, report: OwnedFd) -> u8 {
    let mut report = File::from(report);
    let (setting, record) = match open(paths) {
        Ok(opened) => opened,
        Err(failure) => return fail(&mut report, failure),
    };
    let created = match send(&mut report, Report::Born(record.clone())) {
        Ok(()) => setting.create(record),
        Err(error) => Err(Failure::retryable(&error)),
    };
    let created = match created {
        Ok(created) => created,
        Err(mut failure) => {
            if let Some(details) = complaints::quote(&setting.state.complaints()).filter(|_| !failure.fatal) {
                failure.message = format!("{} ({details})", failure.message);
            }
            return fail(&mut report, failure);
        }
    };
    if send(&mut report, Report::Created(created.record.clone())).is_err() {
        // The daemon died meanwhile. Nobody knows of this container, so it must not exist.
        setting.discard(Some(created.oci));
        let left = [remove_tree(paths.root()), remove_tree(setting.state.root())];
        return left
            .into_iter()
            .filter_map(Result::err)
            .fold(FAILED, |_, error| complain("not removed", &error));
    }
    drop(report);
    match Serve::new(&setting, created).run() {
        Ok(()) => 0,
        Err(error) => complain("the shim gives up", &error),
    }
}

/// Reads the bundle and says who this process is.
fn open(paths: &BundlePaths) -> Result<(Setting, ShimRecord), Failure> {
    let bundle: Bundle = read_json(&paths.bundle())
        .and_then(|bundle| bundle.ok_or_else(|| io::ErrorKind::NotFound.into()))
        .map_err(|error| Failure {
            fatal: false,
            message: format!("cannot read {}: {error}", paths.bundle().display()),
        })?;
    if bundle.version != BUNDLE_VERSION {
        return Err(Failure {
            fatal: true,
            message: format!("bundle of unknown version {}", bundle.version),
        });
    }
    let hierarchies = Hierarchies::detect().map_err(|error| Failure::retryable(&error))?;
    let identify = || -> io::Result<ShimRecord> {
        let shim = Identity::of(std::process::id() as i32)?;
        Ok(ShimRecord { protocol: PROTOCOL, boot: boot_id()?, shim, init: None, started_at: None })
    };
    let record = identify().map_err(|error| Failure::retryable(&error))?;
    let state = StatePaths(bundle.state.clone());
    let setting = Setting { bundle, paths: paths.clone(), state, hierarchies };
    setting.write_record(&record)?;
    Ok((setting, record))
}

fn fail(report: &mut File, failure: Failure) -> u8 {
    if send(report, Report::Failed(failure)).is_err() {
        tracing::error!("no daemon to report the failure to");
    }
    FAILED
}

fn send(report: &mut File, what: Report) -> io::Result<()> {
    io::Write::write_all(report, &Line::render(what))
}
