//! Filters of list calls, in the form the Go client sends: `{"label":{"a=b":true}}`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

/// What a list is narrowed to. Values of one key are alternatives, keys are conditions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters(BTreeMap<String, BTreeSet<String>>);

impl Filters {
    /// One condition.
    pub fn one(key: impl Into<String>, value: impl Into<String>) -> Filters {
        let mut filters = Filters::default();
        filters.add(key, value);
        filters
    }

    /// Adds an alternative to a key.
    pub fn add(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.0.entry(key.into()).or_default().insert(value.into());
    }

    /// The alternatives of a key.
    pub fn get(&self, key: &str) -> impl Iterator<Item = &str> {
        self.0.get(key).into_iter().flatten().map(String::as_str)
    }

    /// Removes a key with all its alternatives.
    pub fn remove(&mut self, key: &str) {
        self.0.remove(key);
    }

    /// All conditions, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, impl Iterator<Item = &str>)> {
        self.0.iter().map(|(key, values)| (key.as_str(), values.iter().map(String::as_str)))
    }

    /// The value of the query key `filters`; empty when there is nothing to filter by.
    pub(super) fn render(&self) -> String {
        if self.0.is_empty() {
            return String::new();
        }
        let map: BTreeMap<_, BTreeMap<_, _>> = self
            .0
            .iter()
            .map(|(key, values)| (key, values.iter().map(|value| (value, true)).collect()))
            .collect();
        json!(map).to_string()
    }
}
