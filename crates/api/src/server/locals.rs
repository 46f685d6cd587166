//! What this node has: containers, images, networks, volumes, plugins; and the lists of objects that do not exist yet,
//! which are honestly empty.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::error::Error;
use super::extract::Reference;
use super::facts::{ContainerFacts, ContainerState, HealthState, ImageFacts};
use super::filters::Filters;
use super::query::Query;
use super::system::unix_seconds;
use super::{Context, reply};
use crate::convert::time;

/// The networks that every node has: name, driver, id.
const NETWORKS: [(&str, &str, &str); 3] = [
    ("bridge", "bridge", "b71d6ed2a7c5b0e4d3f8a9167c2e5d40b71d6ed2a7c5b0e4d3f8a9167c2e5d40"),
    ("host", "host", "4057b1f0c6a2e89d5e3c7b8a1f6d2094057b1f0c6a2e89d5e3c7b8a1f6d20940"),
    ("none", "null", "90e6c1a4d2f8b7305a9e4c6d1b8f7235490e6c1a4d2f8b7305a9e4c6d1b8f723"),
];

pub(super) fn routes() -> Router<Arc<Context>> {
    Router::new()
        .route("/containers/json", get(containers))
        .route("/images/json", get(images))
        .route("/networks", get(networks))
        .route("/networks/", get(networks))
        .route("/networks/{id}", get(network))
        .route("/volumes", get(volumes))
        .route("/volumes/{name}", get(volume).delete(volume))
        .route("/plugins", get(plugins))
        .route("/secrets", get(secrets))
        .route("/secrets/{id}", get(secret).delete(secret))
        .route("/configs", get(configs))
        .route("/configs/{id}", get(config).delete(config))
        .route("/system/df", get(disk_usage))
}

async fn containers(State(context): State<Arc<Context>>, query: Query) -> Result<Response, Error> {
    const KNOWN: [&str; 15] = [
        "ancestor",
        "before",
        "exited",
        "health",
        "id",
        "isolation",
        "is-task",
        "label",
        "name",
        "network",
        "publish",
        "expose",
        "since",
        "status",
        "volume",
    ];
    let filters = Filters::from_query(&query, &KNOWN)?;
    for later in ["before", "since", "isolation", "network", "publish", "expose", "volume"] {
        if filters.has(later) {
            return Err(Error::unsupported(format!(
                "skep: filtering containers by {later} is not supported yet"
            )));
        }
    }
    let limit = query.get("limit").parse::<usize>().ok().filter(|limit| *limit > 0);
    let all = query.loose("all") || limit.is_some() || filters.has("status") || filters.has("exited");
    let now = Timestamp::now();
    let mut rows = context.backend.containers().await;
    rows.retain(|row| (all || row.is_running()) && passes(&filters, row));
    rows.truncate(limit.unwrap_or(usize::MAX));
    Ok(reply::array(rows.into_iter().map(move |row| container(&row, now))))
}

fn passes(filters: &Filters, row: &ContainerFacts) -> bool {
    let is_task = row.labels.contains_key("com.docker.swarm.task.id");
    let health = row.health.map_or("none", health_word);
    filters.prefix("id", &row.id)
        && filters.any("name", |wanted| is_named(&row.name, wanted))
        && filters.labels("label", &row.labels)
        && filters.any("status", |status| status == state_word(row.state))
        && filters.any("health", |wanted| wanted == health)
        && filters.any("is-task", |wanted| (wanted == "true" || wanted == "1") == is_task)
        && filters
            .any("exited", |code| row.state == ContainerState::Exited && code.parse() == Ok(row.exit_code))
        && filters.any("ancestor", |image| {
            let name = row.image.split('@').next().unwrap_or_default();
            [row.image.as_str(), name, row.image_id.as_str()].contains(&image)
                || name.rsplit_once(':').is_some_and(|(name, _)| name == image)
        })
}

/// Finds a part of a name; `^` and `$` pin it to its ends.
fn is_named(name: &str, wanted: &str) -> bool {
    let (start, rest) = match wanted.strip_prefix('^') {
        Some(rest) => (true, rest),
        None => (false, wanted),
    };
    let (end, part) = match rest.strip_suffix('$') {
        Some(part) => (true, part),
        None => (false, rest),
    };
    let part = part.strip_prefix('/').unwrap_or(part);
    match (start, end) {
        (true, true) => name == part,
        (true, false) => name.starts_with(part),
        (false, true) => name.ends_with(part),
        (false, false) => name.contains(part),
    }
}

fn container(row: &ContainerFacts, now: Timestamp) -> Value {
    json!({
        "Id": row.id,
        "Names": [format!("/{}", row.name)],
        "Image": row.image,
        "ImageID": row.image_id,
        "Command": row.command.join(" "),
        "Created": unix_seconds(row.created_at),
        "Ports": [],
        "Labels": row.labels,
        "State": state_word(row.state),
        "Status": status(row, now),
        "HostConfig": {"NetworkMode": "default"},
        "NetworkSettings": {"Networks": {}},
        "Mounts": [],
    })
}

