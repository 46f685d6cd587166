//! What a registry says about an image, without pulling it: the digest behind a tag, and its platforms.
//!
//! Decides how long a user waits for it. `docker service create` asks for this before every create, so a registry
//! that does not answer must cost seconds, not minutes.

use std::time::Duration;

use super::config;
use super::error::PullError;
use super::manifest::{Descriptor, Document};
use super::platform::Platform;
use super::pull::parse;
use super::reference::Reference;
use super::registry::{Auth, Source};
use super::store::{Inner, Store};

/// The whole look-up, with logging in and redirects.
const LOOKUP_FOR_MAX: Duration = Duration::from_secs(10);

/// The answer to `GET /distribution/{name}/json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distribution {
    /// The index or manifest that the reference names.
    pub descriptor: Descriptor,
    /// What the image was built for, without build attestations.
    pub platforms: Vec<Platform>,
}

impl Store {
    /// Asks the registry what `reference` stands for. Takes at most 10 s and changes nothing on this node.
    pub async fn distribution(
        &self,
        reference: &Reference,
        auth: Option<&Auth>,
    ) -> Result<Distribution, PullError> {
        let source = Source { reference: reference.clone(), auth: auth.cloned() };
        let lookup = tokio::time::timeout(LOOKUP_FOR_MAX, self.inner.look_up(&source));
        lookup.await.unwrap_or_else(|_| {
            Err(PullError::TimedOut { registry: reference.registry().to_owned(), after: LOOKUP_FOR_MAX })
        })
    }
}

impl Store {
    /// Asks a registry, `host[:port]`, whether it takes these credentials. Takes at most 10 s.
    pub async fn login(&self, registry: &str, auth: Auth) -> Result<(), PullError> {
        // Nobody is asked about this repository; a token has to be for one.
        let reference = format!("{registry}/skep/login").parse()?;
        let source = Source { reference, auth: Some(auth) };
        let asked = tokio::time::timeout(LOOKUP_FOR_MAX, self.inner.registries.login(&source));
        asked.await.unwrap_or_else(|_| {
            Err(PullError::TimedOut { registry: registry.to_owned(), after: LOOKUP_FOR_MAX })
        })
    }
}

impl Inner {
    async fn look_up(&self, source: &Source) -> Result<Distribution, PullError> {
        let served = self.registries.manifest(source).await?;
        let (media_type, platforms) = match parse(source, &served)? {
            Document::Index(index) => (index.media_type.clone(), index.platforms()),
            Document::Manifest(manifest) => {
                let bytes = self.registries.document(source, manifest.config.digest).await?;
                let config = config::Document::parse(&bytes).map_err(|error| PullError::InvalidDocument {
                    reference: source.reference.familiar(),
                    document: "configuration",
                    reason: error.to_string(),
                })?;
                (manifest.media_type, vec![config.platform()])
            }
        };
        let size = served.bytes.len() as u64;
        let descriptor = Descriptor { media_type, digest: served.digest, size };
        Ok(Distribution { descriptor, platforms })
    }
}
