//! Any serialisable value as template data.
//!
//! Every value is serialised twice: with the fields that `omitempty` leaves out, because Go's templates see their zero
//! values, and without, to know which they are, because Go's `json` function does not show them. Durations and instants
//! are told apart from numbers and texts, because Go prints them differently.

use std::collections::BTreeMap;
use std::fmt::Display;

use serde::Serialize;
use serde::ser::{Error, SerializeMap, SerializeSeq, SerializeStruct, SerializeTuple, Serializer};

use super::value::{Field, Struct, Value};

/// The fields that hold durations.
const DURATIONS: [&str; 10] = [
    "Delay",
    "HeartbeatPeriod",
    "Interval",
    "Monitor",
    "NodeCertExpiry",
    "StartInterval",
    "StartPeriod",
    "StopGracePeriod",
    "Timeout",
    "Window",
];

/// Names of fields in Go, where JSON has another one.
const GO_NAMES: [(&str, &str); 5] = [
    ("ApiVersion", "APIVersion"),
    ("CpuCfsPeriod", "CPUCfsPeriod"),
    ("CpuCfsQuota", "CPUCfsQuota"),
    ("HttpProxy", "HTTPProxy"),
    ("HttpsProxy", "HTTPSProxy"),
];

/// Why data cannot be shown: it holds something that JSON has no word for.
#[derive(Debug, thiserror::Error)]
#[error("cannot show the value in a template: {0}")]
pub(crate) struct Unshowable(String);

impl Error for Unshowable {
    fn custom<T: Display>(message: T) -> Self {
        Unshowable(message.to_string())
    }
}

/// Turns a value into template data; structs belong to the Go package `package`.
pub(crate) fn to_value<T: Serialize>(value: &T, package: &'static str) -> Result<Value, Unshowable> {
    let mut whole = skep_api::wire::with_zeros(|| value.serialize(Builder { package }))?;
    mark_omitted(&mut whole, &value.serialize(Builder { package })?);
    Ok(whole)
}

/// Marks the fields that are missing in `shown`.
fn mark_omitted(whole: &mut Value, shown: &Value) {
    match (whole, shown) {
        (Value::Struct(whole), Value::Struct(shown)) => {
            for field in &mut whole.fields {
                match shown.fields.iter().find(|known| known.name == field.name) {
                    Some(known) if !known.is_omitted => mark_omitted(&mut field.value, &known.value),
                    _ => field.is_omitted = true,
                }
            }
        }
        (Value::List(whole), Value::List(shown)) => {
            whole.iter_mut().zip(shown).for_each(|(whole, shown)| mark_omitted(whole, shown));
        }
        (Value::Map(whole), Value::Map(shown)) => {
            for (key, value) in whole {
                shown.get(key).into_iter().for_each(|shown| mark_omitted(value, shown));
            }
        }
        _ => {}
    }
}

#[derive(Clone, Copy)]
struct Builder {
    package: &'static str,
}

struct List(Builder, Vec<Value>);
struct Fields(Builder, String, Vec<Field>);
struct Entries(Builder, BTreeMap<String, Value>, Option<String>);

impl Serializer for Builder {
    type Ok = Value;
    type Error = Unshowable;
    type SerializeSeq = List;
    type SerializeTuple = List;
    type SerializeTupleStruct = serde::ser::Impossible<Value, Unshowable>;
    type SerializeTupleVariant = serde::ser::Impossible<Value, Unshowable>;
    type SerializeMap = Entries;
    type SerializeStruct = Fields;
    type SerializeStructVariant = serde::ser::Impossible<Value, Unshowable>;

