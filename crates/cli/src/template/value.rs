//! The data a template sees.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

/// A value. Objects that come from a Rust struct keep their field order and know the name Go gives their type.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// Go's `nil`.
    Nil,
    /// A field of something that is not there: empty, whatever its type.
    Zero,
    /// A pointer that leads nowhere, to a value of this type.
    NilPointer(&'static str),
    /// A list that is not there, which is an empty one but in JSON.
    NilList,
    /// A map that is not there, which is an empty one but in JSON.
    NilMap,
    /// A truth value.
    Bool(bool),
    /// A whole number; wide enough for both of Go's 64-bit kinds.
    Int(i128),
    /// A duration in nanoseconds: a whole number that prints as `1m30s`.
    Duration(i64),
    /// A number with a fraction.
    Float(f64),
    /// Text.
    Text(String),
    /// An instant in RFC 3339: a text that prints as `2026-01-02 03:04:05.6 +0000 UTC`.
    Time(String),
    /// A list.
    List(Vec<Value>),
    /// A map, in the order of its keys.
    Map(BTreeMap<String, Value>),
    /// An object.
    Struct(Struct),
    /// A JSON object whose type is known to the daemon only: its fields in the daemon's order.
    Object(Vec<(String, Value)>),
    /// A method that looks a text up, such as `.Label "k"`.
    Lookup(BTreeMap<String, String>),
}

/// An object with named fields.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Struct {
    /// What Go calls the type.
    pub type_name: String,
    /// The fields, in order.
    pub fields: Vec<Field>,
}

/// A field of an object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Field {
    /// The name that templates use.
    pub name: String,
    /// What it holds.
    pub value: Value,
    /// Tells whether JSON leaves it out, because it holds nothing.
    pub is_omitted: bool,
    /// The name that JSON uses, where that is another one.
    pub json_name: Option<&'static str>,
}

impl Field {
    /// A field that is always shown.
    pub(crate) fn new(name: impl Into<String>, value: Value) -> Field {
        Field { name: name.into(), value, is_omitted: false, json_name: None }
    }
}

impl Value {
    /// Go's idea of truth: not zero, not empty.
    pub(crate) fn is_true(&self) -> bool {
        match self {
            Value::Nil | Value::Zero | Value::NilPointer(_) | Value::NilList | Value::NilMap => false,
            Value::Bool(flag) => *flag,
            Value::Int(number) => *number != 0,
            Value::Duration(nanos) => *nanos != 0,
            Value::Float(number) => *number != 0.0,
            Value::Text(text) | Value::Time(text) => !text.is_empty(),
            Value::List(items) => !items.is_empty(),
            Value::Map(entries) => !entries.is_empty(),
            Value::Object(entries) => !entries.is_empty(),
            Value::Struct(_) | Value::Lookup(_) => true,
        }
    }

    /// Go's name of the type, for error texts.
    pub(crate) fn type_name(&self) -> &str {
        match self {
            Value::Nil | Value::Zero => "nil",
            Value::NilPointer(target) => target,
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Duration(_) => "time.Duration",
            Value::Time(_) => "time.Time",
            Value::Float(_) => "float64",
            Value::Text(_) => "string",
            Value::List(_) | Value::NilList => "[]interface {}",
            Value::Map(_) | Value::NilMap => "map[string]string",
            Value::Struct(object) => &object.type_name,
            Value::Object(_) => "map[string]interface {}",
            Value::Lookup(_) => "func(string) string",
        }
    }

    /// Compares basic values of one kind; `None` if they cannot be compared.
    pub(crate) fn compare(&self, other: &Value) -> Option<Ordering> {
        match (self, other) {
            (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
            (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
            (Value::Duration(a), other) => Value::Int((*a).into()).compare(other),
            (some, Value::Duration(b)) => some.compare(&Value::Int((*b).into())),
            (Value::Float(a), Value::Float(b)) => a.partial_cmp(b),
            (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
            (Value::Zero, Value::Zero) => Some(Ordering::Equal),
            (Value::Zero, other) => other.zero_of_kind()?.compare(other),
            (some, Value::Zero) => some.compare(&some.zero_of_kind()?),
            _ => None,
        }
    }

    fn zero_of_kind(&self) -> Option<Value> {
        match self {
            Value::Bool(_) => Some(Value::Bool(false)),
            Value::Int(_) => Some(Value::Int(0)),
            Value::Float(_) => Some(Value::Float(0.0)),
            Value::Text(_) => Some(Value::Text(String::new())),
            _ => None,
        }
    }

    /// Turns the value into JSON. Left-out fields stay out.
    pub(crate) fn to_json(&self) -> String {
        let list = |parts: Vec<String>, open: char, close: char| format!("{open}{}{close}", parts.join(","));
        let pair = |key: &str, value: &Value| {
            format!("{}:{}", Value::Text(key.to_owned()).to_json(), value.to_json())
        };
        match self {
            Value::Nil | Value::Zero | Value::NilPointer(_) | Value::NilList | Value::NilMap => {
                "null".to_owned()
            }
            Value::Bool(flag) => flag.to_string(),
            Value::Int(number) => number.to_string(),
            Value::Duration(nanos) => nanos.to_string(),
            Value::Float(number) => number.to_string(),
            Value::Text(text) | Value::Time(text) => crate::format::compact(text).expect("a string encodes"),
            Value::List(items) => list(items.iter().map(Value::to_json).collect(), '[', ']'),
            Value::Map(entries) => {
                list(entries.iter().map(|(key, value)| pair(key, value)).collect(), '{', '}')
            }
            Value::Struct(object) => {
                let present =
                    object.fields.iter().filter(|field| !field.is_omitted && field.value != Value::Zero);
                let name = |field: &Field| field.json_name.unwrap_or(&field.name).to_owned();
                list(present.map(|field| pair(&name(field), &field.value)).collect(), '{', '}')
            }
            Value::Object(entries) => {
                list(entries.iter().map(|(key, value)| pair(key, value)).collect(), '{', '}')
            }
            Value::Lookup(_) => "null".to_owned(),
        }
    }
}

/// Go's `%v`.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join = |parts: Vec<String>| parts.join(" ");
        match self {
            Value::Nil | Value::NilPointer(_) => f.write_str("<nil>"),
            Value::NilList => f.write_str("[]"),
            Value::NilMap => f.write_str("map[]"),
            Value::Zero => Ok(()),
            Value::Bool(flag) => write!(f, "{flag}"),
            Value::Int(number) => write!(f, "{number}"),
            Value::Duration(nanos) => f.write_str(&crate::grammar::show_duration(*nanos)),
            Value::Time(text) => f.write_str(&text.replace('T', " ").replace('Z', " +0000 UTC")),
            Value::Float(number) => write!(f, "{number}"),
            Value::Text(text) => f.write_str(text),
            Value::List(items) => write!(f, "[{}]", join(items.iter().map(Value::to_string).collect())),
            Value::Map(entries) => {
                write!(
                    f,
                    "map[{}]",
                    join(entries.iter().map(|(key, value)| format!("{key}:{value}")).collect())
                )
            }
            Value::Object(entries) => {
                let sorted: BTreeMap<&String, &Value> =
                    entries.iter().map(|(key, value)| (key, value)).collect();
                let parts = sorted.iter().map(|(key, value)| format!("{key}:{value}")).collect();
                write!(f, "map[{}]", join(parts))
            }
            Value::Lookup(_) => f.write_str("<no value>"),
            Value::Struct(object) => {
                write!(f, "{{{}}}", join(object.fields.iter().map(|field| field.value.to_string()).collect()))
            }
        }
    }
}
