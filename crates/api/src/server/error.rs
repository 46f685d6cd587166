//! Every failure as a status and a sentence.
//!
//! Three classes: refused (4xx, and 501 for what is not there), unavailable (503: no manager, shutting down), bug or
//! trouble (500). Sentences from the cluster layer keep Swarm's `rpc error:` prefix, because clients compare the whole
//! line; sentences of the front end are bare.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use skep_model::request::{Refusal, RefusalClass};

use super::facts::{Fault, FaultClass};
use crate::convert::Unconverted;
use crate::wire::ErrorBody;
use crate::wire::decode::DecodeError;

/// An answer that is no success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    status: StatusCode,
    message: String,
}

impl Error {
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Error { status, message: message.into() }
    }

    /// The request makes no sense.
    pub fn invalid(message: impl Into<String>) -> Self {
        Error::new(StatusCode::BAD_REQUEST, message)
    }

    /// There is no such object.
    pub fn not_found(kind: &str, reference: &str) -> Self {
        Error::new(StatusCode::NOT_FOUND, format!("{kind} {reference} not found"))
    }

    /// There is no such object of this node; the sentence is the object's own.
    pub fn no_such(message: impl Into<String>) -> Self {
        Error::new(StatusCode::NOT_FOUND, message)
    }

    /// The object is in a state that does not allow it.
    pub fn conflict(message: impl Into<String>) -> Self {
        Error::new(StatusCode::CONFLICT, message)
    }

    /// Returns the same sentence with another status.
    pub fn with_status(self, status: StatusCode) -> Self {
        Error { status, ..self }
    }

    /// There is no such endpoint.
    pub fn page_not_found() -> Self {
        Error::new(StatusCode::NOT_FOUND, "page not found")
    }

    /// What Docker reports without a class.
    pub fn unclassed(message: impl Into<String>) -> Self {
        Error::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    /// Skep does not do that.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Error::new(StatusCode::NOT_IMPLEMENTED, message)
    }

    /// A refusal by this node rather than by the cluster: the same status, the bare sentence.
    pub fn of_node(refusal: Refusal) -> Self {
        Error::new(status(refusal.class), refusal.message)
    }
}

fn status(class: RefusalClass) -> StatusCode {
    match class {
        RefusalClass::InvalidArgument | RefusalClass::FailedPrecondition => StatusCode::BAD_REQUEST,
        RefusalClass::NotFound => StatusCode::NOT_FOUND,
        RefusalClass::AlreadyExists => StatusCode::CONFLICT,
        RefusalClass::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        RefusalClass::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        RefusalClass::Unknown => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal.class {
            RefusalClass::InvalidArgument => "InvalidArgument",
            RefusalClass::FailedPrecondition => "FailedPrecondition",
            RefusalClass::NotFound => "NotFound",
            RefusalClass::AlreadyExists => "AlreadyExists",
            RefusalClass::Unimplemented => "Unimplemented",
            RefusalClass::Unknown => "Unknown",
            // Whether this node can serve at all is for the node to say, in bare sentences.
            RefusalClass::Unavailable => return Error::of_node(refusal),
        };
        Error::new(status(refusal.class), format!("rpc error: code = {code} desc = {}", refusal.message))
    }
}

impl From<Unconverted> for Error {
    fn from(unconverted: Unconverted) -> Self {
        match unconverted {
            Unconverted::Invalid(sentence) => Error::invalid(sentence),
            Unconverted::Refused(refusal) => refusal.into(),
        }
    }
}

impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Self {
        Error::invalid(error.to_string())
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        let status = match fault.class {
            FaultClass::Invalid => StatusCode::BAD_REQUEST,
            FaultClass::Unauthorized => StatusCode::UNAUTHORIZED,
            FaultClass::Denied => StatusCode::FORBIDDEN,
            FaultClass::NotFound => StatusCode::NOT_FOUND,
            FaultClass::Conflict => StatusCode::CONFLICT,
            FaultClass::Unsupported => StatusCode::NOT_IMPLEMENTED,
            FaultClass::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Error::new(status, fault.message)
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let body = ErrorBody { message: self.message };
        let mut text = serde_json::to_vec(&body).expect("a struct of one text encodes");
        text.push(b'\n');
        // Compat: the client reads the sentence only if the type is exactly this, without a charset.
        let json = const { HeaderValue::from_static("application/json") };
        (self.status, [(header::CONTENT_TYPE, json)], text).into_response()
    }
}
