//! Where a daemon listens, as `-H` and `DOCKER_HOST` write it.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The port of a daemon on TCP without TLS.
const DEFAULT_PORT: u16 = 2375;

/// The address of a daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `unix:///run/skep/skep.sock`.
    Unix(String),
    /// `tcp://host:port`; IPv6 hosts keep their brackets.
    Tcp {
        /// Name or address.
        host: String,
        /// 1 to 65535.
        port: u16,
    },
    /// `ssh://[user@]host[:port]`: a daemon behind a login.
    Ssh(String),
}

/// Why a text names no daemon.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum EndpointError {
    /// A scheme such as `npipe`.
    #[error("unable to parse docker host `{text}`: {scheme} is not supported, use unix://, tcp:// or ssh://")]
    Scheme {
        /// The whole text.
        text: String,
        /// What stands before `://`.
        scheme: String,
    },
    /// A host or a port that cannot be one.
    #[error("invalid bind address format: {text}")]
    Address {
        /// The whole text.
        text: String,
    },
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let (scheme, rest) = text.trim().split_once("://").unwrap_or(("tcp", text.trim()));
        match scheme {
            "unix" if !rest.is_empty() => Ok(Endpoint::Unix(rest.to_owned())),
            "tcp" | "http" => parse_tcp(rest).ok_or_else(|| EndpointError::Address { text: text.to_owned() }),
            "ssh" if !rest.is_empty() && !rest.starts_with('-') && !rest.contains(char::is_whitespace) => {
                Ok(Endpoint::Ssh(rest.trim_end_matches('/').to_owned()))
            }
            "unix" | "ssh" => Err(EndpointError::Address { text: text.to_owned() }),
            _ => Err(EndpointError::Scheme { text: text.to_owned(), scheme: scheme.to_owned() }),
        }
    }
}

/// Parses `host[:port][/]`; an empty host is this machine.
fn parse_tcp(text: &str) -> Option<Endpoint> {
    let text = text.trim_end_matches('/');
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok().filter(|port| *port != 0)?),
        _ => (text, DEFAULT_PORT),
    };
    let bracketed = host.starts_with('[') && host.ends_with(']');
    if host.contains('/') || (host.contains(':') && !bracketed) {
        return None;
    }
    Some(Endpoint::Tcp { host: if host.is_empty() { "localhost".to_owned() } else { host.to_owned() }, port })
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Unix(path) => write!(f, "unix://{path}"),
            Endpoint::Tcp { host, port } => write!(f, "tcp://{host}:{port}"),
            Endpoint::Ssh(destination) => write!(f, "ssh://{destination}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_docker_reads_them() {
        let show = |text: &str| match text.parse::<Endpoint>() {
            Ok(endpoint) => endpoint.to_string(),
            Err(error) => error.to_string(),
        };
        assert_eq!(show("unix:///run/skep/skep.sock"), "unix:///run/skep/skep.sock");
        assert_eq!(show("tcp://127.0.0.1:1"), "tcp://127.0.0.1:1");
        assert_eq!(show("tcp://[::1]:80"), "tcp://[::1]:80");
        assert_eq!(show("tcp://[::1]"), "tcp://[::1]:2375");
        assert_eq!(show(":2375"), "tcp://localhost:2375");
        assert_eq!(show("foo"), "tcp://foo:2375");
        assert_eq!(show("tcp://a:b"), "invalid bind address format: tcp://a:b");
        assert_eq!(show("ssh://me@host:22/"), "ssh://me@host:22");
        assert_eq!(show("ssh://-oProxyCommand=x"), "invalid bind address format: ssh://-oProxyCommand=x");
        assert_eq!(
            show("npipe://a"),
            "unable to parse docker host `npipe://a`: npipe is not supported, use unix://, tcp:// or ssh://"
        );
    }
}
