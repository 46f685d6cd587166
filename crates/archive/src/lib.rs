#![forbid(unsafe_code)]
//! Reads tar archives, entry by entry: layers of images, saved images, files on their way into a container and out of it.
//!
//! Decides what of an archive's headers is believed, and bounds them. What an entry may do, and where, is decided by whoever
//! reads it; archives are written with crate `tar`. The format is parsed by crate `tar-core`, which does no I/O
//! (docs/adr/0017-reading-archives.md); here are the reading and the holes of sparse files.
//!
//! ```
//! # fn main() -> std::io::Result<()> {
//! # let bytes = [0; 1024];
//! let mut archive = skep_archive::Archive::new(bytes.as_slice());
//! while let Some(mut entry) = archive.next_entry()? {
//!     let len = std::io::copy(&mut entry.content, &mut std::io::sink())?;
//!     println!("{} has {len} bytes", String::from_utf8_lossy(&entry.head.name));
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Read in this order: `reader.rs`, `head.rs`, `content.rs`.

mod content;
mod head;
mod reader;

pub use self::content::Content;
pub use self::head::{Head, Kind, Time};
pub use self::reader::{Archive, Entry};

use std::io;

/// Long names, extended attributes and the like of one entry, in bytes; Go's reader, and so Docker, takes as many.
pub const HEADERS_LEN_MAX: u32 = 1 << 20;

/// Pieces of one sparse file.
pub const PIECES_MAX: usize = 10_000;

/// What is wrong with an archive, as opposed to reading it: [`io::ErrorKind::InvalidData`].
fn damaged(reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

#[cfg(test)]
mod tests;
