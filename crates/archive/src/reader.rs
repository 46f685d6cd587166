//! From bytes to entries.

use std::io::{self, Read};

use tar_core::HEADER_SIZE;
use tar_core::parse::{Limits, ParseEvent, Parser};

use crate::{Content, HEADERS_LEN_MAX, Head, PIECES_MAX, damaged};

/// What the headers of one entry take at most, with the map of a sparse file; the parser bounds the parts.
const ENTRY_LEN_MAX: usize = 4 << 20;

/// Headers for the whole archive, which say nothing that is of use here, between two entries.
const GLOBALS_MAX: usize = 16;

/// An archive, read from its beginning to its end.
#[derive(Debug)]
pub struct Archive<R> {
    source: Source<R>,
    parser: Parser,
    has_ended: bool,
}

/// One entry of an archive.
#[derive(Debug)]
pub struct Entry<'a, R> {
    /// What it says of itself.
    pub head: Head,
    /// What is in it.
    pub content: Content<'a, R>,
}

/// What the parser found, and how much of the buffer it took.
enum Found {
    Head(Head, Body),
    Global,
}

/// What follows the headers: so many bytes, and what they are of a sparse file.
struct Body {
    len: u64,
    sparse: Option<(Vec<tar_core::SparseEntry>, u64)>,
}

impl<R: Read> Archive<R> {
    /// Reads no more of `source` than the archive has.
    pub fn new(source: R) -> Self {
        let limits = Limits {
            max_metadata_size: HEADERS_LEN_MAX,
            max_sparse_entries: PIECES_MAX,
            ..Limits::default()
        };
        let mut parser = Parser::new(limits);
        // Whoever reads the archive knows what an entry without a name means, and `Head` looks at the values.
        parser.set_allow_empty_path(true);
        parser.set_ignore_pax_errors(true);
        Self { source: Source::new(source), parser, has_ended: false }
    }

    /// Returns the next entry; `None` at the end.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidData`] for what is no archive or has headers that are cut or too long,
    /// [`io::ErrorKind::UnexpectedEof`] for one that ends within an entry, and the errors of the source. After an error there
    /// are no more entries.
    pub fn next_entry(&mut self) -> io::Result<Option<Entry<'_, R>>> {
        if std::mem::replace(&mut self.has_ended, true) {
            return Ok(None);
        }
        self.source.skip_content()?;
        for _ in 0..=GLOBALS_MAX {
            match self.parse()? {
                None => return Ok(None),
                Some(Found::Global) => {}
                Some(Found::Head(head, body)) => {
                    self.source.begin_content(body.len)?;
                    let content = match body.sparse {
                        None => Content::whole(&mut self.source),
                        Some((pieces, len)) => Content::sparse(&mut self.source, pieces, len)?,
                    };
                    self.has_ended = false;
                    return Ok(Some(Entry { head, content }));
                }
            }
        }
        Err(damaged("too many global headers follow each other"))
    }

    fn parse(&mut self) -> io::Result<Option<Found>> {
        let mut wanted = HEADER_SIZE;
        loop {
            if wanted > ENTRY_LEN_MAX {
                return Err(damaged("the headers of an entry are too long"));
            }
            if !self.source.fill(wanted)? || self.source.is_at_end()? {
                return Ok(None);
            }
            let (found, consumed) = match self.parser.parse(self.source.ahead()).map_err(damaged)? {
                ParseEvent::End { .. } => return Ok(None),
                ParseEvent::NeedData { min_bytes } if min_bytes > self.source.ahead().len() => {
                    wanted = min_bytes;
                    continue;
                }
                ParseEvent::NeedData { .. } => return Err(damaged("the map of a sparse file has no end")),
                ParseEvent::GlobalExtensions { consumed, .. } => (Found::Global, consumed),
                ParseEvent::Entry { consumed, entry } => {
                    (Found::Head(Head::of(&entry)?, Body { len: entry.size, sparse: None }), consumed)
                }
                ParseEvent::SparseEntry { consumed, entry, sparse_map, real_size } => {
                    let body = Body { len: entry.size, sparse: Some((sparse_map, real_size)) };
                    (Found::Head(Head::of(&entry)?, body), consumed)
                }
            };
            self.source.take(consumed);
            return Ok(Some(found));
        }
    }
}