    fn serialize_bool(self, value: bool) -> Result<Value, Unshowable> {
        Ok(Value::Bool(value))
    }
    fn serialize_i8(self, value: i8) -> Result<Value, Unshowable> {
        Ok(Value::Int(value.into()))
    }
    fn serialize_i16(self, value: i16) -> Result<Value, Unshowable> {
        Ok(Value::Int(value.into()))
    }
    fn serialize_i32(self, value: i32) -> Result<Value, Unshowable> {
        Ok(Value::Int(value.into()))
    }
    fn serialize_i64(self, value: i64) -> Result<Value, Unshowable> {
        Ok(Value::Int(value.into()))
    }
    fn serialize_u8(self, value: u8) -> Result<Value, Unshowable> {
        Ok(Value::Int(value.into()))
    }
    fn serialize_u16(self, value: u16) -> Result<Value, Unshowable> {
        Ok(Value::Int(value.into()))
    }
    fn serialize_u32(self, value: u32) -> Result<Value, Unshowable> {
        Ok(Value::Int(value.into()))
    }
    fn serialize_u64(self, value: u64) -> Result<Value, Unshowable> {
        Ok(Value::Int(value.into()))
    }
    fn serialize_f32(self, value: f32) -> Result<Value, Unshowable> {
        // Through its shortest text, so that 0.1 stays 0.1.
        Ok(Value::Float(value.to_string().parse().unwrap_or_else(|_| f64::from(value))))
    }
    fn serialize_f64(self, value: f64) -> Result<Value, Unshowable> {
        Ok(Value::Float(value))
    }
    fn serialize_char(self, value: char) -> Result<Value, Unshowable> {
        Ok(Value::Text(value.to_string()))
    }
    fn serialize_str(self, value: &str) -> Result<Value, Unshowable> {
        Ok(Value::Text(value.to_owned()))
    }
    fn serialize_bytes(self, _: &[u8]) -> Result<Value, Unshowable> {
        Err(Unshowable::custom("bytes"))
    }
    fn serialize_none(self) -> Result<Value, Unshowable> {
        Ok(Value::Nil)
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, Unshowable> {
        value.serialize(self)
    }
    fn serialize_unit(self) -> Result<Value, Unshowable> {
        Ok(Value::Nil)
    }
    fn serialize_unit_struct(self, _: &'static str) -> Result<Value, Unshowable> {
        Ok(Value::Nil)
    }
    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<Value, Unshowable> {
        Ok(Value::Text(variant.to_owned()))
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<Value, Unshowable> {
        match value.serialize(self)? {
            Value::Text(text) if name == "Time" => Ok(Value::Time(text)),
            value => Ok(value),
        }
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Value, Unshowable> {
        Ok(Value::Map(BTreeMap::from([(variant.to_owned(), value.serialize(self)?)])))
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<List, Unshowable> {
        Ok(List(self, Vec::new()))
    }
    fn serialize_tuple(self, _: usize) -> Result<List, Unshowable> {
        Ok(List(self, Vec::new()))
    }
    fn serialize_tuple_struct(
        self,
        name: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleStruct, Unshowable> {
        Err(Unshowable::custom(name))
    }
    fn serialize_tuple_variant(
        self,
        name: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Unshowable> {
        Err(Unshowable::custom(name))
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Entries, Unshowable> {
        Ok(Entries(self, BTreeMap::new(), None))
    }
    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Fields, Unshowable> {
        Ok(Fields(self, format!("{}.{name}", self.package), Vec::new()))
    }
    fn serialize_struct_variant(
        self,
        name: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Unshowable> {
        Err(Unshowable::custom(name))
    }
}

/// A field under the name that templates know it by.
fn named(key: &'static str, value: Value) -> Field {
    match GO_NAMES.iter().find(|(json_name, _)| *json_name == key) {
        Some((_, name)) => Field { json_name: Some(key), ..Field::new(*name, value) },
        None => Field::new(key, value),
    }
}

impl SerializeSeq for List {
    type Ok = Value;
    type Error = Unshowable;
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unshowable> {
        self.1.push(value.serialize(self.0)?);
        Ok(())
    }
    fn end(self) -> Result<Value, Unshowable> {
        Ok(Value::List(self.1))
    }
}

impl SerializeTuple for List {
    type Ok = Value;
    type Error = Unshowable;
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unshowable> {
        SerializeSeq::serialize_element(self, value)
    }
    fn end(self) -> Result<Value, Unshowable> {
        SerializeSeq::end(self)
    }
}

impl SerializeStruct for Fields {
    type Ok = Value;
    type Error = Unshowable;
    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), Unshowable> {
        let value = match value.serialize(self.0)? {
            Value::Int(nanos) if DURATIONS.contains(&key) => {
                Value::Duration(nanos.try_into().map_err(Unshowable::custom)?)
            }
            value => value,
        };
        self.2.push(named(key, value));
        Ok(())
    }
    fn skip_field(&mut self, key: &'static str) -> Result<(), Unshowable> {
        self.2.push(Field { is_omitted: true, ..named(key, Value::Zero) });
        Ok(())
    }
    fn end(self) -> Result<Value, Unshowable> {
        Ok(Value::Struct(Struct { type_name: self.1, fields: self.2 }))
    }
}

impl SerializeMap for Entries {
    type Ok = Value;
    type Error = Unshowable;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Unshowable> {
        self.2 = Some(key.serialize(self.0)?.to_string());
        Ok(())
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unshowable> {
        let key = self.2.take().ok_or_else(|| Unshowable::custom("a value without a key"))?;
        self.1.insert(key, value.serialize(self.0)?);
        Ok(())
    }
    fn end(self) -> Result<Value, Unshowable> {
        Ok(Value::Map(self.1))
    }
}
