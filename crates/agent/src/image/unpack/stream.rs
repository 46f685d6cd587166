//! The bytes of a layer: decompressed, counted, hashed.
//!
//! Decides the compression from the first bytes (media types lie), bounds what comes out, and knows at the end
//! whether it was the archive that the image's configuration promised.

use std::fs::File;
use std::io::{self, BufReader, Chain, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use flate2::bufread::MultiGzDecoder;

use super::{UNPACKED_LEN_MAX, UnpackError};
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
    cancelled: Arc<AtomicBool>,
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
        Ok(Self { decoder, hasher: Hasher::default(), read_len: 0, cancelled })
    }

    /// Reads what follows the archive (padding, usually) and compares the digest of everything with `expected`.
    pub fn verify(mut self, expected: Digest) -> Result<(), UnpackError> {
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
        Ok(len)
    }
}
