//! The client side of the registry protocol (OCI distribution, Docker Registry v2).
//!
//! Decides how a manifest or blob is asked for and what an answer means: authentication, redirects, bounds on what
//! is read, and the class of every failure. `endpoint` knows where a registry is and whom to trust, `auth` how to
//! log in. What to fetch and where to keep it is decided in `pull.rs`.
//!
//! This is reqwest with our own few requests on top, not `oci-client`: that one keeps one set of credentials per
//! registry for all callers, reads manifests without a bound and panics on a token that is not a valid header.

mod auth;
mod endpoint;
mod said;

use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LINK, LOCATION, RANGE};
use reqwest::{Response, StatusCode, Url};

pub use self::auth::Auth;
pub use self::endpoint::{InsecureEntryError, RegistryConfig};

use self::auth::Tokens;
use self::endpoint::{Endpoint, Endpoints};
use self::said::{OrSilent as _, Said};
use super::digest::Digest;
use super::error::{PullError, shown};
use super::manifest;
use super::reference::Reference;

/// The largest manifest or configuration that is read, in bytes; the same bound as containerd's and the registry's.
pub(super) const DOCUMENT_LEN_MAX: u64 = 4 << 20;
/// The part of an error's body that is read for its message, in bytes.
const ERROR_LEN_MAX: u64 = 64 << 10;
/// Tags of a repository that are pulled one after another; to want more is a mistake rather than a wish.
const TAGS_MAX: usize = 1_000;
/// Parts in which a registry may tell them: enough for ten at a time.
const TAG_PARTS_MAX: usize = TAGS_MAX / 10;
/// Blobs are usually one redirect away, behind a content network.
const REDIRECTS_MAX: usize = 5;

/// Who asks whom for what: one repository and the credentials to use there.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub reference: Reference,
    pub auth: Option<Auth>,
}

impl Source {
    /// Names registry, repository and credentials, so that only equals share a download or a token.
    pub fn identity(&self) -> String {
        let auth = self.auth.as_ref().map(Auth::fingerprint);
        format!("{} {auth:?}", self.reference.name())
    }
}

/// A manifest as served.
#[derive(Clone, Debug)]
pub(super) struct Served {
    pub bytes: Vec<u8>,
    pub media_type: String,
    pub digest: Digest,
}

/// All registries this node talks to.
pub(super) struct Registries {
    endpoints: Endpoints,
    tokens: Tokens,
}

impl Registries {
    pub fn new(config: RegistryConfig) -> Result<Self, InsecureEntryError> {
        Ok(Self { endpoints: Endpoints::new(config)?, tokens: Tokens::default() })
    }

    /// Fetches the manifest or index that `source.reference` names; one asked for by digest is verified.
    pub async fn manifest(&self, source: &Source) -> Result<Served, PullError> {
        let reference = &source.reference;
        let path = format!("manifests/{}", reference.selector());
        let response = self.get(source, &path, Some(manifest::ACCEPT), 0).await?;
        let media_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = media_type.and_then(|value| value.split(';').next()).unwrap_or_default();
        let media_type = media_type.trim().to_owned();
        let bytes = self.read(response, DOCUMENT_LEN_MAX).await?;
        let digest = Digest::of(&bytes);
        match reference.digest() {
            Some(wanted) if wanted != digest => {
                Err(PullError::CorruptManifest { digest: wanted, found: digest })
            }
            _ => Ok(Served { bytes, media_type, digest }),
        }
    }

    /// Returns the tags of a repository, in the registry's order. It may tell them in several parts.
    pub async fn tags(&self, source: &Source) -> Result<Vec<String>, PullError> {
        let mut tags = Vec::new();
        let mut path = "tags/list".to_owned();
        for part in 1.. {
            let response = self.get(source, &path, None, 0).await?;
            let (url, next) = (response.url().clone(), next_part(&response)?);
            let body = self.read(response, DOCUMENT_LEN_MAX).await?;
            let list: TagList = serde_json::from_slice(&body)
                .map_err(|_| broken(&url, "the answer is not a list of tags"))?;
            tags.extend(list.tags.unwrap_or_default());
            if tags.len() > TAGS_MAX {
                return Err(PullError::TooManyTags {
                    name: source.reference.familiar_name(),
                    limit: TAGS_MAX,
                });
            }
            match next {
                Some(_) if part == TAG_PARTS_MAX => {
                    return Err(broken(&url, "its tags come in too many parts"));
                }
                Some(next) => path = next,
                None => break,
            }
        }
        Ok(tags)
    }

