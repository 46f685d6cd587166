//! `make demo`: a service of real redis servers, updated, broken, repaired, interrupted and rolled back as
//! a person would type it, and every claim checked, not only shown.
//!
//! ```text
//!   scenes ──types──► stage ──► skep ──► daemon ──► redis.1 redis.2 redis.3
//!      │                                                ▲       ▲       ▲
//!      └──phases──► asker ("which version are you?") ───┴───────┴───────┘
//!                     └──► tally: answers, failures and silences of each phase
//! ```
//!
//! Everything runs in a sandbox and one temporary folder; [`run`] checks that nothing of it is left, and
//! [`interrupt`] makes Ctrl-C take the same way out. Read [`scenes`] next: it is the story.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

mod asker;
mod interrupt;
mod scenes;
mod stage;
mod tally;

pub use interrupt::Interrupt;
pub use stage::Program;

use crate::images::{REDIS_NEW, REDIS_OLD};
use crate::{Daemon, Registry, Sandbox, cgroups};
use asker::Asker;
use scenes::Show;
use stage::Stage;
use tally::table;

/// The promise of `make demo`, once built.
const TIME_LIMIT: Duration = Duration::from_secs(120);

/// Plays the whole demo; an error means that a claim did not hold, or that somebody pressed Ctrl-C.
pub fn run(program: Program, interrupt: &Interrupt) -> Result<()> {
    let began = Instant::now();
    let stage = Stage::new(program, interrupt);
    stage.scene(
        "A node in a sandbox",
        "A registry on loopback and a Skep daemon in a temporary folder, with network, mounts and processes of \
         their own.",
    )?;
    let sandbox = Sandbox::new().context("cannot make a sandbox (the demo needs root)")?;
    let (folder, name) = (sandbox.folder().to_owned(), sandbox.name().to_owned());
    let (phases, claims) = play(&stage, &sandbox)?;
    interrupt.check()?;
    drop(sandbox);
    ensure_gone(&folder, &name)?;

    let lasted = began.elapsed();
    let seconds = lasted.as_secs_f64();
    stage
        .scene("Summary", "What the client saw of it, asking each redis for its version without a break:")?;
    stage.print(&table(&phases, &[REDIS_OLD, REDIS_NEW]))?;
    stage.print(&format!(
        "\nAll {} checks held. Nothing is left: no process, network, mount, control group or file. {seconds:.0} s in all.\n",
        claims + 1
    ))?;
    ensure!(lasted <= TIME_LIMIT, "the demo took {seconds:.0} s, which is more than {TIME_LIMIT:?}");
    Ok(())
}

/// Starts everything, plays the scenes and stops everything; returns what the client saw and how many
/// claims were checked.
fn play(stage: &Stage<'_>, sandbox: &Sandbox) -> Result<(Vec<tally::Phase>, usize)> {
    let registry = Registry::start(sandbox)?;
    let daemon = Daemon::start(sandbox)?;
    let asker = Asker::new(daemon.socket(), scenes::SERVICE);
    thread::scope(|scope| {
        // The threads of the asker end with this guard, whichever way the scenes end.
        let asking = asker.start(scope, sandbox);
        let mut show = Show::new(stage, &asker, sandbox, &registry, daemon)?;
        let played = show.play();
        if played.is_err() && !stage.is_interrupted() {
            eprintln!("the daemon's last words:\n{}", show.daemon_log());
        }
        let claims = played.and_then(|()| show.finish());
        drop(asking);
        Ok((asker.phases(), claims?))
    })
}

/// Checks that the sandbox took everything with it that it had outside its namespaces.
fn ensure_gone(folder: &Path, name: &str) -> Result<()> {
    ensure!(!folder.exists(), "{} was left behind", folder.display());
    ensure!(!cgroups::names().contains(name), "the control group {name} was left behind");
    Ok(())
}
