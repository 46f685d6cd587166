//! Calls about the daemon itself and about images in registries.

use bytes::Bytes;
use hyper::Method;

use super::call::{Call, object};
use super::{ApiVersion, Client, ClientError};
use crate::wire::{Checkup, DistributionInspect, Info, SystemVersion};

impl Client {
    /// Asks the daemon for its newest version; `None` if it does not say.
    pub(super) async fn ping(&self) -> Result<Option<ApiVersion>, ClientError> {
        match self.ping_by(Method::HEAD).await {
            Ok(Some(version)) => Ok(Some(version)),
            // A proxy may refuse the verb, or cut the header off with the body.
            Ok(None) | Err(ClientError::Daemon { .. } | ClientError::Broken { .. }) => {
                self.ping_by(Method::GET).await
            }
            Err(error) => Err(error),
        }
    }

    async fn ping_by(&self, method: Method) -> Result<Option<ApiVersion>, ClientError> {
        let call = Call::new(method, "/_ping").unversioned();
        let (response, connection) = self.stream(call).await?;
        let version =
            response.headers().get("api-version").and_then(|value| value.to_str().ok()?.parse().ok());
        // A HEAD leaves nothing to read, and the two bytes of a GET are not worth keeping its connection for.
        if http_body_util::BodyExt::collect(response.into_body()).await.is_ok() {
            self.transport.release(connection);
        }
        Ok(version)
    }

    /// What the daemon says about itself.
    pub async fn info(&self) -> Result<Info, ClientError> {
        self.json(Call::get("/info")).await
    }

    /// The versions of the daemon and its companions.
    pub async fn daemon_version(&self) -> Result<SystemVersion, ClientError> {
        self.json(Call::get("/version")).await
    }

    /// What the daemon's node finds when it looks at itself. Only Skep has this.
    pub async fn checkup(&self) -> Result<Checkup, ClientError> {
        self.json(Call::get("/skep/v1/doctor").unversioned()).await
    }

    /// Everything the daemon knows of an object of the cluster, a network or a plugin, as it wrote it. `kind` is Docker's word.
    pub async fn inspect_object(&self, kind: &'static str, reference: &str) -> Result<Bytes, ClientError> {
        let rest = if kind == "plugin" { "/json" } else { "" };
        self.bytes(Call::get(object(&format!("{kind}s"), kind, reference, rest)?)).await
    }

    /// Asks the registry of an image for its digest and its platforms.
    pub async fn distribution(
        &self,
        image: &str,
        auth: Option<&str>,
    ) -> Result<DistributionInspect, ClientError> {
        self.json(Call::get(object("distribution", "image", image, "/json")?).auth(auth)).await
    }
}
