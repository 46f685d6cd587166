//! Why something on this node did not work.

/// A failure of this node, with the sentence that the user reads.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    pub class: FaultClass,
    pub message: String,
}

/// Whose failure it is; each class is one HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultClass {
    /// The request makes no sense.
    Invalid,
    /// Credentials are missing or wrong.
    Unauthorized,
    /// Credentials do not suffice.
    Denied,
    NotFound,
    /// The object is in a state that does not allow it.
    Conflict,
    /// Skep does not do that.
    Unsupported,
    /// The machine, or another one, did not do what it should.
    Failed,
}

impl Fault {
    pub fn new(class: FaultClass, message: impl Into<String>) -> Self {
        Fault { class, message: message.into() }
    }
}
