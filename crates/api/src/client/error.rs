//! What can go wrong between a client and a daemon. The sentences are Docker's: scripts read them.

use std::io;

use hyper::StatusCode;
use thiserror::Error;

use super::Endpoint;

/// Why a call gave no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Nobody listens there.
    // Compat: docker 28.2 prints this text without a cause, and tools search for it.
    #[error("Cannot connect to the Docker daemon at {endpoint}. Is the docker daemon running?")]
    Unreachable {
        /// Where a daemon was looked for.
        endpoint: Endpoint,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The socket belongs to somebody else.
    #[error("permission denied while trying to connect to the Docker daemon socket at {endpoint}")]
    Forbidden {
        /// Where the daemon listens.
        endpoint: Endpoint,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Client and daemon do not trust each other.
    #[error("error during connect: cannot speak TLS with {endpoint}")]
    Handshake {
        /// Where the daemon listens.
        endpoint: Endpoint,
        /// What is wrong.
        #[source]
        source: io::Error,
    },
    /// The host cannot be found, or this system cannot reach such an endpoint.
    #[error("error during connect: cannot dial {endpoint}")]
    Dial {
        /// Where a daemon was looked for.
        endpoint: Endpoint,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The connection broke in the middle.
    #[error("error during connect: {method} {path}")]
    Broken {
        /// The verb of the request.
        method: hyper::Method,
        /// Its path and query.
        path: String,
        /// What the connection said.
        #[source]
        source: hyper::Error,
    },
    /// A stream broke off: the daemon ended, for the most part, or what is in between.
    #[error("the connection to the daemon was lost in the middle of its answer to {path}")]
    Cut {
        /// The path and query of the request.
        path: String,
        /// What the connection said.
        #[source]
        source: hyper::Error,
    },
    /// No answer came in time.
    #[error("error during connect: {method} {path}: no answer within {seconds} seconds")]
    TimedOut {
        /// The verb of the request.
        method: hyper::Method,
        /// Its path and query.
        path: String,
        /// How long the client waited.
        seconds: u64,
    },
    /// The request cannot be written, for instance because a header holds a line break.
    #[error("cannot build the request {method} {path}")]
    Build {
        /// The verb of the request.
        method: hyper::Method,
        /// Its path and query.
        path: String,
        /// What is wrong with it.
        #[source]
        source: hyper::http::Error,
    },
    /// The daemon answered, and the answer is no.
    #[error("Error response from daemon: {message}")]
    Daemon {
        /// The status of the answer.
        status: StatusCode,
        /// The daemon's sentence.
        message: String,
    },
    /// The daemon kept the connection to itself.
    #[error("unable to upgrade to tcp, received {}", status.as_u16())]
    NotUpgraded {
        /// The status of the answer.
        status: StatusCode,
    },
    /// An archive or a stream of a process broke.
    #[error("cannot {doing}")]
    Stream {
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The answer is no JSON of the expected shape.
    #[error("cannot read the answer to {path}")]
    Decode {
        /// The path and query of the request.
        path: String,
        /// Where it differs.
        #[source]
        source: serde_json::Error,
    },
    /// The answer is larger than any honest one.
    #[error("the answer to {path} is longer than {limit} bytes")]
    TooLong {
        /// The path and query of the request.
        path: String,
        /// The bound, in bytes.
        limit: usize,
    },
    /// A stream of frames broke its own grammar.
    #[error("cannot read the log stream: {reason}")]
    Frame {
        /// What is wrong.
        reason: &'static str,
    },
    /// The daemon reports, inside a stream, that it cannot go on.
    #[error("error from daemon in stream: {message}")]
    InStream {
        /// The daemon's sentence.
        message: String,
    },
    /// An object was named by an empty word.
    #[error("invalid {kind} name or ID: value is empty")]
    EmptyRef {
        /// The kind of object.
        kind: &'static str,
    },
}

impl ClientError {
    /// The status of a refusal.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            ClientError::Daemon { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Tells whether the daemon said that the object does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, ClientError::Daemon { status, .. } if *status == StatusCode::NOT_FOUND)
    }
}
