//! Debian's own registry (`docker-registry`), as the walk-through uses it.

use std::fs::File;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use skep_agent::image::{Digest, Platform, Reference};
use tempfile::TempDir;

use crate::layer::{Built, Layer, image, index};
use crate::view::View;
use crate::{Fixture, chain};

/// A running `docker-registry`; it ends with this value.
pub struct DebianRegistry {
    pub address: SocketAddr,
    server: Child,
    _dir: TempDir,
}

impl DebianRegistry {
    /// Starts it on a free port of `host`; `http` is added to the `http` section of its configuration.
    pub async fn start(host: &str, http: &str) -> Self {
        let dir = TempDir::with_prefix("skep-registry-").unwrap();
        let port = {
            let listener = std::net::TcpListener::bind((host, 0)).unwrap();
            listener.local_addr().unwrap().port()
        };
        let address: SocketAddr = format!("{host}:{port}").parse().unwrap();
        let config = dir.path().join("config.yml");
        let storage = dir.path().join("data");
        let text = format!(
            "version: 0.1\nlog:\n  level: warn\nstorage:\n  filesystem:\n    rootdirectory: {}\n\
             http:\n  addr: {address}\n{http}",
            storage.display()
        );
        std::fs::write(&config, text).unwrap();
        let log = File::create(dir.path().join("log")).unwrap();
        let server = Command::new("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("Debian's docker-registry is installed");
        let registry = Self { address, server, _dir: dir };
        registry.wait_until_up().await;
        registry
    }

    async fn wait_until_up(&self) {
        for _ in 0..200 {
            if tokio::net::TcpStream::connect(self.address).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("docker-registry did not start");
    }

    /// Uploads an image the way `docker push` does.
    async fn push(&self, repository: &str, tag: &str, built: &Built) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let base = format!("http://{}/v2/{repository}", self.address);
        for (digest, bytes) in &built.blobs {
            let begun = client.post(format!("{base}/blobs/uploads/")).send().await.unwrap();
            let location = begun.headers()["location"].to_str().unwrap().to_owned();
            let join = if location.contains('?') { '&' } else { '?' };
            let done =
                client.put(format!("{location}{join}digest={digest}")).body(bytes.clone()).send().await;
            assert_eq!(done.unwrap().status(), 201);
        }
        self.push_manifest(repository, tag, &built.manifest, &built.media_type).await;
    }

    async fn push_manifest(&self, repository: &str, tag: &str, bytes: &[u8], media_type: &str) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("http://{}/v2/{repository}/manifests/{tag}", self.address);
        let request = client.put(url).header("Content-Type", media_type).body(bytes.to_vec());
        assert_eq!(request.send().await.unwrap().status(), 201);
    }
}

impl Drop for DebianRegistry {
    fn drop(&mut self) {
        // It is gone already only if it crashed, which the test has noticed.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[tokio::test]
async fn a_real_registry_serves_manifests_indexes_and_errors() {
    let fixture = Fixture::new();
    let registry = DebianRegistry::start("127.0.0.1", "").await;
    let built = image(&[Layer::new().file("a", "1").finish(), Layer::new().file("b", "2").finish()]);
    registry.push("team/app", "1", &built).await;
    let host = Platform::host();
    let platform = serde_json::json!({"os": host.os, "architecture": host.architecture});
    let (bytes, media_type) = index(&[(&built, platform)]);
    registry.push_manifest("team/app", "multi", &bytes, &media_type).await;

    let name = |tag: &str| format!("{}/team/app{tag}", registry.address);
    let pulled = fixture.pull(&name(":1")).await.unwrap();
    assert_eq!(pulled.id, built.config);
    assert_eq!(View::of(&pulled).names(""), ["a", "b"]);
    let multi: Reference = name(":multi").parse().unwrap();
    let distribution = fixture.store.distribution(&multi, None).await.unwrap();
    assert_eq!(distribution.descriptor.digest, Digest::of(&bytes));
    assert_eq!(distribution.platforms, [host]);
    let pinned = name(&format!(":multi@{}", distribution.descriptor.digest));
    assert_eq!(fixture.pull(&pinned).await.unwrap().id, built.config);

    let error = fixture.pull(&name(":nope")).await.unwrap_err();
    let said = chain(&error);
    assert_eq!(said, format!("manifest for {} not found: manifest unknown: manifest unknown", name(":nope")));
    let error = fixture.pull(&format!("{}/nobody/nothing", registry.address)).await.unwrap_err();
    assert!(chain(&error).contains("not found: "), "{}", chain(&error));
}
