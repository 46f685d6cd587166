//! The pitfalls of Swarm's rolling updates, each as a test of what Skep does in its place. The numbers are those
//! of `docs/pitfalls.md`, which says what Swarm does; tidy sees to it that every number has its test.
//!
//! A test plays a script ([`super::harness::script`]) and asks about every version of the store that came of
//! it ([`Story`]).

mod budgets;
mod every_step;
mod orchestrators;
mod pacing;
mod restarts;
mod rollbacks;
mod scheduler;
mod story;
mod writes;

use story::{Scene, Story};
