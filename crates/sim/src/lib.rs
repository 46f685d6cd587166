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
//! folder lists the invariants and what they find. [`fleet`] is another thing: one large cluster without
//! faults, to be measured.

pub mod dice;
pub mod engine;
pub mod fit;
pub mod fleet;
pub mod invariants;
pub mod liveness;
pub mod machine;
pub mod operator;
pub mod profile;
mod recipes;
mod summary;
pub mod trace;
pub mod world;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use skep_model::Timestamp;

use profile::Profile;
pub use summary::Summary;
use trace::Trace;
use world::World;

/// Runs one seed to its end.
pub fn run(seed: u64, trace: &mut Trace) -> Result<Summary, Failure> {
    let profile = Profile::of(seed);
    trace.note(Timestamp::default(), || format!("seed {seed}: {profile:?}"));
    let mut world = World::new(profile, trace);
    // A seed that hits an assertion must say which seed it is.
    let result = catch_unwind(AssertUnwindSafe(|| world.run()));
    match result {
        Ok(Ok(())) => Ok(world.summary()),
        Ok(Err(broken)) => Err(Failure { seed, at: world.now(), broken }),
        Err(panic) => {
            let detail = panic.downcast_ref::<String>().map(String::as_str);
            let detail = detail.or(panic.downcast_ref::<&str>().copied()).unwrap_or("without a word");
            let broken = Broken { invariant: "nothing_panics", detail: detail.to_owned() };
            Err(Failure { seed, at: world.now(), broken })
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
