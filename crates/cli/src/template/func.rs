//! The functions of templates: Go's own and Docker's.

use std::cmp::Ordering;

use super::printf::printf;
use super::value::Value;

/// What is being filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Data: functions do what they say.
    Rows,
    /// Headings: Docker's string functions return what they are given.
    Headings,
}

const NAMES: [&str; 24] = [
    "and", "or", "not", "len", "index", "slice", "print", "println", "printf", "html", "urlquery", "eq",
    "ne", "lt", "le", "gt", "ge", "json", "split", "join", "title", "lower", "upper", "pad",
];

/// Tells whether a function of that name exists.
pub(super) fn exists(name: &str) -> bool {
    name == "truncate" || NAMES.contains(&name)
}

/// Calls a function; the error is the reason, without the name.
pub(super) fn call(name: &str, arguments: &[Value], mode: Mode) -> Result<Value, String> {
    let docker = matches!(name, "json" | "split" | "join" | "title" | "lower" | "upper" | "pad" | "truncate");
    if mode == Mode::Headings && docker {
        // Compat: docker 28.2 gives back the argument in the place where a row has its text.
        return Ok(arguments
            .iter()
            .find(|value| matches!(value, Value::Text(_)))
            .cloned()
            .unwrap_or(Value::Zero));
    }
    match (name, arguments) {
        ("not", [value]) => Ok(Value::Bool(!value.is_true())),
        ("len", [value]) => len(value),
        ("index", [value, keys @ ..]) => keys.iter().try_fold(value.clone(), index),
        ("slice", [value, bounds @ ..]) => slice(value, bounds),
        ("print", values) => Ok(Value::Text(print(values))),
        ("println", values) => {
            Ok(Value::Text(values.iter().map(Value::to_string).collect::<Vec<_>>().join(" ") + "\n"))
        }
        ("printf", [format, values @ ..]) => printf(text(format)?, values).map(Value::Text),
        ("html", values) => Ok(Value::Text(escape_html(&concat(values)))),
        ("urlquery", values) => Ok(Value::Text(escape_query(&concat(values)))),
        ("eq", [first, others @ ..]) if !others.is_empty() => {
            let mut equal = false;
            for other in others {
                equal |= order(first, other)? == Some(Ordering::Equal);
            }
            Ok(Value::Bool(equal))
        }
        ("ne", [a, b]) => Ok(Value::Bool(order(a, b)? != Some(Ordering::Equal))),
        ("lt", [a, b]) => Ok(Value::Bool(order(a, b)? == Some(Ordering::Less))),
        ("le", [a, b]) => Ok(Value::Bool(matches!(order(a, b)?, Some(Ordering::Less | Ordering::Equal)))),
        ("gt", [a, b]) => Ok(Value::Bool(order(a, b)? == Some(Ordering::Greater))),
        ("ge", [a, b]) => Ok(Value::Bool(matches!(order(a, b)?, Some(Ordering::Greater | Ordering::Equal)))),
        ("json", [value]) => Ok(Value::Text(value.to_json())),
        ("split", [value, separator]) => {
            let parts = text(value)?.split(text(separator)?).map(|part| Value::Text(part.to_owned()));
            Ok(Value::List(parts.collect()))
        }
        ("join", [Value::List(items), separator]) => {
            let items: Vec<String> = items.iter().map(Value::to_string).collect();
            Ok(Value::Text(items.join(text(separator)?)))
        }
        ("join", [Value::Zero | Value::Nil | Value::NilList, _]) => Ok(Value::Text(String::new())),
        ("title", [value]) => Ok(Value::Text(title(text(value)?))),
        ("lower", [value]) => Ok(Value::Text(text(value)?.to_lowercase())),
        ("upper", [value]) => Ok(Value::Text(text(value)?.to_uppercase())),
        ("pad", [value, before, after]) => {
            let (before, after) = (count(before)?, count(after)?);
            let value = text(value)?;
            let padded = if value.is_empty() {
                String::new()
            } else {
                " ".repeat(before) + value + &" ".repeat(after)
            };
            Ok(Value::Text(padded))
        }
        ("truncate", [value, length]) => Ok(Value::Text(text(value)?.chars().take(count(length)?).collect())),
        _ => Err(format!("wrong number or type of args for {name}")),
    }
}

/// Widths and counts beyond this are mistakes.
const COUNT_MAX: i128 = 10_000;

