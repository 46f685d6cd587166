//! Objects as docker's client sees them: decoded into Go's structs, in which a field that JSON leaves out is there all
//! the same, and empty.
//!
//! `types/*.txt` lists the structs. A line without indentation names one; the lines below it are its fields:
//!
//! ```text
//! container.State
//!   Status: string          a field; its kind says what it is while it is empty
//!   OOMKilled: bool
//!   Health: *container.Health?   `*`: a pointer, nil while empty; `?`: JSON leaves it out while it is empty
//!   ID as Id: string        JSON has another name for it
//!   + container.Resources   embedded: its fields stand here
//! ```
//!
//! Kinds: `string`, `int`, `float`, `bool`, `time`, `duration`, `bytes`, `any`, a struct, and before any of them `*`, `[]`
//! or `map[]`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::value::{Field, Struct, Value};

const TEXT: &str = concat!(include_str!("types/objects.txt"), include_str!("types/swarm.txt"));

/// The fields of each struct.
static TYPES: LazyLock<BTreeMap<&'static str, Vec<Line>>> = LazyLock::new(|| parse(TEXT));

/// A line below the name of a struct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Field { name: &'static str, json_name: &'static str, kind: &'static str, is_optional: bool },
    Embedded(&'static str),
}

fn parse(text: &'static str) -> BTreeMap<&'static str, Vec<Line>> {
    let mut types: BTreeMap<_, Vec<Line>> = BTreeMap::new();
    let mut current = "";
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        match line.strip_prefix("  ") {
            Some(field) => types.entry(current).or_default().push(parse_line(field)),
            None => {
                current = line;
                types.entry(line).or_default();
            }
        }
    }
    types
}

/// The text is compiled in: what is wrong in it fails every test of templates.
fn parse_line(text: &'static str) -> Line {
    if let Some(embedded) = text.strip_prefix("+ ") {
        return Line::Embedded(embedded);
    }
    let (names, kind) = text.split_once(": ").unwrap_or_else(|| panic!("{text:?} describes no field"));
    let (name, json_name) = names.split_once(" as ").unwrap_or((names, names));
    let is_optional = kind.ends_with('?');
    Line::Field { name, json_name, kind: kind.trim_end_matches('?'), is_optional }
}

/// Returns the struct into which the client decodes an object of this sort, as `inspect --type` names it, or what it says of
/// itself; `None` where the answer does not fit.
pub(super) fn decode(sort: &str, answer: &Value) -> Option<Value> {
    let name = match sort {
        "container" => "container.InspectResponse",
        "image" => "image.InspectResponse",
        "network" => "network.Inspect",
        "volume" => "volume.Volume",
        "service" => "swarm.Service",
        "task" => "swarm.Task",
        "node" => "swarm.Node",
        "secret" => "swarm.Secret",
        "config" => "swarm.Config",
        "client" => "*system.clientInfo",
        "client version" => "system.clientVersion",
        _ => return None,
    };
    of_kind(name, Some(answer))
}

/// Returns a value of a kind; without an answer, the empty one.
fn of_kind(kind: &'static str, answer: Option<&Value>) -> Option<Value> {
    let answer = answer.filter(|answer| **answer != Value::Nil);
    if let Some(target) = kind.strip_prefix('*') {
        return match answer {
            None => Some(Value::NilPointer(target)),
            some => of_kind(target, some).map(pointed_to),
        };
    }
    if let Some(item) = kind.strip_prefix("[]") {
        return match answer {
            None => Some(Value::NilList),
            Some(Value::List(items)) => {
                items.iter().map(|one| of_kind(item, Some(one))).collect::<Option<_>>().map(Value::List)
            }
            Some(_) => None,
        };
    }
    if let Some(item) = kind.strip_prefix("map[]") {
        return match answer {
            None => Some(Value::NilMap),
            Some(Value::Object(entries)) => {
                let entry = |(key, one): &(String, Value)| Some((key.clone(), of_kind(item, Some(one))?));
                entries.iter().map(entry).collect::<Option<_>>().map(Value::Map)
            }
            Some(_) => None,
        };
    }
    match TYPES.get(kind) {
        Some(lines) => of_struct(kind, lines, answer),
        None => of_basic(kind, answer),
    }
}

/// A struct behind a pointer is called so in errors.
fn pointed_to(mut value: Value) -> Value {
    if let Value::Struct(inner) = &mut value {
        inner.type_name.insert(0, '*');
    }
    value
}

