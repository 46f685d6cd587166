//! Content digests: the names under which everything in the image store is kept.
//!
//! Only SHA-256 exists here, because Docker and every registry in use name content by it; another algorithm is
//! refused where it is read. A [`Digest`] is 32 bytes rather than text, so it can never smuggle a path separator
//! into a file name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// The SHA-256 of some bytes, written `sha256:<64 hex digits>`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

/// Why a text is not a digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// Not `algorithm:hex`.
    #[error("invalid checksum digest format")]
    Format,
    /// An algorithm other than sha256.
    #[error("unsupported digest algorithm")]
    Algorithm,
    /// Not 64 hexadecimal digits.
    #[error("invalid checksum digest length")]
    Length,
}

impl Digest {
    /// Returns the digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Returns the 64 lower-case hexadecimal digits, without the algorithm.
    pub fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Parses the 64 hexadecimal digits without the algorithm, as file names carry them.
    pub(super) fn from_hex(hex: &str) -> Result<Self, DigestError> {
        let hex = hex.as_bytes();
        if hex.len() != 64 {
            return Err(DigestError::Length);
        }
        let mut bytes = [0u8; 32];
        for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Ok(Self(bytes))
    }

    /// Returns the chain id of the layer `diff_id` on top of the chain `parent`: the name of the whole stack.
    pub(super) fn chain(parent: Option<Digest>, diff_id: Digest) -> Digest {
        match parent {
            None => diff_id,
            Some(parent) => Digest::of(format!("{parent} {diff_id}").as_bytes()),
        }
    }
}

fn nibble(digit: u8) -> Result<u8, DigestError> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(DigestError::Format),
    }
}

/// Computes a digest from bytes that arrive in pieces.
#[derive(Clone, Default)]
pub(super) struct Hasher(Sha256);

impl Hasher {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(super) fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        match text.split_once(':') {
            Some(("sha256", hex)) => Self::from_hex(hex),
            Some((algorithm, _)) if !algorithm.is_empty() => Err(DigestError::Algorithm),
            _ => Err(DigestError::Format),
        }
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn text_round_trips() {
        let digest: Digest = EMPTY.parse().unwrap();
        assert_eq!(digest, Digest::of(b""));
        assert_eq!(digest.to_string(), EMPTY);
        assert_eq!(Digest::from_hex(&digest.hex()), Ok(digest));
    }

    #[test]
    fn what_is_not_a_digest_is_refused() {
        assert_eq!("sha512:00".parse::<Digest>(), Err(DigestError::Algorithm));
        assert_eq!("sha256:00".parse::<Digest>(), Err(DigestError::Length));
        assert_eq!("e3b0".parse::<Digest>(), Err(DigestError::Format));
        assert_eq!(EMPTY.to_uppercase().replace("SHA", "sha").parse::<Digest>(), Err(DigestError::Format));
        assert_eq!(format!("sha256:{}", "../".repeat(22)).parse::<Digest>(), Err(DigestError::Length));
    }

    #[test]
    fn a_chain_of_one_is_its_diff_id() {
        let diff = Digest::of(b"a");
        assert_eq!(Digest::chain(None, diff), diff);
        let second = Digest::chain(Some(diff), Digest::of(b"b"));
        assert_eq!(second, Digest::of(format!("{diff} {}", Digest::of(b"b")).as_bytes()));
    }
}
