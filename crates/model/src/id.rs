//! Identifiers: 25 characters of base 36, as Swarm's, kept as one number.
//!
//! The number keeps a task of a large cluster small and its order equals the order of the text, so an
//! identifier prefix is a range of numbers. Ids are drawn by whoever proposes a change and enter the
//! store as data; nothing here draws one.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Characters in the text of an identifier.
pub const ID_LENGTH: usize = 25;
const RADIX: u128 = 36;

/// What the typed identifiers have in common.
pub trait Id: Copy + Ord + fmt::Display + FromStr + 'static {
    /// Returns the identifier with this number.
    fn from_number(number: u128) -> Self;
    /// Returns the number behind the text.
    fn number(self) -> u128;

    /// Returns the identifiers whose text begins with `prefix`, or `None` if there can be none.
    fn with_prefix(prefix: &str) -> Option<RangeInclusive<Self>> {
        let missing = ID_LENGTH.checked_sub(prefix.len())?;
        let low = parse(&format!("{prefix}{}", "0".repeat(missing)))?;
        let span = RADIX.checked_pow(u32::try_from(missing).ok()?).unwrap_or(u128::MAX);
        Some(Self::from_number(low)..=Self::from_number(low.saturating_add(span - 1)))
    }
}

fn parse(text: &str) -> Option<u128> {
    if text.len() != ID_LENGTH {
        return None;
    }
    text.bytes().try_fold(0u128, |number, byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'z' => byte - b'a' + 10,
            _ => return None,
        };
        number.checked_mul(RADIX)?.checked_add(u128::from(digit))
    })
}

fn render(mut number: u128, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut text = [b'0'; ID_LENGTH];
    for place in text.iter_mut().rev() {
        *place = b"0123456789abcdefghijklmnopqrstuvwxyz"[(number % RADIX) as usize];
        number /= RADIX;
    }
    f.pad(std::str::from_utf8(&text).expect("base 36 digits are ASCII"))
}

/// The text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an identifier of 25 characters 0-9a-z")]
pub struct NotAnId(String);

macro_rules! typed_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        // In two halves, the higher first: a `u128` would have itself aligned to 16 bytes, and with it every
        // key of the store's maps.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(u64, u64);

        impl Id for $name {
            fn from_number(number: u128) -> Self {
                $name((number >> 64) as u64, number as u64)
            }
            fn number(self) -> u128 {
                u128::from(self.0) << 64 | u128::from(self.1)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                render(self.number(), f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                render(self.number(), f)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;
            fn from_str(text: &str) -> Result<Self, NotAnId> {
                parse(text).map($name::from_number).ok_or_else(|| NotAnId(text.to_owned()))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

typed_id!(
    /// Identifies a service.
    ServiceId
);
typed_id!(
    /// Identifies a task: one attempt to run one slot of a service on one node.
    TaskId
);
typed_id!(
    /// Identifies a node.
    NodeId
);
typed_id!(
    /// Identifies a cluster.
    ClusterId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_number_agree_in_order_and_value() {
        for number in [0, 1, 35, 36, u128::MAX / 3, u128::MAX] {
            let id = TaskId::from_number(number);
            assert_eq!(id.to_string().len(), ID_LENGTH);
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        assert!(TaskId::from_number(36).to_string() > TaskId::from_number(35).to_string());
    }

    #[test]
    fn refuses_what_is_no_id() {
        for text in ["", "abc", "zzzzzzzzzzzzzzzzzzzzzzzzz", "ABCDEFGHIJKLMNOPQRSTUVWXY"] {
            assert!(text.parse::<TaskId>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_prefix_is_a_range() {
        let id = TaskId::from_number(u128::MAX / 7);
        let text = id.to_string();
        for length in 0..=ID_LENGTH {
            let range = TaskId::with_prefix(&text[..length]).expect("a prefix of an id");
            assert!(range.contains(&id), "{length}");
        }
        assert!(!TaskId::with_prefix("0").expect("a digit").contains(&id));
        assert_eq!(TaskId::with_prefix("web!"), None);
        assert_eq!(TaskId::with_prefix("zz"), None);
    }
}
