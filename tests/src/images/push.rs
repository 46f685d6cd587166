//! Uploading an image: the part of the registry's HTTP API that this takes, and no more.

use anyhow::{Context, Result, ensure};

use super::layer::{Layer, digest};
use super::{Image, MANIFEST_TYPE};
use crate::http::Http;

/// Sends every blob that is not there yet, then the manifest under the image's tag.
pub fn push(image: &Image, http: &mut Http, authorization: Option<&str>) -> Result<()> {
    let mut target = Target { http, name: &image.name, authorization };
    for layer in &image.layers {
        target.blob(layer.digest(), Layer::blob(layer))?;
    }
    let config = image.config_blob();
    target.blob(&digest(&config), &config)?;
    let path = format!("/v2/{}/manifests/{}", image.name, image.tag);
    target.expect(201, "PUT", &path, MANIFEST_TYPE, &image.manifest())?;
    Ok(())
}

struct Target<'a> {
    http: &'a mut Http,
    name: &'a str,
    authorization: Option<&'a str>,
}

impl Target<'_> {
    /// Uploads one blob in one piece.
    fn blob(&mut self, digest: &str, bytes: &[u8]) -> Result<()> {
        let path = format!("/v2/{}/blobs/{digest}", self.name);
        if self.http.send("HEAD", &path, &headers("*/*", self.authorization), &[])?.status == 200 {
            return Ok(());
        }
        let uploads = format!("/v2/{}/blobs/uploads/", self.name);
        let location = self.expect(202, "POST", &uploads, "application/octet-stream", &[])?;
        let location = location.context("the registry names no place to upload to")?;
        // The place is an absolute address; only its path matters to a connection that is open already.
        let path = location
            .split_once("://")
            .map_or(location.as_str(), |(_, rest)| rest.find('/').map_or("/", |slash| &rest[slash..]));
        let separator = if path.contains('?') { '&' } else { '?' };
        let path = format!("{path}{separator}digest={digest}");
        self.expect(201, "PUT", &path, "application/octet-stream", bytes)?;
        Ok(())
    }

    /// Sends a request that must end with `status`; returns the `Location` header.
    fn expect(
        &mut self,
        status: u16,
        method: &str,
        path: &str,
        kind: &str,
        body: &[u8],
    ) -> Result<Option<String>> {
        let headers = headers(kind, self.authorization);
        let response = self.http.send(method, path, &headers, body)?;
        ensure!(response.status == status, "{method} {path}: {} {}", response.status, response.text());
        Ok(response.header("location").map(ToOwned::to_owned))
    }
}

fn headers<'a>(kind: &'a str, authorization: Option<&'a str>) -> Vec<(&'a str, &'a str)> {
    let mut headers = vec![("content-type", kind)];
    headers.extend(authorization.map(|value| ("authorization", value)));
    headers
}
