//! The only place where Docker's JSON and the model meet.
//!
//! `to_model` judges words (an unknown restart condition) and refuses by name what Skep does not honour yet; whether
//! the result makes sense as a whole is `skep_model::validate`'s business. `to_wire` shows what was asked, byte for
//! byte: what was absent stays absent, except where Docker itself fills in. Defaults that `inspect` shows are added
//! by [`defaults`] on the way out and never stored.
//!
//! Reading order: [`service`], [`template`], [`container`], [`mount`], then the objects that only go out.

pub mod cluster;
pub mod container;
pub mod defaults;
pub mod gate;
#[cfg(feature = "server")]
pub mod local;
pub mod mount;
pub mod node;
pub mod port;
pub mod rollout;
pub mod service;
pub mod task;
pub mod template;
pub mod update;

use std::time::Duration;

use skep_model::Timestamp;
use skep_model::request::{Refusal, RefusalClass};

use crate::wire::Time;

/// Why a body does not become a model.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Unconverted {
    /// A word that Docker's front end does not know: a bare sentence, status 400.
    #[error("{0}")]
    Invalid(String),
    /// A refusal in the voice of the cluster layer.
    #[error(transparent)]
    Refused(Refusal),
}

/// Refuses a capability that comes later, by the name a user knows it by.
fn unsupported(what: impl std::fmt::Display) -> Unconverted {
    let text = format!("skep: {what} is not supported yet");
    Unconverted::Refused(Refusal::new(RefusalClass::Unimplemented, text))
}

/// Refuses an argument in the cluster's voice.
fn argument(text: impl Into<String>) -> Unconverted {
    Unconverted::Refused(Refusal::new(RefusalClass::InvalidArgument, text))
}

/// Refuses a word in the front end's voice.
fn invalid(text: impl Into<String>) -> Unconverted {
    Unconverted::Invalid(text.into())
}

/// Passes if the capability was not asked for.
fn refuse_if(asked: bool, what: &str) -> Result<(), Unconverted> {
    if asked { Err(unsupported(what)) } else { Ok(()) }
}

/// Returns the duration, or `None` if it is negative.
fn duration(nanos: i64) -> Option<Duration> {
    u64::try_from(nanos).ok().map(Duration::from_nanos)
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// Converts an instant; one that was never set becomes Go's zero time.
pub fn time(at: Timestamp) -> Time {
    if at == Timestamp::default() {
        return Time::ZERO;
    }
    let at = jiff::Timestamp::from_nanosecond(i128::from(at.0));
    Time(at.expect("64 bits of nanoseconds reach from 1677 to 2262, which every calendar holds"))
}

#[cfg(test)]
mod tests;
