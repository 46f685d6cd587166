//! Nodes: list, inspect, update, remove.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use skep_model::request::Request;
use skep_model::{Node, NodeId};

use super::error::Error;
use super::extract::{Json, Reference};
use super::filters::Filters;
use super::query::Query;
use super::{Context, View, refs, reply};
use crate::convert;
use crate::wire;

pub(super) fn routes() -> Router<Arc<Context>> {
    Router::new()
        .route("/nodes", get(list))
        .route("/nodes/{id}", get(inspect).delete(remove))
        .route("/nodes/{id}/update", post(update))
}

async fn list(State(context): State<Arc<Context>>, query: Query) -> Result<Response, Error> {
    let known = ["id", "name", "role", "membership", "label", "node.label"];
    let filters = Filters::from_query(&query, &known)?;
    check_words(&filters, "role", "Invalid role filter", &["worker", "manager"])?;
    check_words(&filters, "membership", "Invalid membership filter", &["accepted", "pending"])?;
    let view = context.view().await?;
    let ids = view.nodes().filter(|node| passes(&filters, node)).map(|node| node.id).collect();
    Ok(reply::list(view, ids, |view, id| Some(show(view, view.node(id)?))))
}

fn check_words(filters: &Filters, key: &str, sentence: &str, words: &[&str]) -> Result<(), Error> {
    match filters.values(key).find(|value| !words.contains(value)) {
        Some(value) => Err(Error::unclassed(format!("{sentence}: '{value}'"))),
        None => Ok(()),
    }
}

fn passes(filters: &Filters, node: &Node) -> bool {
    filters.prefix("id", node.id)
        && filters.prefix("name", &node.description.hostname)
        && filters.any("role", |role| role == convert::node::role_word(node.spec.role))
        // A node is in the store because it was accepted.
        && filters.any("membership", |membership| membership == "accepted")
        && filters.labels("label", &node.description.engine_labels)
        && filters.labels("node.label", &node.spec.labels)
}

fn show(view: &dyn View, node: &Node) -> wire::Node {
    convert::node::to_wire(node, view.cluster(), view.leader() == Some(node.id))
}

async fn inspect(
    State(context): State<Arc<Context>>,
    Reference(reference): Reference,
) -> Result<Response, Error> {
    let view = context.view().await?;
    Ok(reply::json(&show(&*view, refs::node(&*view, &reference)?)))
}

async fn resolve(context: &Context, reference: &str) -> Result<NodeId, Error> {
    let view = context.view().await?;
    refs::node(&*view, reference).map(|node| node.id)
}

async fn update(
    State(context): State<Arc<Context>>,
    Reference(reference): Reference,
    query: Query,
    Json(spec): Json<wire::NodeSpec>,
) -> Result<Response, Error> {
    let version = query.version("node")?;
    let spec = convert::node::to_model(spec)?;
    let id = resolve(&context, &reference).await?;
    context.request(Request::UpdateNode { id, version, spec }).await?;
    Ok(reply::empty())
}

async fn remove(
    State(context): State<Arc<Context>>,
    Reference(reference): Reference,
    query: Query,
) -> Result<Response, Error> {
    let force = query.loose("force");
    let id = resolve(&context, &reference).await?;
    context.request(Request::RemoveNode { id, force }).await?;
    Ok(reply::empty())
}
