//! References out of paths, and request bodies: bounded in size and time, typed by their header, decoded as Go does.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use super::backend::Upload;
use super::error::Error;
use crate::wire::decode::{decode, decode_or_default};

/// Largest body, in bytes. A config of Swarm's largest size is a tenth of it.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Longest time that a body may take to arrive.
const BODY_WAIT_MAX: Duration = Duration::from_secs(60);

/// What a client uploads, part by part. Where it breaks off, that is told from a fault of what was sent by its kind.
pub fn upload(body: Body) -> Upload {
    let cut = |error| std::io::Error::new(std::io::ErrorKind::ConnectionAborted, error);
    StreamExt::boxed(TryStreamExt::map_err(body.into_data_stream(), cut))
}

/// The reference in a path: an id, a name or a beginning of an id, percent-decoded.
pub struct Reference(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Reference {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.map(|Path(reference)| Reference(reference)).map_err(|error| Error::invalid(error.body_text()))
    }
}

/// A JSON body that must be there.
pub struct Json<T>(pub T);

/// A JSON body where none at all means the empty object.
pub struct OptionalJson<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Json<T> {
    type Rejection = Error;
    async fn from_request(request: Request, _: &S) -> Result<Self, Error> {
        Ok(Json(decode(&read(request).await?)?))
    }
}

impl<T: DeserializeOwned + Default, S: Sync> FromRequest<S> for OptionalJson<T> {
    type Rejection = Error;
    async fn from_request(request: Request, _: &S) -> Result<Self, Error> {
        Ok(OptionalJson(decode_or_default(&read(request).await?)?))
    }
}

async fn read(request: Request) -> Result<Bytes, Error> {
    let (parts, body) = request.into_parts();
    let body = read_body(body).await?;
    if !body.is_empty() {
        check_type(&parts.headers)?;
    }
    Ok(body)
}

async fn read_body(body: Body) -> Result<Bytes, Error> {
    let whole = Limited::new(body, BODY_BYTES_MAX).collect();
    let late = |_| Error::new(StatusCode::REQUEST_TIMEOUT, "the request body did not arrive in time");
    match tokio::time::timeout(BODY_WAIT_MAX, whole).await.map_err(late)? {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            Err(Error::new(StatusCode::PAYLOAD_TOO_LARGE, "http: request body too large"))
        }
        Err(error) => Err(Error::invalid(format!("cannot read the request body: {error}"))),
    }
}

/// Refuses a body of another type; one without a type is taken for JSON.
fn check_type(headers: &HeaderMap) -> Result<(), Error> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let text = String::from_utf8_lossy(value.as_bytes());
    let media = text.split(';').next().unwrap_or_default().trim();
    if media.is_empty() {
        return Err(Error::invalid(format!("malformed Content-Type header ({text}): mime: no media type")));
    }
    if !media.eq_ignore_ascii_case("application/json") {
        return Err(Error::invalid(format!(
            "unsupported Content-Type header ({text}): must be 'application/json'"
        )));
    }
    Ok(())
}
