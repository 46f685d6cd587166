//! Services: list, inspect, create, update, roll back, remove.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};
use skep_model::census::Census;
use skep_model::node::NodeState;
use skep_model::request::{AuthFrom, Reply, Request, ServiceChange};
use skep_model::service::Mode;
use skep_model::{Service, ServiceId};

use super::entry::ApiMinor;
use super::error::Error;
use super::extract::{Json, Reference};
use super::filters::Filters;
use super::query::Query;
use super::{Context, View, author, refs, registry_auth, reply};
use crate::convert::{defaults, gate, service};
use crate::wire;

pub(super) fn routes() -> Router<Arc<Context>> {
    Router::new()
        .route("/services", get(list))
        .route("/services/create", post(create))
        .route("/services/{id}", get(inspect).delete(remove))
        .route("/services/{id}/update", post(update))
}

async fn list(State(context): State<Arc<Context>>, query: Query) -> Result<Response, Error> {
    let filters = Filters::from_query(&query, &["id", "name", "label", "mode", "runtime"])?;
    let with_status = query.strict("status")?;
    let view = context.view().await?;
    let ids = view.services().filter(|service| passes(&filters, service)).map(|service| service.id).collect();
    Ok(reply::list(view, ids, move |view, id| {
        let mut shown = show(view, view.service(id)?);
        shown.service_status = with_status.then(|| count_tasks(view, id));
        Some(shown)
    }))
}

fn passes(filters: &Filters, service: &Service) -> bool {
    let mode = match service.spec.mode {
        Mode::Replicated { .. } => "replicated",
        Mode::Global => "global",
        Mode::ReplicatedJob { .. } => "replicated-job",
        Mode::GlobalJob => "global-job",
    };
    filters.prefix("id", service.id)
        && filters.prefix("name", &service.spec.name)
        && filters.labels("label", &service.spec.labels)
        && filters.any("mode", |wanted| wanted == mode)
        && filters.any("runtime", |wanted| wanted == "container")
}

fn show(view: &dyn View, stored: &Service) -> wire::Service {
    let rollout = view.rollout(stored.id);
    // Told of a running rollout only; to find it out may take a look at every task.
    let waits = rollout.filter(|rollout| rollout.is_running()).map(|_| view.waits(stored.id));
    service::to_wire(stored, rollout, waits.as_ref().and_then(|waits| waits.first()))
}

fn count_tasks(view: &dyn View, id: ServiceId) -> wire::ServiceStatus {
    let Some(service) = view.service(id) else { return wire::ServiceStatus::default() };
    let is_down = |id| view.node(id).is_none_or(|node| node.status.state == NodeState::Down);
    let Census { running, desired, completed } = Census::count(service, view.tasks_of(id), is_down);
    wire::ServiceStatus { running_tasks: running, desired_tasks: desired, completed_tasks: completed }
}

async fn inspect(
    State(context): State<Arc<Context>>,
    Reference(reference): Reference,
    query: Query,
) -> Result<Response, Error> {
    let with_defaults = query.strict("insertDefaults")?;
    let view = context.view().await?;
    let mut shown = show(&*view, refs::service(&*view, &reference)?);
    if with_defaults {
        defaults::insert(&mut shown.spec);
    }
    Ok(reply::json(&shown))
}

async fn create(
    State(context): State<Arc<Context>>,
    Extension(ApiMinor(minor)): Extension<ApiMinor>,
    headers: HeaderMap,
    Json(mut spec): Json<wire::ServiceSpec>,
) -> Result<Response, Error> {
    gate::service_spec(&mut spec, minor);
    // Not a manager is said before the specification is judged.
    context.view().await?;
    let spec = Box::new(service::to_model(spec, registry_auth::of(&headers))?);
    let author = author::of(Some(&spec.labels), &headers);
    match context.request(Request::CreateService { spec, author }).await? {
        Reply::ServiceCreated(id) => {
            let created = wire::ServiceCreated { id: id.to_string(), warnings: None };
            Ok(reply::json_with(StatusCode::CREATED, &created))
        }
        Reply::Done => Err(Error::unclassed("the control plane created a service and did not say which")),
    }
}

async fn update(
    State(context): State<Arc<Context>>,
    Extension(ApiMinor(minor)): Extension<ApiMinor>,
    Reference(reference): Reference,
    query: Query,
    headers: HeaderMap,
    Json(mut spec): Json<wire::ServiceSpec>,
) -> Result<Response, Error> {
    gate::service_spec(&mut spec, minor);
    let version = query.version("service")?;
    let id = resolve(&context, &reference).await?;
    let author = author::of(Some(&spec.labels), &headers);
    let change = Box::new(change(&query, spec, &headers)?);
    context.request(Request::UpdateService { id, version, change, author }).await?;
    Ok(reply::json(&wire::ServiceUpdated::default()))
}

/// Reads what kind of update it is; the body of a rollback is the current specification and means nothing.
fn change(query: &Query, spec: wire::ServiceSpec, headers: &HeaderMap) -> Result<ServiceChange, Error> {
    match query.get("rollback") {
        "previous" => return Ok(ServiceChange::Rollback),
        "" | "none" => {}
        other => return Err(Error::unclassed(format!("unrecognized rollback option {other}"))),
    }
    let auth = match query.get("registryAuthFrom") {
        "" | "spec" => AuthFrom::Spec,
        "previous-spec" => AuthFrom::PreviousSpec,
        _ => return Err(Error::unclassed("unsupported registryAuthFrom value")),
    };
    let spec = service::to_model(spec, registry_auth::of(headers))?;
    Ok(ServiceChange::Spec { spec, auth })
}

async fn resolve(context: &Context, reference: &str) -> Result<ServiceId, Error> {
    let view = context.view().await?;
    refs::service(&*view, reference).map(|service| service.id)
}

async fn remove(
    State(context): State<Arc<Context>>,
    Reference(reference): Reference,
) -> Result<Response, Error> {
    let id = resolve(&context, &reference).await?;
    context.request(Request::RemoveService { id }).await?;
    Ok(reply::empty())
}
