//! The answers of dockerd 20.10 to each request that people's tools send, kept as files, and how an answer of Skep is
//! held against them.
//!
//! [`questions`] is a script: requests in order, some of which remember an id for later ones. [`Answer`] is what came
//! back, normalised so that two runs give the same file. [`shape`] compares two answers by keys, types and nulls.
//! `tests/recorded/` holds one file for each question; `make compare` asks dockerd again and complains if they differ.

mod meant;
mod questions;
mod shape;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

pub use meant::{MEANT, Meant};
pub use questions::{Question, SERVICE, questions};
pub use shape::{Difference, compare};

use crate::engine::{Engine, encode};

/// What came back.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub status: u16,
    /// Without parameters; empty without a body.
    pub content_type: String,
    /// JSON as it is; a stream of JSON objects as a list; anything else as null.
    pub body: Value,
}

/// Asks one question, with what earlier ones remembered, and `{now}`, filled in.
pub fn ask(engine: &mut Engine, question: &Question, known: &mut BTreeMap<String, String>) -> Result<Answer> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    known.insert("now".to_owned(), format!("{}.{:09}", now.as_secs(), now.subsec_nanos()));
    let fill = |text: &str| {
        known.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
    };
    let filters = question.filters.map(|filters| format!("filters={}", encode(&fill(filters))));
    let path = fill(question.path);
    let path = match filters {
        Some(filters) if path.contains('?') => format!("{path}&{filters}"),
        Some(filters) => format!("{path}?{filters}"),
        None => path,
    };
    let body: Option<Value> = match question.body {
        Some(body) => Some(serde_json::from_str(&fill(body)).context("the body of a question is JSON")?),
        None => None,
    };
    let response = engine.send(question.method, &path, body.as_ref())?;
    let content_type = response.header("content-type").unwrap_or_default();
    let content_type = content_type.split(';').next().unwrap_or_default().to_owned();
    let body = match content_type.as_str() {
        "application/json" => read_json(&response.text())?,
        _ => Value::Null,
    };
    if let Some((name, pointer)) = question.remember {
        let found = body.pointer(pointer).and_then(Value::as_str);
        let found = found.with_context(|| format!("{}: no {pointer} in {body}", question.name))?;
        known.insert(name.to_owned(), found.to_owned());
    }
    Ok(Answer { status: response.status, content_type, body })
}

/// Reads one JSON value, or several behind each other as a list.
fn read_json(text: &str) -> Result<Value> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let first = values.next().unwrap_or(Ok(Value::Null)).context("not JSON")?;
    let rest = values.collect::<Result<Vec<_>, _>>().context("not JSON")?;
    Ok(match rest.is_empty() {
        true => first,
        false => std::iter::once(first).chain(rest).collect(),
    })
}

impl Answer {
    /// Replaces what differs between two runs of the same script.
    pub fn normalised(self) -> Self {
        Answer { body: shape::normalised(self.body), ..self }
    }

    fn to_file(&self) -> Value {
        json!({"status": self.status, "contentType": self.content_type, "body": self.body})
    }

    fn of_file(file: &Value) -> Result<Self> {
        let status = file["status"].as_u64().and_then(|status| u16::try_from(status).ok());
        Ok(Answer {
            status: status.context("no status")?,
            content_type: file["contentType"].as_str().context("no contentType")?.to_owned(),
            body: file["body"].clone(),
        })
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("recorded")
}

/// Reads what dockerd answered.
pub fn load(name: &str) -> Result<Answer> {
    let path = folder().join(format!("{name}.json"));
    let text = fs::read_to_string(&path).with_context(|| {
        format!("cannot read {}: record it with `SKEP_RECORD=1 make compare`", path.display())
    })?;
    Answer::of_file(&serde_json::from_str(&text).with_context(|| path.display().to_string())?)
}

/// Writes what dockerd answered.
pub fn save(name: &str, answer: &Answer) -> Result<()> {
    let path = folder().join(format!("{name}.json"));
    fs::create_dir_all(folder()).context("cannot make the folder of recorded answers")?;
    let text = serde_json::to_string_pretty(&answer.to_file()).context("an answer is JSON")?;
    fs::write(&path, text + "\n").with_context(|| format!("cannot write {}", path.display()))
}

/// Fails if a file is there that no question asks for.
pub fn check_leftovers() -> Result<()> {
    let asked: Vec<String> = questions().iter().map(|question| format!("{}.json", question.name)).collect();
    for entry in fs::read_dir(folder()).context("cannot read the recorded answers")? {
        let name = entry.context("cannot read the recorded answers")?.file_name();
        let name = name.to_string_lossy().into_owned();
        if !asked.contains(&name) {
            bail!("tests/recorded/{name} answers no question; remove it");
        }
    }
    Ok(())
}
