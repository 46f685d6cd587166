#![forbid(unsafe_code)]
//! What strangers send, sent wrong: layers, archives, manifests, request bodies, queries, logs, the configuration file.
//!
//! A target is a function of bytes that must not panic, hang, or take memory without a bound, and that asserts what must
//! hold whatever it is given. It runs in two ways over the same corpus:
//!
//! ```text
//!   make test, skep-fuzz TARGET ──► drive.rs ◄── mutate.rs ◄── corpus/TARGET/*     any Rust, seeded, bounded
//!   cargo fuzz run TARGET ────────► fuzz_targets/TARGET.rs (libFuzzer)             guided by coverage
//! ```
//!
//! What a run finds is mended where it is wrong, and its input stays in the corpus as a file that says what it was.
//! Read [`targets`] first.

pub mod drive;
mod mutate;
pub mod targets;

pub use drive::{Outcome, Run, drive};
