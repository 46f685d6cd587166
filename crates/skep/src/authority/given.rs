//! A root that somebody brings along: whether it can be the cluster's. The sentences are Swarm's.

use pem::{EncodeConfig, LineEnding, Pem};
use rcgen::KeyPair;
use skep_api::server::facts::Signing;
use skep_model::cluster::{Authority, Hidden};
use time::{Duration, OffsetDateTime};
use x509_parser::asn1_rs::{Any, FromDer as _, Sequence};
use x509_parser::certificate::X509Certificate;

use super::token;

/// Life that a root must have left: nodes get certificates from it for a long time. As in Swarm.
const LIFE_LEFT_MIN: Duration = Duration::days(365);

/// Why a root cannot be the cluster's.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum GivenError {
    #[error("if a signing CA key is provided, the signing CA cert must also be provided")]
    KeyAlone,
    /// Without its key somebody outside would have to sign, which is refused by name before.
    #[error(
        "there must be at least one valid, reachable external CA corresponding to the next CA certificate"
    )]
    CertificateAlone,
    #[error("invalid root certificates: {0}")]
    Certificate(String),
    #[error("the desired CA certificate cannot contain multiple certificates")]
    Several,
    #[error("error while validating Root CA Certificate: {0}")]
    Unfit(String),
    #[error("CA certificate expires too soon")]
    ExpiresSoon,
    #[error("malformed private key")]
    Key,
    /// A bare key does not say of which kind it is.
    #[error("malformed private key, or one of another kind than the certificate's")]
    Bare,
    #[error("certificate key mismatch")]
    Mismatch,
}

/// Makes an authority of a root certificate and its key, with new tokens.
pub fn read(signing: &Signing, now: OffsetDateTime) -> Result<Authority, GivenError> {
    match (signing.certificate.is_empty(), signing.key.0.is_empty()) {
        (true, _) => return Err(GivenError::KeyAlone),
        (false, true) => return Err(GivenError::CertificateAlone),
        (false, false) => {}
    }
    let block = certificate(&signing.certificate)?;
    let (rest, root) = x509_parser::parse_x509_certificate(block.contents())
        .map_err(|error| GivenError::Certificate(error.to_string()))?;
    if !rest.is_empty() {
        return Err(GivenError::Certificate("trailing data".to_owned()));
    }
    check(&root, now)?;
    let key = key(&signing.key, &root)?;
    // The text is made anew, so that equal roots have equal digests.
    let certificate_pem = pem::encode_config(
        &Pem::new("CERTIFICATE", block.contents()),
        EncodeConfig::new().set_line_ending(LineEnding::LF),
    );
    Ok(Authority {
        worker_token: token(&certificate_pem),
        manager_token: token(&certificate_pem),
        subject: root.subject().as_raw().to_vec(),
        public_key: root.public_key().raw.to_vec(),
        key_pem: Hidden(key.serialize_pem()),
        certificate_pem,
    })
}

/// Returns the one certificate of the text.
fn certificate(text: &str) -> Result<Pem, GivenError> {
    let blocks = pem::parse_many(text).map_err(|error| GivenError::Certificate(error.to_string()))?;
    let none = || GivenError::Certificate("Failed to parse certificate".to_owned());
    let mut certificates = blocks.into_iter().filter(|block| block.tag() == "CERTIFICATE");
    let first = certificates.next().ok_or_else(none)?;
    if certificates.next().is_some() {
        return Err(GivenError::Several);
    }
    Ok(first)
}

fn check(root: &X509Certificate<'_>, now: OffsetDateTime) -> Result<(), GivenError> {
    let unfit = |text: &str| Err(GivenError::Unfit(text.to_owned()));
    // Swarm takes what cannot sign for others, and then no node gets in.
    if !root.is_ca() {
        return unfit("it is not a certificate authority");
    }
    if root.issuer().as_raw() != root.subject().as_raw() || root.verify_signature(None).is_err() {
        return unfit("x509: certificate signed by unknown authority");
    }
    let (begin, end) = (root.validity().not_before.to_datetime(), root.validity().not_after.to_datetime());
    if now < begin || end < now {
        return unfit("x509: certificate has expired or is not yet valid");
    }
    if end < now + LIFE_LEFT_MIN { Err(GivenError::ExpiresSoon) } else { Ok(()) }
}

/// Reads the key of the root, in any of the forms that openssl writes.
fn key(text: &Hidden, root: &X509Certificate<'_>) -> Result<KeyPair, GivenError> {
    let blocks = pem::parse_many(&text.0).map_err(|_| GivenError::Key)?;
    let block = blocks.iter().find(|block| block.tag().ends_with("PRIVATE KEY")).ok_or(GivenError::Key)?;
    let key = match block.tag() {
        "PRIVATE KEY" => KeyPair::try_from(block.contents()).map_err(|_| GivenError::Key)?,
        "EC PRIVATE KEY" | "RSA PRIVATE KEY" => {
            let wrapped = wrap(block.contents(), root).ok_or(GivenError::Key)?;
            KeyPair::try_from(wrapped).map_err(|_| GivenError::Bare)?
        }
        _ => return Err(GivenError::Key),
    };
    match key.public_key_raw() == &*root.public_key().subject_public_key.data {
        true => Ok(key),
        false => Err(GivenError::Mismatch),
    }
}

