//! A container's output on disk, in the format of Docker's `json-file` driver, so that every tool that reads Docker's logs
//! reads Skep's.
//!
//! `record` is one line of the file, `writer` appends and rotates (in the shim), `reader` finds, filters and follows (in
//! the daemon). The files are `<id>-json.log`, then `.1` (the previous one), `.2` and so on.

mod files;
mod follow;
#[doc(hidden)]
pub mod fuzz;
mod reader;
mod record;
mod writer;

pub use reader::{LogError, Query, Reader};
pub use record::{Record, Stream};
pub(crate) use writer::Writer;
