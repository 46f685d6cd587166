//! What is in a file of an archive, holes and all.

use std::fs::File;
use std::io::{self, Read, Seek, Write};

use crate::source::Source;
use crate::sparse::{Map, Region};

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
        regions: std::vec::IntoIter<Region>,
        /// Where the next byte is in the file, and where the file ends.
        position: u64,
        len: u64,
        /// Bytes of zeros, then bytes of the archive, before the next region.
        hole: u64,
        data: u64,
    },
}

impl<'a, R: Read> Content<'a, R> {
    pub(crate) fn new(source: &'a mut Source<R>, map: Option<Map>) -> Self {
        let layout = match map {
            None => Layout::Whole,
            Some(Map { regions, len }) => {
                Layout::Sparse { regions: regions.into_iter(), position: 0, len, hole: 0, data: 0 }
            }
        };
        Self { source, layout }
    }
}

/// What comes next in a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// So many bytes were read.
    Data(usize),
    /// So many zeros, none of which is in the archive.
    Hole(u64),
    /// Nothing.
    End,
}

impl<R: Read> Content<'_, R> {
    /// Reads some data into `buffer`, which has room, or tells of a hole as a whole.
    pub fn next_piece(&mut self, buffer: &mut [u8]) -> io::Result<Piece> {
        let hole = self.hole();
        if hole > 0 {
            self.pass_hole(hole);
            return Ok(Piece::Hole(hole));
        }
        Ok(match self.read(buffer)? {
            0 => Piece::End,
            len => Piece::Data(len),
        })
    }

    /// Writes all of it to a new file, in which holes take no room.
    pub fn write_to(&mut self, file: &mut File) -> io::Result<()> {
        let mut buffer = [0; 16 << 10];
        loop {
            match self.next_piece(&mut buffer)? {
                Piece::Data(len) => file.write_all(&buffer[..len])?,
                Piece::Hole(len) => pass_hole(file, len)?,
                Piece::End => return Ok(()),
            }
        }
    }

    /// Returns how many zeros come next.
    fn hole(&mut self) -> u64 {
        let Layout::Sparse { regions, position, len, hole, data } = &mut self.layout else { return 0 };
        while *hole == 0 && *data == 0 && position < len {
            // Behind the last region there may be one more hole.
            let next = regions.next().unwrap_or(Region { offset: *len, len: 0 });
            (*hole, *data) = (next.offset - *position, next.len);
        }
        *hole
    }

    fn pass_hole(&mut self, passed: u64) {
        if let Layout::Sparse { position, hole, .. } = &mut self.layout {
            *hole -= passed;
            *position += passed;
        }
    }
}

/// Makes a file longer by a hole, and goes to its new end.
pub fn pass_hole(file: &mut File, len: u64) -> io::Result<()> {
    let end = file.stream_position()?.checked_add(len).ok_or(io::ErrorKind::FileTooLarge)?;
    file.set_len(end)?;
    file.seek(io::SeekFrom::Start(end)).map(drop)
}

impl<R: Read> Read for Content<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let hole = self.hole();
        if hole > 0 {
            let read = usize::try_from(hole).unwrap_or(usize::MAX).min(buffer.len());
            buffer[..read].fill(0);
            self.pass_hole(read as u64);
            return Ok(read);
        }
        let Layout::Sparse { position, data, .. } = &mut self.layout else {
            return self.source.read_content(buffer);
        };
        let most = usize::try_from(*data).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.source.read_content(&mut buffer[..most])?;
        *data -= read as u64;
        *position += read as u64;
        Ok(read)
    }
}
