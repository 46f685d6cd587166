//! Sealing: every record on disk is encrypted and authenticated before the store sees it.
//!
//! A sealed record of format version 1 is
//!
//! ```text
//! | version: 1 | key id: 4 | nonce: 24 | ciphertext and tag (XChaCha20-Poly1305) |
//! ```
//!
//! The version and key id in front, the kind of record and its index are the associated data, so a
//! record cannot be moved to another place. Nonces are random: 24 bytes make a repetition impossible
//! in practice without any counter to keep. Replacing the *whole* log by an older copy of itself is
//! not detected here; Raft's terms are what guards a group against it.

use chacha20poly1305::aead::rand_core::RngCore;
use chacha20poly1305::aead::{AeadInPlace, KeyInit, OsRng};
use chacha20poly1305::{Key, Tag, XChaCha20Poly1305, XNonce};
use sha2::{Digest, Sha256};
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The format version of every record that this build writes.
pub const FORMAT_VERSION: u8 = 1;

const KEY_ID_BYTES: usize = 4;
const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;
const HEADER_BYTES: usize = 1 + KEY_ID_BYTES + NONCE_BYTES;

/// The key that seals a log and its snapshots. Wiped from memory when dropped; it has no `Debug`.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SealKey([u8; 32]);

impl SealKey {
    /// Takes over 32 bytes of uniformly random key material.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Draws a fresh key from the operating system.
    ///
    /// # Errors
    /// When the operating system has no entropy to give.
    pub fn generate() -> Result<Self, SealError> {
        let mut bytes = [0; 32];
        OsRng.try_fill_bytes(&mut bytes).map_err(|_| SealError::Entropy)?;
        Ok(Self(bytes))
    }

    /// Returns the key material, for the caller that wraps it with another key.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    fn id(&self) -> [u8; KEY_ID_BYTES] {
        let digest = Sha256::new().chain_update(b"skep log key id v1").chain_update(self.0).finalize();
        [digest[0], digest[1], digest[2], digest[3]]
    }
}

/// Why a record could not be sealed or opened.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum SealError {
    /// The operating system refused random bytes for a nonce or key.
    #[error("the operating system gave no random bytes")]
    Entropy,
    /// Written by a build with another format.
    #[error("the record has format version {found}, this build reads version {supported}")]
    Version {
        /// The version in the record.
        found: u8,
        /// The version that this build reads.
        supported: u8,
    },
    /// Sealed with a key other than ours.
    #[error("the record is sealed with another key")]
    OtherKey,
    /// Altered, moved to another place, or cut short since it was written.
    #[error("the record was altered after it was written")]
    Altered,
    /// Too large for the cipher.
    #[error("the record is too large to seal")]
    TooLarge,
}

/// What a record is. Part of the associated data, so the numbers are part of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Entry = 1,
    HardState = 2,
    Base = 3,
    Snapshot = 4,
}

/// A key ready for use.
#[derive(Clone)]
pub(crate) struct Sealer {
    cipher: XChaCha20Poly1305,
    key_id: [u8; KEY_ID_BYTES],
}

impl Sealer {
    pub(crate) fn new(key: &SealKey) -> Self {
        Self { cipher: XChaCha20Poly1305::new(Key::from_slice(&key.0)), key_id: key.id() }
    }

    /// Returns the public name of the key, for the header of a store.
    pub(crate) fn key_id(&self) -> [u8; KEY_ID_BYTES] {
        self.key_id
    }

