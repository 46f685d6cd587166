//! The networks that every node has, and the lists of objects that do not exist yet, which are honestly empty.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::containers::matches_name;
use super::error::Error;
use super::extract::Reference;
use super::filters::Filters;
use super::query::Query;
use super::{Context, reply};

/// The networks that every node has: name, driver, id.
const NETWORKS: [(&str, &str, &str); 3] = [
    ("bridge", "bridge", "b71d6ed2a7c5b0e4d3f8a9167c2e5d40b71d6ed2a7c5b0e4d3f8a9167c2e5d40"),
    ("host", "host", "4057b1f0c6a2e89d5e3c7b8a1f6d2094057b1f0c6a2e89d5e3c7b8a1f6d20940"),
    ("none", "null", "90e6c1a4d2f8b7305a9e4c6d1b8f7235490e6c1a4d2f8b7305a9e4c6d1b8f723"),
];

pub(super) fn routes() -> Router<Arc<Context>> {
    Router::new()
        .route("/networks", get(networks))
        .route("/networks/", get(networks))
        .route("/networks/prune", post(prune))
        .route("/networks/{id}", get(network).delete(remove))
        .route("/plugins", get(plugins))
        .route("/secrets", get(secrets))
        .route("/secrets/{id}", get(secret).delete(secret))
        .route("/configs", get(configs))
        .route("/configs/{id}", get(config).delete(config))
}

async fn networks(query: Query) -> Result<Response, Error> {
    let filters =
        Filters::from_query(&query, &["name", "id", "driver", "scope", "type", "label", "dangling"])?;
    let rows = NETWORKS.into_iter().filter(|(name, driver, id)| {
        filters.any("name", |wanted| matches_name(name, wanted))
            && filters.any("id", |wanted| id.contains(wanted))
            && filters.any("driver", |wanted| wanted == *driver)
            && filters.any("scope", |wanted| wanted == "local")
            && filters.any("type", |wanted| wanted == "builtin")
            && !filters.has("label")
            && filters.any("dangling", |wanted| wanted == "false" || wanted == "0")
    });
    let rows: Vec<Value> = rows.map(network_row).collect();
    Ok(reply::json(&rows))
}

async fn network(Reference(reference): Reference, query: Query) -> Result<Response, Error> {
    let local = matches!(query.get("scope"), "" | "local");
    let found = find(&reference).filter(|_| local);
    found.map(|row| reply::json(&network_row(row))).ok_or_else(|| Error::not_found("network", &reference))
}

fn find(reference: &str) -> Option<(&'static str, &'static str, &'static str)> {
    let exactly = NETWORKS.into_iter().find(|(name, _, id)| *name == reference || *id == reference);
    exactly.or_else(|| NETWORKS.into_iter().find(|(_, _, id)| id.starts_with(reference)))
}

async fn remove(Reference(reference): Reference) -> Error {
    match find(&reference) {
        Some((name, ..)) => {
            let message = format!("{name} is a pre-defined network and cannot be removed");
            Error::new(StatusCode::FORBIDDEN, message)
        }
        None => Error::not_found("network", &reference),
    }
}

/// Removes networks that nothing uses; those that every node has are none of them.
async fn prune(query: Query) -> Result<Response, Error> {
    Filters::from_query(&query, &["until", "label", "label!"])?;
    Ok(reply::json(&json!({"NetworksDeleted": null})))
}

fn network_row((name, driver, id): (&str, &str, &str)) -> Value {
    json!({
        "Name": name, "Id": id, "Created": "0001-01-01T00:00:00Z", "Scope": "local", "Driver": driver,
        "EnableIPv4": true, "EnableIPv6": false,
        "IPAM": {"Driver": "default", "Options": null, "Config": []},
        "Internal": false, "Attachable": false, "Ingress": false,
        "ConfigFrom": {"Network": ""}, "ConfigOnly": false,
        "Containers": {}, "Options": {}, "Labels": {},
    })
}

async fn plugins() -> Response {
    reply::json(&json!([]))
}

async fn secrets(State(context): State<Arc<Context>>, query: Query) -> Result<Response, Error> {
    Filters::from_query(&query, &["id", "name", "names", "label"])?;
    context.view().await?;
    Ok(reply::json(&json!([])))
}

async fn secret(
    State(context): State<Arc<Context>>,
    Reference(reference): Reference,
) -> Result<Response, Error> {
    context.view().await?;
    Err(Error::not_found("secret", &reference))
}

async fn configs(State(context): State<Arc<Context>>, query: Query) -> Result<Response, Error> {
    Filters::from_query(&query, &["id", "name", "label"])?;
    context.view().await?;
    Ok(reply::json(&json!([])))
}

async fn config(
    State(context): State<Arc<Context>>,
    Reference(reference): Reference,
) -> Result<Response, Error> {
    context.view().await?;
    Err(Error::not_found("config", &reference))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_builtin_networks_have_ids_of_their_own() {
        for (_, _, id) in NETWORKS {
            assert!(id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        }
    }
}
