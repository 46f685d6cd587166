//! Real containers, with the testbed binary as their shim. Needs root.

mod confinement;
mod environment;
mod exec;
mod lifecycle;
mod limits;
mod logs;
mod measure;
mod runtimes;
mod survival;
mod world;
