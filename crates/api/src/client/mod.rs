//! The client half of the API: typed calls to a daemon over a unix socket or TCP.
//!
//! A [`Client`] speaks one negotiated version over connections that it keeps alive. Each call names its path, its query
//! and what the answer decodes to; nothing here retries, prints or decides. Where the daemon listens is `endpoint`, one
//! connection is `transport`, a request is `call`; the calls are grouped by object.

mod call;
mod endpoint;
mod error;
mod filters;
mod logs;
mod node;
mod rollout;
mod service;
mod swarm;
mod system;
mod transport;
mod version;

pub use endpoint::{Endpoint, EndpointError};
pub use error::ClientError;
pub use filters::Filters;
pub use logs::{Frame, LogQuery, LogStream, Stream};
pub use service::{RegistryAuthFrom, UpdateOptions};
pub use swarm::RotateTokens;
pub use version::ApiVersion;

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
    pub async fn connect(endpoint: Endpoint, pinned: Option<ApiVersion>) -> Result<Client, ClientError> {
        let mut client = Client { transport: Transport::new(endpoint), version: pinned.unwrap_or(NEWEST) };
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
