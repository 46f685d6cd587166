//! Logging in to registries: basic credentials, bearer tokens and identity tokens.
//!
//! Decides what to send after a registry's challenge. Credentials belong to the caller who brought them: tokens are
//! cached per registry, repository *and* credentials, so that one service never pulls with another's rights. A
//! password is sent only to the registry that asked for it and to the token service it names, and never in clear
//! unless the registry itself is reached in clear.

use std::collections::HashMap;
use std::fmt;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_auth::{ChallengeRef, parse_challenges};
use reqwest::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Response, StatusCode, Url};
use serde::Deserialize;

use super::endpoint::{Endpoint, remember};
use super::said::{Said, printable};
use super::{Source, read_bounded};
use crate::image::digest::Digest;
use crate::image::error::{PullError, shown};
use crate::image::sync::lock;

/// The largest answer of a token service that is read, in bytes.
const TOKEN_LEN_MAX: u64 = 1 << 20;
/// How long a token lives if the service does not say (distribution's specification).
const TOKEN_LIFE_DEFAULT: Duration = Duration::from_secs(60);
/// Tokens are renewed this long before they end, so that they do not end on their way.
const TOKEN_LIFE_MARGIN: Duration = Duration::from_secs(10);
const TOKEN_LIFE_MAX: Duration = Duration::from_secs(3600);

/// Credentials for one registry, as the docker client sends them in `X-Registry-Auth`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Auth {
    /// The account's name.
    pub username: String,
    /// Its password or access token.
    pub password: String,
    /// An OAuth refresh token, used instead of the password where present.
    pub identity_token: String,
    /// A bearer token that the registry accepts as it is.
    pub registry_token: String,
}

impl Auth {
    /// Distinguishes credentials without revealing them.
    pub(super) fn fingerprint(&self) -> Digest {
        let fields = [&self.username, &self.password, &self.identity_token, &self.registry_token];
        Digest::of(fields.map(|field| format!("{}:{field}", field.len())).concat().as_bytes())
    }

    fn has_password(&self) -> bool {
        !self.username.is_empty() || !self.password.is_empty()
    }
}

impl fmt::Debug for Auth {
    /// Never writes a secret, wherever it is logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").field("username", &self.username).finish_non_exhaustive()
    }
}

/// What is sent in `Authorization`, per [`Source::identity`], until it expires.
#[derive(Default)]
pub(super) struct Tokens(Mutex<HashMap<String, (HeaderValue, Instant)>>);

/// A token service's answer.
#[derive(Deserialize)]
struct Granted {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
    expires_in: Option<u64>,
}

impl Tokens {
    pub fn cached(&self, source: &Source) -> Option<HeaderValue> {
        let cache = lock(&self.0);
        let (header, expires_at) = cache.get(&source.identity())?;
        (Instant::now() < *expires_at).then(|| header.clone())
    }

    pub fn forget(&self, source: &Source) {
        lock(&self.0).remove(&source.identity());
    }

    /// Answers the challenge in `refused`, a response with status 401.
    pub async fn obtain(
        &self,
        source: &Source,
        endpoint: &Endpoint,
        refused: Response,
        stall_after: Duration,
    ) -> Result<HeaderValue, PullError> {
        self.forget(source);
        let request = TokenRequest { source, endpoint, stall_after };
        let (header, life) = match Challenge::pick(refused.headers()) {
            Some(Challenge::Bearer { realm, service }) => request.bearer(&realm, service.as_deref()).await?,
            Some(Challenge::Basic) => request.basic()?,
            None => return Err(request.unauthorized("authentication required")),
        };
        let expires_at = Instant::now() + life.saturating_sub(TOKEN_LIFE_MARGIN).min(TOKEN_LIFE_MAX);
        remember(&mut lock(&self.0), source.identity(), (header.clone(), expires_at));
        Ok(header)
    }
}

enum Challenge {
    Bearer { realm: String, service: Option<String> },
    Basic,
}

