//! One line of a log file: `{"log":"text\n","stream":"stdout","time":"2026-01-02T03:04:05.6Z"}`.

use std::collections::BTreeMap;
use std::time::SystemTime;

use jiff::Timestamp;
use serde::Deserialize;

/// Which of its two outputs a process wrote to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    fn name(self) -> &'static str {
        match self {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        }
    }
}

/// A piece of output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Where it was written.
    pub stream: Stream,
    /// When the shim read it.
    pub time: SystemTime,
    /// The text, with its newline; a piece of a line over 16 KiB has none, and the next piece continues it.
    pub line: String,
    /// What the container's log notes with each line.
    pub attributes: BTreeMap<String, String>,
}

/// Returns what stands in each line for its attributes.
pub(super) fn encode_attributes(attributes: &BTreeMap<String, String>) -> Vec<u8> {
    if attributes.is_empty() {
        return Vec::new();
    }
    let mut out = br#","attrs":{"#.to_vec();
    for (index, (name, value)) in attributes.iter().enumerate() {
        out.extend_from_slice(if index == 0 { b"\"" } else { b",\"" });
        escape(&mut out, name);
        out.extend_from_slice(b"\":\"");
        escape(&mut out, value);
        out.push(b'"');
    }
    out.push(b'}');
    out
}

/// Appends the line for `text` to `out`.
pub(super) fn encode(
    out: &mut Vec<u8>,
    stream: Stream,
    text: &[u8],
    ends_line: bool,
    attributes: &[u8],
    time: &str,
) {
    out.extend_from_slice(br#"{"log":""#);
    for chunk in text.utf8_chunks() {
        escape(out, chunk.valid());
        if !chunk.invalid().is_empty() {
            out.extend_from_slice(br"\ufffd");
        }
    }
    if ends_line {
        out.extend_from_slice(br"\n");
    }
    out.extend_from_slice(br#"","stream":""#);
    out.extend_from_slice(stream.name().as_bytes());
    out.push(b'"');
    out.extend_from_slice(attributes);
    out.extend_from_slice(br#","time":""#);
    out.extend_from_slice(time.as_bytes());
    out.extend_from_slice(b"\"}\n");
}

fn escape(out: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for &byte in text.as_bytes() {
        match byte {
            b'"' => out.extend_from_slice(br#"\""#),
            b'\\' => out.extend_from_slice(br"\\"),
            b'\n' => out.extend_from_slice(br"\n"),
            b'\r' => out.extend_from_slice(br"\r"),
            b'\t' => out.extend_from_slice(br"\t"),
            // Compat: Docker's encoder is also fit for HTML.
            0..=0x1f | b'<' | b'>' | b'&' => {
                out.extend_from_slice(br"\u00");
                out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            }
            _ => out.push(byte),
        }
    }
}

/// Parses a line; `None` for one that is torn or not ours.
pub(super) fn decode(line: &[u8]) -> Option<Record> {
    #[derive(Deserialize)]
    struct Wire {
        log: String,
        stream: Stream,
        time: String,
        #[serde(default)]
        attrs: BTreeMap<String, String>,
    }
    let wire: Wire = serde_json::from_slice(line).ok()?;
    let time: Timestamp = wire.time.parse().ok()?;
    Some(Record { stream: wire.stream, time: time.into(), line: wire.log, attributes: wire.attrs })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(text: &[u8], ends_line: bool) -> String {
        let mut out = Vec::new();
        encode(&mut out, Stream::Stderr, text, ends_line, b"", "2026-01-02T03:04:05.6Z");
        String::from_utf8(out).expect("JSON is UTF-8")
    }

    #[test]
    fn lines_look_like_dockers() {
        assert_eq!(
            encoded("a \"b\" \\ <é>\t\x07".as_bytes(), true),
            "{\"log\":\"a \\\"b\\\" \\\\ \\u003cé\\u003e\\t\\u0007\\n\",\"stream\":\"stderr\",\
             \"time\":\"2026-01-02T03:04:05.6Z\"}\n"
        );
    }

    #[test]
    fn attributes_stand_where_docker_has_them_and_come_back() {
        let attributes =
            [("tier", "a\"b"), ("x", "1")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        let attributes = BTreeMap::from(attributes);
        let mut out = Vec::new();
        let time = "2026-01-02T03:04:05.6Z";
        encode(&mut out, Stream::Stdout, b"x", true, &encode_attributes(&attributes), time);
        let text = String::from_utf8(out).expect("JSON is UTF-8");
        let expected = concat!(
            r#"{"log":"x\n","stream":"stdout","attrs":{"tier":"a\"b","x":"1"},"#,
            r#""time":"2026-01-02T03:04:05.6Z"}"#
        );
        assert_eq!(text.trim_end(), expected);
        assert_eq!(decode(text.as_bytes()).expect("a record").attributes, attributes);
    }

    #[test]
    fn any_bytes_survive_as_text() {
        let line = encoded(b"\xffok\xc3", false);
        let record = decode(line.as_bytes()).expect("a record");
        assert_eq!((record.line.as_str(), record.stream), ("\u{fffd}ok\u{fffd}", Stream::Stderr));
    }

    #[test]
    fn torn_lines_are_no_records() {
        assert_eq!(decode(b"{\"log\":\"a\\n\",\"stream\":\"std"), None);
        assert_eq!(decode(b""), None);
    }
}
