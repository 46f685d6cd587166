//! Lists of objects in the form `--format` asks for: a table, JSON lines, or a template per row.

use std::collections::BTreeMap;

use super::table::align;
use crate::template::{Field, Struct, Template, TemplateError, Value};

/// A field of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    /// The name templates and JSON use.
    pub field: &'static str,
    /// The heading in tables.
    pub heading: &'static str,
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    /// Text, as almost everything is.
    Text(String),
    /// A truth value, which JSON shows as one.
    Flag(bool),
    /// Nothing, which JSON shows as `null`.
    Nil,
    /// What a method looks up, such as `.Label "k"`; JSON does not show it.
    Lookup(BTreeMap<String, String>),
}

impl From<String> for Cell {
    fn from(text: String) -> Cell {
        Cell::Text(text)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Cell {
        Cell::Text(text.to_owned())
    }
}

impl From<bool> for Cell {
    fn from(flag: bool) -> Cell {
        Cell::Flag(flag)
    }
}

/// Rows of one kind of object.
#[derive(Debug)]
pub(crate) struct Listing {
    /// What Go calls the row, for the text of template errors.
    pub type_name: &'static str,
    /// All fields that templates may name.
    pub columns: &'static [Column],
    /// The field that `--quiet` shows.
    pub key: &'static str,
    /// The fields of the default table, in order.
    pub table: &'static [&'static str],
    /// The fields of the old `raw` form, with their labels.
    pub raw: &'static [(&'static str, &'static str)],
    /// One list of cells per object, in the order of `columns`.
    pub rows: Vec<Vec<Cell>>,
}

/// How a list is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// The default table.
    Table,
    /// A table made by a template, its headings derived from the fields.
    TableOf(String),
    /// One JSON object per line.
    Json,
    /// Docker's old labelled form.
    Raw,
    /// A template per row.
    Rows(String),
}

impl Format {
    /// Reads the value of `--format`.
    pub(crate) fn parse(text: &str) -> Format {
        // Compat: a shell leaves the two characters `\t` alone, and everybody writes them.
        let unescape = |text: &str| text.trim().replace("\\t", "\t").replace("\\n", "\n");
        match text.trim() {
            "" | "table" => Format::Table,
            "json" => Format::Json,
            "raw" => Format::Raw,
            _ => match text.strip_prefix("table") {
                Some(template) => Format::TableOf(unescape(template)),
                None => Format::Rows(unescape(text)),
            },
        }
    }

    /// Tells whether rows are shown under headings.
    pub(crate) fn is_table(&self) -> bool {
        matches!(self, Format::Table | Format::TableOf(_))
    }
}

impl Listing {
    /// Renders all rows, each ended by a line break.
    pub(crate) fn render(&self, format: &Format) -> Result<String, TemplateError> {
        match format {
            Format::Table => Ok(self.render_table()),
            Format::TableOf(text) => {
                let template = Template::parse(text)?;
                let headings = template.render_headings(&self.headings())?;
                let mut lines = vec![headings];
                for row in &self.rows {
                    lines.push(template.render(&self.value(row))?);
                }
                Ok(align(&(lines.join("\n") + "\n")))
            }
            Format::Json => Ok(self.rows.iter().map(|row| self.value(row).to_json() + "\n").collect()),
            Format::Raw => Ok(self.rows.iter().map(|row| self.render_raw(row)).collect()),
            Format::Rows(text) => {
                let template = Template::parse(text)?;
                let mut lines = String::new();
                for row in &self.rows {
                    lines.push_str(&template.render(&self.value(row))?);
                    lines.push('\n');
                }
                Ok(lines)
            }
        }
    }

    /// Renders one field of each row, ended by a line break.
    pub(crate) fn render_field(&self, field: &str) -> String {
        self.rows.iter().map(|row| self.text(row, field) + "\n").collect()
    }

    /// The old labelled form, ids only.
    pub(crate) fn render_raw_ids(&self) -> String {
        let label = self.raw.first().map_or("id", |(_, label)| label);
        self.rows.iter().map(|row| format!("{label}: {}\n", self.text(row, "ID"))).collect()
    }

    fn render_table(&self) -> String {
        let heading = |field: &&str| {
            let column = self.columns.iter().find(|column| column.field == *field);
            column.expect("the default table shows known fields").heading.to_owned()
        };
        let mut lines = vec![self.table.iter().map(heading).collect::<Vec<_>>().join("\t")];
        for row in &self.rows {
            lines.push(self.table.iter().map(|field| self.text(row, field)).collect::<Vec<_>>().join("\t"));
        }
        align(&(lines.join("\n") + "\n"))
    }

    fn render_raw(&self, row: &[Cell]) -> String {
        let lines = self.raw.iter().map(|(field, label)| format!("{label}: {}\n", self.text(row, field)));
        lines.chain(["\n".to_owned()]).collect()
    }

    fn text(&self, row: &[Cell], field: &str) -> String {
        match self.columns.iter().position(|column| column.field == field).and_then(|at| row.get(at)) {
            Some(Cell::Text(text)) => text.clone(),
            Some(Cell::Flag(flag)) => flag.to_string(),
            Some(Cell::Nil | Cell::Lookup(_)) | None => String::new(),
        }
    }

    /// Returns all rows, for a template that sees several lists at once.
    pub(crate) fn values(&self) -> Value {
        Value::List(self.rows.iter().map(|row| self.value(row)).collect())
    }

    /// A row as template data, its fields in the order in which JSON shows them.
    fn value(&self, row: &[Cell]) -> Value {
        let field = |(column, cell): (&Column, &Cell)| {
            let value = match cell {
                Cell::Text(text) => Value::Text(text.clone()),
                Cell::Flag(flag) => Value::Bool(*flag),
                Cell::Nil => Value::Nil,
                Cell::Lookup(entries) => Value::Lookup(entries.clone()),
            };
            let is_omitted = matches!(cell, Cell::Lookup(_));
            Field { is_omitted, ..Field::new(column.field, value) }
        };
        let mut fields: Vec<Field> = self.columns.iter().zip(row).map(field).collect();
        fields.sort_by(|a, b| a.name.cmp(&b.name));
        Value::Struct(Struct { type_name: self.type_name.to_owned(), fields })
    }

    fn headings(&self) -> Value {
        let heading = |column: &Column| (column.field.to_owned(), Value::Text(column.heading.to_owned()));
        Value::Map(self.columns.iter().map(heading).collect())
    }
}
