#![forbid(unsafe_code)]
//! Every decision of the cluster: events in, changes out.
//!
//! ```text
//!   requests ─┐                                  ┌─► propose   (a change set for the log)
//!   messages ─┤  Event                   Output  ├─► send      (assignments to nodes)
//!   commits  ─┼───────► leader::Leader ──────────┼─► reply     (answers to requests)
//!   time     ─┘          step(store, now)        └─► wake_at   (the next deadline)
//!
//!   messages, outcomes, time ───► worker::Worker ───► effects on the node
//! ```
//!
//! Nothing here reads a clock, a disk, a socket or entropy: `now` and a seed come in as arguments, so
//! the simulator and production run the same lines. Nothing here fails: a request may be *refused*,
//! everything else is decided.
//!
//! Reading order: [`store`] (what is known), [`leader`] (the control plane as one function), then
//! [`control`], [`orchestrate`], [`schedule`], [`dispatch`], and [`worker`] for the node's side.

pub mod agenda;
pub mod check;
pub mod control;
pub mod dispatch;
pub mod leader;
pub mod message;
pub mod orchestrate;
pub mod random;
pub mod schedule;
pub mod store;
pub mod worker;

pub use leader::{Event, Leader, Output, RequestId};
pub use store::{Change, ChangeSet, Store};
