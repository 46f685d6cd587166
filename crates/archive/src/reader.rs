//! From blocks to entries.

use std::io::{self, Read};

use tar::{EntryType, Header as Block};

use crate::header::{Extensions, text};
use crate::number::{count, field};
use crate::records::Records;
use crate::source::{BLOCK_LEN, Source};
use crate::sparse::Map;
use crate::{Content, EXTENSION_LEN_MAX, Header, Kind, damaged};

/// Extension headers before one entry, and headers for the whole archive, which say nothing that is of use here.
const EXTENSIONS_MAX: usize = 16;

/// An archive, read from its beginning to its end.
#[derive(Debug)]
pub struct Archive<R> {
    source: Source<R>,
    has_ended: bool,
}

/// One entry of an archive.
#[derive(Debug)]
pub struct Entry<'a, R> {
    /// What it says of itself.
    pub header: Header,
    /// What is in it.
    pub content: Content<'a, R>,
}

impl<R: Read> Archive<R> {
    /// Reads no more of `source` than the archive has, up to its end's second block.
    pub fn new(source: R) -> Self {
        Self { source: Source::new(source), has_ended: false }
    }

    /// Returns the next entry; `None` at the end.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidData`] for what is no archive, or has headers that are wrong, cut or too long;
    /// [`io::ErrorKind::UnexpectedEof`] for one that ends within an entry; and the errors of the source. After an error there
    /// are no more entries.
    pub fn next_entry(&mut self) -> io::Result<Option<Entry<'_, R>>> {
        if std::mem::replace(&mut self.has_ended, true) {
            return Ok(None);
        }
        let mut extensions = Extensions::default();
        let mut is_extended = false;
        for _ in 0..=EXTENSIONS_MAX {
            self.source.skip_content()?;
            let Some(block) = self.block()? else {
                return match is_extended {
                    true => Err(damaged("extension headers are followed by no entry")),
                    false => Ok(None),
                };
            };
            let kind = block.entry_type();
            if !matches!(
                kind,
                EntryType::XHeader
                    | EntryType::XGlobalHeader
                    | EntryType::GNULongName
                    | EntryType::GNULongLink
            ) {
                return self.entry(&block, extensions).map(Some);
            }
            let bytes = self.extension(&block)?;
            match kind {
                EntryType::XHeader => extensions.records = Records::read(&bytes)?,
                // It is read for its errors.
                EntryType::XGlobalHeader => drop(Records::read(&bytes)?),
                EntryType::GNULongName => extensions.long_name = long(&bytes),
                _ => extensions.long_link = long(&bytes),
            }
            is_extended |= kind != EntryType::XGlobalHeader;
        }
        Err(damaged("too many extension headers follow each other"))
    }

    fn entry(&mut self, block: &Block, extensions: Extensions) -> io::Result<Entry<'_, R>> {
        let size = extensions.records.size.map_or_else(|| field(&block.as_old().size), Ok)?;
        let header = Header::of(block, extensions)?;
        let len = match u64::try_from(size) {
            _ if !header.kind.has_content() => 0,
            Ok(len) => len,
            Err(_) => return Err(damaged("an entry has a negative size")),
        };
        let map = match header.kind {
            Kind::SparseFile => Some(Map::read(block, len, &mut self.source)?),
            _ => None,
        };
        self.source.begin_content(len)?;
        self.has_ended = false;
        Ok(Entry { header, content: Content::new(&mut self.source, map) })
    }

    /// Reads a header block. `None`: the archive ends, by two empty blocks, or less where writers leave them away.
    fn block(&mut self) -> io::Result<Option<Block>> {
        let mut block = Block::new_old();
        if !self.source.try_block(block.as_mut_bytes())? {
            return Ok(None);
        }
        if !is_empty(block.as_bytes()) {
            check_sum(block.as_bytes())?;
            return Ok(Some(block));
        }
        match self.source.try_block(block.as_mut_bytes())? && !is_empty(block.as_bytes()) {
            true => Err(damaged("an empty block stands between two entries")),
            false => Ok(None),
        }
    }

    /// Reads all of an extension.
    fn extension(&mut self, block: &Block) -> io::Result<Vec<u8>> {
        let len = count(&block.as_old().size)?;
        if len > EXTENSION_LEN_MAX {
            return Err(damaged("the headers of an entry are too long"));
        }
        self.source.begin_content(len)?;
        let mut bytes = Vec::new();
        Content::new(&mut self.source, None).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// Returns a long name of GNU's; an empty one is none.
fn long(bytes: &[u8]) -> Option<Vec<u8>> {
    Some(text(bytes).to_vec()).filter(|name| !name.is_empty())
}

fn is_empty(block: &[u8; BLOCK_LEN]) -> bool {
    block.iter().all(|byte| *byte == 0)
}

/// The sum of a header's bytes, its own field counted as blanks; some writers summed them with a sign.
fn check_sum(block: &[u8; BLOCK_LEN]) -> io::Result<()> {
    const FIELD: std::ops::Range<usize> = 148..156;
    let stated = field(&block[FIELD])?;
    let bytes = block.iter().enumerate().map(|(at, byte)| if FIELD.contains(&at) { b' ' } else { *byte });
    let (plain, signed) = bytes.fold((0, 0), |(plain, signed), byte| {
        (plain + i64::from(byte), signed + i64::from(byte.cast_signed()))
    });
    match stated == plain || stated == signed {
        true => Ok(()),
        false => Err(damaged("a header is no header, or damaged: its sum is another")),
    }
}
