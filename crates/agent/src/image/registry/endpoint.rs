//! Where a registry is and whom to trust there.
//!
//! Decides the scheme, the address and the TLS settings for a registry's name, by dockerd's rules: Docker Hub lives
//! elsewhere; an insecure registry (configured by host or network, or on loopback) is tried over TLS without
//! verification and then over plain HTTP; every other one must prove itself to the system's roots and those in its
//! `certs.d` directory (`<certs_dir>/<host:port>/*.crt`, `*.cert` with `*.key`).

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use reqwest::{Certificate, Client, Identity, Url};

use crate::image::error::PullError;
use crate::image::sync::lock;

/// How long a connection, with its TLS handshake, may take to open.
const CONNECT_AFTER_MAX: Duration = Duration::from_secs(3);
/// How long the name of a registry may take to resolve when networks are configured as insecure.
const RESOLVE_FOR_MAX: Duration = Duration::from_secs(2);
/// Remembered schemes and clients; more registries than a node uses, and small.
const REMEMBERED_MAX: usize = 256;
const HUB: &str = "docker.io";
const HUB_ADDRESS: &str = "https://registry-1.docker.io";

/// What an operator says about registries.
#[derive(Clone, Debug)]
pub struct RegistryConfig {
    /// `host`, `host:port` or network (`10.0.0.0/8`) whose registries need no valid certificate, or no TLS at all.
    /// `localhost` and 127.0.0.0/8 always belong to them.
    pub insecure_registries: Vec<String>,
    /// A directory laid out like `/etc/docker/certs.d`. What is in it for a registry is read once.
    pub certs_dir: Option<PathBuf>,
    /// The silence after which a transfer counts as stalled.
    pub stall_after: Duration,
}

impl Default for RegistryConfig {
    fn default() -> Self {
        Self { insecure_registries: Vec::new(), certs_dir: None, stall_after: Duration::from_secs(30) }
    }
}

/// An entry of `insecure_registries` that is neither a host nor a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("insecure registry {entry} is neither a host with an optional port nor a network such as 10.0.0.0/8")]
pub struct InsecureEntryError {
    /// The entry as configured.
    pub entry: String,
}

/// How to talk to one registry.
#[derive(Clone)]
pub(super) struct Endpoint {
    pub client: Client,
    /// Scheme and authority, without a slash at the end.
    pub base: String,
}

pub(super) struct Endpoints {
    insecure: Vec<Insecure>,
    certs_dir: Option<PathBuf>,
    stall_after: Duration,
    /// Which scheme an insecure registry was found to speak, by name.
    schemes: Mutex<HashMap<String, &'static str>>,
    clients: Mutex<HashMap<Trust, Client>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Insecure {
    Host(String),
    Network(IpAddr, u8),
}

/// What distinguishes one HTTP client from another.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Trust {
    System,
    /// The system's roots and what is in this directory.
    Directory(PathBuf),
    Anyone,
    /// As `Anyone`, and no proxy: it could not reach our loopback.
    Loopback,
}

impl Endpoints {
    pub fn new(config: RegistryConfig) -> Result<Self, InsecureEntryError> {
        let RegistryConfig { insecure_registries, certs_dir, stall_after } = config;
        let insecure =
            insecure_registries.iter().map(|entry| Insecure::parse(entry)).collect::<Result<_, _>>()?;
        install_crypto();
        Ok(Self { insecure, certs_dir, stall_after, schemes: Mutex::default(), clients: Mutex::default() })
    }

    pub fn stall_after(&self) -> Duration {
        self.stall_after
    }

    pub async fn find(&self, registry: &str) -> Result<Endpoint, PullError> {
        if registry == HUB {
            return Ok(Endpoint { client: self.client(self.trust_of(HUB))?, base: HUB_ADDRESS.to_owned() });
        }
        if !self.is_insecure(registry).await {
            return Ok(Endpoint {
                client: self.client(self.trust_of(registry))?,
                base: format!("https://{registry}"),
            });
        }
        let trust = if is_loopback(host_of(registry)) { Trust::Loopback } else { Trust::Anyone };
        let client = self.client(trust)?;
        let scheme = self.scheme(&client, registry).await?;
        Ok(Endpoint { client, base: format!("{scheme}://{registry}") })
    }

