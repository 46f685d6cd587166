//! What to do next: one line below an error, for the errors that people meet first.
//!
//! The error itself keeps Docker's words, which scripts compare; the hint is a line of its own on standard error.

use skep_api::client::{ClientError, Endpoint};

/// Sentences of daemons, by a part of them, and what helps.
const HINTS: [(&str, &str); 9] = [
    ("not a swarm manager", "\"skep init\" makes this node a cluster of its own"),
    (
        "No such container",
        "\"skep ps -a\" lists the containers of this node, and \"skep service ps\" where tasks run",
    ),
    ("No such image", "\"skep images\" lists the images of this node, \"skep pull\" fetches one"),
    ("no such volume", "\"skep volume ls\" lists the volumes of this node"),
    ("pull access denied", "check the name, or log in to the registry with \"skep login\""),
    ("no basic auth credentials", "log in to the registry with \"skep login\""),
    (
        "unauthorized",
        "log in to the registry with \"skep login\", then give --with-registry-auth to services",
    ),
    ("update out of sequence", "somebody else changed it meanwhile; run the command again"),
    ("server gave HTTP response to HTTPS client", "allow it in the daemon with --insecure-registry"),
];

/// What helps against an error, if anything is known to.
pub(crate) fn of(error: &ClientError) -> Option<String> {
    match error {
        ClientError::Unreachable { endpoint: Endpoint::Unix(_), .. } => Some(
            "start it with \"skep daemon\", or name another one with -H, SKEP_HOST or \"skep context use\""
                .to_owned(),
        ),
        ClientError::Unreachable { .. } => {
            Some("is the address right, and does a firewall let it through?".to_owned())
        }
        ClientError::Forbidden { .. } => {
            Some("run the command as root, or as a member of the group that owns the socket".to_owned())
        }
        ClientError::Handshake { .. } => Some(
            "both sides need certificates of one authority: see --tlscacert, --tlscert and --tlskey"
                .to_owned(),
        ),
        ClientError::Daemon { message, .. } => {
            HINTS.iter().find(|(part, _)| message.contains(part)).map(|(_, hint)| (*hint).to_owned())
        }
        _ => None,
    }
}
