#![forbid(unsafe_code)]
//! A whole cluster in virtual time, driven by one seed.
//!
//! ```text
//!   operator ──requests──► managers (the real Leader, a log, a Store)
//!                              ▲ │ messages: delayed, lost, repeated
//!                              │ ▼
//!                          machines (the real Worker over a fake container engine)
//! ```
//!
//! The decisions are those of `skep-core`; everything around them is made of dice. A run has a phase
//! with faults, then a quiet one in which everything asked for must come true. Invariants watch every
//! step ([`invariants`]). Nothing here knows the time, a thread or chance, so a seed replays exactly.
//!
//! Reading order: [`run`], [`profile`] (what a seed means), [`world`] (the run itself), [`machine`] and
//! [`engine`] (a node), [`operator`] (what is asked), [`invariants`], [`liveness`]. `README.md` beside this
//! folder lists the invariants and what they find.

pub mod dice;
pub mod engine;
pub mod invariants;
pub mod liveness;
pub mod machine;
pub mod operator;
pub mod profile;
pub mod trace;
pub mod world;

use std::fmt;

use skep_model::Timestamp;

use profile::Profile;
use trace::Trace;
use world::World;

/// Runs one seed to its end.
pub fn run(seed: u64, trace: &mut Trace) -> Result<Summary, Failure> {
    let profile = Profile::of(seed);
    trace.note(Timestamp::default(), || format!("seed {seed}: {profile:?}"));
    let mut world = World::new(profile, trace);
    match world.run() {
        Ok(()) => Ok(world.summary()),
        Err(broken) => Err(Failure { seed, at: world.now(), broken }),
    }
}

/// What happened in a run that broke nothing. Tells whether the seeds still reach what they should.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub events: u64,
    pub commits: u64,
    pub leader_changes: u64,
    pub agent_restarts: u64,
    pub nodes_lost: u64,
    pub requests_granted: u64,
    pub requests_refused: u64,
    pub containers_started: u64,
    pub rollouts_completed: u64,
    pub rollouts_paused: u64,
    pub rollouts_reversed: u64,
}

impl Summary {
    /// Returns the sums of two runs.
    pub fn plus(&self, other: &Summary) -> Summary {
        Summary {
            events: self.events + other.events,
            commits: self.commits + other.commits,
            leader_changes: self.leader_changes + other.leader_changes,
            agent_restarts: self.agent_restarts + other.agent_restarts,
            nodes_lost: self.nodes_lost + other.nodes_lost,
            requests_granted: self.requests_granted + other.requests_granted,
            requests_refused: self.requests_refused + other.requests_refused,
            containers_started: self.containers_started + other.containers_started,
            rollouts_completed: self.rollouts_completed + other.rollouts_completed,
            rollouts_paused: self.rollouts_paused + other.rollouts_paused,
            rollouts_reversed: self.rollouts_reversed + other.rollouts_reversed,
        }
    }
}

/// The invariant that does not hold, and what breaks it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    pub invariant: &'static str,
    pub detail: String,
}

/// A run that broke an invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub seed: u64,
    pub at: Timestamp,
    pub broken: Broken,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { seed, at, broken } = self;
        writeln!(f, "seed {seed} broke {} after {at:?}: {}", broken.invariant, broken.detail)?;
        write!(f, "  replay: cargo run -p skep-sim -- --seed {seed} --trace")
    }
}

impl std::error::Error for Failure {}
