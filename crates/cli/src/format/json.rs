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
