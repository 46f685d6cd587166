//! A request that was granted is in the store, whatever happens to the leader, and of two writes that
//! quote the same version only one is granted.

use std::collections::BTreeSet;

use skep_core::Store;
use skep_model::request::{Reply, Request, ServiceChange};
use skep_model::rollout::Direction;
use skep_model::{NodeId, ServiceId, Timestamp};

use super::{Invariant, Moment};

#[derive(Default)]
pub struct GrantedRequestsAreStored {
    spent_by_services: BTreeSet<(ServiceId, u64)>,
    spent_by_nodes: BTreeSet<(NodeId, u64)>,
}

impl Invariant for GrantedRequestsAreStored {
    fn name(&self) -> &'static str {
        "granted_requests_are_stored"
    }

    fn see(&mut self, _: Timestamp, moment: &Moment<'_>) -> Result<(), String> {
        let Moment::Answered { store, request, reply: Ok(reply) } = moment else { return Ok(()) };
        if !self.is_version_unspent(request) {
            return Err(format!("the version was spent before: {request:?}"));
        }
        if is_stored(store, request, reply) { Ok(()) } else { Err(format!("not in the store: {request:?}")) }
    }
}

impl GrantedRequestsAreStored {
    fn is_version_unspent(&mut self, request: &Request) -> bool {
        match request {
            Request::UpdateService { id, version, .. } => self.spent_by_services.insert((*id, *version)),
            Request::UpdateNode { id, version, .. } => self.spent_by_nodes.insert((*id, *version)),
            _ => true,
        }
    }
}

fn is_stored(store: &Store, request: &Request, reply: &Reply) -> bool {
    match (request, reply) {
        (Request::CreateService { spec, .. }, Reply::ServiceCreated(id)) => {
            store.service(*id).is_some_and(|service| service.spec == **spec)
        }
        (Request::UpdateService { id, version, change, .. }, Reply::Done) => {
            // It may have been removed in the same breath.
            let Some(service) = store.service(*id) else { return true };
            let has_asked_spec = match &**change {
                ServiceChange::Spec { spec, .. } => {
                    // A rollback that began in the same breath takes the template back.
                    let went_back =
                        store.rollout(*id).is_some_and(|rollout| rollout.direction == Direction::Back);
                    let mut stored = service.spec.clone();
                    if went_back {
                        stored.task = spec.task.clone();
                    }
                    stored == *spec
                }
                ServiceChange::Rollback => true,
            };
            service.meta.version > *version && has_asked_spec
        }
        (Request::RemoveService { id }, Reply::Done) => store.service(*id).is_none(),
        (Request::UpdateNode { id, spec, .. }, Reply::Done) => {
            store.node(*id).is_some_and(|node| node.spec == *spec)
        }
        _ => false,
    }
}