    /// Finds out once whether an insecure registry speaks TLS. Any answer at all will do.
    async fn scheme(&self, client: &Client, registry: &str) -> Result<&'static str, PullError> {
        if let Some(scheme) = lock(&self.schemes).get(registry) {
            return Ok(scheme);
        }
        let mut failure = None;
        for scheme in ["https", "http"] {
            let url = format!("{scheme}://{registry}/v2/");
            let reason = "the registry's name is not a URL";
            let url = Url::parse(&url).map_err(|_| PullError::Protocol { url, reason })?;
            match client.get(url.clone()).send().await {
                Ok(_) => {
                    remember(&mut lock(&self.schemes), registry.to_owned(), scheme);
                    return Ok(scheme);
                }
                Err(error) => failure = Some(PullError::transport(&url, &error, self.stall_after)),
            }
        }
        Err(failure.expect("two schemes were tried"))
    }

    /// Forgets what an insecure registry was found to speak.
    pub fn forget(&self, registry: &str) {
        lock(&self.schemes).remove(registry);
    }

    async fn is_insecure(&self, registry: &str) -> bool {
        let host = host_of(registry);
        if is_loopback(host) || self.insecure.iter().any(|entry| entry.names(registry, host)) {
            return true;
        }
        if !self.insecure.iter().any(|entry| matches!(entry, Insecure::Network(..))) {
            return false;
        }
        let lookup = tokio::time::timeout(RESOLVE_FOR_MAX, tokio::net::lookup_host((host, 443)));
        // A name that does not resolve is in no network; the request itself will report it.
        let Ok(Ok(mut addresses)) = lookup.await else { return false };
        addresses.any(|address| self.insecure.iter().any(|entry| entry.contains(address.ip())))
    }

    fn trust_of(&self, registry: &str) -> Trust {
        let directory = self.certs_dir.as_ref().map(|dir| dir.join(registry));
        match directory.filter(|directory| directory.is_dir()) {
            Some(directory) => Trust::Directory(directory),
            None => Trust::System,
        }
    }

    fn client(&self, trust: Trust) -> Result<Client, PullError> {
        if let Some(client) = lock(&self.clients).get(&trust) {
            return Ok(client.clone());
        }
        let mut builder = Client::builder()
            .connect_timeout(CONNECT_AFTER_MAX)
            .read_timeout(self.stall_after)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("skep/", env!("CARGO_PKG_VERSION")));
        builder = match &trust {
            Trust::System => builder,
            Trust::Directory(directory) => trust_directory(builder, directory)?,
            Trust::Anyone => builder.tls_danger_accept_invalid_certs(true),
            Trust::Loopback => builder.tls_danger_accept_invalid_certs(true).no_proxy(),
        };
        let client = builder.build().map_err(|error| bad_certificates(&trust, &error))?;
        remember(&mut lock(&self.clients), trust, client.clone());
        Ok(client)
    }
}

impl Insecure {
    fn parse(entry: &str) -> Result<Self, InsecureEntryError> {
        let refused = || InsecureEntryError { entry: entry.to_owned() };
        // dockerd tolerates a scheme here, so configurations carry it.
        let bare = entry.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/');
        match bare.split_once('/') {
            None if bare.is_empty() || bare.contains(char::is_whitespace) => Err(refused()),
            None => Ok(Self::Host(bare.to_owned())),
            Some((address, length)) => {
                let address: IpAddr = address.parse().map_err(|_| refused())?;
                let length: u8 = length.parse().map_err(|_| refused())?;
                let bits = if address.is_ipv4() { 32 } else { 128 };
                if length <= bits { Ok(Self::Network(address, length)) } else { Err(refused()) }
            }
        }
    }

    /// An entry without a port stands for the host on any port.
    fn names(&self, registry: &str, host: &str) -> bool {
        match self {
            Self::Host(entry) => entry == registry || entry == host,
            Self::Network(..) => host.parse().is_ok_and(|address| self.contains(address)),
        }
    }

