//! The server from outside: requests through its router, and the real docker client over a socket, in front of a fake
//! daemon whose control plane takes effect at once.

mod docker;
mod errors;
mod fake;
mod fake_node;
mod golden;
mod http;
mod node;
mod rollouts;
mod sessions;
mod sockets;
mod streams;
