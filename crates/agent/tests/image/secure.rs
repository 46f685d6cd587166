//! TLS, certificates and insecure registries, in a network namespace of the test's own.
//!
//! Loopback is always trusted, so these tests need a registry on another address. They run themselves again under
//! `unshare --net`, where loopback carries one more address, and nothing of it is visible outside.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use skep_agent::image::{PullError, Reference, RegistryConfig, Store};
use tempfile::TempDir;

use crate::chain;
use crate::real::DebianRegistry;

const INSIDE: &str = "SKEP_TEST_INSIDE_NETNS";
const ADDRESS: &str = "10.99.0.1";

/// Returns whether this is the inner run; otherwise runs the test `name` inside and returns false.
fn is_inside(name: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let script = format!("ip link set lo up && ip address add {ADDRESS}/32 dev lo && exec \"$0\" \"$@\"");
    let status = Command::new("unshare")
        .args(["--net", "sh", "-c", &script])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(INSIDE, "1")
        .status()
        .unwrap();
    assert!(status.success(), "{name} failed inside its namespace");
    false
}

fn store(dir: &TempDir, config: RegistryConfig) -> Store {
    Store::open(dir.path().join("images"), config).unwrap()
}

async fn look_up(store: &Store, address: SocketAddr) -> Result<(), PullError> {
    let reference: Reference = format!("{address}/app:1").parse().unwrap();
    let found = tokio::time::timeout(Duration::from_secs(15), store.distribution(&reference, None)).await;
    // The registry is empty: "not found" is an answer, so connection and certificate were accepted.
    match found.expect("a look-up is bounded") {
        Err(PullError::NotFound { .. }) => Ok(()),
        Err(error) => Err(error),
        Ok(found) => panic!("{found:?}"),
    }
}

#[tokio::test]
async fn a_certificate_must_be_trusted_by_somebody() {
    if !is_inside("secure::a_certificate_must_be_trusted_by_somebody") {
        return;
    }
    let dir = TempDir::with_prefix("skep-tls-").unwrap();
    let signed = rcgen::generate_simple_self_signed([ADDRESS.to_owned()]).unwrap();
    std::fs::write(dir.path().join("cert.pem"), signed.cert.pem()).unwrap();
    std::fs::write(dir.path().join("key.pem"), signed.signing_key.serialize_pem()).unwrap();
    let tls = format!("  tls:\n    certificate: {0}/cert.pem\n    key: {0}/key.pem\n", dir.path().display());
    let registry = DebianRegistry::start(ADDRESS, &tls).await;

    let error = look_up(&store(&dir, RegistryConfig::default()), registry.address).await.unwrap_err();
    assert!(matches!(error, PullError::Untrusted { .. }) && !error.is_retryable(), "{error:?}");
    let said = chain(&error);
    assert!(
        said.starts_with(&format!("Get \"https://{}/v2/app/manifests/1\": tls: ", registry.address)),
        "{said}"
    );

    let certs = dir.path().join("certs.d");
    let own = certs.join(registry.address.to_string());
    std::fs::create_dir_all(&own).unwrap();
    std::fs::write(own.join("ca.crt"), signed.cert.pem()).unwrap();
    let config = RegistryConfig { certs_dir: Some(certs), ..RegistryConfig::default() };
    look_up(&store(&dir, config.clone()), registry.address).await.unwrap();
    std::fs::write(own.join("ca.crt"), "-----BEGIN CERTIFICATE-----\nnonsense").unwrap();
    let error = look_up(&store(&dir, config), registry.address).await.unwrap_err();
    assert!(matches!(error, PullError::BadCertificates { .. }), "{error:?}");

    let insecure_registries = vec![format!("{ADDRESS}/24")];
    let config = RegistryConfig { insecure_registries, ..RegistryConfig::default() };
    look_up(&store(&dir, config), registry.address).await.unwrap();
}

#[tokio::test]
async fn plain_http_needs_permission() {
    if !is_inside("secure::plain_http_needs_permission") {
        return;
    }
    let dir = TempDir::with_prefix("skep-tls-").unwrap();
    let registry = DebianRegistry::start(ADDRESS, "").await;
    let error = look_up(&store(&dir, RegistryConfig::default()), registry.address).await.unwrap_err();
    assert!(matches!(error, PullError::Untrusted { .. } | PullError::Unreachable { .. }), "{error:?}");
    let insecure_registries = vec![registry.address.to_string()];
    let config = RegistryConfig { insecure_registries, ..RegistryConfig::default() };
    look_up(&store(&dir, config), registry.address).await.unwrap();
}

#[tokio::test]
async fn a_network_that_is_not_there_is_an_answer() {
    if !is_inside("secure::a_network_that_is_not_there_is_an_answer") {
        return;
    }
    let dir = TempDir::with_prefix("skep-tls-").unwrap();
    let store = store(&dir, RegistryConfig::default());
    for name in ["192.0.2.1:5000/app:1", "no-such-host.invalid/app:1", "redis:7"] {
        let reference: Reference = name.parse().unwrap();
        let error = store.distribution(&reference, None).await.unwrap_err();
        assert!(matches!(error, PullError::Unreachable { .. }) && error.is_retryable(), "{name}: {error:?}");
        assert!(chain(&error).contains(": dial tcp: "), "{}", chain(&error));
    }
}
