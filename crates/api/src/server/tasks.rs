//! Tasks: list and inspect. Attached clients poll the list five times a second with a service filter, so that one
//! goes through the index of the service.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use skep_model::{NodeId, ServiceId, Task};

use super::error::Error;
use super::extract::Reference;
use super::filters::Filters;
use super::query::Query;
use super::{Context, Rows, View, refs, reply};
use crate::convert::task;

/// Undocumented in Docker, sent by every progress display; its presence counts, not its value.
const UP_TO_DATE: &str = "_up-to-date";

pub(super) fn routes() -> Router<Arc<Context>> {
    Router::new().route("/tasks", get(list)).route("/tasks/{id}", get(inspect))
}

async fn list(State(context): State<Arc<Context>>, query: Query) -> Result<Response, Error> {
    let known = ["id", "name", "label", "service", "node", "desired-state", "runtime", UP_TO_DATE];
    let filters = Filters::from_query(&query, &known)?;
    if let Some(word) = filters.values("desired-state").find(|word| !task::is_state_word(word)) {
        return Err(Error::unclassed(format!("Invalid desired-state filter: '{word}'")));
    }
    let view = context.view().await?;
    let wanted = Wanted::resolve(filters, &*view)?;
    let ids = wanted.rows(&*view).filter(|task| wanted.passes(&*view, task)).map(|task| task.id).collect();
    Ok(reply::list(view, ids, |view, id| {
        let task = view.task(id)?;
        Some(task::to_wire(task, view.waiting(task).as_ref()))
    }))
}

/// Filters whose references are resolved.
struct Wanted {
    filters: Filters,
    services: BTreeSet<ServiceId>,
    nodes: BTreeSet<NodeId>,
}

impl Wanted {
    fn resolve(filters: Filters, view: &dyn View) -> Result<Self, Error> {
        let services = filters
            .values("service")
            .map(|reference| refs::service(view, reference).map(|service| service.id))
            .collect::<Result<_, _>>()?;
        let nodes = filters
            .values("node")
            .map(|reference| refs::node(view, reference).map(|node| node.id))
            .collect::<Result<_, _>>()?;
        Ok(Wanted { filters, services, nodes })
    }

    /// Returns the tasks to look at: all, or those of the services asked for.
    fn rows<'a>(&'a self, view: &'a dyn View) -> Rows<'a, Task> {
        match self.services.is_empty() {
            true => view.tasks(),
            false => Box::new(self.services.iter().flat_map(|id| view.tasks_of(*id))),
        }
    }

    fn passes(&self, view: &dyn View, task: &Task) -> bool {
        let filters = &self.filters;
        let on_node = || task.node_id.is_some_and(|id| self.nodes.contains(&id));
        let current = || view.service(task.service_id).is_some_and(|service| view.is_current(service, task));
        (self.nodes.is_empty() || on_node())
            && filters.any("desired-state", |word| word == task::desired_word(task.desired))
            && filters.any("runtime", |runtime| runtime == "container")
            && filters.labels("label", &task.service.labels)
            && filters.prefix("id", task.id)
            && (!filters.has("name") || filters.prefix("name", task.name()))
            && (!filters.has(UP_TO_DATE) || current())
    }
}

async fn inspect(
    State(context): State<Arc<Context>>,
    Reference(reference): Reference,
) -> Result<Response, Error> {
    let view = context.view().await?;
    let task = refs::task(&*view, &reference)?;
    Ok(reply::json(&task::to_wire(task, view.waiting(task).as_ref())))
}
