//! Debian's `docker-registry` inside a sandbox, on loopback, with its own storage.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::http::Http;
use crate::images::Image;
use crate::sandbox::{Program, Sandbox};
use crate::wait::Look;

/// The one user of a registry with a password.
pub const USER: &str = "bee";
pub const PASSWORD: &str = "honey";

/// What `htpasswd` makes of the two: the registry reads bcrypt only.
const PASSWORD_FILE: &str = "bee:$2b$05$abcdefghijklmnopqrstuua72UqXIK32CtpAE.WxMIzK71a407mZm\n";

/// A registry; it ends when dropped, or with its sandbox.
#[derive(Debug)]
pub struct Registry {
    program: Program,
    config: PathBuf,
    port: u16,
    password: bool,
}

impl Registry {
    /// Starts a registry on 127.0.0.1:5000 that lets anybody push and pull.
    pub fn start(sandbox: &Sandbox) -> Result<Self> {
        Self::start_with(sandbox, 5000, false)
    }

    /// Starts a registry on any port, with or without a password ([`USER`], [`PASSWORD`]).
    pub fn start_with(sandbox: &Sandbox, port: u16, password: bool) -> Result<Self> {
        let name = format!("registry-{port}");
        let config = write_config(sandbox, &name, port, password)?;
        let path = config.to_str().context("the folder's path is text")?;
        let mut program = sandbox.spawn(&name, "docker-registry", &["serve", path])?;
        program.wait_ready(Duration::from_secs(20), || {
            let answer =
                sandbox.in_network(|| Http::tcp(&format!("127.0.0.1:{port}"))?.send("GET", "/v2/", &[], &[]));
            Ok(match answer {
                Ok(response) if matches!(response.status, 200 | 401) => Look::Done(()),
                Ok(response) => Look::NotYet(format!("status {}", response.status)),
                Err(error) => Look::NotYet(format!("{error:#}")),
            })
        })?;
        Ok(Self { program, config, port, password })
    }

    /// Returns the file that the registry was started with.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// Returns `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Uploads an image; returns its full name, `127.0.0.1:PORT/NAME:TAG`.
    pub fn push(&self, sandbox: &Sandbox, image: &Image) -> Result<String> {
        let authorization = format!("Basic {}", BASE64_STANDARD.encode(format!("{USER}:{PASSWORD}")));
        let authorization = self.password.then_some(authorization.as_str());
        let address = self.address();
        sandbox
            .in_network(|| image.push(&mut Http::tcp(&address)?, authorization))
            .with_context(|| format!("cannot push {}", image.reference()))?;
        Ok(format!("{address}/{}", image.reference()))
    }

    /// Ends the registry, as a failure that tests provoke.
    pub fn kill(&mut self) -> Result<()> {
        self.program.kill()
    }
}

fn write_config(sandbox: &Sandbox, name: &str, port: u16, password: bool) -> Result<PathBuf> {
    let storage = sandbox.folder().join(name);
    std::fs::create_dir_all(&storage).context("cannot make the registry's folder")?;
    let mut config = format!(
        "version: 0.1\nlog: {{level: warn}}\nstorage:\n  filesystem: {{rootdirectory: {}}}\n\
         http: {{addr: \"127.0.0.1:{port}\"}}\n",
        storage.join("blobs").display()
    );
    if password {
        let path = storage.join("htpasswd");
        std::fs::write(&path, PASSWORD_FILE).context("cannot write the registry's password file")?;
        config.push_str(&format!("auth:\n  htpasswd: {{realm: skep, path: {}}}\n", path.display()));
    }
    let path = storage.join("config.yml");
    std::fs::write(&path, config).context("cannot write the registry's configuration")?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::busybox;

    #[test]
    fn an_image_is_pushed_and_found_again() {
        let sandbox = Sandbox::new().unwrap();
        let registry = Registry::start(&sandbox).unwrap();
        let image = busybox().unwrap();
        assert_eq!(registry.push(&sandbox, &image).unwrap(), "127.0.0.1:5000/busybox:1");
        let found = sandbox.in_network(|| {
            let accept = [("accept", "application/vnd.oci.image.manifest.v1+json")];
            Http::tcp("127.0.0.1:5000")?.send("GET", "/v2/busybox/manifests/1", &accept, &[])
        });
        assert_eq!(found.unwrap().header("docker-content-digest"), Some(image.digest().as_str()));
    }

    #[test]
    fn a_password_is_asked_for() {
        let sandbox = Sandbox::new().unwrap();
        let registry = Registry::start_with(&sandbox, 5001, true).unwrap();
        let answer = sandbox.in_network(|| Http::tcp("127.0.0.1:5001")?.send("GET", "/v2/", &[], &[]));
        assert_eq!(answer.unwrap().status, 401);
        registry.push(&sandbox, &busybox().unwrap()).unwrap();
    }
}
