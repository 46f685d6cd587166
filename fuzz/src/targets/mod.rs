//! The targets: what each reads, and what must hold whatever it reads.

mod images;
mod logs;
mod requests;
mod tars;

pub use images::{archive, layer, manifest};
pub use logs::{frames, log};
pub use requests::{body, query};
pub use tars::tar;

/// A target's name and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// All targets, by name.
pub const TARGETS: [Target; 8] = [
    ("archive", archive),
    ("body", body),
    ("frames", frames),
    ("layer", layer),
    ("log", log),
    ("manifest", manifest),
    ("query", query),
    ("tar", tar),
];