/// Puts a bare key into the envelope of PKCS #8, which says beside it what kind of key it is: that of the root.
fn wrap(key: &[u8], root: &X509Certificate<'_>) -> Option<Vec<u8>> {
    let (_, info) = Sequence::from_der(root.public_key().raw).ok()?;
    let (rest, _) = Any::from_der(&info.content).ok()?;
    let kind = &info.content[..info.content.len() - rest.len()];
    let version = [0x02, 0x01, 0x00];
    Some(der(0x30, &[&version, kind, &der(0x04, key)].concat()))
}

/// Encodes one object of DER: its tag, its length in the fewest bytes, its content.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let digits = &length[length.iter().take_while(|byte| **byte == 0).count()..];
    let mut object = vec![tag];
    match content.len() {
        short @ 0..=0x7f => object.push(short as u8),
        _ => {
            object.push(0x80 | digits.len() as u8);
            object.extend_from_slice(digits);
        }
    }
    object.extend_from_slice(content);
    object
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, PKCS_ECDSA_P384_SHA384, PublicKeyData as _};

    use super::*;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn days(count: i64) -> OffsetDateTime {
        NOW + Duration::days(count)
    }

    /// A root of the given days, changed by hand, and its key.
    fn root(life: (i64, i64), change: impl FnOnce(&mut CertificateParams)) -> (String, KeyPair) {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        (params.not_before, params.not_after) = (days(life.0), days(life.1));
        change(&mut params);
        (params.self_signed(&key).expect("a root").pem(), key)
    }

    fn read(certificate: &str, key: &str) -> Result<Authority, String> {
        let signing = Signing { certificate: certificate.to_owned(), key: Hidden(key.to_owned()) };
        super::read(&signing, NOW).map_err(|error| error.to_string())
    }

    #[test]
    fn a_root_with_its_key_is_taken_and_its_text_made_anew() {
        let (certificate, key) = root((-1, 366), |_| {});
        let authority = read(&certificate, &key.serialize_pem()).expect("a root");
        assert_eq!(authority.public_key, key.subject_public_key_info());
        let untidy = format!("about it\r\n{}\n\n", certificate.replace('\n', "\r\n"));
        let again = read(&untidy, &key.serialize_pem()).expect("a root");
        assert_eq!(again.certificate_pem, authority.certificate_pem);
        assert!(!again.certificate_pem.contains('\r'));
        assert_eq!(again.key_pem, authority.key_pem);
    }

    #[test]
    fn what_cannot_be_a_root_is_refused_as_swarm_refuses_it() {
        let good = |life| root(life, |_| {});
        let (certificate, key) = good((-1, 366));
        let key = key.serialize_pem();
        let other = good((-1, 366)).1.serialize_pem();
        let is = |certificate: &str, key: &str, text: &str| {
            assert_eq!(read(certificate, key).expect_err("no root"), text);
        };
        is("", &key, "if a signing CA key is provided, the signing CA cert must also be provided");
        let outside = "there must be at least one valid, reachable external CA corresponding to the next CA certificate";
        is(&certificate, "", outside);
        is("nonsense", &key, "invalid root certificates: Failed to parse certificate");
        is(&key, &key, "invalid root certificates: Failed to parse certificate");
        let twice = certificate.repeat(2);
        is(&twice, &key, "the desired CA certificate cannot contain multiple certificates");
        is(&certificate, &other, "certificate key mismatch");
        is(&certificate, "nonsense", "malformed private key");
        is(&certificate, &certificate, "malformed private key");
        let (soon, key) = good((-1, 364));
        is(&soon, &key.serialize_pem(), "CA certificate expires too soon");
        for life in [(-9, -1), (1, 9999)] {
            let (certificate, key) = good(life);
            let text = "error while validating Root CA Certificate: x509: certificate has expired or is not yet valid";
            is(&certificate, &key.serialize_pem(), text);
        }
        let (leaf, key) = root((-1, 366), |params| params.is_ca = IsCa::NoCa);
        let text = "error while validating Root CA Certificate: it is not a certificate authority";
        is(&leaf, &key.serialize_pem(), text);
    }

    #[test]
    fn a_root_that_another_signed_is_none() {
        let (_, issuer_key) = root((-1, 366), |_| {});
        let issuer = rcgen::Issuer::new(CertificateParams::default(), issuer_key);
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        (params.not_before, params.not_after) = (days(-1), days(366));
        let signed = params.signed_by(&key, &issuer).expect("a certificate").pem();
        let text =
            "error while validating Root CA Certificate: x509: certificate signed by unknown authority";
        assert_eq!(read(&signed, &key.serialize_pem()).expect_err("no root"), text);
    }

    #[test]
    fn lengths_take_the_fewest_bytes() {
        assert_eq!(der(4, &[7]), [4, 1, 7]);
        assert_eq!(der(4, &[0; 127])[..2], [4, 127]);
        assert_eq!(der(4, &[0; 128])[..3], [4, 0x81, 128]);
        assert_eq!(der(4, &[0; 256])[..4], [4, 0x82, 1, 0]);
    }
}
