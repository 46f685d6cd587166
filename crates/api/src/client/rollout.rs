//! Calls about rollouts, which only Skep has.

use hyper::Method;

use super::call::{Call, object};
use super::{Client, ClientError};
use crate::wire::{Relocation, Revision, Rollout};

impl Client {
    /// Returns where a service stands, by its id, name or id prefix.
    pub async fn rollout(&self, reference: &str) -> Result<Rollout, ClientError> {
        self.json(Call::get(rollouts(reference, "")?).unversioned()).await
    }

    /// Returns where each service stands.
    pub async fn rollouts(&self) -> Result<Vec<Rollout>, ClientError> {
        self.json(Call::get("/skep/v1/rollouts").unversioned()).await
    }

    /// Returns what rebalancing would move, in its order.
    pub async fn relocations(&self) -> Result<Vec<Relocation>, ClientError> {
        self.json(Call::get("/skep/v1/rebalance").unversioned()).await
    }

    /// Returns the revisions of a service that are kept, oldest first.
    pub async fn revisions(&self, reference: &str) -> Result<Vec<Revision>, ClientError> {
        self.json(Call::get(rollouts(reference, "/revisions")?).unversioned()).await
    }

    /// Asks something of a rollout: `pause`, `resume`, `abort` or `undo`, the last with the number of a revision or
    /// without. Returns where the service stands then.
    pub async fn steer_rollout(
        &self,
        reference: &str,
        verb: &str,
        to: Option<u64>,
    ) -> Result<Rollout, ClientError> {
        let to = to.map(|number| number.to_string()).unwrap_or_default();
        let call = Call::new(Method::POST, rollouts(reference, &format!("/{verb}"))?);
        self.json(call.unversioned().query("to", to)).await
    }
}

fn rollouts(reference: &str, rest: &str) -> Result<String, ClientError> {
    object("skep/v1/rollouts", "service", reference, rest)
}
