//! The process beside each container: parent of its first process, holder of its output and of its exit code.
//!
//! ```text
//! daemon --spawn--> skep shim <bundle> --fork--> the shim (own session, PPID 1, own cgroup, one thread, no async runtime)
//!                                                  `--OCI runtime--> the container's first process
//! ```
//!
//! It outlives the daemon, and nothing in it waits for one. `create` builds the container, `serve` is its life, `exec`
//! runs commands; `oci` is the seam to libcontainer and runc.

mod client;
mod complaints;
mod confine;
mod create;
mod exec;
mod launch;
mod libcontainer;
mod oci;
mod rootfs;
mod runc;
mod serve;
mod stdio;

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use self::create::Setting;
use self::serve::Serve;
use crate::cgroup::Hierarchies;
use crate::files::{chain, read_json, remove_tree};
use crate::paths::{BUNDLE_VERSION, Bundle, BundlePaths, StatePaths};
use crate::protocol::{Failure, Line, PROTOCOL, Report, ShimRecord, boot_id};
use crate::sys::process::{Fork, Identity, close_from, exit_now, fork, lift, redirect};

/// Exit code of a shim that could not do its work; the reason is in the report or in `shim.log`.
const FAILED: u8 = 1;

/// Descriptors inherited from the daemon.
struct Inherited {
    /// The report pipe.
    report: OwnedFd,
    /// The lock file; the lock lasts as long as any process has this description open.
    lock: OwnedFd,
}

/// Runs the shim of the bundle in `directory`; returns its exit code.
pub(crate) fn main(directory: &Path) -> u8 {
    let inherited = match detach() {
        Ok(inherited) => inherited,
        // Standard error is still `shim.log`.
        Err(error) => return complain("cannot detach from the daemon", &error),
    };
    complaints::collect();
    let lock = inherited.lock;
    let code = run(&BundlePaths(directory.to_owned()), inherited.report);
    drop(lock);
    code
}

fn complain(what: &str, error: &dyn std::error::Error) -> u8 {
    eprintln!("{what}: {}", chain(error));
    FAILED
}

/// Becomes a process of its own: no descriptor but the three it was given, own session, no parent but init (R1, R2).
fn detach() -> io::Result<Inherited> {
    close_from(3)?;
    let inherited = Inherited { report: lift(1)?, lock: lift(0)? };
    let null: OwnedFd = File::options().read(true).write(true).open("/dev/null")?.into();
    redirect(&null, 0)?;
    redirect(&null, 1)?;
    rustix::process::setsid()?;
    if let Fork::Parent(_) = fork()? {
        exit_now(0);
    }
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    std::env::set_current_dir("/")?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    Ok(inherited)
}

fn run(paths: &BundlePaths, report: OwnedFd) -> u8 {
    let (setting, record) = match open(paths) {
        Ok(opened) => opened,
        Err(failure) => return fail(report, failure),
    };
    let created = match setting.create(record) {
        Ok(created) => created,
        Err(mut failure) => {
            if let Some(details) = complaints::quote(&setting.state.complaints()).filter(|_| !failure.fatal) {
                failure.message = format!("{} ({details})", failure.message);
            }
            return fail(report, failure);
        }
    };
    if send(report, Report::Created(created.record.clone())).is_err() {
        // The daemon died meanwhile. Nobody knows of this container, so it must not exist.
        setting.discard(Some(created.oci));
        let left = [remove_tree(paths.root()), remove_tree(setting.state.root())];
        return left
            .into_iter()
            .filter_map(Result::err)
            .fold(FAILED, |_, error| complain("not removed", &error));
    }
    match Serve::new(&setting, created).run() {
        Ok(()) => 0,
        Err(error) => complain("the shim gives up", &error),
    }
}

/// Reads the bundle, leaves the daemon's cgroup and says who this process is.
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
    hierarchies.join(&bundle.cgroup_shims).map_err(|error| Failure::retryable(&error))?;
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

fn fail(report: OwnedFd, failure: Failure) -> u8 {
    if send(report, Report::Failed(failure)).is_err() {
        tracing::error!("no daemon to report the failure to");
    }
    FAILED
}

fn send(report: OwnedFd, what: Report) -> io::Result<()> {
    io::Write::write_all(&mut File::from(report), &Line::render(what))
}
