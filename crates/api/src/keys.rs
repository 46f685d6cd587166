//! The keys that end a session and leave its process alone, as docker writes them: `ctrl-p,ctrl-q`.

/// Reads keys with commas between them: single characters, `ctrl-` with a letter or one of `@[\]^_`, and `DEL`. Returns the
/// bytes that a terminal sends for them; `None` for what is no key.
pub fn parse(text: &str) -> Option<Vec<u8>> {
    text.split(',').map(key).collect()
}

fn key(word: &str) -> Option<u8> {
    match (word.as_bytes(), word.strip_prefix("ctrl-").map(str::as_bytes)) {
        ([byte], _) => Some(*byte),
        (b"DEL", _) => Some(0x7f),
        (_, Some([letter @ (b'a'..=b'z' | b'@' | b'[' | b'\\' | b']' | b'^' | b'_')])) => Some(letter & 0x1f),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn keys_are_read_as_docker_reads_them() {
        assert_eq!(parse("ctrl-p,ctrl-q"), Some(vec![0x10, 0x11]));
        assert_eq!(parse("ctrl-a,x,ctrl-@,DEL"), Some(vec![1, b'x', 0, 0x7f]));
        for wrong in ["ctrl-1", "foo", "", "a,", "ctrl-"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
