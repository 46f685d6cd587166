//! `GET /containers/json`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;

use super::super::error::Error;
use super::super::facts::{ContainerFacts, ContainerState, PortFacts};
use super::super::filters::Filters;
use super::super::query::Query;
use super::super::{Context, reply};
use crate::convert::local::{container, words};

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
const STATUSES: [&str; 7] = ["created", "restarting", "running", "removing", "paused", "exited", "dead"];
const HEALTHS: [&str; 4] = ["none", "starting", "healthy", "unhealthy"];

pub(super) async fn list(State(context): State<Arc<Context>>, query: Query) -> Result<Response, Error> {
    let filters = Filters::from_query(&query, &KNOWN)?;
    check_words(&filters, "status", &STATUSES)?;
    check_words(&filters, "health", &HEALTHS)?;
    if let Some(code) = filters.values("exited").find(|code| code.parse::<i32>().is_err()) {
        return Err(Error::invalid(format!("invalid filter 'exited={code}'")));
    }
    let limit = query.get("limit").parse::<usize>().ok().filter(|limit| *limit > 0);
    let all = query.loose("all") || limit.is_some() || filters.has("status") || filters.has("exited");
    let rows = context.backend.containers().await;
    let span = Span::of(&filters, &rows)?;
    let wanted = |row: &&ContainerFacts| {
        (all || filters.has("before") || filters.has("since") || row.is_running())
            && span.holds(row)
            && passes(&filters, row)
    };
    let rows: Vec<ContainerFacts> =
        rows.iter().filter(wanted).take(limit.unwrap_or(usize::MAX)).cloned().collect();
    let now = Timestamp::now();
    let mut shown = Vec::with_capacity(rows.len());
    for row in &rows {
        let size = match query.loose("size") {
            true => Some(context.backend.container_size(&row.id).await?),
            false => None,
        };
        shown.push(container::summary(row, size, now));
    }
    Ok(reply::array(shown.into_iter()))
}

fn check_words(filters: &Filters, key: &str, known: &[&str]) -> Result<(), Error> {
    match filters.values(key).find(|word| !known.contains(word)) {
        Some(word) => Err(Error::invalid(format!("invalid filter '{key}={word}'"))),
        None => Ok(()),
    }
}

/// Which births the filters `before` and `since` let pass: those between two containers.
#[derive(Default)]
struct Span {
    before: Option<skep_model::Timestamp>,
    since: Option<skep_model::Timestamp>,
}

impl Span {
    fn of(filters: &Filters, rows: &[ContainerFacts]) -> Result<Self, Error> {
        let birth = |key: &str| -> Result<Option<skep_model::Timestamp>, Error> {
            let Some(reference) = filters.values(key).last() else { return Ok(None) };
            let name = reference.strip_prefix('/').unwrap_or(reference);
            let found = rows.iter().find(|row| row.id.starts_with(reference) || row.name == name);
            let missing = || Error::no_such(format!("No such container: {reference}"));
            Ok(Some(found.ok_or_else(missing)?.created_at))
        };
        Ok(Span { before: birth("before")?, since: birth("since")? })
    }

    fn holds(&self, row: &ContainerFacts) -> bool {
        self.before.is_none_or(|before| row.created_at < before)
            && self.since.is_none_or(|since| row.created_at > since)
    }
}

fn passes(filters: &Filters, row: &ContainerFacts) -> bool {
    let is_task = row.labels.contains_key("com.docker.swarm.task.id");
    let health = row.health.map_or("none", words::health);
    filters.prefix("id", &row.id)
        && filters.any("name", |wanted| matches_name(&row.name, wanted))
        && filters.labels("label", &row.labels)
        && filters.any("status", |status| status == words::state(row.state))
        && filters.any("health", |wanted| wanted == health)
        && filters.any("is-task", |wanted| (wanted == "true" || wanted == "1") == is_task)
        && filters.any("isolation", |wanted| wanted == "default")
        && filters
            .any("exited", |code| row.state == ContainerState::Exited && code.parse() == Ok(row.exit_code))
        && filters.any("ancestor", |image| is_made_of(row, image))
        && filters.any("volume", |wanted| {
            row.mounts.iter().any(|mount| mount.name == wanted || mount.target == wanted)
        })
        && filters.any("network", |wanted| {
            row.networks.iter().any(|network| network.name == wanted || network.id.starts_with(wanted))
        })
        && filters.any("expose", |wanted| row.ports.iter().any(|port| covers(wanted, port.private, port)))
        && filters.any("publish", |wanted| {
            let published = |port: &PortFacts| {
                port.public.as_ref().is_some_and(|(_, number)| covers(wanted, *number, port))
            };
            row.ports.iter().any(published)
        })
}

fn is_made_of(row: &ContainerFacts, image: &str) -> bool {
    let name = row.image.split('@').next().unwrap_or_default();
    let id = row.image_id.strip_prefix("sha256:").unwrap_or(&row.image_id);
    [row.image.as_str(), name, row.image_id.as_str()].contains(&image)
        || name.rsplit_once(':').is_some_and(|(name, _)| name == image)
        // Short ids have at least the 12 digits that lists show.
        || (image.len() >= 12 && id.starts_with(image))
}

/// Reads `80`, `80-90` and `80/udp`.
fn covers(wanted: &str, number: u16, port: &PortFacts) -> bool {
    let (range, protocol) = wanted.split_once('/').unwrap_or((wanted, "tcp"));
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let bounds = first.parse::<u16>().ok().zip(last.parse::<u16>().ok());
    protocol == port.protocol && bounds.is_some_and(|(first, last)| (first..=last).contains(&number))
}

/// Finds a part of a name; `^` and `$` pin it to its ends.
pub(in super::super) fn matches_name(name: &str, wanted: &str) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_part_or_whole() {
        let found = ["web", "^/web.1.x$", "^web", "x$"];
        assert!(found.iter().all(|wanted| matches_name("web.1.x", wanted)));
        assert!(matches_name("web", "/web"));
        assert!(!matches_name("web.1.x", "^eb") && !matches_name("web.1.x", "web$"));
    }

    #[test]
    fn ports_are_filtered_by_number_range_and_protocol() {
        let port = PortFacts { private: 80, protocol: "tcp".into(), public: None };
        assert!(["80", "80/tcp", "70-90"].iter().all(|wanted| covers(wanted, 80, &port)));
        assert!(["81", "80/udp", "81-90", "x"].iter().all(|wanted| !covers(wanted, 80, &port)));
    }

    #[test]
    fn an_image_is_known_by_name_tag_and_id() {
        let row = ContainerFacts {
            image: "redis:7@sha256:00".into(),
            image_id: format!("sha256:{}", "a".repeat(64)),
            ..Default::default()
        };
        let short = "a".repeat(12);
        assert!(
            ["redis", "redis:7", "redis:7@sha256:00", &short].iter().all(|image| is_made_of(&row, image))
        );
        assert!(["redis:8", "redi", "aaa"].iter().all(|image| !is_made_of(&row, image)));
    }
}
