//! From what a user typed to an object: full id, then exact name, then a prefix of the id; never a prefix of the name.

use skep_model::{Id, Node, Service, Task};

use super::backend::View;
use super::error::Error;

/// Finds a service.
pub fn service<'a>(view: &'a dyn View, reference: &str) -> Result<&'a Service, Error> {
    let by_id = reference.parse().ok().and_then(|id| view.service(id));
    match by_id.or_else(|| view.service_named(reference)) {
        Some(service) => Ok(service),
        None => by_prefix("service", reference, view.services().map(|service| (service.id, service))),
    }
}

/// Finds a node, by its name or its host name.
pub fn node<'a>(view: &'a dyn View, reference: &str) -> Result<&'a Node, Error> {
    if let Some(node) = reference.parse().ok().and_then(|id| view.node(id)) {
        return Ok(node);
    }
    let named = |node: &&Node| node.spec.name == reference || node.description.hostname == reference;
    match only_one("node", reference, view.nodes().filter(named))? {
        Some(node) => Ok(node),
        None => by_prefix("node", reference, view.nodes().map(|node| (node.id, node))),
    }
}

/// Finds a task; tasks have no names of their own.
pub fn task<'a>(view: &'a dyn View, reference: &str) -> Result<&'a Task, Error> {
    match reference.parse().ok().and_then(|id| view.task(id)) {
        Some(task) => Ok(task),
        None => by_prefix("task", reference, view.tasks().map(|task| (task.id, task))),
    }
}

fn by_prefix<'a, I: Id, T>(
    kind: &str,
    prefix: &str,
    rows: impl Iterator<Item = (I, &'a T)>,
) -> Result<&'a T, Error> {
    let range = I::with_prefix(prefix).filter(|_| !prefix.is_empty());
    let matching = rows.filter(|(id, _)| range.as_ref().is_some_and(|range| range.contains(id)));
    only_one(kind, prefix, matching.map(|(_, row)| row))?.ok_or_else(|| Error::not_found(kind, prefix))
}

fn only_one<'a, T>(
    kind: &str,
    reference: &str,
    mut matching: impl Iterator<Item = &'a T>,
) -> Result<Option<&'a T>, Error> {
    let first = matching.next();
    match matching.count() {
        0 => Ok(first),
        more => Err(Error::invalid(format!("{kind} {reference} is ambiguous ({} matches found)", more + 1))),
    }
}
