//! The bytes of an archive, block by block, and how much of the current entry's content is left.

use std::io::{self, Read};

use crate::damaged;

pub(crate) const BLOCK_LEN: usize = 512;

#[derive(Debug)]
pub(crate) struct Source<R> {
    reader: R,
    content: u64,
    padding: u64,
}

impl<R: Read> Source<R> {
    pub fn new(reader: R) -> Self {
        Self { reader, content: 0, padding: 0 }
    }

    /// Reads a block where a header may stand. Returns false at the end of the source.
    pub fn try_block(&mut self, block: &mut [u8; BLOCK_LEN]) -> io::Result<bool> {
        let mut filled = 0;
        while filled < BLOCK_LEN {
            match self.reader.read(&mut block[filled..]) {
                Ok(0) if filled == 0 => return Ok(false),
                // A few bytes that are no archive look the same as the beginning of a header.
                Ok(0) => return Err(damaged("it ends within a header")),
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Reads a block that has to be there.
    pub fn read_block(&mut self, block: &mut [u8; BLOCK_LEN]) -> io::Result<()> {
        match self.try_block(block)? {
            true => Ok(()),
            false => Err(too_short()),
        }
    }

    pub fn begin_content(&mut self, len: u64) -> io::Result<()> {
        let padded = len.checked_next_multiple_of(BLOCK_LEN as u64);
        self.padding = padded.ok_or_else(|| damaged("an entry is larger than any file"))? - len;
        self.content = len;
        Ok(())
    }

    pub fn read_content(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.content).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let read = loop {
            match self.reader.read(&mut buffer[..most]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) => return Err(too_short()),
                read => break read?,
            }
        };
        self.content -= read as u64;
        Ok(read)
    }

    /// Reads over what is left of an entry. The padding of the last one may be missing, as it is from what Go writes.
    pub fn skip_content(&mut self) -> io::Result<()> {
        let (content, padding) = (std::mem::take(&mut self.content), std::mem::take(&mut self.padding));
        if self.skip(content)? < content {
            return Err(too_short());
        }
        self.skip(padding).map(drop)
    }

    fn skip(&mut self, len: u64) -> io::Result<u64> {
        io::copy(&mut (&mut self.reader).take(len), &mut io::sink())
    }
}

fn too_short() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the archive ends within an entry")
}
