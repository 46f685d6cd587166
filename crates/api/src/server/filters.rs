//! `filters`: values of one key are alternatives, keys must all hold, and so must all labels.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;
use skep_model::Labels;

use super::error::Error;
use super::events;
use super::facts::PruneFilter;
use super::query::Query;

/// The filters of a list, by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters(BTreeMap<String, BTreeSet<String>>);

impl Filters {
    /// Reads the parameter and refuses keys that the list does not know.
    pub fn from_query(query: &Query, known: &[&str]) -> Result<Self, Error> {
        let filters = Self::parse(query.get("filters"))?;
        match filters.0.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => Err(Error::invalid(format!("invalid filter '{key}'"))),
            None => Ok(filters),
        }
    }

    /// Reads both encodings: `{"label":{"a=b":true}}` and `{"label":["a=b"]}`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.is_empty() {
            return Ok(Filters::default());
        }
        let invalid = || Error::invalid("invalid filter");
        let keys: BTreeMap<String, Value> = serde_json::from_str(text).map_err(|_| invalid())?;
        let values = |value: Value| -> Option<BTreeSet<String>> {
            match value {
                Value::Null => Some(BTreeSet::new()),
                Value::Object(values) => Some(values.into_iter().map(|(value, _)| value).collect()),
                Value::Array(values) => {
                    values.iter().map(|value| value.as_str().map(str::to_owned)).collect()
                }
                _ => None,
            }
        };
        let keys = keys.into_iter().map(|(key, value)| Some((key, values(value)?)));
        keys.collect::<Option<_>>().map(Filters).ok_or_else(invalid)
    }

    /// Returns whether the key is there, whatever its values.
    pub fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// Returns the values of a key, in order.
    pub fn values(&self, key: &str) -> impl Iterator<Item = &str> {
        self.0.get(key).into_iter().flatten().map(String::as_str)
    }

    /// Reads what those of a prune have in common.
    pub fn prune(&self, all: bool) -> Result<PruneFilter, Error> {
        let until = match self.values("until").next() {
            None => None,
            Some(text) => events::instant(text)?,
        };
        let nanos = |at: jiff::Timestamp| i64::try_from(at.as_nanosecond()).unwrap_or(i64::MAX);
        Ok(PruneFilter {
            all,
            until: until.map(|at| skep_model::Timestamp(nanos(at))),
            labels: self.values("label").map(str::to_owned).collect(),
            labels_absent: self.values("label!").map(str::to_owned).collect(),
        })
    }

    /// Returns whether the key is absent or one of its values fulfils `test`.
    pub fn any(&self, key: &str, test: impl Fn(&str) -> bool) -> bool {
        let mut values = self.values(key).peekable();
        values.peek().is_none() || values.any(test)
    }

    /// Returns what a filter that is on or off says; `None` where it is absent. Neither and both make no sense.
    pub fn switch(&self, key: &str) -> Result<Option<bool>, Error> {
        let values: Vec<&str> = self.values(key).collect();
        if values.is_empty() {
            return Ok(None);
        }
        let says = |words: [&str; 2]| values.iter().any(|value| words.contains(value));
        match (says(["true", "1"]), says(["false", "0"])) {
            (is_on, is_off) if is_on != is_off => Ok(Some(is_on)),
            _ => Err(Error::invalid(format!("invalid filter '{key}=[{}]'", values.join(" ")))),
        }
    }

    /// Returns whether the key is absent or one of its values begins `subject`, which is rendered only if asked.
    pub fn prefix(&self, key: &str, subject: impl fmt::Display) -> bool {
        if self.values(key).next().is_none() {
            return true;
        }
        let subject = subject.to_string();
        self.values(key).any(|value| subject.starts_with(value))
    }

    /// Returns whether every listed label is there. `k` and `k=` take any value.
    pub fn labels(&self, key: &str, labels: &Labels) -> bool {
        self.values(key).all(|wanted| match wanted.split_once('=') {
            Some((name, value)) => labels.get(name).is_some_and(|found| value.is_empty() || found == value),
            None => labels.contains_key(wanted),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_encodings() {
        let map = Filters::parse(r#"{"label":{"a=b":true,"c":true},"name":{"w":true}}"#).expect("filters");
        let list = Filters::parse(r#"{"label":["a=b","c"],"name":["w"]}"#).expect("filters");
        assert_eq!(map, list);
        for text in ["x", "[]", "{\"a\":1}", "{\"a\":[1]}"] {
            assert_eq!(Filters::parse(text), Err(Error::invalid("invalid filter")), "{text}");
        }
    }

    #[test]
    fn a_switch_is_on_or_off() {
        let switch = |text: &str| Filters::parse(text).expect("filters").switch("dangling");
        assert_eq!(switch("{}"), Ok(None));
        assert_eq!(switch(r#"{"dangling":["1"]}"#), Ok(Some(true)));
        assert_eq!(switch(r#"{"dangling":["false"]}"#), Ok(Some(false)));
        for (text, said) in [("\"x\"", "[x]"), ("\"true\",\"0\"", "[0 true]")] {
            let refused = Error::invalid(format!("invalid filter 'dangling={said}'"));
            assert_eq!(switch(&format!(r#"{{"dangling":[{text}]}}"#)), Err(refused));
        }
    }

    #[test]
    fn values_are_alternatives_and_labels_are_not() {
        let filters = Filters::parse(r#"{"name":["web","db"],"label":["a=1","b","c="]}"#).expect("filters");
        assert!(filters.prefix("name", "web2") && filters.prefix("name", "db"));
        assert!(!filters.prefix("name", "we") && filters.prefix("id", "x"));
        let labels = |pairs: &[(&str, &str)]| -> Labels {
            pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
        };
        assert!(filters.labels("label", &labels(&[("a", "1"), ("b", "x"), ("c", "y")])));
        assert!(!filters.labels("label", &labels(&[("a", "2"), ("b", "x"), ("c", "y")])));
        assert!(!filters.labels("label", &labels(&[("a", "1"), ("b", "x")])));
    }
}
