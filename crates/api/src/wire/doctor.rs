//! What a node finds when it looks at itself, under `/skep/v1/doctor`: ours, so fields may be added but none changes its
//! meaning.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::zero;

/// Answer of `GET /skep/v1/doctor`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Checkup {
    /// Everything that was looked at, in the order in which a reader should mend it.
    pub findings: Vec<Finding>,
}

/// One thing that was looked at. Its sentence is its [`Display`](fmt::Display).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Finding {
    /// A word or two that scripts may look for.
    pub name: String,
    /// Whether it is as it should be.
    pub condition: Condition,
    /// What was found, or what is wrong.
    pub message: String,
    /// What does not work because of it; empty if all is well.
    #[serde(skip_serializing_if = "zero")]
    pub follows: String,
    /// What to do; empty if all is well.
    #[serde(skip_serializing_if = "zero")]
    pub remedy: String,
}

/// Whether something is as it should be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Condition {
    /// It is.
    #[default]
    Ok,
    /// The node works without it, and says what does not.
    Warning,
    /// The node does not work without it.
    Missing,
}

impl Condition {
    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Condition::Ok => "ok",
            Condition::Warning => "warning",
            Condition::Missing => "missing",
        }
    }
}

impl Finding {
    /// Something that is as it should be.
    pub fn ok(name: &str, message: impl Into<String>) -> Finding {
        Finding { name: name.to_owned(), message: message.into(), ..Finding::default() }
    }

    /// Something that is not: what is wrong, what follows, what to do.
    pub fn bad(
        name: &str,
        condition: Condition,
        message: impl Into<String>,
        [follows, remedy]: [&str; 2],
    ) -> Finding {
        let (follows, remedy) = (follows.to_owned(), remedy.to_owned());
        Finding { condition, follows, remedy, ..Finding::ok(name, message) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if !self.follows.is_empty() {
            write!(f, ", so {}", self.follows)?;
        }
        if !self.remedy.is_empty() {
            write!(f, "; {}", self.remedy)?;
        }
        Ok(())
    }
}
