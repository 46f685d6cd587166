//! Tar archives by themselves, before anybody makes something of them.

use std::io::Read as _;

use skep_archive::{Archive, Kind};

use super::images::{BLOCK, with_checksums};

/// Bytes of a hole that are looked at: an archive of two blocks may hold one of any length.
const HOLE_LEN_MAX: u64 = 1 << 20;

/// No archive has more entries than blocks, or more content than bytes; and what has content is a file.
pub fn tar(input: &[u8]) {
    let bytes = with_checksums(input);
    let mut archive = Archive::new(bytes.as_slice());
    let (mut entry_count, mut content_len) = (0, 0);
    while let Ok(Some(entry)) = archive.next_entry() {
        entry_count += 1;
        let kind = entry.header.kind;
        let read = std::io::copy(&mut entry.content.take(HOLE_LEN_MAX), &mut std::io::sink());
        let Ok(read) = read else { break };
        if kind != Kind::SparseFile {
            content_len += read;
        }
        assert!(read == 0 || matches!(kind, Kind::File | Kind::SparseFile | Kind::Other(_)), "{kind:?}");
    }
    assert!(entry_count * BLOCK <= bytes.len(), "{entry_count} entries in {} bytes", bytes.len());
    assert!(content_len <= bytes.len() as u64, "{content_len} bytes out of {}", bytes.len());
    assert!(!matches!(archive.next_entry(), Ok(Some(_))), "after an error or the end there is nothing");
}
