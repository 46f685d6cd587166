//! The server of Docker's HTTP API.

pub mod backend;
pub mod facts;

pub use backend::{Backend, Rows, View};
