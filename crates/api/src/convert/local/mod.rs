//! What a node has, shown in Docker's JSON. These only go out.

pub mod container;
pub mod image;
pub mod inspect;
pub mod usage;
pub mod words;
