//! Mutual TLS: only clients with a certificate of one authority are let in.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

/// The files, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// Who signs the clients' certificates.
    pub authority: PathBuf,
    /// The daemon's certificate, and those between it and its authority.
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// Why TLS cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot read the TLS file {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    #[error("the TLS file {} holds no certificate in PEM", .0.display())]
    Empty(PathBuf),
    #[error("the certificate authority in {} cannot be used", path.display())]
    Authority {
        path: PathBuf,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("the certificate in {} and the key in {} do not go together", certificate.display(), key.display())]
    Pair {
        certificate: PathBuf,
        key: PathBuf,
        #[source]
        source: rustls::Error,
    },
}

/// Reads the files and makes what listeners need.
pub fn load(files: &Files) -> Result<Arc<ServerConfig>, TlsError> {
    let Files { authority, certificate, key } = files;
    let unusable = |source: Box<dyn std::error::Error + Send + Sync>| TlsError::Authority {
        path: authority.clone(),
        source,
    };
    let mut roots = RootCertStore::empty();
    for root in certificates(authority)? {
        roots.add(root).map_err(|error| unusable(error.into()))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let verifier = verifier.build().map_err(|error| unusable(error.into()))?;
    let chain = certificates(certificate)?;
    let secret = PrivateKeyDer::from_pem_file(key);
    let secret = secret.map_err(|source| TlsError::Read { path: key.clone(), source })?;
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider knows the versions that are the default")
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, secret)
        .map_err(|source| TlsError::Pair { certificate: certificate.clone(), key: key.clone(), source })?;
    Ok(Arc::new(config))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |source| TlsError::Read { path: path.to_owned(), source };
    let found = CertificateDer::pem_file_iter(path).map_err(failed)?;
    let found: Vec<_> = found.collect::<Result<_, _>>().map_err(failed)?;
    if found.is_empty() { Err(TlsError::Empty(path.to_owned())) } else { Ok(found) }
}
