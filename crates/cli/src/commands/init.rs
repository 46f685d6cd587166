//! `skep init`: the same as `skep swarm init`, for people who have no other kind of cluster.

pub(crate) use super::swarm::init::{Flags, run};
