//! What is in a file of an archive, holes and all.

use std::io::{self, Read};

use tar_core::SparseEntry;

use crate::damaged;
use crate::reader::Source;

/// The content of an entry, read from where it stands in the archive.
///
/// What is not read is skipped when the next entry is asked for. An archive that ends before its content does is an error of
/// kind [`io::ErrorKind::UnexpectedEof`].
#[derive(Debug)]
pub struct Content<'a, R> {
    source: &'a mut Source<R>,
    layout: Layout,
}

/// Which bytes are in the archive and which are a hole's.
#[derive(Debug)]
enum Layout {
    /// All are there.
    Whole,
    Sparse {
        pieces: std::vec::IntoIter<SparseEntry>,
        /// Where the next byte is in the file, and where the file ends.
        position: u64,
        len: u64,
        /// Bytes of zeros, then bytes of the archive, before the next piece.
        hole: u64,
        data: u64,
    },
}

impl<'a, R: Read> Content<'a, R> {
    pub(crate) fn whole(source: &'a mut Source<R>) -> Self {
        Self { source, layout: Layout::Whole }
    }

    /// A file of `len` bytes of which only `pieces` are in the archive.
    pub(crate) fn sparse(source: &'a mut Source<R>, pieces: Vec<SparseEntry>, len: u64) -> io::Result<Self> {
        let mut end = 0;
        let mut stored = 0;
        for piece in &pieces {
            let next =
                piece.offset.checked_add(piece.length).filter(|next| piece.offset >= end && *next <= len);
            end =
                next.ok_or_else(|| damaged("the pieces of a sparse file overlap, or are longer than it"))?;
            stored += piece.length;
        }
        if stored != source.content_len() {
            return Err(damaged("the pieces of a sparse file are not what is stored of it"));
        }
        let layout = Layout::Sparse { pieces: pieces.into_iter(), position: 0, len, hole: 0, data: 0 };
        Ok(Self { source, layout })
    }
}

impl<R: Read> Read for Content<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Layout::Sparse { pieces, position, len, hole, data } = &mut self.layout else {
            return self.source.read_content(buffer);
        };
        while *hole == 0 && *data == 0 && position < len {
            // Behind the last piece there may be one more hole.
            let next = pieces.next().unwrap_or(SparseEntry { offset: *len, length: 0 });
            (*hole, *data) = (next.offset - *position, next.length);
        }
        let read = match *hole {
            0 => {
                let most = usize::try_from(*data).unwrap_or(usize::MAX).min(buffer.len());
                let read = self.source.read_content(&mut buffer[..most])?;
                *data -= read as u64;
                read
            }
            rest => {
                let read = usize::try_from(rest).unwrap_or(usize::MAX).min(buffer.len());
                buffer[..read].fill(0);
                *hole -= read as u64;
                read
            }
        };
        *position += read as u64;
        Ok(read)
    }
}
