//! JSON the way Go prints it: `<`, `>` and `&` escaped, four blanks of indentation.

use serde::Serialize;
use serde_json::ser::PrettyFormatter;

/// Renders on one line.
pub(crate) fn compact<T: Serialize + ?Sized>(value: &T) -> Result<String, serde_json::Error> {
    serde_json::to_string(value).map(escape)
}

/// Renders over several lines.
pub(crate) fn indented<T: Serialize + ?Sized>(value: &T) -> Result<String, serde_json::Error> {
    let mut text = Vec::new();
    let formatter = PrettyFormatter::with_indent(b"    ");
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut text, formatter))?;
    Ok(escape(String::from_utf8(text).expect("serde_json writes UTF-8")))
}

/// Writes JSON over several lines as Go's `json.Indent` does: nothing but blanks and line breaks changes.
pub(crate) fn reindent(json: &str) -> String {
    let (mut text, mut depth, mut rest) =
        (String::with_capacity(json.len() * 2), 0, json.char_indices().peekable());
    let line = |text: &mut String, depth: usize| {
        text.push('\n');
        text.extend(std::iter::repeat_n("    ", depth));
    };
    while let Some((at, character)) = rest.next() {
        match character {
            '"' => {
                let end = string_end(&json[at..]);
                text.push_str(&json[at..at + end]);
                while rest.next_if(|(next, _)| *next < at + end).is_some() {}
            }
            '{' | '[' => {
                text.push(character);
                while rest.next_if(|(_, next)| next.is_ascii_whitespace()).is_some() {}
                match rest.next_if(|(_, next)| matches!(next, '}' | ']')) {
                    Some((_, close)) => text.push(close),
                    None => {
                        depth += 1;
                        line(&mut text, depth);
                    }
                }
            }
            '}' | ']' => {
                depth = usize::saturating_sub(depth, 1);
                line(&mut text, depth);
                text.push(character);
            }
            ',' => {
                text.push(',');
                line(&mut text, depth);
            }
            ':' => text.push_str(": "),
            _ if character.is_ascii_whitespace() => {}
            _ => text.push(character),
        }
    }
    text
}

/// Leaves out the blanks and line breaks of JSON, as Go's `json.Compact` does.
pub(crate) fn recompact(json: &str) -> String {
    let (mut text, mut rest) = (String::with_capacity(json.len()), json);
    while let Some(character) = rest.chars().next() {
        let end = if character == '"' { string_end(rest) } else { character.len_utf8() };
        if !character.is_ascii_whitespace() {
            text.push_str(&rest[..end]);
        }
        rest = &rest[end..];
    }
    text
}

/// The length of the string that a text begins with, quotes included.
fn string_end(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Outside strings JSON holds none of these characters, so the whole text can be treated alike.
fn escape(text: String) -> String {
    if !text.contains(['<', '>', '&', '\u{2028}', '\u{2029}']) {
        return text;
    }
    text.replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}
