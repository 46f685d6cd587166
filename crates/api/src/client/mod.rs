//! The client half of the API: typed calls to a daemon over a unix socket or TCP.
//!
//! A [`Client`] speaks one negotiated version over connections that it keeps alive. Each call names its path, its query
//! and what the answer decodes to; nothing here retries, prints or decides. Where the daemon listens is `endpoint`, one
//! connection is `transport`, a request is `call`; the calls are grouped by object.

mod archive;
mod call;
mod container;
mod endpoint;
mod error;
mod events;
mod exec;
mod files;
mod filters;
#[doc(hidden)]
pub mod fuzz;
mod hijack;
mod image;
mod logs;
mod messages;
mod node;
mod rollout;
mod service;
mod ssh;
mod stats;
mod swarm;
mod system;
mod tls;
mod transport;
mod version;
mod volume;

pub use archive::{Download, Upload};
pub use container::{
    AttachOptions, Change, ContainerDetails, ContainerQuery, ContainerSummary, Port, PortBinding, Processes,
    Pruned, TerminalSize, WaitAnswer,
};
pub use endpoint::{Endpoint, EndpointError};
pub use error::ClientError;
pub use events::{Actor, Credentials, DiskUsage, LoginAnswer, Message};
pub use exec::{ExecRequest, ExecStart, ExecState};
pub use files::PathStat;
pub use filters::Filters;
pub use hijack::{Hijacked, Input, Output};
pub use image::{HistoryStep, ImageRemoved, ImageSummary, Progress, ProgressDetail};
pub use logs::{Frame, LogQuery, LogStream, Stream};
pub use messages::Messages;
pub use service::{RegistryAuthFrom, UpdateOptions};
pub use stats::{BlockEntry, CpuStats, MemoryStats, StatsSample};
pub use swarm::Rotate;
pub use tls::Tls;
pub use version::ApiVersion;
pub use volume::{Volume, VolumeRequest, Volumes};

use transport::Transport;

/// The newest version of the API that this client speaks.
pub const NEWEST: ApiVersion = ApiVersion { major: 1, minor: 50 };

/// The version assumed of a daemon that does not tell its own.
const OLDEST: ApiVersion = ApiVersion { major: 1, minor: 24 };

/// A daemon, and the version of the API spoken with it.
#[derive(Debug)]
pub struct Client {
    transport: Transport,
    version: ApiVersion,
}

impl Client {
    /// Connects and agrees on a version: the daemon's newest or ours, whichever is older, unless one is pinned.
    pub async fn connect(
        endpoint: Endpoint,
        tls: Option<Tls>,
        pinned: Option<ApiVersion>,
    ) -> Result<Client, ClientError> {
        let transport = Transport::new(endpoint, tls);
        let mut client = Client { transport, version: pinned.unwrap_or(NEWEST) };
        if pinned.is_none() {
            client.version = client.ping().await?.unwrap_or(OLDEST).min(NEWEST);
        }
        Ok(client)
    }

    /// The version spoken with the daemon.
    pub fn version(&self) -> ApiVersion {
        self.version
    }

    /// Where the daemon listens.
    pub fn endpoint(&self) -> &Endpoint {
        self.transport.endpoint()
    }
}

#[cfg(test)]
mod tests;
