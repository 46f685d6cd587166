//! What became of a container so far, for those who only look.

use std::net::Ipv4Addr;

use skep_core::worker::health::Health;
use skep_core::worker::{Exit, FoundState};
use skep_model::Timestamp;
use skep_model::endpoint::Port;
use skep_runtime::State;

use super::view::Probes;
use super::{exit, timestamp};

/// When a container's process started, and how it ended.
#[derive(Clone, Debug, Default)]
pub struct Life {
    pub started_at: Option<Timestamp>,
    pub ended: Option<(Exit, Timestamp)>,
    pub pid: i32,
    /// The address it holds: its own until it ends.
    pub address: Option<Ipv4Addr>,
    /// What the worker makes of its health checks.
    pub health: Option<Health>,
    pub probes: Probes,
}

impl Life {
    /// Returns the life of a container that outlived the agent.
    pub fn of(state: &State, address: Option<Ipv4Addr>) -> Life {
        let address = address.filter(|_| !matches!(state, State::Exited(_)));
        let mut life = Life { address, ..Life::default() };
        match state {
            State::Created => {}
            State::Running { pid, started_at } => {
                (life.pid, life.started_at) = (*pid, Some(timestamp(*started_at)));
            }
            State::Exited(ended) => drop(life.end(ended)),
        }
        life
    }

    /// Notes how it ended; returns whether that is news.
    pub fn end(&mut self, ended: &skep_runtime::Exit) -> bool {
        let is_news = self.ended.is_none();
        self.started_at = self.started_at.or(ended.started_at.map(timestamp));
        self.ended.get_or_insert_with(|| (exit(ended), timestamp(ended.at)));
        is_news
    }

    /// Returns what the worker must know of it, given the ports that lead to it.
    pub fn state(&self, ports: &[Port]) -> FoundState {
        match (&self.ended, self.started_at) {
            (Some((exit, _)), _) => FoundState::Exited(exit.clone()),
            (None, Some(started_at)) => {
                FoundState::Running { pid: self.pid, started_at, ports: ports.to_vec() }
            }
            (None, None) => FoundState::Created,
        }
    }
}
