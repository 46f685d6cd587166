//! The bytes of a layer: decompressed, counted, hashed.
//!
//! Decides the compression from the first bytes (media types lie), bounds what comes out, and knows at the end
//! whether it was the archive that the image's configuration promised. Also lends the archive reader a purse: while
//! it reads an entry's headers, which it keeps in memory, it gets only a bounded number of bytes.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Chain, Cursor, Read};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use flate2::bufread::MultiGzDecoder;

use super::{HEADER_LEN_MAX, UNPACKED_LEN_MAX, UnpackError};
use crate::image::digest::{Digest, Hasher};
use crate::image::progress::Meter;

const BUFFER_LEN: usize = 128 << 10;
/// The memory a zstd frame may ask for, as a power of two: 128 MiB, the format's own recommendation.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

type Raw = BufReader<Chain<Cursor<Vec<u8>>, Metered>>;

/// A file that shows how much of it was read.
pub(super) struct Metered {
    file: File,
    meter: Arc<Meter>,
}

impl Metered {
    pub fn new(file: File, meter: Arc<Meter>) -> Self {
        Self { file, meter }
    }
}

impl Read for Metered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.file.read(buffer)?;
        self.meter.add(len as u64);
        Ok(len)
    }
}

enum Decoder {
    Plain(Raw),
    Gzip(Box<MultiGzDecoder<Raw>>),
    Zstd(zstd::Decoder<'static, Raw>),
}

/// The uncompressed archive of one layer.
pub(super) struct Layer {
    decoder: Decoder,
    hasher: Hasher,
    read_len: u64,
    purse: Purse,
    cancelled: Arc<AtomicBool>,
}

/// How many bytes may still be read; shared between the layer and whoever drives the archive reader.
#[derive(Clone)]
pub(super) struct Purse(Rc<Cell<u64>>);

impl Purse {
    /// Allows one entry's headers.
    pub fn for_headers(&self) {
        self.0.set(HEADER_LEN_MAX);
    }

    /// Allows any content; the layer's own bound still holds.
    pub fn for_content(&self) {
        self.0.set(u64::MAX);
    }
}

impl Layer {
    pub fn open(mut file: Metered, cancelled: Arc<AtomicBool>) -> Result<Self, UnpackError> {
        let mut magic = Vec::with_capacity(6);
        (&mut file).take(6).read_to_end(&mut magic).map_err(UnpackError::Archive)?;
        let kind = magic.clone();
        let raw = BufReader::with_capacity(BUFFER_LEN, Cursor::new(magic).chain(file));
        let decoder = match kind.as_slice() {
            [0x1f, 0x8b, ..] => Decoder::Gzip(Box::new(MultiGzDecoder::new(raw))),
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
                let mut decoder = zstd::Decoder::with_buffer(raw).map_err(UnpackError::Archive)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(UnpackError::Archive)?;
                Decoder::Zstd(decoder)
            }
            [0xfd, b'7', b'z', b'X', b'Z', 0x00] => return Err(UnpackError::Compression("xz")),
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => return Err(UnpackError::Compression("bzip2")),
            _ => Decoder::Plain(raw),
        };
        let purse = Purse(Rc::new(Cell::new(u64::MAX)));
        Ok(Self { decoder, hasher: Hasher::default(), read_len: 0, purse, cancelled })
    }

    pub fn purse(&self) -> Purse {
        self.purse.clone()
    }

    /// Reads what follows the archive (padding, usually) and compares the digest of everything with `expected`.
    pub fn verify(mut self, expected: Digest) -> Result<(), UnpackError> {
        self.purse.for_content();
        let mut buffer = vec![0; BUFFER_LEN];
        while self.read(&mut buffer).map_err(UnpackError::Archive)? > 0 {}
        match self.hasher.finish() {
            found if found == expected => Ok(()),
            found => Err(UnpackError::WrongContent { expected, found }),
        }
    }
}

impl Read for Layer {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(io::Error::other("cancelled"));
        }
        let len = match &mut self.decoder {
            Decoder::Plain(reader) => reader.read(buffer),
            Decoder::Gzip(reader) => reader.read(buffer),
            Decoder::Zstd(reader) => reader.read(buffer),
        }?;
        self.hasher.update(&buffer[..len]);
        self.read_len += len as u64;
        if self.read_len > UNPACKED_LEN_MAX {
            return Err(io::Error::other("the layer unpacks to too many bytes"));
        }
        let allowed = self.purse.0.get().checked_sub(len as u64);
        let allowed = allowed.ok_or_else(|| io::Error::other("the headers of an entry are too long"))?;
        self.purse.0.set(if self.purse.0.get() == u64::MAX { u64::MAX } else { allowed });
        Ok(len)
    }
}