/// The bytes of an archive: what is read ahead for the headers, and how much of the current entry's content is left.
#[derive(Debug)]
pub(crate) struct Source<R> {
    reader: R,
    /// Read and not yet taken.
    ahead: Vec<u8>,
    content: u64,
    padding: u64,
}

impl<R: Read> Source<R> {
    fn new(reader: R) -> Self {
        Self { reader, ahead: Vec::new(), content: 0, padding: 0 }
    }

    fn ahead(&self) -> &[u8] {
        &self.ahead
    }

    fn take(&mut self, count: usize) {
        self.ahead.drain(..count);
    }

    /// Reads until so many bytes are ahead. Returns false where the archive ends: before a header, by itself or with the
    /// first of its two empty blocks, since some writers leave the others away.
    fn fill(&mut self, wanted: usize) -> io::Result<bool> {
        let missing = wanted.saturating_sub(self.ahead.len());
        (&mut self.reader).take(missing as u64).read_to_end(&mut self.ahead)?;
        if self.ahead.len() >= wanted {
            return Ok(true);
        }
        match self.ahead.len() {
            0 => Ok(false),
            HEADER_SIZE if self.ahead.iter().all(|byte| *byte == 0) => Ok(false),
            // A few bytes that are no archive look the same as the beginning of a header.
            1..HEADER_SIZE => Err(damaged("it ends within a header")),
            _ => Err(too_short()),
        }
    }

    /// Returns whether two empty blocks are ahead.
    fn is_at_end(&mut self) -> io::Result<bool> {
        let is_empty = |block: &[u8]| block.iter().all(|byte| *byte == 0);
        if !is_empty(&self.ahead[..HEADER_SIZE]) {
            return Ok(false);
        }
        match self.fill(2 * HEADER_SIZE)? && !is_empty(&self.ahead[HEADER_SIZE..2 * HEADER_SIZE]) {
            // Go's reader, and so Docker, refuses it; others read on, or stop. It is no place to differ.
            true => Err(damaged("an empty block stands between two entries")),
            false => Ok(true),
        }
    }

    fn begin_content(&mut self, len: u64) -> io::Result<()> {
        let padded = len.checked_next_multiple_of(HEADER_SIZE as u64);
        self.padding = padded.ok_or_else(|| damaged("an entry is larger than any file"))? - len;
        self.content = len;
        Ok(())
    }

    pub(crate) fn content_len(&self) -> u64 {
        self.content
    }

    pub(crate) fn read_content(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.content).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let read = self.read(&mut buffer[..most])?;
        if read == 0 {
            return Err(too_short());
        }
        self.content -= read as u64;
        Ok(read)
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ahead.is_empty() {
            return self.reader.read(buffer);
        }
        let read = buffer.len().min(self.ahead.len());
        buffer[..read].copy_from_slice(&self.ahead[..read]);
        self.take(read);
        Ok(read)
    }

    /// Reads over what is left of an entry. The padding of the last one may be missing, as it is from what Go writes.
    fn skip_content(&mut self) -> io::Result<()> {
        let (content, padding) = (std::mem::take(&mut self.content), std::mem::take(&mut self.padding));
        if self.skip(content)? < content {
            return Err(too_short());
        }
        self.skip(padding).map(drop)
    }

    fn skip(&mut self, len: u64) -> io::Result<u64> {
        let ahead = usize::try_from(len).unwrap_or(usize::MAX).min(self.ahead.len());
        self.take(ahead);
        let rest = len - ahead as u64;
        Ok(ahead as u64 + io::copy(&mut (&mut self.reader).take(rest), &mut io::sink())?)
    }
}

fn too_short() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the archive ends within an entry")
}
