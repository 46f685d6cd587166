//! The comment by which Skep's tables and rules are recognised, by Skep and by people who read `nft list`.

/// The comment on everything that belongs to one bridge.
pub(crate) fn of(bridge: &str) -> String {
    format!("Skep, bridge {bridge}")
}

/// Writes a comment as `nft` stores it in the free data of a table or a rule: type 0, length, text.
pub(crate) fn write(comment: &str) -> Vec<u8> {
    let length = u8::try_from(comment.len() + 1).expect("comments hold a fixed text and an interface name");
    let mut data = vec![0, length];
    data.extend_from_slice(comment.as_bytes());
    data.push(0);
    data
}

/// Reads what [`write()`] wrote.
pub(crate) fn read(data: &[u8]) -> Option<&str> {
    let [0, length, rest @ ..] = data else { return None };
    let text = rest.get(..usize::from(*length))?;
    std::str::from_utf8(text.strip_suffix(&[0]).unwrap_or(text)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_survives_and_foreign_data_is_no_comment() {
        assert_eq!(read(&write(&of("skep0"))), Some("Skep, bridge skep0"));
        for data in [&[][..], &[0], &[1, 2, b'a', 0], &[0, 9, b'a']] {
            assert_eq!(read(data), None, "{data:?}");
        }
    }
}
