//! The cluster's certificate authority and its join tokens, in Swarm's formats.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use sha2::{Digest, Sha256};
use skep_model::cluster::{Authority, Hidden};

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

/// Draws a new key and signs a root certificate with it.
pub fn create() -> Result<Authority, AuthorityError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "swarm-ca");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let now = time::OffsetDateTime::now_utc();
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
}
