//! What must be equal between two answers: keys, types and nulls; and what is replaced before an answer is kept.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Map, Value};

/// Keys whose members are named by users or machines: every member is compared with every other.
const TABLES: [&str; 14] = [
    "Labels",
    "Attributes",
    "Options",
    "Networks",
    "networks",
    "stats",
    "Ports",
    "ExposedPorts",
    "Volumes",
    "Data",
    "Config",
    "IndexConfigs",
    "Runtimes",
    "Containers",
];

/// One difference between what dockerd and Skep answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// A JSON pointer without positions in lists; `/` for the whole.
    pub at: String,
    pub what: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.what)
    }
}

/// Compares Skep's answer with dockerd's: the same keys at the same places, with values of the same type.
pub fn compare(dockerd: &Value, skep: &Value) -> Vec<Difference> {
    let mut differences = Vec::new();
    walk("", &[dockerd], &[skep], &mut differences);
    differences
}

/// All that may stand at one place: the elements of a list are looked at together.
fn walk(at: &str, dockerd: &[&Value], skep: &[&Value], differences: &mut Vec<Difference>) {
    let note = |what: String| Difference { at: if at.is_empty() { "/" } else { at }.to_owned(), what };
    let (theirs, ours) = (kinds(dockerd), kinds(skep));
    if theirs != ours {
        let list = |kinds: &BTreeSet<&str>| kinds.iter().copied().collect::<Vec<_>>().join(" or ");
        // An empty list tells nothing of its elements.
        if !theirs.is_empty() && !ours.is_empty() {
            differences.push(note(format!("dockerd {}, skep {}", list(&theirs), list(&ours))));
        }
        return;
    }
    let elements = |values: &[&Value]| -> Vec<Value> {
        values.iter().filter_map(|value| value.as_array()).flatten().cloned().collect()
    };
    let (their_elements, our_elements) = (elements(dockerd), elements(skep));
    if !their_elements.is_empty() && !our_elements.is_empty() {
        let (theirs, ours): (Vec<_>, Vec<_>) =
            (their_elements.iter().collect(), our_elements.iter().collect());
        walk(at, &theirs, &ours, differences);
    }
    walk_objects(at, dockerd, skep, differences);
}

fn walk_objects(at: &str, dockerd: &[&Value], skep: &[&Value], differences: &mut Vec<Difference>) {
    let objects = |values: &[&Value]| -> Vec<Map<String, Value>> {
        values.iter().filter_map(|value| value.as_object()).cloned().collect()
    };
    let (theirs, ours) = (objects(dockerd), objects(skep));
    let is_table = at.rsplit('/').next().is_some_and(|key| TABLES.contains(&key));
    if is_table {
        let members = |objects: &[Map<String, Value>]| -> Vec<Value> {
            objects.iter().flat_map(Map::values).cloned().collect()
        };
        let (theirs, ours) = (members(&theirs), members(&ours));
        if !theirs.is_empty() && !ours.is_empty() {
            let (theirs, ours): (Vec<_>, Vec<_>) = (theirs.iter().collect(), ours.iter().collect());
            walk(&format!("{at}/*"), &theirs, &ours, differences);
        }
        return;
    }
    let keys = |objects: &[Map<String, Value>]| -> BTreeSet<String> {
        objects.iter().flat_map(Map::keys).cloned().collect()
    };
    for key in keys(&theirs).union(&keys(&ours)) {
        let at = format!("{at}/{key}");
        let under = |objects: &'_ [Map<String, Value>]| -> Vec<Value> {
            objects.iter().filter_map(|object| object.get(key)).cloned().collect()
        };
        let (their_values, our_values) = (under(&theirs), under(&ours));
        if our_values.is_empty() {
            differences.push(Difference { at, what: "only dockerd has it".to_owned() });
        } else if their_values.is_empty() {
            differences.push(Difference { at, what: "only skep has it".to_owned() });
        } else {
            let theirs: Vec<&Value> = their_values.iter().collect();
            let ours: Vec<&Value> = our_values.iter().collect();
            walk(&at, &theirs, &ours, differences);
        }
    }
}

fn kinds<'a>(values: &[&'a Value]) -> BTreeSet<&'a str> {
    values.iter().map(|value| kind(value)).collect()
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

/// Replaces ids, digests, times, paths of the sandbox and numbers, so that the file stays the same between two runs.
pub fn normalised(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(plain_text(text)),
        Value::Number(_) => Value::from(0),
        Value::Array(items) => items.into_iter().map(normalised).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(key, value)| (plain_text(key), normalised(value))).collect()
        }
        plain => plain,
    }
}

/// Replaces each word that a run draws anew.
fn plain_text(text: String) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut word = String::new();
    let flush = |word: &mut String, plain: &mut String| {
        plain.push_str(if is_drawn(word) { "…" } else { word });
        word.clear();
    };
    for letter in text.chars() {
        if letter.is_ascii_alphanumeric() {
            word.push(letter);
        } else {
            flush(&mut word, &mut plain);
            plain.push(letter);
        }
    }
    flush(&mut word, &mut plain);
    match plain.strip_prefix("/tmp/") {
        Some(_) => "/tmp/…".to_owned(),
        None => plain,
    }
}

/// Tells ids, times and numbers from words.
fn is_drawn(word: &str) -> bool {
    let has_digit = word.bytes().any(|byte| byte.is_ascii_digit());
    let is_hex = word.bytes().all(|byte| byte.is_ascii_hexdigit());
    has_digit && (word.len() >= 25 || (is_hex && word.len() >= 9) || is_date(word))
}

/// Tells the two words of `2026-01-02T03:04:05Z` that stand out, and plain numbers of more than one digit.
fn is_date(word: &str) -> bool {
    let digits = word.trim_matches(|letter| matches!(letter, 'T' | 'Z'));
    let digits_only = digits.split('T').all(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
    digits_only && word.len() >= 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn differences(dockerd: Value, skep: Value) -> Vec<String> {
        compare(&dockerd, &skep).iter().map(Difference::to_string).collect()
    }

    #[test]
    fn keys_types_and_nulls_must_agree() {
        assert!(
            differences(json!({"A": 1, "B": [{"C": "x"}]}), json!({"A": 2, "B": [{"C": "y"}]})).is_empty()
        );
        assert_eq!(differences(json!({"A": null}), json!({"A": []})), ["/A: dockerd null, skep list"]);
        assert_eq!(differences(json!({"A": 1}), json!({})), ["/A: only dockerd has it"]);
        assert_eq!(differences(json!({}), json!({"A": 1})), ["/A: only skep has it"]);
        assert_eq!(
            differences(json!([{"A": {"B": 1}}]), json!([{"A": {"B": "1"}}])),
            ["/A/B: dockerd number, skep text"]
        );
    }

    #[test]
    fn what_users_name_is_no_key() {
        assert!(
            differences(json!({"Labels": {"a": "1"}}), json!({"Labels": {"b": "2", "c": "3"}})).is_empty()
        );
        assert_eq!(
            differences(json!({"Labels": {"a": "1"}}), json!({"Labels": {"b": 2}})),
            ["/Labels/*: dockerd text, skep number"]
        );
    }

    #[test]
    fn what_a_run_draws_is_replaced() {
        let value =
            json!({"ID": "w6kn3x5j7q8r9s0t1u2v3w4x5", "At": "2026-01-02T03:04:05.123Z", "Name": "rec.1"});
        let plain = normalised(value);
        assert_eq!(plain["ID"], "…");
        assert_eq!(plain["Name"], "rec.1");
        assert!(!plain["At"].as_str().expect("text").contains("2026"), "{plain}");
    }
}
