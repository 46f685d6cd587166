//! How change sets and whole states are written to the log: one byte of format version, then MessagePack
//! with named fields, so that a later release reads what this one wrote and ignores what it does not
//! know.

use skep_core::store::Dump;
use skep_core::{ChangeSet, Store};

/// Format of both entries and snapshots.
const FORMAT_VERSION: u8 = 2;

/// The bytes are not what any known release wrote.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error(
        "an entry of the log has format version {found}; this release reads {FORMAT_VERSION}: use the release that wrote it, or a later one"
    )]
    Version { found: u8 },
    #[error("an entry of the log is empty where a change was expected")]
    Empty,
    #[error("an entry of the log is not readable")]
    Content(#[source] rmp_serde::decode::Error),
}

pub fn encode_changes(changes: &ChangeSet) -> Vec<u8> {
    encode(changes)
}

pub fn decode_changes(bytes: &[u8]) -> Result<ChangeSet, DecodeError> {
    decode(bytes)
}

pub fn encode_store(store: &Store) -> Vec<u8> {
    encode(&store.dump())
}

pub fn decode_store(bytes: &[u8]) -> Result<Store, DecodeError> {
    Ok(Store::restore(decode::<Dump>(bytes)?))
}

fn encode(value: &impl serde::Serialize) -> Vec<u8> {
    let mut bytes = vec![FORMAT_VERSION];
    value
        .serialize(&mut rmp_serde::Serializer::new(&mut bytes).with_struct_map())
        .expect("our own types serialise into memory");
    bytes
}

fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    match bytes.split_first() {
        None => Err(DecodeError::Empty),
        Some((&FORMAT_VERSION, content)) => rmp_serde::from_slice(content).map_err(DecodeError::Content),
        Some((&found, _)) => Err(DecodeError::Version { found }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use skep_core::Change;
    use skep_model::{Id, ServiceId};

    #[test]
    fn what_is_written_is_read() {
        let changes: ChangeSet = [Change::DeleteService(ServiceId::from_number(5))].into_iter().collect();
        assert_eq!(decode_changes(&encode_changes(&changes)).unwrap(), changes);
        let mut store = Store::default();
        store.apply(9, &ChangeSet::default());
        assert_eq!(decode_store(&encode_store(&store)).unwrap().index(), 9);
    }

    #[test]
    fn golden_bytes_of_format_2() {
        let changes: ChangeSet = [Change::DeleteService(ServiceId::from_number(5))].into_iter().collect();
        let golden = b"\x02\x91\x81\xadDeleteService\xb90000000000000000000000005";
        assert_eq!(encode_changes(&changes), golden);
    }

    #[test]
    fn refuses_another_format() {
        let text = decode_changes(&[7, 0x90]).unwrap_err().to_string();
        assert!(text.contains("format version 7"), "{text}");
        assert!(matches!(decode_changes(&[]), Err(DecodeError::Empty)));
        assert!(matches!(decode_changes(&[2, 0xff, 1]), Err(DecodeError::Content(_))));
    }
}
