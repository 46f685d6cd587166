//! Where the data of a sparse file belong, in GNU's own form: four regions in the header, more in blocks that follow it.

use std::io::{self, Read};

use tar::{GnuExtSparseHeader, GnuSparseHeader, Header as Block};

use crate::number::count;
use crate::source::Source;
use crate::{REGIONS_MAX, damaged};

/// A piece of a file that is in the archive.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Region {
    pub offset: u64,
    pub len: u64,
}

/// What there is of a sparse file, and how long it is.
#[derive(Debug)]
pub(crate) struct Map {
    pub regions: Vec<Region>,
    pub len: u64,
}

pub(crate) fn is_gnu(block: &Block) -> bool {
    block.as_gnu().is_some()
}

impl Map {
    /// Reads the map of an entry, of which `stored` bytes are in the archive behind it.
    pub fn read(block: &Block, stored: u64, source: &mut Source<impl Read>) -> io::Result<Self> {
        let gnu = block.as_gnu().ok_or_else(|| damaged("a sparse file has no header of GNU's"))?;
        let mut map = Map { regions: Vec::new(), len: count(&gnu.realsize)? };
        map.extend(&gnu.sparse)?;
        let mut is_continued = gnu.is_extended();
        while is_continued {
            let mut more = GnuExtSparseHeader::new();
            source.read_block(more.as_mut_bytes())?;
            // Each block but the last one is full, so that their number is bounded by that of the regions.
            if map.extend(&more.sparse)? < more.sparse.len() && more.is_extended() {
                return Err(damaged("the map of a sparse file has a hole"));
            }
            is_continued = more.is_extended();
        }
        map.check(stored)?;
        Ok(map)
    }

    /// Takes in regions up to the first empty place; returns how many there were.
    fn extend(&mut self, places: &[GnuSparseHeader]) -> io::Result<usize> {
        let taken = places.iter().take_while(|place| place.offset[0] != 0);
        let before = self.regions.len();
        for place in taken {
            self.regions.push(Region { offset: count(&place.offset)?, len: count(&place.numbytes)? });
        }
        match self.regions.len() <= REGIONS_MAX {
            true => Ok(self.regions.len() - before),
            false => Err(damaged("a sparse file has too many regions")),
        }
    }

    /// Regions follow each other within the file, and what is stored is what they hold.
    fn check(&self, stored: u64) -> io::Result<()> {
        let (mut end, mut held) = (0, 0);
        for region in &self.regions {
            let next = region.offset.checked_add(region.len);
            let next = next.filter(|next| region.offset >= end && *next <= self.len);
            end =
                next.ok_or_else(|| damaged("the regions of a sparse file overlap, or are outside of it"))?;
            held += region.len;
        }
        match held == stored {
            true => Ok(()),
            false => Err(damaged("the regions of a sparse file are not what is stored of it")),
        }
    }
}
