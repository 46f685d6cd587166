//! `inspect` of any kind of object: JSON, a template per object, and what happens to references that lead nowhere.

use bytes::Bytes;
use serde::Serialize;

use crate::context::Context;
use crate::fault::Fault;
use crate::format::{compact, indented, recompact, reindent};
use crate::template::{Template, from_json, to_value};

/// What was found, and what went wrong with the rest.
#[derive(Debug)]
pub(crate) struct Inspection<T> {
    /// Objects, in the order of the references.
    pub found: Vec<T>,
    /// Failures of the other references.
    pub faults: Vec<Fault>,
}

impl<T: Serialize> Inspection<T> {
    /// Writes the objects as JSON or by a template (`package` is where Go keeps the type), then fails if any is missing.
    pub(crate) fn show(
        self,
        context: &mut Context,
        format: &str,
        package: &'static str,
    ) -> Result<(), Fault> {
        let text = match format {
            "" => render(indented(&self.found)?),
            "json" => render(compact(&self.found)?),
            template => {
                let template = Template::parse(template)?;
                let mut text = String::new();
                for object in &self.found {
                    let data = to_value(object, package).map_err(|error| Fault::new(error.to_string()))?;
                    match template.render(&data) {
                        Ok(line) => text.push_str(&(line + "\n")),
                        Err(error) => {
                            context.io.text(&at_least_a_line(text))?;
                            return Err(error.into());
                        }
                    }
                }
                at_least_a_line(text)
            }
        };
        context.io.text(&text)?;
        Fault::join(self.faults)
    }
}

/// The same for objects that stay as the daemon wrote them.
#[derive(Debug, Default)]
pub(crate) struct RawInspection {
    found: Vec<Bytes>,
    faults: Vec<Fault>,
}

impl RawInspection {
    /// Takes an answer in.
    pub(crate) fn add(&mut self, answer: Result<Bytes, Fault>) {
        match answer {
            Ok(object) => self.found.push(object),
            Err(fault) => self.faults.push(fault),
        }
    }

    /// Writes the objects as JSON or by a template, then fails if any is missing.
    pub(crate) fn show(self, context: &mut Context, format: &str) -> Result<(), Fault> {
        let objects: Vec<String> =
            self.found.iter().map(|object| String::from_utf8_lossy(object).trim().to_owned()).collect();
        let text = match format {
            "" => render(reindent(&format!("[{}]", objects.join(",")))),
            "json" => render(recompact(&format!("[{}]", objects.join(",")))),
            template => {
                let template = Template::parse(template)?;
                let mut text = String::new();
                for object in &objects {
                    match template.render(&from_json(object.as_bytes())?) {
                        Ok(line) => text.push_str(&(line + "\n")),
                        Err(error) => {
                            context.io.text(&at_least_a_line(text))?;
                            return Err(error.into());
                        }
                    }
                }
                at_least_a_line(text)
            }
        };
        context.io.text(&text)?;
        Fault::join(self.faults)
    }
}

/// Compat: docker 28.2 ends even an empty output with a line break.
fn at_least_a_line(text: String) -> String {
    if text.is_empty() { "\n".to_owned() } else { text }
}

/// Refuses a template that cannot be read, before the daemon is asked for anything.
pub(crate) fn check_format(format: &str) -> Result<(), Fault> {
    if !matches!(format, "" | "json" | "pretty") {
        Template::parse(format)?;
    }
    Ok(())
}

/// The same with docker's exit code for single objects.
pub(crate) fn check_raw_format(format: &str) -> Result<(), Fault> {
    /// What `sysexits.h` calls a usage error.
    const USAGE: u8 = 64;
    check_format(format).map_err(|fault| Fault { code: USAGE, ..fault })
}

fn render(json: String) -> String {
    json + "\n"
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Fault {
        Fault::new(format!("cannot render the answer: {error}"))
    }
}