/// Returns the sentence that `docker ps` shows.
fn status(row: &ContainerFacts, now: Timestamp) -> String {
    let ago = |at| human(now.duration_since(time(at).0).as_secs());
    match row.state {
        ContainerState::Running => {
            let health = match row.health {
                None => "",
                Some(HealthState::Starting) => " (health: starting)",
                Some(HealthState::Healthy) => " (healthy)",
                Some(HealthState::Unhealthy) => " (unhealthy)",
            };
            format!("Up {}{health}", ago(row.started_at))
        }
        ContainerState::Exited => format!("Exited ({}) {} ago", row.exit_code, ago(row.finished_at)),
        ContainerState::Created => "Created".to_owned(),
    }
}

fn state_word(state: ContainerState) -> &'static str {
    match state {
        ContainerState::Created => "created",
        ContainerState::Running => "running",
        ContainerState::Exited => "exited",
    }
}

fn health_word(health: HealthState) -> &'static str {
    match health {
        HealthState::Starting => "starting",
        HealthState::Healthy => "healthy",
        HealthState::Unhealthy => "unhealthy",
    }
}

/// Returns a span as Docker words it.
fn human(seconds: i64) -> String {
    let (minutes, hours) = (seconds / 60, (seconds + 1800) / 3600);
    match seconds {
        ..1 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..60 => format!("{seconds} seconds"),
        60..120 => "About a minute".to_owned(),
        120..3600 => format!("{minutes} minutes"),
        _ if hours == 1 => "About an hour".to_owned(),
        _ if hours < 48 => format!("{hours} hours"),
        _ if hours < 24 * 14 => format!("{} days", hours / 24),
        _ if hours < 24 * 60 => format!("{} weeks", hours / 24 / 7),
        _ if hours < 24 * 730 => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", hours / 24 / 365),
    }
}

async fn images(State(context): State<Arc<Context>>, query: Query) -> Result<Response, Error> {
    const KNOWN: [&str; 8] = ["dangling", "label", "label!", "before", "since", "reference", "until", "all"];
    let filters = Filters::from_query(&query, &KNOWN)?;
    for later in ["label!", "before", "since", "until"] {
        if filters.has(later) {
            return Err(Error::unsupported(format!(
                "skep: filtering images by {later} is not supported yet"
            )));
        }
    }
    let mut rows = context.backend.images().await?;
    rows.retain(|row| {
        filters.labels("label", &row.labels)
            && filters
                .any("dangling", |wanted| (wanted == "true" || wanted == "1") == row.repo_tags.is_empty())
            && filters.any("reference", |wanted| {
                row.repo_tags
                    .iter()
                    .any(|tag| tag == wanted || tag.rsplit_once(':').is_some_and(|(name, _)| name == wanted))
            })
    });
    Ok(reply::array(rows.into_iter().map(|row| image(&row))))
}

fn image(row: &ImageFacts) -> Value {
    json!({
        "Id": row.id,
        "ParentId": "",
        "RepoTags": row.repo_tags,
        "RepoDigests": row.repo_digests,
        "Created": unix_seconds(row.created_at),
        "Size": row.size,
        "SharedSize": -1,
        "Labels": row.labels,
        "Containers": -1,
    })
}

async fn networks(query: Query) -> Result<Response, Error> {
    let filters =
        Filters::from_query(&query, &["name", "id", "driver", "scope", "type", "label", "dangling"])?;
    let rows = NETWORKS.into_iter().filter(|(name, driver, id)| {
        filters.any("name", |wanted| is_named(name, wanted))
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
    let found = NETWORKS
        .into_iter()
        .find(|(name, _, id)| *name == reference || *id == reference)
        .or_else(|| NETWORKS.into_iter().find(|(_, _, id)| id.starts_with(&reference)))
        .filter(|_| local);
    found.map(|row| reply::json(&network_row(row))).ok_or_else(|| Error::not_found("network", &reference))
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

async fn volumes() -> Response {
    reply::json(&json!({"Volumes": [], "Warnings": null}))
}

async fn volume(Reference(name): Reference) -> Error {
    Error::new(axum::http::StatusCode::NOT_FOUND, format!("get {name}: no such volume"))
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

async fn disk_usage(State(context): State<Arc<Context>>) -> Result<Response, Error> {
    let now = Timestamp::now();
    let images = context.backend.images().await?;
    let layers: i64 = images.iter().map(|image| image.size).sum();
    let images: Vec<Value> = images.iter().map(image).collect();
    let containers = context.backend.containers().await;
    let containers: Vec<Value> = containers.iter().map(|row| container(row, now)).collect();
    Ok(reply::json(&json!({
        "LayersSize": layers, "Images": images, "Containers": containers, "Volumes": [], "BuildCache": [],
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_dockers() {
        let cases = [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (179, "2 minutes"),
            (3600, "About an hour"),
            (5400, "2 hours"),
            (3 * 86_400, "3 days"),
            (15 * 86_400, "2 weeks"),
            (100 * 86_400, "3 months"),
            (800 * 86_400, "2 years"),
        ];
        for (seconds, text) in cases {
            assert_eq!(human(seconds), text);
        }
    }

    #[test]
    fn names_are_found_in_part_or_whole() {
        assert!(is_named("web.1.x", "web") && is_named("web.1.x", "^/web.1.x$") && is_named("web", "/web"));
        assert!(!is_named("web.1.x", "^eb") && !is_named("web.1.x", "web$"));
    }

    #[test]
    fn the_builtin_networks_have_ids_of_their_own() {
        for (_, _, id) in NETWORKS {
            assert!(id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        }
    }
}
