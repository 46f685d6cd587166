//! From a parsed body to a type, with Go's leniency and Go's error sentences.

use std::fmt;

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{self, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, Visitor};

use super::tree::Json;

/// A value of another kind than the type wants.
#[derive(Debug, Default)]
pub struct Mismatch {
    /// What was found: `string`, `number 1.5`, `object`.
    found: String,
    /// The Go type that was wanted.
    wanted: String,
    /// Keys from the outermost struct to the value, innermost first.
    path: Vec<String>,
    /// The Go type of the whole body.
    root: &'static str,
    /// A sentence of the type itself, instead of all the above.
    custom: Option<String>,
}

impl Mismatch {
    fn new(found: &Json, wanted: &str) -> Self {
        let found = match found {
            Json::Null => "null".to_owned(),
            Json::Bool(_) => "bool".to_owned(),
            Json::Number(number) => format!("number {number}"),
            Json::String(_) => "string".to_owned(),
            Json::Array(_) => "array".to_owned(),
            Json::Object(_) => "object".to_owned(),
        };
        Mismatch { found, wanted: wanted.to_owned(), ..Mismatch::default() }
    }

    fn under(mut self, key: &str) -> Self {
        self.path.push(key.to_owned());
        self
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.path.iter().rev().fold(self.root.to_owned(), |place, key| format!("{place}.{key}"));
        if let Some(custom) = &self.custom {
            return if self.path.is_empty() { f.write_str(custom) } else { write!(f, "{place}: {custom}") };
        }
        // Go names the bare kind of a number where any number is wrong, and the number where only this one is.
        let number_wanted = self.wanted.contains("int") || self.wanted.starts_with("float");
        let found =
            if number_wanted { &self.found } else { self.found.split(' ').next().unwrap_or_default() };
        write!(f, "json: cannot unmarshal {found} into Go ")?;
        match self.path.is_empty() {
            true => write!(f, "value of type {}", self.wanted),
            false => write!(f, "struct field {place} of type {}", self.wanted),
        }
    }
}

impl std::error::Error for Mismatch {}

impl de::Error for Mismatch {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Mismatch { custom: Some(text.to_string()), ..Mismatch::default() }
    }
}

/// A value on its way into a type.
pub(super) struct Lenient(pub(super) Json);

impl<'de> IntoDeserializer<'de, Mismatch> for Lenient {
    type Deserializer = Self;
    fn into_deserializer(self) -> Self {
        self
    }
}

/// The integers: absent is 0, and what does not fit is refused with its Go type.
macro_rules! integers {
    ($($method:ident $as:ident $visit:ident $go:literal,)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
            let value = match &self.0 {
                Json::Null => Some(0),
                Json::Number(number) => number.$as(),
                _ => None,
            };
            let mismatch = || Mismatch::new(&self.0, $go);
            visitor.$visit::<Mismatch>(value.ok_or_else(mismatch)?).map_err(|_| mismatch())
        }
    )*};
}

impl<'de> Deserializer<'de> for Lenient {
    type Error = Mismatch;

    integers! {
        deserialize_u8 as_u64 visit_u64 "uint8",
        deserialize_u16 as_u64 visit_u64 "uint16",
        deserialize_u32 as_u64 visit_u64 "uint32",
        deserialize_u64 as_u64 visit_u64 "uint64",
        deserialize_i8 as_i64 visit_i64 "int8",
        deserialize_i16 as_i64 visit_i64 "int16",
        deserialize_i32 as_i64 visit_i64 "int32",
        deserialize_i64 as_i64 visit_i64 "int64",
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.0 {
            Json::Null => visitor.visit_unit(),
            Json::Bool(value) => visitor.visit_bool(value),
            Json::Number(number) => number.deserialize_any(visitor).map_err(de::Error::custom),
            Json::String(text) => visitor.visit_string(text),
            Json::Array(items) => visitor.visit_seq(SeqDeserializer::new(items.into_iter().map(Lenient))),
            Json::Object(entries) => free_form(entries, visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.0 {
            Json::Null => visitor.visit_bool(false),
            Json::Bool(value) => visitor.visit_bool(value),
            other => Err(Mismatch::new(&other, "bool")),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        let value = match &self.0 {
            Json::Null => Some(0.0),
            Json::Number(number) => number.as_f64(),
            _ => None,
        };
        visitor.visit_f64(value.ok_or_else(|| Mismatch::new(&self.0, "float64"))?)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        self.deserialize_string(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.0 {
            Json::Null => visitor.visit_string(String::new()),
            Json::String(text) => visitor.visit_string(text),
            other => Err(Mismatch::new(&other, "string")),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.0 {
            Json::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        let items = match self.0 {
            Json::Null => Vec::new(),
            Json::Array(items) => items,
            other => return Err(Mismatch::new(&other, "slice")),
        };
        visitor.visit_seq(SeqDeserializer::new(items.into_iter().map(Lenient)))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.0 {
            Json::Null => free_form(Vec::new(), visitor),
            Json::Object(entries) => free_form(entries, visitor),
            other => Err(Mismatch::new(&other, "map")),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        let entries = match self.0 {
            Json::Null => Vec::new(),
            Json::Object(entries) => entries,
            other => return Err(Mismatch::new(&other, name)),
        };
        let known = known_fields(entries, fields).into_iter();
        // Each struct on the way out overwrites the name; the outermost remains.
        visitor.visit_map(Fields { known, value: None }).map_err(|error| Mismatch { root: name, ..error })
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct tuple tuple_struct enum identifier ignored_any
    }
}

fn free_form<'de, V: Visitor<'de>>(entries: Vec<(String, Json)>, visitor: V) -> Result<V::Value, Mismatch> {
    visitor.visit_map(MapDeserializer::new(entries.into_iter().map(|(key, value)| (key, Lenient(value)))))
}

/// Keeps what the type knows, under the type's own spelling: the exact one first, as Go does.
fn known_fields(entries: Vec<(String, Json)>, fields: &'static [&'static str]) -> Vec<(&'static str, Json)> {
    let mut known: Vec<(&'static str, Json)> = Vec::with_capacity(entries.len().min(fields.len()));
    for (key, value) in entries {
        let exact = fields.iter().find(|field| **field == key);
        let Some(field) = exact.or_else(|| fields.iter().find(|field| field.eq_ignore_ascii_case(&key)))
        else {
            continue;
        };
        if value == Json::Null {
            continue;
        }
        match known.iter_mut().find(|(name, _)| name == field) {
            Some(earlier) => earlier.1 = value,
            None => known.push((field, value)),
        }
    }
    known
}

/// The known fields of one object.
struct Fields {
    known: std::vec::IntoIter<(&'static str, Json)>,
    value: Option<(&'static str, Json)>,
}

impl<'de> MapAccess<'de> for Fields {
    type Error = Mismatch;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Mismatch> {
        self.value = self.known.next();
        match &self.value {
            Some((field, _)) => seed.deserialize((*field).into_deserializer()).map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Mismatch> {
        let (field, value) = self.value.take().expect("serde asks for a value after its key only");
        seed.deserialize(Lenient(value)).map_err(|error| error.under(field))
    }
}