impl Challenge {
    /// Takes the strongest challenge that is understood; a token is worth less to a thief than a password.
    fn pick(headers: &HeaderMap) -> Option<Self> {
        let texts: Vec<&str> = texts(headers).collect();
        let challenges = || texts.iter().filter_map(|text| parse_challenges(text).ok()).flatten();
        let bearer = challenges().find(|challenge| challenge.scheme.eq_ignore_ascii_case("bearer"));
        if let Some(bearer) = bearer
            && let Some(realm) = param(&bearer, "realm")
        {
            return Some(Self::Bearer { realm, service: param(&bearer, "service") });
        }
        let basic = challenges().find(|challenge| challenge.scheme.eq_ignore_ascii_case("basic"));
        basic.map(|_| Self::Basic)
    }
}

fn texts(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok())
}

fn param(challenge: &ChallengeRef<'_>, name: &str) -> Option<String> {
    let (_, value) = challenge.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
    Some(value.to_unescaped())
}

/// Returns whether a 401 means "not yours" rather than "who are you": Docker Hub hides the repositories it refuses.
pub(super) fn is_insufficient_scope(headers: &HeaderMap) -> bool {
    texts(headers)
        .filter_map(|text| parse_challenges(text).ok())
        .flatten()
        .any(|challenge| param(&challenge, "error").is_some_and(|error| error == "insufficient_scope"))
}

struct TokenRequest<'a> {
    source: &'a Source,
    endpoint: &'a Endpoint,
    stall_after: Duration,
}

impl TokenRequest<'_> {
    fn basic(&self) -> Result<(HeaderValue, Duration), PullError> {
        match &self.source.auth {
            Some(auth) if auth.has_password() => Ok((basic_header(auth), TOKEN_LIFE_MAX)),
            _ => Err(self.unauthorized("no basic auth credentials")),
        }
    }

    async fn bearer(&self, realm: &str, service: Option<&str>) -> Result<(HeaderValue, Duration), PullError> {
        if let Some(auth) = self.source.auth.as_ref().filter(|auth| !auth.registry_token.is_empty()) {
            return Ok((self.bearer_header(&auth.registry_token)?, TOKEN_LIFE_MAX));
        }
        let url = self.realm(realm)?;
        let response = self.ask(url.clone(), service).await?;
        let status = response.status();
        let body = read_bounded(response, TOKEN_LEN_MAX, self.stall_after).await?;
        if !status.is_success() {
            return Err(self.refused(&url, status, &body));
        }
        let granted: Granted = serde_json::from_slice(&body)
            .map_err(|_| self.protocol(&shown(&url), "the token service's answer is not a token"))?;
        let token = if granted.token.is_empty() { &granted.access_token } else { &granted.token };
        let life = granted.expires_in.map_or(TOKEN_LIFE_DEFAULT, Duration::from_secs);
        Ok((self.bearer_header(token)?, life.max(TOKEN_LIFE_DEFAULT)))
    }

    async fn ask(&self, url: Url, service: Option<&str>) -> Result<Response, PullError> {
        let scope = format!("repository:{}:pull", self.source.reference.repository());
        let service = service.unwrap_or_default();
        let auth = self.source.auth.as_ref();
        let client = &self.endpoint.client;
        let request = match auth.filter(|auth| !auth.identity_token.is_empty()) {
            Some(auth) => {
                client.post(url.clone()).header("Content-Type", "application/x-www-form-urlencoded").body(
                    Url::parse_with_params(
                        "form:/",
                        [
                            ("grant_type", "refresh_token"),
                            ("refresh_token", &auth.identity_token),
                            ("service", service),
                            ("scope", &scope),
                            ("client_id", "skep"),
                        ],
                    )
                    .expect("a constant URL parses")
                    .query()
                    .unwrap_or_default()
                    .to_owned(),
                )
            }
            None => {
                let mut url = url.clone();
                url.query_pairs_mut().append_pair("scope", &scope);
                if !service.is_empty() {
                    url.query_pairs_mut().append_pair("service", service);
                }
                let request = client.get(url);
                match auth.filter(|auth| auth.has_password()) {
                    Some(auth) => request.header(reqwest::header::AUTHORIZATION, basic_header(auth)),
                    None => request,
                }
            }
        };
        request.send().await.map_err(|error| PullError::transport(&url, &error, self.stall_after))
    }

    fn realm(&self, realm: &str) -> Result<Url, PullError> {
        let url = Url::parse(realm)
            .map_err(|_| self.protocol(&self.endpoint.base, "the realm of its token service is not a URL"))?;
        match (url.scheme(), self.endpoint.base.starts_with("http://")) {
            ("https", _) | ("http", true) => Ok(url),
            _ => Err(self.protocol(&self.endpoint.base, "its token service is not reached over TLS")),
        }
    }

    fn bearer_header(&self, token: &str) -> Result<HeaderValue, PullError> {
        let header = HeaderValue::from_str(&format!("Bearer {token}")).ok().filter(|_| !token.is_empty());
        let mut header = header
            .ok_or_else(|| self.protocol(&self.endpoint.base, "the token cannot be sent in a header"))?;
        header.set_sensitive(true);
        Ok(header)
    }

    fn refused(&self, url: &Url, status: StatusCode, body: &[u8]) -> PullError {
        let detail = token_error(body);
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::BAD_REQUEST => {
                self.unauthorized(detail.as_deref().unwrap_or("incorrect username or password"))
            }
            StatusCode::FORBIDDEN => PullError::Denied {
                name: self.source.reference.familiar_name(),
                registry: self.source.reference.registry().to_owned(),
                detail: detail.unwrap_or_else(|| Said::denied().to_string()),
            },
            _ => {
                let detail = detail.map(|detail| format!(": {detail}")).unwrap_or_default();
                PullError::Status { url: shown(url), status: status.as_u16(), detail }
            }
        }
    }

    fn unauthorized(&self, detail: &str) -> PullError {
        PullError::Unauthorized {
            name: self.source.reference.familiar_name(),
            registry: self.source.reference.registry().to_owned(),
            detail: detail.to_owned(),
        }
    }

    fn protocol(&self, url: &str, reason: &'static str) -> PullError {
        PullError::Protocol { url: url.to_owned(), reason }
    }
}

