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
mod value;

use thiserror::Error;

pub(crate) use json::from_json;
pub(crate) use ser::to_value;
pub(crate) use value::{Field, Struct, Value};

/// The longest output of one template: a guard against nested ranges.
const OUTPUT_BYTES_MAX: usize = 64 << 20;

/// Why a template cannot be read or cannot be filled in. The sentence is Go's.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("template parsing error: template: :{0}")]
pub(crate) struct TemplateError(String);

impl TemplateError {
    /// Docker's sentence for a list, where filling in fails under another title than reading.
    pub(crate) fn in_list(&self) -> String {
        let text = self.to_string();
        match text.contains(": executing ") {
            true => text.replacen("template parsing error", "failed to execute template", 1),
            false => text,
        }
    }
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
