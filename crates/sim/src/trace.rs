//! What happened, line by line, for whoever looks for the reason of a failure.

use std::fmt::Display;

use skep_model::Timestamp;

/// Where the lines go.
pub enum Trace {
    Off,
    /// Kept, for a test that compares two runs.
    Kept(Vec<String>),
    Printed,
}

impl Trace {
    /// Takes one line; it is not even made when nobody reads it.
    pub fn note(&mut self, now: Timestamp, line: impl FnOnce() -> String) {
        match self {
            Trace::Off => {}
            Trace::Kept(lines) => lines.push(format!("{now:?} {}", line())),
            Trace::Printed => println!("{now:?} {}", line()),
        }
    }
}

/// Returns the beginning of an identifier, enough to tell it from others in one run.
pub fn short(id: impl Display) -> String {
    let mut text = id.to_string();
    text.truncate(7);
    text
}