    /// Starts the download of a blob at byte `offset`. The answer is 206 if the registry honours the offset, and 200
    /// with the whole blob if not; the caller verifies the content.
    pub async fn blob(&self, source: &Source, digest: Digest, offset: u64) -> Result<Response, PullError> {
        self.get(source, &format!("blobs/{digest}"), None, offset).await
    }

    /// Fetches a small blob, such as a configuration, and verifies it.
    pub async fn document(&self, source: &Source, digest: Digest) -> Result<Vec<u8>, PullError> {
        let response = self.blob(source, digest, 0).await?;
        let bytes = self.read(response, DOCUMENT_LEN_MAX).await?;
        match Digest::of(&bytes) {
            found if found != digest => Err(PullError::CorruptManifest { digest, found }),
            _ => Ok(bytes),
        }
    }

    /// Returns the silence after which a transfer counts as stalled.
    pub fn stall_after(&self) -> Duration {
        self.endpoints.stall_after()
    }

    /// Asks the registry for the root of its protocol, which it shows to users that it knows.
    pub async fn login(&self, source: &Source) -> Result<(), PullError> {
        self.ask(source, "", HeaderMap::new()).await.map(drop)
    }

    async fn get(
        &self,
        source: &Source,
        path: &str,
        accept: Option<&'static str>,
        offset: u64,
    ) -> Result<Response, PullError> {
        let mut headers = HeaderMap::new();
        if let Some(accept) = accept {
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
        }
        if offset > 0 {
            headers.insert(
                RANGE,
                HeaderValue::from_str(&format!("bytes={offset}-")).expect("digits are visible"),
            );
        }
        self.ask(source, &format!("{}/{path}", source.reference.repository()), headers).await
    }

    /// Sends a request for what is below `/v2/`, and logs in if the registry wants that.
    async fn ask(&self, source: &Source, path: &str, mut headers: HeaderMap) -> Result<Response, PullError> {
        let registry = source.reference.registry();
        let endpoint = self.endpoints.find(registry).await?;
        let url = format!("{}/v2/{path}", endpoint.base);
        let reason = "the registry's name is not a URL";
        let url = Url::parse(&url).map_err(|_| PullError::Protocol { url, reason })?;
        if let Some(authorization) = self.tokens.cached(source) {
            headers.insert(AUTHORIZATION, authorization);
        }
        // What an insecure registry was found to speak may have changed; the next attempt finds out again.
        let first = self.follow(&endpoint, &url, headers.clone()).await;
        let first = first.inspect_err(|_| self.endpoints.forget(registry))?;
        if first.status() == StatusCode::BAD_REQUEST {
            self.endpoints.forget(registry);
        }
        // Only the registry itself may ask for credentials, not a host that it redirects to.
        let from_registry = first.url().origin() == url.origin();
        if first.status() != StatusCode::UNAUTHORIZED || !from_registry {
            return self.judge(source, first).await;
        }
        // Either nothing was sent yet or the cached token has expired; the challenge says what to do.
        let authorization = self.tokens.obtain(source, &endpoint, first, self.stall_after()).await?;
        headers.insert(AUTHORIZATION, authorization);
        let second = self.follow(&endpoint, &url, headers).await?;
        if second.status() == StatusCode::UNAUTHORIZED {
            self.tokens.forget(source);
        }
        self.judge(source, second).await
    }

    /// Follows redirects by hand: credentials stay with the registry they belong to (CVE-2020-15157), and a registry
    /// that is reached over TLS cannot send us to one that is not.
    async fn follow(
        &self,
        endpoint: &Endpoint,
        url: &Url,
        mut headers: HeaderMap,
    ) -> Result<Response, PullError> {
        let mut url = url.clone();
        for _ in 0..=REDIRECTS_MAX {
            let response = send(&endpoint.client, &url, headers.clone(), self.stall_after()).await?;
            let is_redirect = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
            let target = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            let (true, Some(target)) = (is_redirect, target) else { return Ok(response) };
            let next =
                url.join(target).map_err(|_| broken(&url, "redirected to something that is not a URL"))?;
            match (url.scheme(), next.scheme()) {
                ("https", "https") | ("http", "http" | "https") => {}
                _ => return Err(broken(&url, "redirected away from TLS")),
            }
            if next.origin() != url.origin() {
                headers.remove(AUTHORIZATION);
            }
            url = next;
        }
        Err(broken(&url, "redirected too often"))
    }

