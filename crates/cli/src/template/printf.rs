//! Go's `printf`, for the verbs that make sense of text and numbers.

use super::value::Value;
use crate::format::go_quote;

/// The widest field a verb may ask for.
const WIDTH_MAX: usize = 10_000;

/// A verb: `%-5.2f`.
#[derive(Default)]
struct Verb {
    left: bool,
    zero: bool,
    plus: bool,
    width: usize,
    precision: Option<usize>,
}

/// Fills a format in.
pub(super) fn printf(format: &str, arguments: &[Value]) -> Result<String, String> {
    let mut output = String::new();
    let mut arguments = arguments.iter();
    let mut rest = format;
    while let Some(percent) = rest.find('%') {
        output.push_str(&rest[..percent]);
        let (verb, letter, after) = verb(&rest[percent + 1..])?;
        rest = after;
        match letter {
            '%' => output.push('%'),
            _ => match arguments.next() {
                Some(value) => output.push_str(&verb.pad(&verb.show(letter, value))),
                None => output.push_str(&format!("%!{letter}(MISSING)")),
            },
        }
    }
    output.push_str(rest);
    let extra: Vec<String> = arguments.map(|value| format!("{}={value}", value.type_name())).collect();
    if !extra.is_empty() {
        output.push_str(&format!("%!(EXTRA {})", extra.join(", ")));
    }
    Ok(output)
}

/// Reads flags, width, precision and letter.
fn verb(text: &str) -> Result<(Verb, char, &str), String> {
    let mut verb = Verb::default();
    let mut rest = text;
    while let Some(flag) = rest.chars().next().filter(|flag| "-+0 #".contains(*flag)) {
        verb.left |= flag == '-';
        verb.plus |= flag == '+';
        verb.zero |= flag == '0';
        rest = &rest[1..];
    }
    let number = |text: &str| {
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        (text[..end].parse::<usize>().unwrap_or(0).min(WIDTH_MAX), end)
    };
    let (width, end) = number(rest);
    verb.width = width;
    rest = &rest[end..];
    if let Some(after) = rest.strip_prefix('.') {
        let (precision, end) = number(after);
        verb.precision = Some(precision);
        rest = &after[end..];
    }
    let letter = rest.chars().next().ok_or("the format ends within a verb")?;
    Ok((verb, letter, &rest[letter.len_utf8()..]))
}

impl Verb {
    fn show(&self, letter: char, value: &Value) -> String {
        match (letter, value) {
            ('s' | 'v', _) => self.cut(value.to_string()),
            ('q', Value::Text(text)) => go_quote(text),
            ('q', Value::Zero) => go_quote(""),
            ('t', Value::Bool(flag)) => flag.to_string(),
            ('d', Value::Int(number)) => self.signed(*number, number.unsigned_abs().to_string()),
            ('d' | 'x' | 'X' | 'o' | 'b', Value::Zero) => "0".to_owned(),
            ('x', Value::Int(number)) => self.signed(*number, format!("{:x}", number.unsigned_abs())),
            ('X', Value::Int(number)) => self.signed(*number, format!("{:X}", number.unsigned_abs())),
            ('o', Value::Int(number)) => self.signed(*number, format!("{:o}", number.unsigned_abs())),
            ('b', Value::Int(number)) => self.signed(*number, format!("{:b}", number.unsigned_abs())),
            ('x', Value::Text(text)) => text.bytes().map(|byte| format!("{byte:02x}")).collect(),
            ('f', Value::Float(number)) => format!("{number:.*}", self.precision.unwrap_or(6)),
            ('g', Value::Float(number)) => number.to_string(),
            ('T', _) => value.type_name().to_owned(),
            _ => format!("%!{letter}({}={value})", value.type_name()),
        }
    }

    fn signed(&self, number: i128, digits: String) -> String {
        match (number < 0, self.plus) {
            (true, _) => format!("-{digits}"),
            (false, true) => format!("+{digits}"),
            (false, false) => digits,
        }
    }

    fn cut(&self, text: String) -> String {
        match self.precision {
            Some(length) => text.chars().take(length).collect(),
            None => text,
        }
    }

    fn pad(&self, text: &str) -> String {
        let missing = self.width.saturating_sub(text.chars().count());
        match (self.left, self.zero) {
            (true, _) => text.to_owned() + &" ".repeat(missing),
            (false, true) => match text.strip_prefix('-') {
                Some(digits) => format!("-{}{digits}", "0".repeat(missing)),
                None => "0".repeat(missing) + text,
            },
            (false, false) => " ".repeat(missing) + text,
        }
    }
}
