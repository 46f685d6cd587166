//! Docker's HTTP API: the only crate of Skep that knows Docker's JSON.
//!
//! `wire` is the JSON as plain data, `client` speaks it to a daemon (for the command line), the server answers it (for
//! the binary). The wire and the model meet in the conversions of the server only. This crate decides nothing: what a
//! request means is `skep-core`'s.

#![forbid(unsafe_code)]

pub mod wire;

pub mod convert;
pub mod keys;
pub mod platform;

#[cfg(feature = "client")]
pub mod client;

#[cfg(feature = "server")]
pub mod server;
