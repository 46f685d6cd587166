//! `inspect` of any kind of object: JSON, a template per object, and what happens to references that lead nowhere.

use bytes::Bytes;
use serde::Serialize;

use crate::context::Context;
use crate::fault::Fault;
use crate::format::{compact, indented, recompact, reindent};
use crate::template::{Template, fill, fill_decoded};

/// What was found, and what went wrong with the rest.
#[derive(Debug)]
pub(crate) struct Inspection<T> {
    /// Objects, in the order of the references.
    pub found: Vec<T>,
    /// Failures of the other references.
    pub faults: Vec<Fault>,
}

impl<T: Serialize> Inspection<T> {
    /// Writes the objects as JSON or by a template, then fails if any is missing. They are of this sort, as
    /// `inspect --type` names it.
    pub(crate) fn show(self, context: &mut Context, format: &str, sort: &str) -> Result<(), Fault> {
        let text = match format {
            "" => render(indented(&self.found)?),
            "json" => render(compact(&self.found)?),
            template => {
                let template = Template::parse(template)?;
                let mut text = String::new();
                for object in &self.found {
                    match fill_decoded(&template, sort, &serde_json::to_string(object)?) {
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
    /// Each with its sort, as `inspect --type` names it.
    found: Vec<(&'static str, Bytes)>,
    faults: Vec<Fault>,
    decoded_only: bool,
}

impl RawInspection {
    /// Templates see what docker's client has a field for, and nothing else.
    pub(crate) fn of_decoded() -> RawInspection {
        RawInspection { decoded_only: true, ..RawInspection::default() }
    }

    /// Takes an answer in.
    pub(crate) fn add(&mut self, sort: &'static str, answer: Result<Bytes, Fault>) {
        match answer {
            Ok(object) => self.found.push((sort, object)),
            Err(fault) => self.faults.push(fault),
        }
    }

    /// Writes the objects as JSON or by a template, then fails if any is missing.
    pub(crate) fn show(self, context: &mut Context, format: &str) -> Result<(), Fault> {
        let text = |object: &Bytes| String::from_utf8_lossy(object).trim().to_owned();
        let objects: Vec<String> = self.found.iter().map(|(_, object)| text(object)).collect();
        let text = match format {
            "" => render(reindent(&format!("[{}]", objects.join(",")))),
            "json" => render(recompact(&format!("[{}]", objects.join(",")))),
            template => {
                let template = Template::parse(template)?;
                let mut text = String::new();
                for ((sort, _), object) in self.found.iter().zip(&objects) {
                    let filled = match self.decoded_only {
                        true => fill_decoded(&template, sort, object),
                        false => fill(&template, sort, object),
                    };
                    match filled {
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

/// The exit code of a template that cannot be read: what `sysexits.h` calls a usage error.
pub(crate) const TEMPLATE: u8 = 64;

/// Refuses a template that cannot be read, before the daemon is asked for anything.
pub(crate) fn check_format(format: &str) -> Result<(), Fault> {
    if !matches!(format, "" | "json" | "pretty") {
        Template::parse(format)?;
    }
    Ok(())
}

/// The same with docker's exit code for single objects.
pub(crate) fn check_raw_format(format: &str) -> Result<(), Fault> {
    check_format(format).map_err(|fault| Fault { code: TEMPLATE, ..fault })
}

fn render(json: String) -> String {
    json + "\n"
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Fault {
        Fault::new(format!("cannot render the answer: {error}"))
    }
}
