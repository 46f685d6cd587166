//! Calls about nodes.

use hyper::Method;

use super::call::{Call, object};
use super::{Client, ClientError, Filters};
use crate::wire::{Node, NodeSpec, Version};

impl Client {
    /// Lists nodes.
    pub async fn nodes(&self, filters: &Filters) -> Result<Vec<Node>, ClientError> {
        self.json(Call::get("/nodes").query("filters", filters.render())).await
    }

    /// Looks a node up by id, name or id prefix.
    pub async fn node(&self, reference: &str) -> Result<Node, ClientError> {
        self.json(Call::get(object("nodes", "node", reference, "")?)).await
    }

    /// Replaces the spec of a node, provided nobody else did since `version`.
    pub async fn update_node(&self, id: &str, version: Version, spec: &NodeSpec) -> Result<(), ClientError> {
        let call = Call::post(object("nodes", "node", id, "/update")?, spec);
        self.done(call.query("version", version.index.to_string())).await
    }
    /// Takes a node out of the cluster.
    pub async fn remove_node(&self, reference: &str, force: bool) -> Result<(), ClientError> {
        let call = Call::new(Method::DELETE, object("nodes", "node", reference, "")?);
        self.done(call.flag("force", force)).await
    }
}
