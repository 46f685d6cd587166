#![forbid(unsafe_code)]
//! The node shell: performs what the worker decides, with images, volumes, networks and containers.
//!
//! Every effect here has a bounded time and a typed failure. What a node should run is decided in `skep-core`; how a
//! container is made in `skep-runtime`; how it is connected in `skep-net`.

pub mod image;
