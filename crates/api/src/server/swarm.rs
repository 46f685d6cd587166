//! The cluster: its birth, its settings, its end on this node.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use skep_model::node::Availability;
use skep_model::request::Request;

use super::error::Error;
use super::extract::{Json, OptionalJson};
use super::facts::{LocalState, NewSwarm, Secrets};
use super::query::Query;
use super::{Context, reply};
use crate::convert::{self, cluster};
use crate::wire;

/// Ports that the overlay may use.
const DATA_PATH_PORTS: std::ops::RangeInclusive<u32> = 1024..=49151;
/// Prefix lengths that leave room for addresses.
const SUBNET_SIZES: std::ops::RangeInclusive<u32> = 1..=29;

pub(super) fn routes() -> Router<Arc<Context>> {
    Router::new()
        .route("/swarm", get(inspect))
        .route("/swarm/init", post(init))
        .route("/swarm/join", post(join))
        .route("/swarm/leave", post(leave))
        .route("/swarm/update", post(update))
        .route("/swarm/unlockkey", get(unlock_key))
        .route("/swarm/unlock", post(unlock))
}

async fn inspect(State(context): State<Arc<Context>>) -> Result<Response, Error> {
    let view = context.view().await?;
    let cluster = view.cluster().ok_or_else(no_cluster)?;
    Ok(reply::json(&cluster::to_wire_with_tokens(cluster)))
}

fn no_cluster() -> Error {
    Error::unclassed("the view of a manager holds no cluster")
}

async fn init(
    State(context): State<Arc<Context>>,
    Json(asked): Json<wire::InitRequest>,
) -> Result<Response, Error> {
    let id = context.backend.init_swarm(to_new_swarm(asked)?).await.map_err(Error::of_node)?;
    Ok(reply::json(&id.to_string()))
}

pub(super) fn to_new_swarm(mut asked: wire::InitRequest) -> Result<NewSwarm, Error> {
    if !cluster::is_name(&asked.spec.name) {
        return Err(Error::invalid("swarm spec must be named \"default\""));
    }
    if asked.listen_addr.is_empty() {
        return Err(Error::invalid("invalid ListenAddr \"\": invalid empty address"));
    }
    if asked.data_path_port != 0 && !DATA_PATH_PORTS.contains(&asked.data_path_port) {
        return Err(Error::invalid(format!(
            "invalid data path port {}: must be between {} and {}",
            asked.data_path_port,
            DATA_PATH_PORTS.start(),
            DATA_PATH_PORTS.end()
        )));
    }
    if asked.subnet_size != 0 && !SUBNET_SIZES.contains(&asked.subnet_size) {
        return Err(Error::invalid(format!("subnet size is out of range: {}", asked.subnet_size)));
    }
    if let Some(pool) = asked.default_addr_pool.iter().find(|pool| !is_ipv4_net(pool)) {
        return Err(Error::invalid(format!("invalid base pool {pool:?}: not an IPv4 network in CIDR form")));
    }
    if asked.force_new_cluster {
        return Err(Error::unsupported("skep: --force-new-cluster is not supported yet"));
    }
    if !asked.data_path_addr.is_empty() {
        return Err(Error::unsupported("skep: --data-path-addr is not supported yet"));
    }
    let availability = match asked.availability.as_str() {
        "" => Availability::Active,
        word => convert::node::availability_to_model(word)?,
    };
    if cluster::signing(&asked.spec.ca_config).is_some() {
        return Err(Error::unsupported("skep: CAConfig.SigningCACert of a new swarm is not supported yet"));
    }
    asked.spec.encryption_config.auto_lock_managers |= asked.auto_lock_managers;
    Ok(NewSwarm {
        listen_addr: asked.listen_addr,
        advertise_addr: asked.advertise_addr,
        data_path_port: asked.data_path_port,
        spec: cluster::to_model(asked.spec)?,
        availability,
        address_pools: asked.default_addr_pool,
        subnet_size: asked.subnet_size,
    })
}

fn is_ipv4_net(text: &str) -> bool {
    let Some((address, prefix)) = text.split_once('/') else { return false };
    address.parse().is_ok_and(|address: IpAddr| address.is_ipv4())
        && prefix.parse().is_ok_and(|prefix: u8| prefix <= 32)
}

async fn join() -> Error {
    Error::unsupported(
        "skep: joining a swarm is not supported yet; \"swarm init\" makes a cluster of this node",
    )
}

async fn leave(State(context): State<Arc<Context>>, query: Query) -> Result<Response, Error> {
    if context.backend.local_node().state == LocalState::Inactive {
        return Err(not_in_a_swarm());
    }
    context.backend.leave_swarm(query.loose("force")).await.map_err(Error::of_node)?;
    Ok(reply::empty())
}

fn not_in_a_swarm() -> Error {
    Error::new(axum::http::StatusCode::SERVICE_UNAVAILABLE, "This node is not part of a swarm")
}

async fn update(
    State(context): State<Arc<Context>>,
    query: Query,
    OptionalJson(spec): OptionalJson<wire::SwarmSpec>,
) -> Result<Response, Error> {
    let version = query.version("swarm")?;
    let worker = query.strict("rotateWorkerToken")?;
    let manager = query.strict("rotateManagerToken")?;
    if query.strict("rotateManagerUnlockKey")? {
        return Err(Error::unsupported("skep: rotating the unlock key is not supported yet"));
    }
    if !cluster::is_name(&spec.name) {
        return Err(Error::invalid(
            "rpc error: code = InvalidArgument desc = modification of cluster name is not allowed",
        ));
    }
    let signing = cluster::signing(&spec.ca_config);
    let spec = cluster::to_model(spec)?;
    // Not a manager is said before anything is drawn or asked.
    context.view().await?;
    let secrets =
        Secrets { worker_token: worker, manager_token: manager, force_rotate: spec.force_rotate, signing };
    let rotate = Box::new(context.backend.draw(secrets)?);
    context.request(Request::UpdateCluster { version, spec, rotate }).await?;
    Ok(reply::empty())
}

async fn unlock_key(State(context): State<Arc<Context>>) -> Result<Response, Error> {
    context.view().await?;
    Ok(reply::json(&wire::UnlockKey::default()))
}

async fn unlock(State(context): State<Arc<Context>>) -> Error {
    match context.backend.local_node().state {
        LocalState::Inactive => not_in_a_swarm(),
        _ => Error::new(axum::http::StatusCode::CONFLICT, "swarm is not locked"),
    }
}
