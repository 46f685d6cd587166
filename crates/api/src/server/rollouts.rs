//! Rollouts, under `/skep/v1`: where each service stands, why it waits, and the verbs that steer it.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{get, post};
use skep_model::placement::Relocation;
use skep_model::request::{Request, RolloutVerb};
use skep_model::{Service, ServiceId};

use super::error::Error;
use super::extract::Reference;
use super::facts::SlotCounts;
use super::query::Query;
use super::{Context, View, author, refs, reply};
use crate::convert::{rollout, time};
use crate::wire;

pub(super) fn routes() -> Router<Arc<Context>> {
    Router::new()
        .route("/skep/v1/rollouts", get(list))
        .route("/skep/v1/rollouts/{id}", get(inspect))
        .route("/skep/v1/rollouts/{id}/revisions", get(revisions))
        .route("/skep/v1/rollouts/{id}/{verb}", post(steer))
        .route("/skep/v1/rebalance", get(relocations))
}

async fn list(State(context): State<Arc<Context>>) -> Result<Response, Error> {
    let view = context.view().await?;
    let ids: Vec<ServiceId> = view.services().map(|service| service.id).collect();
    Ok(reply::list(view, ids, |view, id| Some(show(view, view.service(id)?))))
}

async fn inspect(
    State(context): State<Arc<Context>>,
    Reference(reference): Reference,
) -> Result<Response, Error> {
    let view = context.view().await?;
    Ok(reply::json(&show(&*view, refs::service(&*view, &reference)?)))
}

fn show(view: &dyn View, service: &Service) -> wire::Rollout {
    let mut shown = rollout::to_wire(service, view.rollout(service.id));
    let SlotCounts { total, running, updated } = view.slot_counts(service);
    shown.slots = wire::Slots { total, running, updated, ..shown.slots };
    let in_force = view.revisions_of(service.id).find(|revision| revision.number == service.revision);
    shown.stable_at = in_force.and_then(|revision| revision.stable_at).map(time);
    shown.steps = view.steps_of(service.id).map(rollout::step_to_wire).collect();
    shown.waits = view.waits(service.id).iter().map(rollout::wait_to_wire).collect();
    shown
}

/// Tells what rebalancing would move, whether the cluster asks for it or not.
async fn relocations(State(context): State<Arc<Context>>) -> Result<Response, Error> {
    let view = context.view().await?;
    let name = |id| view.node(id).map_or_else(|| id.to_string(), |node| node.description.hostname.clone());
    let to_wire = |one: Relocation| wire::Relocation {
        service_name: one.task.service.name.clone(),
        slot: one.task.slot.to_string(),
        task_id: one.task.id.to_string(),
        from: name(one.from),
        to: name(one.to),
    };
    let shown: Vec<_> = view.relocations().into_iter().map(to_wire).collect();
    Ok(reply::json(&shown))
}

async fn revisions(
    State(context): State<Arc<Context>>,
    Reference(reference): Reference,
) -> Result<Response, Error> {
    let view = context.view().await?;
    let service = refs::service(&*view, &reference)?;
    let shown: Vec<_> =
        view.revisions_of(service.id).map(|one| rollout::revision_to_wire(one, service.revision)).collect();
    Ok(reply::json(&shown))
}

async fn steer(
    State(context): State<Arc<Context>>,
    Path((reference, word)): Path<(String, String)>,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let verb = verb(&word, &query)?;
    let view = context.view().await?;
    let id = refs::service(&*view, &reference)?.id;
    let author = author::of(None, &headers);
    context.request(Request::SteerRollout { id, verb, author }).await?;
    let view = context.view().await?;
    Ok(reply::json(&show(&*view, refs::service(&*view, &id.to_string())?)))
}

fn verb(word: &str, query: &Query) -> Result<RolloutVerb, Error> {
    match word {
        "pause" => Ok(RolloutVerb::Pause),
        "resume" => Ok(RolloutVerb::Resume),
        "abort" => Ok(RolloutVerb::Abort),
        "undo" => match query.get("to") {
            "" => Ok(RolloutVerb::Undo { to: None }),
            number => match number.parse() {
                Ok(to) => Ok(RolloutVerb::Undo { to: Some(to) }),
                Err(_) => Err(Error::invalid(format!("to: {number:?} is not the number of a revision"))),
            },
        },
        other => Err(Error::invalid(format!(
            "{other:?} is nothing that a rollout can be asked: pause, resume, abort or undo"
        ))),
    }
}
