//! Which events a client wants: a span of time, and filters that are never validated.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use skep_model::reference;

use super::super::error::Error;
use super::super::filters::Filters;
use super::super::query::Query;
use super::Event;

/// Keys whose values begin the actor's id or name, whatever the kind of event.
const ACTOR_KEYS: [&str; 8] =
    ["container", "network", "volume", "plugin", "daemon", "service", "node", "secret"];

/// What one client asked for.
pub(super) struct Selection {
    /// Kept events from here on are wanted; `None`: only if there is an end.
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    filters: Filters,
}

impl Selection {
    pub(super) fn from_query(query: &Query) -> Result<Self, Error> {
        let since = instant(query.get("since"))?;
        let until = instant(query.get("until"))?;
        if let (Some(since), Some(until)) = (since, until)
            && until < since
        {
            return Err(Error::invalid(format!(
                "`since` time ({}) cannot be after `until` time ({})",
                since.as_second(),
                until.as_second()
            )));
        }
        Ok(Selection { since, until, filters: Filters::parse(query.get("filters"))? })
    }

    /// Returns whether a kept event is wanted: the past is told only to those who ask.
    pub(super) fn replays(&self, event: &Event) -> bool {
        let at = Timestamp::from_nanosecond(i128::from(event.time_nano)).unwrap_or(Timestamp::MIN);
        (self.since.is_some() || self.until.is_some())
            && self.since.is_none_or(|since| at >= since)
            && self.until.is_none_or(|until| at <= until)
            && self.wants(event)
    }

    /// Returns whether the filters let the event pass.
    pub(super) fn wants(&self, event: &Event) -> bool {
        let filters = &self.filters;
        let actor = &event.actor;
        let name = actor.attributes.get("name").map(String::as_str).unwrap_or_default();
        filters.any("type", |kind| kind == event.kind)
            && filters.any("scope", |scope| scope == event.scope)
            && self.action(event)
            && filters.labels("label", &actor.attributes)
            && ACTOR_KEYS
                .iter()
                .chain(&["config"])
                .all(|key| filters.any(key, |value| actor.id.starts_with(value) || name.starts_with(value)))
            && filters.any("image", |value| is_image(event, value))
    }

    /// Some actions carry what they did behind their name; a filter for the bare name takes them all.
    fn action(&self, event: &Event) -> bool {
        let bare = |value: &str| matches!(value, "health_status" | "exec_create" | "exec_start");
        let by_prefix = self.filters.values("event").any(bare);
        self.filters
            .any("event", |value| event.action == value || (by_prefix && event.action.starts_with(value)))
    }

    /// Waits for the end of the span, for ever if it has none.
    pub(super) fn end(&self) -> impl Future<Output = ()> + use<> {
        let left = self.until.map(|until| until.duration_since(Timestamp::now()));
        async move {
            match left {
                Some(left) => tokio::time::sleep(Duration::try_from(left).unwrap_or_default()).await,
                None => std::future::pending().await,
            }
        }
    }
}

/// Compares with and without the tag, against the image's id and its name.
fn is_image(event: &Event, value: &str) -> bool {
    let key = if event.kind == "image" { "name" } else { "image" };
    let name = event.actor.attributes.get(key).map(String::as_str).unwrap_or_default();
    [event.actor.id.as_str(), name].iter().any(|found| *found == value || reference::name(found) == value)
}

/// Reads an instant: Unix seconds with up to nine decimals, RFC 3339, or a span before now.
pub(in super::super) fn instant(text: &str) -> Result<Option<Timestamp>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    unix(text)
        .or_else(|| text.parse().ok())
        .or_else(|| ago(text))
        .map(Some)
        .ok_or_else(|| Error::invalid(format!("failed to parse value as time or duration: {text:?}")))
}

/// Reads `seconds[.nanoseconds]`.
pub(in super::super) fn unix(text: &str) -> Option<Timestamp> {
    let (seconds, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 9 || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nanos = format!("{decimals:0<9}").parse().ok()?;
    Timestamp::new(seconds.parse().ok()?, nanos).ok()
}

/// Reads a Go duration, such as `1h30m`, as that long ago.
fn ago(text: &str) -> Option<Timestamp> {
    let mut left = text;
    let mut total = SignedDuration::ZERO;
    while !left.is_empty() {
        let digits = left.find(|sign: char| !sign.is_ascii_digit())?;
        let number: i64 = left[..digits].parse().ok()?;
        let rest = &left[digits..];
        let (unit, length) = match rest.as_bytes() {
            [b'm', b's', ..] => (SignedDuration::from_millis(1), 2),
            [b'h', ..] => (SignedDuration::from_secs(3600), 1),
            [b'm', ..] => (SignedDuration::from_secs(60), 1),
            [b's', ..] => (SignedDuration::from_secs(1), 1),
            _ => return None,
        };
        let part = unit.checked_mul(i32::try_from(number).ok()?)?;
        total = total.checked_add(part)?;
        left = &rest[length..];
    }
    Timestamp::now().checked_sub(total).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn event(kind: &str, action: &str, name: &str, image: &str) -> Event {
        let attributes = BTreeMap::from([("name".into(), name.into()), ("image".into(), image.into())]);
        let actor = super::super::Actor { id: "abc".into(), attributes };
        Event { kind: kind.into(), action: action.into(), actor, scope: "local", ..Default::default() }
    }

    fn wants(filters: &str, event: &Event) -> bool {
        let filters = Filters::parse(filters).expect("filters");
        Selection { since: None, until: None, filters }.wants(event)
    }

    #[test]
    fn filters_match_as_in_docker() {
        let start = event("container", "start", "web.1.x", "redis:7@sha256:00");
        let health = event("container", "health_status: healthy", "web.1.x", "redis:7");
        assert!(wants("", &start));
        assert!(wants(r#"{"service":["web"],"type":["container"]}"#, &start));
        assert!(!wants(r#"{"service":["db"]}"#, &start));
        assert!(wants(r#"{"event":["health_status"]}"#, &health));
        assert!(!wants(r#"{"event":["health"]}"#, &health));
        assert!(wants(r#"{"image":["redis"]}"#, &start) && wants(r#"{"container":["ab"]}"#, &start));
        assert!(!wants(r#"{"scope":["swarm"]}"#, &start));
        assert!(wants(r#"{"nobody-knows":["x"]}"#, &start));
    }

    #[test]
    fn reads_instants_of_every_kind() {
        assert_eq!(unix("12.5"), Timestamp::new(12, 500_000_000).ok());
        assert_eq!(unix("12"), Timestamp::new(12, 0).ok());
        assert_eq!(unix("12.0000000001"), None);
        assert!(instant("2026-01-02T03:04:05Z").is_ok_and(|at| at.is_some()));
        let hour = instant("1h").expect("a span").expect("an instant");
        assert!((3590..3610).contains(&Timestamp::now().duration_since(hour).as_secs()));
        assert!(instant("yesterday").is_err());
        assert!(instant("99999999999h").is_err());
    }
}