    /// Reads a whole body of at most `len_max` bytes.
    async fn read(&self, response: Response, len_max: u64) -> Result<Vec<u8>, PullError> {
        read_bounded(response, len_max, self.stall_after()).await
    }

    /// Turns every answer that is not a success into the error it means.
    async fn judge(&self, source: &Source, response: Response) -> Result<Response, PullError> {
        let status = response.status();
        if matches!(status, StatusCode::OK | StatusCode::PARTIAL_CONTENT) {
            return Ok(response);
        }
        let url = shown(response.url());
        let scope_missing = auth::is_insufficient_scope(response.headers());
        // The status alone is worth reporting, so a body that breaks off only costs its message.
        let body = self.read(response, ERROR_LEN_MAX).await.unwrap_or_default();
        let said = Said::parse(&body);
        let name = source.reference.familiar_name();
        let registry = source.reference.registry().to_owned();
        Err(match status {
            StatusCode::UNAUTHORIZED if scope_missing => {
                PullError::Denied { name, registry, detail: Said::denied().to_string() }
            }
            StatusCode::UNAUTHORIZED => {
                PullError::Unauthorized { name, registry, detail: said.message_or("authentication required") }
            }
            StatusCode::FORBIDDEN => {
                PullError::Denied { name, registry, detail: said.unwrap_or_else(Said::denied).to_string() }
            }
            StatusCode::NOT_FOUND => PullError::NotFound {
                reference: source.reference.familiar(),
                detail: said.unwrap_or_else(Said::unknown).to_string(),
            },
            _ => PullError::Status { url, status: status.as_u16(), detail: said.into_suffix() },
        })
    }
}

/// The answer to a question for tags; `null` where there is none.
#[derive(serde::Deserialize)]
struct TagList {
    tags: Option<Vec<String>>,
}

/// Returns the path of the next part of a list of tags, if there is one: among the links, that of the form
/// `<URL>; rel="next"`. One that cannot be followed is no end.
fn next_part(response: &Response) -> Result<Option<String>, PullError> {
    let unusable = || broken(response.url(), "the link to more tags cannot be used");
    let headers = response.headers().get_all(LINK).iter();
    let mut links = headers.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let is_next =
        |link: &&str| link.split(';').skip(1).any(|part| part.replace('"', "").trim() == "rel=next");
    let Some(next) = links.find(is_next) else { return Ok(None) };
    let target = next.trim().strip_prefix('<').and_then(|rest| rest.split_once('>')).ok_or_else(unusable)?.0;
    let url = response.url().join(target).map_err(|_| unusable())?;
    Ok(Some(format!("tags/list?{}", url.query().ok_or_else(unusable)?)))
}

fn broken(url: &Url, reason: &'static str) -> PullError {
    PullError::Protocol { url: shown(url), reason }
}

async fn send(
    client: &reqwest::Client,
    url: &Url,
    headers: HeaderMap,
    stall_after: Duration,
) -> Result<Response, PullError> {
    let request = client.get(url.clone()).headers(headers);
    request.send().await.map_err(|error| PullError::transport(url, &error, stall_after))
}

/// Reads a whole body of at most `len_max` bytes.
async fn read_bounded(
    mut response: Response,
    len_max: u64,
    stall_after: Duration,
) -> Result<Vec<u8>, PullError> {
    let url = response.url().clone();
    let mut bytes = Vec::new();
    loop {
        let chunk =
            response.chunk().await.map_err(|error| PullError::transport(&url, &error, stall_after))?;
        let Some(chunk) = chunk else { return Ok(bytes) };
        if (bytes.len() + chunk.len()) as u64 > len_max {
            return Err(broken(&url, "the answer is too long"));
        }
        bytes.extend_from_slice(&chunk);
    }
}