fn count(value: &Value) -> Result<usize, String> {
    match value {
        Value::Int(number) if (0..=COUNT_MAX).contains(number) => Ok(*number as usize),
        other => Err(format!("{other} is no length")),
    }
}

fn text(value: &Value) -> Result<&str, String> {
    match value {
        Value::Text(text) => Ok(text),
        Value::Zero => Ok(""),
        other => Err(format!("wrong type for value; expected string; got {}", other.type_name())),
    }
}

/// Go puts a blank between two operands if neither is a text.
fn print(values: &[Value]) -> String {
    let mut text = String::new();
    for (index, value) in values.iter().enumerate() {
        let is_text = |value: &Value| matches!(value, Value::Text(_));
        if index > 0 && !is_text(value) && !is_text(&values[index - 1]) {
            text.push(' ');
        }
        text.push_str(&value.to_string());
    }
    text
}

fn concat(values: &[Value]) -> String {
    values.iter().map(Value::to_string).collect()
}

fn len(value: &Value) -> Result<Value, String> {
    let length = match value {
        Value::Text(text) => text.len(),
        Value::List(items) => items.len(),
        Value::Map(entries) => entries.len(),
        Value::Object(entries) => entries.len(),
        Value::Zero | Value::NilList | Value::NilMap => 0,
        other => return Err(format!("len of type {}", other.type_name())),
    };
    Ok(Value::Int(length as i128))
}

fn index(value: Value, key: &Value) -> Result<Value, String> {
    match (value, key) {
        (Value::List(mut items), Value::Int(index)) => match usize::try_from(*index) {
            Ok(at) if at < items.len() => Ok(items.swap_remove(at)),
            _ => Err(format!("index out of range: {index}")),
        },
        (Value::Text(text), Value::Int(index)) => {
            let byte = usize::try_from(*index).ok().and_then(|at| text.as_bytes().get(at));
            byte.map(|byte| Value::Int((*byte).into())).ok_or_else(|| format!("index out of range: {index}"))
        }
        (Value::Map(mut entries), Value::Text(key)) => Ok(entries.remove(key).unwrap_or(Value::Zero)),
        (Value::Object(entries), Value::Text(key)) => {
            Ok(entries.into_iter().find(|(known, _)| known == key).map_or(Value::Nil, |(_, value)| value))
        }
        (Value::Zero | Value::NilMap, _) => Ok(Value::Zero),
        (Value::NilList, Value::Int(index)) => Err(format!("index out of range: {index}")),
        (Value::Nil, _) => Err("index of untyped nil".to_owned()),
        (other, _) => Err(format!("can't index item of type {}", other.type_name())),
    }
}

fn slice(value: &Value, bounds: &[Value]) -> Result<Value, String> {
    let length = match value {
        Value::Text(text) => text.len(),
        Value::List(items) => items.len(),
        other => return Err(format!("can't slice item of type {}", other.type_name())),
    };
    let (from, to) = match bounds {
        [] => (0, length),
        [from] => (count(from)?, length),
        [from, to] => (count(from)?, count(to)?),
        _ => return Err("too many slice indexes".to_owned()),
    };
    let sliced = match value {
        Value::Text(text) => text.get(from..to).map(|part| Value::Text(part.to_owned())),
        Value::List(items) => items.get(from..to).map(|part| Value::List(part.to_vec())),
        _ => None,
    };
    sliced.ok_or_else(|| format!("invalid slice index: {from} > {to}"))
}

fn order(a: &Value, b: &Value) -> Result<Option<Ordering>, String> {
    match (a, b) {
        (Value::Nil, Value::Nil | Value::Zero) | (Value::Zero, Value::Nil) => Ok(Some(Ordering::Equal)),
        (Value::Nil, _) | (_, Value::Nil) => Ok(None),
        _ => a.compare(b).map(Some).ok_or_else(|| "incompatible types for comparison".to_owned()),
    }
}

fn title(text: &str) -> String {
    let mut start = true;
    let letter = |character: char| {
        let shown = if start { character.to_uppercase().collect() } else { character.to_string() };
        start = !(character.is_alphanumeric() || character == '_' || character == '\'');
        shown
    };
    text.chars().map(letter).collect()
}

fn escape_html(text: &str) -> String {
    let entity = |character| match character {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '"' => "&#34;".to_owned(),
        '\'' => "&#39;".to_owned(),
        other => String::from(other),
    };
    text.chars().map(entity).collect()
}

fn escape_query(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        b' ' => "+".to_owned(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}
