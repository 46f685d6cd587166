//! What clients were promised: a granted request is in the store and stays there, of two writes that quote
//! one version only one is granted, and nothing that users write changes unless somebody asked for it.
//!
//! The oracle knows every request ever made, answered or not. A service's specification may also change by
//! a rollback, or where somebody goes to an earlier revision; then the template alone goes back, to that of a revision of the service.

use std::collections::BTreeSet;
use std::sync::Arc;

use skep_core::{Change, ChangeSet, Store};
use skep_model::request::{Reply, Request, RolloutVerb, ServiceChange};
use skep_model::rollout::Direction;
use skep_model::{Node, NodeId, Service, ServiceId, ServiceSpec, Timestamp};

use super::{Invariant, Moment};

#[derive(Default)]
pub struct PromisesAreKept {
    asked: Vec<Request>,
    /// Versions that some commit moved on from; a cluster has no number of its own.
    moved: BTreeSet<Versioned>,
    /// Versions that a granted request quoted.
    spent: BTreeSet<Versioned>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Versioned {
    Service(ServiceId, u64),
    Node(NodeId, u64),
    Cluster(u64),
}

impl Invariant for PromisesAreKept {
    fn name(&self) -> &'static str {
        "promises_are_kept"
    }

    fn see(&mut self, _: Timestamp, moment: &Moment<'_>) -> Result<(), String> {
        match moment {
            Moment::Asked { request, .. } => {
                self.asked.push(Request::clone(request));
                Ok(())
            }
            Moment::Committed { before, after, changes, .. } => self.committed(before, after, changes),
            Moment::Answered { store, request, reply: Ok(reply) } => self.granted(store, request, reply),
            _ => Ok(()),
        }
    }
}

impl PromisesAreKept {
    fn committed(&mut self, before: &Store, after: &Store, changes: &ChangeSet) -> Result<(), String> {
        for change in changes.iter() {
            let is_asked = match change {
                Change::PutService(service) => self.is_service_asked(before, after, service),
                Change::DeleteService(id) => self.has_asked(|one| *one == Request::RemoveService { id: *id }),
                Change::PutNode(node) => self.is_node_asked(before, node),
                Change::DeleteNode(id) => {
                    self.has_asked(|one| matches!(one, Request::RemoveNode { id: of, .. } if of == id))
                }
                Change::PutCluster(cluster) => {
                    let known = before.cluster();
                    self.moved.extend(known.map(|known| Versioned::Cluster(known.meta.version)));
                    known.is_none_or(|known| {
                        self.has_asked(|one| {
                            matches!(one, Request::UpdateCluster { version, spec, .. }
                                if *version == known.meta.version && *spec == cluster.spec)
                        })
                    })
                }
                _ => true,
            };
            if !is_asked {
                return Err(format!("nobody asked for {change:?}"));
            }
        }
        Ok(())
    }

    fn has_asked(&self, is_it: impl Fn(&Request) -> bool) -> bool {
        self.asked.iter().any(is_it)
    }

    fn is_service_asked(&mut self, before: &Store, after: &Store, service: &Service) -> bool {
        let Some(known) = before.service(service.id) else {
            return self.has_asked(
                |one| matches!(one, Request::CreateService { spec, .. } if **spec == service.spec),
            );
        };
        self.moved.insert(Versioned::Service(known.id, known.meta.version));
        let bases = self.bases(known);
        if bases.contains(&&service.spec) {
            return true;
        }
        let goes_back = after.rollout(service.id).is_some_and(|rollout| rollout.direction == Direction::Back)
            || self.has_asked(|one| matches!(one, Request::SteerRollout { id, verb: RolloutVerb::Undo { .. }, .. } if *id == service.id));
        let template = after.revision(service.id, service.revision).map(|revision| &revision.template);
        let is_kept = template.is_some_and(|template| *template == service.spec.task);
        bases
            .into_iter()
            .chain([&known.spec])
            .any(|base| goes_back && is_kept && with_template_of(&service.spec, base) == *base)
    }

    /// Returns the specifications that requests for this version of a service ask for.
    fn bases<'a>(&'a self, known: &'a Service) -> Vec<&'a ServiceSpec> {
        let base = |request: &'a Request| match request {
            Request::UpdateService { id, version, change, .. }
                if (*id, *version) == (known.id, known.meta.version) =>
            {
                match &**change {
                    ServiceChange::Spec { spec, .. } => Some(spec),
                    ServiceChange::Rollback => known.previous.as_ref().map(|previous| &previous.spec),
                }
            }
            _ => None,
        };
        self.asked.iter().filter_map(base).collect()
    }

    /// What a node says of itself is its own; the rest somebody has to ask for.
    fn is_node_asked(&mut self, before: &Store, node: &Node) -> bool {
        let Some(known) = before.node(node.id) else { return true };
        self.moved.insert(Versioned::Node(known.id, known.meta.version));
        known.spec == node.spec
            || self.has_asked(|one| {
                matches!(one, Request::UpdateNode { id, version, spec }
                    if (*id, *version) == (known.id, known.meta.version) && *spec == node.spec)
            })
    }

    fn granted(&mut self, store: &Store, request: &Request, reply: &Reply) -> Result<(), String> {
        let quoted = match request {
            Request::UpdateService { id, version, .. } => Some(Versioned::Service(*id, *version)),
            Request::UpdateNode { id, version, .. } => Some(Versioned::Node(*id, *version)),
            Request::UpdateCluster { version, .. } => Some(Versioned::Cluster(*version)),
            _ => None,
        };
        if quoted.is_some_and(|quoted| !self.spent.insert(quoted)) {
            return Err(format!("the version was spent before: {request:?}"));
        }
        let is_gone = match request {
            Request::UpdateService { id, .. } => store.service(*id).is_none(),
            Request::UpdateNode { id, .. } => store.node(*id).is_none(),
            _ => false,
        };
        // What was written may have been removed in the same breath.
        let is_stored = match (request, reply) {
            (Request::CreateService { .. }, Reply::ServiceCreated(id)) => store.service(*id).is_some(),
            (Request::RemoveService { id }, Reply::Done) => store.service(*id).is_none(),
            (Request::RemoveNode { id, .. }, Reply::Done) => store.node(*id).is_none(),
            (_, Reply::Done) => is_gone || quoted.is_none_or(|quoted| self.moved.contains(&quoted)),
            _ => false,
        };
        if is_stored { Ok(()) } else { Err(format!("granted, and not in the store: {request:?}")) }
    }
}

fn with_template_of(spec: &ServiceSpec, base: &ServiceSpec) -> ServiceSpec {
    ServiceSpec { task: Arc::clone(&base.task), endpoint: base.endpoint.clone(), ..spec.clone() }
}