fn of_basic(kind: &str, answer: Option<&Value>) -> Option<Value> {
    match (kind, answer) {
        ("string", None) => Some(Value::Text(String::new())),
        ("bool", None) => Some(Value::Bool(false)),
        ("int", None) => Some(Value::Int(0)),
        ("float", None) => Some(Value::Float(0.0)),
        ("duration", None) => Some(Value::Duration(0)),
        ("time", None) => Some(Value::Time("0001-01-01T00:00:00Z".to_owned())),
        ("bytes", None) => Some(Value::NilList),
        ("any", None) => Some(Value::Nil),
        ("string" | "bytes", Some(Value::Text(text))) => Some(Value::Text(text.clone())),
        ("time", Some(Value::Text(text))) => Some(Value::Time(text.clone())),
        ("duration", Some(Value::Int(nanos))) => i64::try_from(*nanos).ok().map(Value::Duration),
        ("float", Some(Value::Int(number))) => Some(Value::Float(*number as f64)),
        ("bool", Some(Value::Bool(_))) | ("int", Some(Value::Int(_))) | ("float", Some(Value::Float(_))) => {
            answer.cloned()
        }
        ("any", Some(any)) => Some(any.clone()),
        _ => None,
    }
}

fn of_struct(name: &'static str, lines: &[Line], answer: Option<&Value>) -> Option<Value> {
    let entries: &[(String, Value)] = match answer {
        None => &[],
        Some(Value::Object(entries)) => entries,
        Some(_) => return None,
    };
    let mut fields = Vec::with_capacity(lines.len());
    for line in lines {
        match *line {
            Line::Embedded(inner) => match of_kind(inner, answer)? {
                Value::Struct(inner) => fields.extend(inner.fields),
                _ => return None,
            },
            Line::Field { name, json_name, kind, is_optional } => {
                let found = entries.iter().find(|(known, _)| known == json_name).map(|(_, value)| value);
                let value = of_kind(kind, found)?;
                let is_omitted = is_optional && is_empty(kind, &value);
                let json_name = Some(json_name).filter(|json_name| *json_name != name);
                fields.push(Field { name: name.to_owned(), value, is_omitted, json_name });
            }
        }
    }
    Some(Value::Struct(Struct { type_name: name.to_owned(), fields }))
}

/// What `omitempty` leaves out. A pointer to something empty is not among it, nor is a struct or an instant.
fn is_empty(kind: &str, value: &Value) -> bool {
    match kind.starts_with('*') {
        true => matches!(value, Value::NilPointer(_)),
        false => !matches!(value, Value::Struct(_) | Value::Time(_)) && !value.is_true(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::{Template, fill};

    fn shown(template: &str, json: &str) -> Result<String, String> {
        let template = Template::parse(template).expect("a template");
        fill(&template, "volume", json).map_err(|error| error.to_string())
    }

    #[test]
    fn every_kind_is_known() {
        const BASIC: [&str; 8] = ["string", "int", "float", "bool", "time", "duration", "bytes", "any"];
        for (name, lines) in TYPES.iter() {
            for line in lines {
                let kind = match *line {
                    Line::Embedded(kind) | Line::Field { kind, .. } => kind,
                };
                let inner = kind.trim_start_matches(['*', '[', ']']);
                let inner = inner.trim_start_matches("map[]").trim_start_matches(['*', '[', ']']);
                assert!(TYPES.contains_key(inner) || BASIC.contains(&inner), "{name}: {kind}");
            }
        }
    }

    #[test]
    fn what_json_leaves_out_is_empty_and_what_is_nowhere_is_an_error() {
        let volume = r#"{"Name":"data","Driver":"local","Extra":{"a":1}}"#;
        for (template, text) in [
            (
                "{{.Name}}|{{.Labels}}|{{.Labels.a}}|{{.CreatedAt}}|{{.Status}}",
                "data|map[]|<no value>||map[]",
            ),
            ("{{if .UsageData}}yes{{else}}no{{end}} {{.UsageData}}", "no <nil>"),
            ("{{range .Options}}x{{else}}none{{end}} {{len .Labels}}", "none 0"),
            (
                "{{json .}}",
                r#"{"Driver":"local","Labels":null,"Mountpoint":"","Name":"data","Options":null,"Scope":""}"#,
            ),
            // What the client's struct does not have is looked for in what the daemon wrote.
            ("{{.Extra.a}}", "1"),
        ] {
            assert_eq!(shown(template, volume).as_deref(), Ok(text), "{template}");
        }
        for (template, text) in [
            ("{{.Nonsense}}", r#"1:2: executing "" at <.Nonsense>: map has no entry for key "Nonsense""#),
            (
                "{{.UsageData.Size}}",
                r#"1:12: executing "" at <.UsageData.Size>: map has no entry for key "UsageData""#,
            ),
        ] {
            let error = shown(template, volume).expect_err(template);
            assert_eq!(error, format!("template parsing error: template: :{text}"));
        }
    }
}
