//! Calls about the cluster, and about the networks, secrets and configs that a service names.

use hyper::Method;

use super::call::{Call, object};
use super::{Client, ClientError, Filters};
use crate::wire::{InitRequest, JoinRequest, Named, Swarm, SwarmSpec, UnlockKey, Version};

/// Which secrets of the cluster an update replaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotate {
    /// Makes a new worker token.
    pub worker_token: bool,
    /// Makes a new manager token.
    pub manager_token: bool,
    /// Makes a new key for locked managers.
    pub unlock_key: bool,
}

impl Client {
    /// Makes this daemon a cluster of one; answers the node's id.
    pub async fn init_swarm(&self, request: &InitRequest) -> Result<String, ClientError> {
        self.json(Call::post("/swarm/init", request)).await
    }

    /// Makes this daemon a node of a cluster that exists.
    pub async fn join_swarm(&self, request: &JoinRequest) -> Result<(), ClientError> {
        self.done(Call::post("/swarm/join", request)).await
    }

    /// The cluster, with its join tokens.
    pub async fn swarm(&self) -> Result<Swarm, ClientError> {
        self.json(Call::get("/swarm")).await
    }

    /// Replaces the settings of the cluster, and the chosen secrets.
    pub async fn update_swarm(
        &self,
        version: Version,
        spec: &SwarmSpec,
        rotate: Rotate,
    ) -> Result<(), ClientError> {
        let call = Call::post("/swarm/update", spec)
            .query("version", version.index.to_string())
            .query("rotateWorkerToken", rotate.worker_token.to_string())
            .query("rotateManagerToken", rotate.manager_token.to_string())
            .query("rotateManagerUnlockKey", rotate.unlock_key.to_string());
        self.done(call).await
    }

    /// Leaves the cluster.
    pub async fn leave_swarm(&self, force: bool) -> Result<(), ClientError> {
        let call = Call::new(Method::POST, "/swarm/leave");
        self.done(if force { call.query("force", "1") } else { call }).await
    }

    /// The key that unlocks a manager after a restart; empty when autolock is off.
    pub async fn unlock_key(&self) -> Result<UnlockKey, ClientError> {
        self.json(Call::get("/swarm/unlockkey")).await
    }

    /// Opens a manager that started locked.
    pub async fn unlock_swarm(&self, key: &UnlockKey) -> Result<(), ClientError> {
        self.done(Call::post("/swarm/unlock", key)).await
    }

    /// Looks up a network that services can use.
    pub async fn swarm_network(&self, reference: &str) -> Result<Named, ClientError> {
        self.json(Call::get(object("networks", "network", reference, "")?).query("scope", "swarm")).await
    }

    /// Lists secrets.
    pub async fn secrets(&self, filters: &Filters) -> Result<Vec<Named>, ClientError> {
        self.json(Call::get("/secrets").query("filters", filters.render())).await
    }

    /// Lists configs.
    pub async fn configs(&self, filters: &Filters) -> Result<Vec<Named>, ClientError> {
        self.json(Call::get("/configs").query("filters", filters.render())).await
    }
}
