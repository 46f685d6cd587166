//! A verb for a rollout that comes as a label of the service, so that every client of Docker can give it:
//! `skep.do=VERB[:ARGUMENT][@REVISION]`.
//!
//! The write that carries it consumes it: the label is not stored, so nothing repeats it unasked, and it makes no
//! difference between specifications. With `@REVISION` it does nothing unless that revision is in force, so it may
//! stay in a file that is deployed again and again.

use skep_model::request::{Refusal, RefusalClass, RolloutVerb};
use skep_model::{Service, ServiceSpec};

use super::{rollout, write};
use crate::store::Draft;

/// The label.
const LABEL: &str = "skep.do";

/// What a write asks of the rollout beside what it writes.
pub(super) struct VerbLabel {
    verb: RolloutVerb,
    /// The revision that must be in force.
    at: Option<u64>,
}

impl VerbLabel {
    /// Takes the verb out of a specification, if there is one.
    pub fn take(spec: &mut ServiceSpec) -> Result<Option<VerbLabel>, Refusal> {
        let Some(text) = spec.labels.remove(LABEL) else { return Ok(None) };
        VerbLabel::parse(&text).map(Some).ok_or_else(|| {
            invalid(format!(
                "{text:?} is not pause, resume, abort, undo or undo:REVISION, with @REVISION behind it or without"
            ))
        })
    }

    fn parse(text: &str) -> Option<VerbLabel> {
        let (text, at) = match text.split_once('@') {
            Some((text, at)) => (text, Some(at.parse().ok()?)),
            None => (text, None),
        };
        let verb = match text.split_once(':') {
            Some(("undo", number)) => RolloutVerb::Undo { to: Some(number.parse().ok()?) },
            Some(_) => return None,
            None => match text {
                "pause" => RolloutVerb::Pause,
                "resume" => RolloutVerb::Resume,
                "abort" => RolloutVerb::Abort,
                "undo" => RolloutVerb::Undo { to: None },
                _ => return None,
            },
        };
        Some(VerbLabel { verb, at })
    }

    /// Judges a verb that comes with a service's creation: only one for later can be meant.
    pub fn check_first(&self) -> Result<(), Refusal> {
        match self.at {
            Some(_) => Ok(()),
            None => Err(invalid("a service that is being created has no rollout yet".to_owned())),
        }
    }

    /// Writes the specification, then does what the verb asks: both or, where that is refused, neither.
    pub fn carry_out(
        self,
        draft: &mut Draft,
        stored: Service,
        spec: ServiceSpec,
        author: String,
    ) -> Result<(), Refusal> {
        let (id, is_due) = (stored.id, self.at.is_none_or(|at| at == stored.revision));
        let goes_back = matches!(self.verb, RolloutVerb::Abort | RolloutVerb::Undo { .. });
        if is_due && goes_back && !spec.has_content_of(&stored.spec) {
            return Err(invalid(
                "going back, and a specification of something else, cannot both be had in one write"
                    .to_owned(),
            ));
        }
        let mut trial = draft.clone();
        if spec == stored.spec {
            // Compat: an accepted write moves the version. That it repeats what is stored is no wish to resume.
            trial.put_service(stored);
        } else {
            write::replace(&mut trial, stored, spec, author.clone());
        }
        if is_due {
            rollout::steer(&mut trial, id, self.verb, &author)?;
        }
        *draft = trial;
        Ok(())
    }
}

fn invalid(text: String) -> Refusal {
    Refusal::new(RefusalClass::InvalidArgument, format!("label {LABEL}: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_are_read() {
        let read = |text| VerbLabel::parse(text).map(|read| (read.verb, read.at));
        assert_eq!(read("pause"), Some((RolloutVerb::Pause, None)));
        assert_eq!(read("undo:12"), Some((RolloutVerb::Undo { to: Some(12) }, None)));
        assert_eq!(read("undo:12@13"), Some((RolloutVerb::Undo { to: Some(12) }, Some(13))));
        assert_eq!(read("abort@13"), Some((RolloutVerb::Abort, Some(13))));
        for text in ["", "stop", "undo:", "undo:x", "pause:1", "abort@", "abort@x", "@3"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
