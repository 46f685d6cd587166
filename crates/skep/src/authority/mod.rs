//! The cluster's certificate authority and its join tokens, in Swarm's formats.
//!
//! Here roots are made, drawn or read from what somebody brought along ([`given`]); which one the cluster has is written by
//! the leader, in one change with the tokens that name it.

mod given;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use sha2::{Digest, Sha256};
use skep_api::server::facts::Secrets;
use skep_model::Cluster;
use skep_model::cluster::{Authority, Hidden};
use skep_model::request::{Refusal, RefusalClass, Rotation};
use time::OffsetDateTime;

use crate::manager::entropy;

/// Life of the root certificate, in days: 20 years, as in Swarm.
const LIFE_DAYS: i64 = 7300;

/// Why no authority could be made.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    #[error("cannot make the cluster's root certificate")]
    Certificate(#[from] rcgen::Error),
    #[error("cannot read back the cluster's root certificate: {0}")]
    ReadBack(String),
}

/// Draws what an update of the cluster is to replace. Tokens name the root that the cluster has after it.
pub fn draw(cluster: &Cluster, secrets: &Secrets) -> Result<Rotation, Refusal> {
    let authority = successor(cluster, secrets)?;
    let root = &authority.as_ref().unwrap_or(&cluster.authority).certificate_pem;
    let worker_token = secrets.worker_token.then(|| token(root));
    let manager_token = secrets.manager_token.then(|| token(root));
    Ok(Rotation { authority, worker_token, manager_token })
}

/// Returns the authority that takes the place of the cluster's, if one is wished for.
fn successor(cluster: &Cluster, secrets: &Secrets) -> Result<Option<Authority>, Refusal> {
    let refuse = |class, error: &dyn std::error::Error| Refusal::new(class, skep_agent::chain(error));
    if let Some(signing) = &secrets.signing {
        let given = given::read(signing, OffsetDateTime::now_utc())
            .map_err(|error| refuse(RefusalClass::InvalidArgument, &error))?;
        // Compat: tokens live on under the same root, as in Swarm.
        return Ok(Some(match given.certificate_pem == cluster.authority.certificate_pem {
            true => Authority { key_pem: given.key_pem, ..cluster.authority.clone() },
            false => given,
        }));
    }
    match secrets.force_rotate == cluster.spec.force_rotate {
        true => Ok(None),
        false => create().map(Some).map_err(|error| refuse(RefusalClass::Unknown, &error)),
    }
}

/// Draws a new key and signs a root certificate with it.
pub fn create() -> Result<Authority, AuthorityError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "swarm-ca");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let now = OffsetDateTime::now_utc();
    params.not_before = now - time::Duration::hours(1);
    params.not_after = now + time::Duration::days(LIFE_DAYS);
    let certificate = params.self_signed(&key)?;
    let pem = certificate.pem();
    let (rest, parsed) = x509_parser::parse_x509_certificate(certificate.der())
        .map_err(|error| AuthorityError::ReadBack(error.to_string()))?;
    debug_assert!(rest.is_empty(), "one certificate is one DER object");
    Ok(Authority {
        worker_token: token(&pem),
        manager_token: token(&pem),
        subject: parsed.subject().as_raw().to_vec(),
        public_key: parsed.public_key().raw.to_vec(),
        key_pem: Hidden(key.serialize_pem()),
        certificate_pem: pem,
    })
}

/// Draws a join token for a cluster with this root certificate:
/// `SWMTKN-1-<SHA-256 of the certificate>-<secret>`, both in base 36.
pub fn token(certificate_pem: &str) -> Hidden {
    let digest = base36(&Sha256::digest(certificate_pem), 50);
    let secret = base36(&entropy::<16>(), 25);
    Hidden(format!("SWMTKN-1-{digest}-{secret}"))
}

/// Returns big-endian bytes as a number in base 36, padded with zeros.
fn base36(bytes: &[u8], length: usize) -> String {
    let mut digits = vec![0u32; length];
    for byte in bytes {
        let mut carry = u32::from(*byte);
        for digit in digits.iter_mut().rev() {
            carry += *digit * 256;
            *digit = carry % 36;
            carry /= 36;
        }
        debug_assert_eq!(carry, 0, "the length holds every value of the bytes");
    }
    digits.iter().map(|digit| char::from_digit(*digit, 36).expect("a digit below 36")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base36_of_known_numbers() {
        assert_eq!(base36(&[0], 3), "000");
        assert_eq!(base36(&[35], 3), "00z");
        assert_eq!(base36(&[1, 0], 3), "074");
        assert_eq!(base36(&[0xff; 16], 25), "f5lxx1zz5pnorynqglhzmsp33");
    }

    /// The part of a token that names the root.
    fn root_of(token: &Hidden) -> &str {
        token.0.split('-').nth(2).expect("four parts")
    }

    fn cluster() -> Cluster {
        Cluster {
            id: skep_model::Id::from_number(1),
            meta: skep_model::Meta::default(),
            spec: skep_model::cluster::ClusterSpec::default(),
            authority: create().expect("a root"),
            address_pools: Vec::new(),
            subnet_size: 24,
            data_path_port: 4789,
        }
    }

    #[test]
    fn tokens_have_swarms_shape_and_name_their_cluster() {
        let authority = create().unwrap();
        let parts: Vec<_> = authority.worker_token.0.split('-').collect();
        assert_eq!((parts[0], parts[1], parts[2].len(), parts[3].len()), ("SWMTKN", "1", 50, 25));
        let manager: Vec<_> = authority.manager_token.0.split('-').collect();
        assert_eq!(parts[2], manager[2]);
        assert_ne!(parts[3], manager[3]);
        assert!(authority.certificate_pem.starts_with("-----BEGIN CERTIFICATE-----"));
    }

    #[test]
    fn another_number_draws_another_root_with_tokens_of_its_own() {
        let cluster = cluster();
        assert_eq!(draw(&cluster, &Secrets::default()), Ok(Rotation::default()));
        let drawn = draw(&cluster, &Secrets { force_rotate: 1, ..Secrets::default() }).unwrap();
        let next = drawn.authority.expect("a root");
        let old = &cluster.authority;
        assert_ne!(next.certificate_pem, old.certificate_pem);
        assert_ne!(next.public_key, old.public_key);
        assert_ne!(next.key_pem, old.key_pem);
        assert_eq!(root_of(&next.worker_token), root_of(&next.manager_token));
        assert_ne!(root_of(&next.worker_token), root_of(&old.worker_token));
        assert_eq!((drawn.worker_token, drawn.manager_token), (None, None));
    }

    #[test]
    fn a_token_drawn_with_a_root_names_that_root() {
        let secrets = Secrets { worker_token: true, force_rotate: 1, ..Secrets::default() };
        let drawn = draw(&cluster(), &secrets).unwrap();
        let authority = drawn.authority.expect("a root");
        let token = drawn.worker_token.expect("a token");
        assert_eq!(root_of(&token), root_of(&authority.worker_token));
        assert_ne!(token, authority.worker_token);
    }

    #[test]
    fn the_same_root_with_its_key_keeps_the_tokens() {
        let cluster = cluster();
        let signing = skep_api::server::facts::Signing {
            certificate: cluster.authority.certificate_pem.clone(),
            key: cluster.authority.key_pem.clone(),
        };
        let secrets = Secrets { signing: Some(signing), ..Secrets::default() };
        assert_eq!(draw(&cluster, &secrets).unwrap().authority, Some(cluster.authority));
    }
}