fn basic_header(auth: &Auth) -> HeaderValue {
    let encoded = STANDARD.encode(format!("{}:{}", auth.username, auth.password));
    let mut header = HeaderValue::from_str(&format!("Basic {encoded}")).expect("base64 is visible ASCII");
    header.set_sensitive(true);
    header
}

/// Token services answer in the registry's form, as `{"details": …}` (Docker Hub) or by OAuth's rules.
fn token_error(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Plain {
        details: Option<String>,
        error_description: Option<String>,
    }
    if let Some(said) = Said::parse(body) {
        return Some(if said.message.is_empty() { said.to_string() } else { said.message });
    }
    let plain: Plain = serde_json::from_slice(body).ok()?;
    plain.details.or(plain.error_description).map(|text| printable(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (WWW_AUTHENTICATE, HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_token_is_preferred_to_a_password() {
        let both = headers(&[
            r#"Basic realm="r""#,
            r#"Bearer realm="https://auth.example/token",service="a b",scope="repository:x:pull""#,
        ]);
        let Some(Challenge::Bearer { realm, service }) = Challenge::pick(&both) else { panic!("basic") };
        assert_eq!((realm.as_str(), service.as_deref()), ("https://auth.example/token", Some("a b")));
        assert!(matches!(Challenge::pick(&headers(&["basic realm=x"])), Some(Challenge::Basic)));
        assert!(Challenge::pick(&headers(&["Bearer service=x", "Digest nonce=\"", "\"\"\",,="])).is_none());
    }

    #[test]
    fn a_scope_that_is_missing_is_told_from_a_login_that_is() {
        let error = r#"Bearer realm="https://a/",scope="repository:x:pull",error="insufficient_scope""#;
        assert!(is_insufficient_scope(&headers(&[error])));
        assert!(!is_insufficient_scope(&headers(&[r#"Bearer realm="https://a/",error="invalid_token""#])));
    }

    #[test]
    fn secrets_are_not_printed() {
        let auth = Auth { username: "u".into(), password: "hunter2".into(), ..Auth::default() };
        assert!(!format!("{auth:?}").contains("hunter2"));
        let other = Auth { username: "u:".into(), password: "unter2".into(), ..Auth::default() };
        assert_ne!(auth.fingerprint(), other.fingerprint());
    }
}
