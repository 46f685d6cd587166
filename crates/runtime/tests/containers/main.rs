//! Real containers, with the testbed binary as their shim. Needs root.

mod lifecycle;
mod world;
