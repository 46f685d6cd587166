//! `inspect` of any kind of object: JSON, a template per object, and what happens to references that lead nowhere.

use serde::Serialize;

use crate::context::Context;
use crate::fault::Fault;
use crate::format::{compact, indented};
use crate::template::{Template, to_value};

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

fn render(json: String) -> String {
    json + "\n"
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Fault {
        Fault::new(format!("cannot render the answer: {error}"))
    }
}
