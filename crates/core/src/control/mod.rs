//! Requests from the API, judged and turned into writes. One file per object.
//!
//! A request either takes effect whole or is refused with a sentence; the orchestrators react to what
//! it wrote in the same pass, so a client that reads after its answer sees the consequences begun.

mod cluster;
mod names;
mod node;
mod revise;
mod rollout;
mod service;
mod verb;
mod write;

use skep_model::request::{Refusal, RefusalClass, Reply, Request};
use skep_model::{Labels, Meta, limits};

use crate::random::Random;
use crate::store::{Draft, weight};

/// Carries a request out on the draft, or refuses it and leaves the draft as it was.
pub fn handle(draft: &mut Draft, random: &mut Random, request: Request) -> Result<Reply, Refusal> {
    match request {
        Request::InitCluster(new) => cluster::init(draft, *new),
        _ if draft.cluster().is_none() => Err(Refusal::new(
            RefusalClass::Unavailable,
            "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect \
             this node to swarm and try again.",
        )),
        Request::UpdateCluster { version, spec, rotate } => cluster::update(draft, version, spec, *rotate),
        Request::CreateService { spec, author } => service::create(draft, random, *spec, author),
        Request::UpdateService { id, version, change, author } => {
            service::update(draft, id, version, *change, author)
        }
        Request::RemoveService { id } => service::remove(draft, id),
        Request::SteerRollout { id, verb, author } => rollout::steer(draft, id, verb, &author),
        Request::UpdateNode { id, version, spec } => node::update(draft, id, version, spec),
        Request::RemoveNode { id, force } => node::remove(draft, id, force),
    }
}

/// Labels of nodes and of the cluster are written again with all else of them, so they must leave room in a log entry.
fn check_labels(labels: &Labels) -> Result<(), Refusal> {
    let bytes = weight::of_pairs(labels);
    if bytes > limits::LABELS_BYTES_MAX {
        let text = format!("the labels take {bytes} bytes; Skep allows {}", limits::LABELS_BYTES_MAX);
        return Err(Refusal::new(RefusalClass::InvalidArgument, text));
    }
    Ok(())
}

/// Refuses a write that was made from another version than the stored one. A version is spent by the
/// first write that quotes it, also within one pass.
fn check_version(draft: &Draft, stored: &Meta, quoted: u64) -> Result<(), Refusal> {
    if stored.version == quoted && !draft.has_written(stored) {
        return Ok(());
    }
    Err(Refusal::new(RefusalClass::Unknown, "update out of sequence"))
}
