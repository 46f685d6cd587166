#![forbid(unsafe_code)]
//! Reads tar archives, entry by entry: layers of images, saved images, files on their way into a container and out of it.
//!
//! Decides what of an archive's headers is believed, and bounds them: an archive means here what it means to Go's
//! `archive/tar`, and so to Docker, or is refused. What an entry may do, and where, is decided by whoever reads it; archives are
//! written with crate `tar`, whose types of header blocks are used here too (docs/adr/0017-reading-archives.md).
//!
//! ```
//! # fn main() -> std::io::Result<()> {
//! # let bytes = [0; 1024];
//! let mut archive = skep_archive::Archive::new(bytes.as_slice());
//! while let Some(mut entry) = archive.next_entry()? {
//!     let len = std::io::copy(&mut entry.content, &mut std::io::sink())?;
//!     println!("{} has {len} bytes", String::from_utf8_lossy(&entry.header.name));
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Read in this order: `reader.rs`, `source.rs`, `header.rs`, `number.rs`, `records.rs`, `content.rs`, `sparse.rs`.

mod content;
mod header;
mod number;
mod reader;
mod records;
mod source;
mod sparse;

pub use self::content::{Content, Piece, pass_hole};
pub use self::header::{Header, Kind, Time};
pub use self::reader::{Archive, Entry};

use std::io;

/// A long name, a long link, or the extended attributes and the like of an entry, in bytes each; Go's reader takes as many.
pub const EXTENSION_LEN_MAX: u64 = 1 << 20;

/// Regions of a sparse file that have data: 16 MiB of memory, and a large disk image in pieces.
pub const REGIONS_MAX: usize = 1 << 20;

/// What is wrong with an archive, as opposed to reading it: [`io::ErrorKind::InvalidData`].
fn damaged(reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

#[cfg(test)]
mod tests;