    fn contains(&self, address: IpAddr) -> bool {
        let Self::Network(network, length) = self else { return false };
        match (network, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let ignored = 32 - u32::from(*length);
                (u64::from(network.to_bits()) >> ignored) == (u64::from(address.to_bits()) >> ignored)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let ignored = 128 - u32::from(*length);
                ignored == 128 || (network.to_bits() >> ignored) == (address.to_bits() >> ignored)
            }
            _ => false,
        }
    }
}

/// Returns the host of `host:port` or `[address]:port`, without brackets.
fn host_of(registry: &str) -> &str {
    match registry.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => registry.split(':').next().unwrap_or(registry),
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Adds the roots and the client certificate in a registry's `certs.d` directory.
fn trust_directory(
    mut builder: reqwest::ClientBuilder,
    directory: &Path,
) -> Result<reqwest::ClientBuilder, PullError> {
    let entries = std::fs::read_dir(directory).map_err(PullError::storage("read", directory))?;
    for entry in entries {
        let path = entry.map_err(PullError::storage("read", directory))?.path();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("crt") => {
                let roots = Certificate::from_pem_bundle(&read(&path)?).map_err(|e| unusable(&path, &e))?;
                builder = builder.tls_certs_merge(roots);
            }
            Some("cert") => {
                let mut pem = read(&path)?;
                pem.push(b'\n');
                pem.extend(read(&path.with_extension("key"))?);
                builder = builder.identity(Identity::from_pem(&pem).map_err(|e| unusable(&path, &e))?);
            }
            _ => {}
        }
    }
    Ok(builder)
}

fn read(path: &Path) -> Result<Vec<u8>, PullError> {
    std::fs::read(path).map_err(PullError::storage("read", path))
}

fn unusable(path: &Path, error: &reqwest::Error) -> PullError {
    PullError::BadCertificates { path: path.to_owned(), reason: innermost(error) }
}

fn bad_certificates(trust: &Trust, error: &reqwest::Error) -> PullError {
    let path = match trust {
        Trust::Directory(directory) => directory.clone(),
        Trust::System | Trust::Anyone | Trust::Loopback => PathBuf::from("/etc/ssl/certs"),
    };
    PullError::BadCertificates { path, reason: innermost(error) }
}

fn innermost(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(inner) = innermost.source() {
        innermost = inner;
    }
    innermost.to_string()
}

/// rustls needs a process-wide provider once; whoever installs it first wins, and all of ours are ring.
fn install_crypto() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // An error means that another thread was faster, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

/// Inserts into a bounded cache; a full one starts over, since being cached is only an economy.
pub(super) fn remember<K: Eq + std::hash::Hash, V>(cache: &mut HashMap<K, V>, key: K, value: V) {
    if cache.len() >= REMEMBERED_MAX {
        cache.clear();
    }
    cache.insert(key, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints(entries: &[&str]) -> Endpoints {
        let insecure_registries = entries.iter().map(|entry| (*entry).to_owned()).collect();
        Endpoints::new(RegistryConfig { insecure_registries, ..RegistryConfig::default() }).unwrap()
    }

    #[tokio::test]
    async fn insecure_means_loopback_a_named_host_or_a_network() {
        let endpoints = endpoints(&["r.example:5000", "http://any.example/", "10.1.0.0/16", "fd00::/8"]);
        for registry in [
            "localhost",
            "localhost:5000",
            "127.0.0.1:80",
            "127.9.9.9",
            "[::1]:5000",
            "r.example:5000",
            "any.example:1",
            "10.1.255.1:5000",
            "[fd12::1]:5000",
        ] {
            assert!(endpoints.is_insecure(registry).await, "{registry}");
        }
        for registry in ["10.2.0.1:5000", "[fe80::1]", "192.0.2.1"] {
            assert!(!endpoints.is_insecure(registry).await, "{registry}");
        }
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        for entry in ["", "10.0.0.0/33", "r.example/path", "a b"] {
            assert_eq!(Insecure::parse(entry), Err(InsecureEntryError { entry: entry.to_owned() }));
        }
        assert!(Insecure::parse("0.0.0.0/0").unwrap().contains("192.0.2.1".parse().unwrap()));
        assert!(Insecure::parse("::/0").unwrap().contains("2001:db8::1".parse().unwrap()));
    }
}
