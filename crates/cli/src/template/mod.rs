//! Go's `text/template`, as much of it as `--format` needs (ADR 0003 says why it is ours).
//!
//! Text, pipelines, fields, variables, `if`, `with`, `range`, trim markers, Go's built-in functions and Docker's; not
//! `define`, `template`, `block` and method calls. `parse` makes the tree, `exec` walks it over a [`Value`], and errors
//! read as Go's do: `template: :1:2: executing "" at <.Foo>: can't evaluate field Foo in type *swarm.Service`.

mod exec;
mod func;
mod json;
mod lex;
mod parse;
mod printf;
mod ser;
mod types;
mod value;

use thiserror::Error;

pub(crate) use ser::to_value;
pub(crate) use value::{Field, Struct, Value};

/// The longest output of one template: a guard against nested ranges.
const OUTPUT_BYTES_MAX: usize = 64 << 20;

/// Why a template cannot be read or cannot be filled in. The sentences are Go's, the titles before them Docker's.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(crate) enum TemplateError {
    /// It cannot be read, or says too much: the line, and why.
    #[error("template parsing error: template: :{0}")]
    Parse(String),
    /// It cannot be filled in.
    #[error("template parsing error: {}", executing("", .at, .what))]
    Execute {
        /// Line and column.
        at: String,
        /// The part of it, and why.
        what: String,
    },
}

fn executing(name: &str, at: &str, what: &str) -> String {
    format!("template: {name}:{at}: executing \"{name}\" at {what}")
}

impl TemplateError {
    /// Go's sentence, without a title of Docker's.
    pub(crate) fn bare(&self) -> String {
        match self {
            TemplateError::Parse(why) => format!("template: :{why}"),
            TemplateError::Execute { at, what } => executing("", at, what),
        }
    }

    /// Docker's sentence for `ps`, which tries a template before it asks for containers.
    pub(crate) fn in_ps(&self) -> String {
        match self {
            TemplateError::Parse(_) => format!("failed to parse template: {}", self.bare()),
            TemplateError::Execute { .. } => format!("failed to execute template: {}", self.bare()),
        }
    }

    /// Docker's sentence for a list, where filling in fails under another title than reading.
    pub(crate) fn in_list(&self) -> String {
        match self {
            TemplateError::Parse(_) => self.to_string(),
            TemplateError::Execute { .. } => format!("failed to execute template: {}", self.bare()),
        }
    }

    /// Docker's sentence for a template that has a name, where filling in fails without a title.
    pub(crate) fn in_template(&self, name: &str) -> String {
        match self {
            TemplateError::Parse(why) => format!("template parsing error: template: {name}:{why}"),
            TemplateError::Execute { at, what } => executing(name, at, what),
        }
    }
}

/// Fills a template in with an object of this sort, as the daemon wrote it.
///
/// Compat: docker 28.2 decodes it into a struct of its own, and asks what the daemon wrote only where that lacks something;
/// so what the daemon leaves out is empty, and what is in neither is told as missing in the latter.
pub(crate) fn fill(template: &Template, sort: &str, json: &str) -> Result<String, FillError> {
    let answer = json::from_json(json.as_bytes())?;
    let decoded = types::decode(sort, &answer);
    match decoded.and_then(|decoded| template.render(&decoded).ok()) {
        Some(text) => Ok(text),
        None => Ok(template.render(&answer)?),
    }
}

/// The same for the commands where docker's client looks nowhere but into its struct. An answer that does not fit that
/// struct, which the client would refuse, is shown as it is.
pub(crate) fn fill_decoded(template: &Template, sort: &str, json: &str) -> Result<String, FillError> {
    let answer = json::from_json(json.as_bytes())?;
    Ok(template.render(&types::decode(sort, &answer).unwrap_or(answer))?)
}

/// Returns what this program says of itself in the struct that docker's client has for it.
pub(crate) fn own(sort: &str, facts: &impl serde::Serialize) -> Result<Value, serde_json::Error> {
    let facts = json::from_json(&serde_json::to_vec(facts)?)?;
    Ok(types::decode(sort, &facts).unwrap_or(facts))
}

/// Why an object cannot be shown by a template.
#[derive(Debug, Error)]
pub(crate) enum FillError {
    #[error(transparent)]
    Template(#[from] TemplateError),
    #[error("cannot render the answer: {0}")]
    Json(#[from] serde_json::Error),
}

/// A parsed template.
#[derive(Debug)]
pub(crate) struct Template {
    source: String,
    nodes: Vec<parse::Node>,
}

impl Template {
    /// Parses a template.
    pub(crate) fn parse(source: &str) -> Result<Template, TemplateError> {
        let nodes = parse::parse(source)?;
        Ok(Template { source: source.to_owned(), nodes })
    }

    /// Fills the template in.
    pub(crate) fn render(&self, data: &Value) -> Result<String, TemplateError> {
        exec::run(&self.nodes, &self.source, data, func::Mode::Rows)
    }

    /// Fills the template in with headings, which the string functions leave as they are.
    pub(crate) fn render_headings(&self, headings: &Value) -> Result<String, TemplateError> {
        exec::run(&self.nodes, &self.source, headings, func::Mode::Headings)
    }
}

#[cfg(test)]
mod tests;