    /// Seals `plain` as the record of `kind` at `index`.
    pub(crate) fn seal(&self, kind: Kind, index: u64, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE_BYTES];
        OsRng.try_fill_bytes(&mut nonce).map_err(|_| SealError::Entropy)?;
        self.seal_with(nonce, kind, index, plain)
    }

    fn seal_with(
        &self,
        nonce: [u8; NONCE_BYTES],
        kind: Kind,
        index: u64,
        plain: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        let mut record = Vec::with_capacity(HEADER_BYTES + plain.len() + TAG_BYTES);
        record.push(FORMAT_VERSION);
        record.extend_from_slice(&self.key_id);
        record.extend_from_slice(&nonce);
        record.extend_from_slice(plain);
        let associated = self.associated(kind, index);
        let tag = self
            .cipher
            .encrypt_in_place_detached(XNonce::from_slice(&nonce), &associated, &mut record[HEADER_BYTES..])
            .map_err(|_| SealError::TooLarge)?;
        record.extend_from_slice(&tag);
        Ok(record)
    }

    /// Opens the record of `kind` at `index`, in the buffer it came in.
    pub(crate) fn open(&self, kind: Kind, index: u64, mut record: Vec<u8>) -> Result<Vec<u8>, SealError> {
        let found = *record.first().ok_or(SealError::Altered)?;
        if found != FORMAT_VERSION {
            return Err(SealError::Version { found, supported: FORMAT_VERSION });
        }
        if record.len() < HEADER_BYTES + TAG_BYTES {
            return Err(SealError::Altered);
        }
        if record[1..=KEY_ID_BYTES] != self.key_id {
            return Err(SealError::OtherKey);
        }
        let tag = Tag::clone_from_slice(&record[record.len() - TAG_BYTES..]);
        record.truncate(record.len() - TAG_BYTES);
        let nonce = XNonce::clone_from_slice(&record[1 + KEY_ID_BYTES..HEADER_BYTES]);
        let associated = self.associated(kind, index);
        self.cipher
            .decrypt_in_place_detached(&nonce, &associated, &mut record[HEADER_BYTES..], &tag)
            .map_err(|_| SealError::Altered)?;
        record.drain(..HEADER_BYTES);
        Ok(record)
    }

    fn associated(&self, kind: Kind, index: u64) -> [u8; 2 + KEY_ID_BYTES + 8] {
        let mut bytes = [0; 2 + KEY_ID_BYTES + 8];
        bytes[0] = FORMAT_VERSION;
        bytes[1..=KEY_ID_BYTES].copy_from_slice(&self.key_id);
        bytes[1 + KEY_ID_BYTES] = kind as u8;
        bytes[2 + KEY_ID_BYTES..].copy_from_slice(&index.to_le_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(byte: u8) -> Sealer {
        Sealer::new(&SealKey::new([byte; 32]))
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Golden bytes: a released format never changes. A new layout gets a new version, and keeps this test.
    #[test]
    fn format_version_1_is_frozen() {
        let record = sealer(7).seal_with([9; 24], Kind::Entry, 42, b"skep").unwrap();
        assert_eq!(hex(&record), GOLDEN_V1);
        assert_eq!(sealer(7).open(Kind::Entry, 42, record).unwrap(), b"skep");
    }

    /// Version 1, key id `3859481e` (the digest's beginning), 24 times 09, then ciphertext and tag.
    const GOLDEN_V1: &str = "013859481e090909090909090909090909090909090909090909090909\
                             cd1987fa8a3ffe264879630cd99e917a40e99737";

    #[test]
    fn a_record_opens_only_where_it_belongs() {
        let record = sealer(7).seal(Kind::Entry, 42, b"skep").unwrap();
        assert_eq!(sealer(7).open(Kind::Entry, 43, record.clone()), Err(SealError::Altered));
        assert_eq!(sealer(7).open(Kind::HardState, 42, record.clone()), Err(SealError::Altered));
        assert_eq!(sealer(8).open(Kind::Entry, 42, record), Err(SealError::OtherKey));
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let record = sealer(7).seal(Kind::Entry, 42, b"skep").unwrap();
        for position in 0..record.len() * 8 {
            let mut bent = record.clone();
            bent[position / 8] ^= 1 << (position % 8);
            assert!(sealer(7).open(Kind::Entry, 42, bent).is_err(), "bit {position}");
        }
        for len in 0..record.len() {
            assert!(sealer(7).open(Kind::Entry, 42, record[..len].to_vec()).is_err(), "cut to {len}");
        }
    }

    #[test]
    fn another_version_is_named() {
        let mut record = sealer(7).seal(Kind::Entry, 42, b"skep").unwrap();
        record[0] = 9;
        let refused = sealer(7).open(Kind::Entry, 42, record);
        assert_eq!(refused, Err(SealError::Version { found: 9, supported: FORMAT_VERSION }));
    }

    #[test]
    fn equal_records_never_look_equal() {
        let seal = || sealer(7).seal(Kind::Entry, 42, b"skep").unwrap();
        assert_ne!(seal(), seal());
    }
}
