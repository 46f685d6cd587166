//! From changes of the cluster to Swarm's events: create, update and remove of nodes and services, with what changed.
//! Tasks have none; their containers do, on their nodes.

use std::collections::BTreeMap;

use skep_model::{Meta, Node, Rollout, Service, ServiceSpec, Timestamp};

use super::super::Backend;
use super::super::facts::{Changed, LocalEvent, Pair};
use super::{Actor, Event};
use crate::convert::node::{availability_word, reachability_word, role_word, state_word};
use crate::convert::update;

type Attributes = BTreeMap<String, String>;

/// Returns the event that a change is, if it is one.
pub(super) async fn event(backend: &dyn Backend, change: Changed) -> Option<Event> {
    match change {
        Changed::Node(pair) => of_node(&pair),
        Changed::Service(pair) => of_service(&pair),
        Changed::Rollout(pair) => of_rollout(backend, &pair).await,
        Changed::Task(_) => None,
        Changed::Local(event) => Some(of_local(&event)),
    }
}

fn of_node(pair: &Pair<Node>) -> Option<Event> {
    let node = pair.new.as_deref().or(pair.old.as_deref())?;
    let name = if node.spec.name.is_empty() { &node.description.hostname } else { &node.spec.name };
    let mut attributes = Attributes::from([("name".to_owned(), name.clone())]);
    if let (Some(old), Some(new)) = (&pair.old, &pair.new) {
        let words = |node: &Node| {
            [
                ("availability", availability_word(node.spec.availability)),
                ("role", role_word(node.spec.role)),
                ("state", state_word(node.status.state)),
                ("reachability", node.manager_addr.as_ref().map_or("", |_| reachability_word(node))),
            ]
        };
        for ((what, old), (_, new)) in words(old).into_iter().zip(words(new)) {
            note(&mut attributes, what, old, new);
        }
    }
    Some(of_cluster("node", node.id.to_string(), attributes, pair, |node| node.meta))
}

fn of_service(pair: &Pair<Service>) -> Option<Event> {
    let service = pair.new.as_deref().or(pair.old.as_deref())?;
    let mut attributes = Attributes::from([("name".to_owned(), service.spec.name.clone())]);
    if let (Some(old), Some(new)) = (&pair.old, &pair.new) {
        note(&mut attributes, "image", &old.spec.task.container.image, &new.spec.task.container.image);
        let replicas =
            |spec: &ServiceSpec| spec.replicas().map(|replicas| replicas.to_string()).unwrap_or_default();
        note(&mut attributes, "replicas", &replicas(&old.spec), &replicas(&new.spec));
    }
    Some(of_cluster("service", service.id.to_string(), attributes, pair, |service| service.meta))
}

/// A step of a rollout shows as an update of its service. The service is looked up for its name; a rollout that ends
/// because its service is removed says nothing.
async fn of_rollout(backend: &dyn Backend, pair: &Pair<Rollout>) -> Option<Event> {
    let word = |rollout: Option<&Rollout>| rollout.and_then(update::state_word).unwrap_or_default();
    let (old, new) = (word(pair.old.as_deref()), word(pair.new.as_deref()));
    if old == new || new.is_empty() {
        return None;
    }
    let rollout = pair.new.as_deref()?;
    let view = backend.view().await.ok()?;
    let name = view.service(rollout.service_id)?.spec.name.clone();
    let mut attributes = Attributes::from([("name".to_owned(), name)]);
    note(&mut attributes, "updatestate", old, new);
    Some(event_at("service", "update", rollout.service_id.to_string(), attributes, now(), "swarm"))
}

/// Notes a value that changed; one that did not exist before has no old value.
fn note(attributes: &mut Attributes, what: &str, old: &str, new: &str) {
    if old != new {
        if !old.is_empty() {
            attributes.insert(format!("{what}.old"), old.to_owned());
        }
        attributes.insert(format!("{what}.new"), new.to_owned());
    }
}

fn of_cluster<T>(
    kind: &str,
    id: String,
    attributes: Attributes,
    pair: &Pair<T>,
    meta: impl Fn(&T) -> Meta,
) -> Event {
    let (action, at) = match (&pair.old, &pair.new) {
        (None, Some(new)) => ("create", meta(new).created_at),
        (_, Some(new)) => ("update", meta(new).updated_at),
        (_, None) => ("remove", now()),
    };
    event_at(kind, action, id, attributes, at, "swarm")
}

pub(super) fn of_local(event: &LocalEvent) -> Event {
    event_at(&event.kind, &event.action, event.id.clone(), event.attributes.clone(), event.at, "local")
}

fn event_at(
    kind: &str,
    action: &str,
    id: String,
    attributes: Attributes,
    at: Timestamp,
    scope: &'static str,
) -> Event {
    Event {
        kind: kind.to_owned(),
        action: action.to_owned(),
        actor: Actor { id, attributes },
        scope,
        time: at.0.div_euclid(1_000_000_000),
        time_nano: at.0,
        ..Event::default()
    }
}

pub(in super::super) fn now() -> Timestamp {
    let nanos = jiff::Timestamp::now().as_nanosecond();
    Timestamp(i64::try_from(nanos).unwrap_or(i64::MAX))
}
