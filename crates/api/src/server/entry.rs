//! The way in: API versions, `OPTIONS`, and the headers that every answer carries.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use tower::ServiceExt as _;
use tracing::Instrument as _;

use super::drain::Shared;
use super::error::Error;
use crate::convert::gate::Minor;

/// The newest API version spoken, `1.` in front; also what a request without a version means.
pub const MINOR_MAX: Minor = 50;
/// The oldest.
pub const MINOR_MIN: Minor = 24;
// Compat: tools parse this header for an engine version; it names the engine whose API this is (28.2.2 has 1.50).
const SERVER: &str = "Docker/28.2.2 (linux)";

/// The API version of a request, `1.` in front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiMinor(pub Minor);

/// Answers one request: strips and checks the version, routes, adds the common headers.
pub async fn enter(routes: Router, request: Request) -> Response {
    let span = tracing::debug_span!("request", method = %request.method(), path = request.uri().path());
    let answer = async {
        if request.method() == Method::OPTIONS {
            return StatusCode::OK.into_response();
        }
        let (request, hold) = held(request);
        let response = match admit(request) {
            Ok(request) => {
                let Ok(response) = routes.oneshot(request).await;
                response
            }
            Err(error) => error.into_response(),
        };
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            hold.drain().await;
        }
        response
    };
    let mut response: Response = answer.instrument(span).await;
    let headers = response.headers_mut();
    let version = const { HeaderValue::from_static("1.50") };
    headers.insert(HeaderName::from_static("api-version"), version);
    headers.insert(HeaderName::from_static("ostype"), const { HeaderValue::from_static("linux") });
    headers
        .insert(HeaderName::from_static("docker-experimental"), const { HeaderValue::from_static("false") });
    headers.insert(header::SERVER, const { HeaderValue::from_static(SERVER) });
    response
}

/// Keeps a hold on the body, so that a client is read out before it is refused.
fn held(request: Request) -> (Request, Shared) {
    let (parts, body) = request.into_parts();
    let (body, hold) = Shared::split(body);
    (Request::from_parts(parts, body), hold)
}

/// Takes the version off the path and notes it beside the request.
fn admit(mut request: Request<Body>) -> Result<Request<Body>, Error> {
    let (minor, rest) = match split_version(request.uri().path()) {
        Some((version, rest)) => (check_version(version)?, rest.to_owned()),
        None => (MINOR_MAX, String::new()),
    };
    if !rest.is_empty() {
        *request.uri_mut() = with_path(request.uri(), &rest)?;
    }
    request.extensions_mut().insert(ApiMinor(minor));
    Ok(request)
}

/// Splits `/v1.41/services` into `1.41` and `/services`.
fn split_version(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix("/v")?;
    let (version, _) = rest.split_once('/')?;
    let is_version = version.starts_with(|first: char| first.is_ascii_digit())
        && version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    is_version.then(|| (version, &rest[version.len()..]))
}

fn check_version(version: &str) -> Result<Minor, Error> {
    let mut numbers = version.splitn(3, '.').map(|number| number.parse::<Minor>().unwrap_or(Minor::MAX));
    let asked = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if asked > (1, MINOR_MAX) {
        return Err(Error::invalid(format!(
            "client version {version} is too new. Maximum supported API version is 1.{MINOR_MAX}"
        )));
    }
    if asked < (1, MINOR_MIN) {
        return Err(Error::invalid(format!(
            "client version {version} is too old. Minimum supported API version is 1.{MINOR_MIN}, please \
             upgrade your client to a newer version"
        )));
    }
    Ok(asked.1)
}

fn with_path(uri: &Uri, path: &str) -> Result<Uri, Error> {
    let target = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    target.parse().map_err(|_| Error::page_not_found())
}

/// Answers a path, or a verb, that nobody knows.
pub async fn page_not_found() -> Error {
    Error::page_not_found()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_split_and_bounded() {
        assert_eq!(split_version("/v1.41/services/a/b"), Some(("1.41", "/services/a/b")));
        assert_eq!(split_version("/volumes/x"), None);
        assert_eq!(split_version("/v1.41"), None);
        assert_eq!(split_version("/services"), None);
        assert_eq!(check_version("1.24").ok(), Some(24));
        assert_eq!(check_version("1.50").ok(), Some(50));
        for version in ["1.51", "1.99", "2", "2.0", "1.50000000000", "99999999999999999999.1"] {
            assert!(check_version(version).is_err(), "{version}");
        }
        for version in ["1.23", "1", "0.9", "1."] {
            assert!(check_version(version).is_err(), "{version}");
        }
    }
}
