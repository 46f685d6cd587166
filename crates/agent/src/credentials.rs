//! Registry credentials as clients send them: base64, in either alphabet, of a JSON object.

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use skep_model::template::RegistryAuth;

use crate::image::Auth;

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);

#[derive(Default, Deserialize)]
#[serde(default)]
struct Sent {
    username: Option<String>,
    password: Option<String>,
    /// `username:password` in base64, as in the client's configuration file.
    auth: Option<String>,
    identitytoken: Option<String>,
    registrytoken: Option<String>,
}

/// Returns what the registry is to be told. What is not readable counts as none, as in Docker.
pub fn read(auth: &RegistryAuth) -> Option<Auth> {
    let sent: Sent = serde_json::from_slice(&decode(&auth.0)?).ok()?;
    let pair = sent.auth.as_deref().and_then(decode).and_then(|bytes| String::from_utf8(bytes).ok());
    let (username, password) = match pair.as_deref().and_then(|pair| pair.split_once(':')) {
        Some((username, password)) => (username.to_owned(), password.to_owned()),
        None => (sent.username.unwrap_or_default(), sent.password.unwrap_or_default()),
    };
    let auth = Auth {
        username,
        password,
        identity_token: sent.identitytoken.unwrap_or_default(),
        registry_token: sent.registrytoken.unwrap_or_default(),
    };
    (auth != Auth::default()).then_some(auth)
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let engines = [GeneralPurpose::new(&URL_SAFE, LENIENT), GeneralPurpose::new(&STANDARD, LENIENT)];
    engines.iter().find_map(|engine| engine.decode(text.trim()).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(json: &str) -> RegistryAuth {
        RegistryAuth(base64::engine::general_purpose::URL_SAFE.encode(json))
    }

    #[test]
    fn reads_both_forms_of_a_password() {
        let plain = read(&encoded(r#"{"username":"ann","password":"s:3"}"#)).unwrap();
        let packed = read(&encoded(r#"{"auth":"YW5uOnM6Mw=="}"#)).unwrap();
        assert_eq!((plain.username.as_str(), plain.password.as_str()), ("ann", "s:3"));
        assert_eq!(plain, packed);
    }

    #[test]
    fn takes_rubbish_and_emptiness_for_none() {
        assert_eq!(read(&encoded("{}")), None);
        assert_eq!(read(&encoded("[]")), None);
        assert_eq!(read(&RegistryAuth("%%%".into())), None);
    }
}
