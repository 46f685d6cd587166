//! What a registry says about a request that it does not fulfil.
//!
//! Decides how much of it is believed: one line of printable text, in the form in which Docker shows it.

use serde::Deserialize;

/// The part of a registry's message that is shown, in characters.
const MESSAGE_LEN_MAX: usize = 300;

/// The first error of a registry's error body.
#[derive(Debug, Deserialize)]
pub(super) struct Said {
    #[serde(default)]
    pub code: String,
    #[serde(default)]
    pub message: String,
}

impl Said {
    pub fn parse(body: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Envelope {
            errors: Vec<Said>,
        }
        let envelope: Envelope = serde_json::from_slice(body).ok()?;
        let mut said = envelope.errors.into_iter().next()?;
        said.code = printable(&said.code);
        said.message = printable(&said.message);
        Some(said)
    }

    pub fn denied() -> Self {
        Self { code: "DENIED".into(), message: "requested access to the resource is denied".into() }
    }

    pub fn unknown() -> Self {
        Self { code: "MANIFEST_UNKNOWN".into(), message: "manifest unknown".into() }
    }
}

/// A registry's words end up in terminals and task states: no control characters, and not a novel.
pub(super) fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MESSAGE_LEN_MAX).collect()
}

impl std::fmt::Display for Said {
    /// Writes Docker's form, `manifest unknown: manifest unknown`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let code = self.code.to_lowercase().replace('_', " ");
        match (code.is_empty(), self.message.is_empty()) {
            (false, false) => write!(f, "{code}: {}", self.message),
            (false, true) => f.write_str(&code),
            _ => f.write_str(&self.message),
        }
    }
}

/// What to say when a registry may have said nothing.
pub(super) trait OrSilent {
    fn message_or(self, otherwise: &str) -> String;
    fn into_suffix(self) -> String;
}

impl OrSilent for Option<Said> {
    fn message_or(self, otherwise: &str) -> String {
        self.map(|said| said.message)
            .filter(|message| !message.is_empty())
            .unwrap_or_else(|| otherwise.to_owned())
    }

    fn into_suffix(self) -> String {
        self.map(|said| format!(": {said}")).unwrap_or_default()
    }
}
