//! What placeholders stand for.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// A value of a template.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    Text(Cow<'a, str>),
    Number(i64),
    Truth(bool),
    Map(&'a BTreeMap<String, String>),
    /// Named fields, and the name that Go gives their type in errors.
    Fields(&'static str, Vec<(&'static str, Value<'a>)>),
}

impl<'a> Value<'a> {
    pub fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Value::Text(text.into())
    }

    /// Returns whether Go takes it for true: what is not empty.
    pub(super) fn is_true(&self) -> bool {
        match self {
            Value::Text(text) => !text.is_empty(),
            Value::Number(number) => *number != 0,
            Value::Truth(truth) => *truth,
            Value::Map(map) => !map.is_empty(),
            Value::Fields(..) => true,
        }
    }

    /// Returns Go's name of its type.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Value::Text(_) => "string",
            Value::Number(_) => "int",
            Value::Truth(_) => "bool",
            Value::Map(_) => "map[string]string",
            Value::Fields(name, _) => name,
        }
    }

    pub(super) fn field(&self, name: &str) -> Result<Value<'a>, String> {
        match self {
            Value::Fields(type_name, fields) => fields
                .iter()
                .find(|(field, _)| *field == name)
                .map(|(_, value)| value.clone())
                .ok_or_else(|| format!("can't evaluate field {name} in type {type_name}")),
            Value::Map(map) => map
                .get(name)
                .map(|text| Value::text(text.as_str()))
                .ok_or_else(|| format!("map has no entry for key {name:?}")),
            other => Err(format!("can't evaluate field {name} in type {}", other.type_name())),
        }
    }
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(text) => f.write_str(text),
            Value::Number(number) => write!(f, "{number}"),
            Value::Truth(truth) => write!(f, "{truth}"),
            Value::Map(map) => {
                f.write_str("map[")?;
                for (place, (key, value)) in map.iter().enumerate() {
                    write!(f, "{}{key}:{value}", if place > 0 { " " } else { "" })?;
                }
                f.write_str("]")
            }
            Value::Fields(_, fields) => {
                f.write_str("{")?;
                for (place, (_, value)) in fields.iter().enumerate() {
                    write!(f, "{}{value}", if place > 0 { " " } else { "" })?;
                }
                f.write_str("}")
            }
        }
    }
}
