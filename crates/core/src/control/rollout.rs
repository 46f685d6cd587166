//! What people ask of a rollout, whatever the version of its service.

use skep_model::Rollout;
use skep_model::ServiceId;
use skep_model::request::{Refusal, RefusalClass, Reply, RolloutVerb};
use skep_model::rollout::Phase;

use crate::store::Draft;

pub fn steer(draft: &mut Draft, id: ServiceId, verb: RolloutVerb, author: &str) -> Result<Reply, Refusal> {
    let Some(rollout) = draft.rollout(id).filter(|rollout| rollout.phase != Phase::Completed).cloned() else {
        let text = format!("service {id} has no rollout in progress");
        return Err(Refusal::new(RefusalClass::FailedPrecondition, text));
    };
    match verb {
        RolloutVerb::Pause => {
            let message = match author.is_empty() {
                true => "paused by hand".to_owned(),
                false => format!("paused by {author}"),
            };
            draft.put_rollout(Rollout { phase: Phase::Paused, message, ..Rollout::clone(&rollout) });
            Ok(Reply::Done)
        }
        RolloutVerb::Resume | RolloutVerb::Abort | RolloutVerb::Undo { .. } => {
            let text = "this build cannot do that yet";
            Err(Refusal::new(RefusalClass::Unimplemented, text))
        }
    }
}
