//! Wrapping of help texts, as pflag does it.

/// The narrowest column worth wrapping into.
const COLUMN_MIN: usize = 24;

/// Where texts go when their column would be too narrow.
const BLOCK_INDENT: usize = 16;

/// How far the last line may stick out rather than leave a short word alone.
const SLOP: usize = 5;

/// Wraps `text` into the columns between `indent` and `width`; the first line is already indented.
pub(super) fn wrap(indent: usize, width: usize, text: &str) -> String {
    let mut wrapped = String::new();
    let (mut indent, mut room) = (indent, width.saturating_sub(indent));
    if room < COLUMN_MIN {
        indent = BLOCK_INDENT;
        room = width.saturating_sub(indent);
        wrapped = format!("\n{}", " ".repeat(indent));
    }
    if room < COLUMN_MIN {
        return text.replace('\n', &wrapped);
    }
    let line_break = format!("\n{}", " ".repeat(indent));
    let mut rest = text;
    loop {
        let (line, after) = cut(room - SLOP, rest);
        wrapped.push_str(&line.replace('\n', &line_break));
        if after.is_empty() {
            return wrapped;
        }
        wrapped.push_str(&line_break);
        rest = after;
    }
}

/// Cuts one line off: at a line break if there is one, else at the last blank within `room`.
fn cut(room: usize, text: &str) -> (&str, &str) {
    if room + SLOP > text.len() {
        return (text, "");
    }
    let head = &text[..text.floor_char_boundary(room)];
    let Some(blank) = head.rfind([' ', '\t', '\n']).filter(|at| *at > 0) else { return (text, "") };
    let at = head.rfind('\n').filter(|at| *at > 0 && *at < blank).unwrap_or(blank);
    (&text[..at], &text[at + 1..])
}
