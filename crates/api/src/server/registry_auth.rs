//! `X-Registry-Auth`: base64 of a JSON object, in whichever alphabet the client likes.

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};
use skep_model::template::RegistryAuth;

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);

/// Returns the credentials of a request, as sent. What is no credentials counts as none, as in Docker.
pub fn of(headers: &HeaderMap) -> Option<RegistryAuth> {
    let text = headers.get("x-registry-auth")?.to_str().ok()?.trim();
    let engines = [GeneralPurpose::new(&URL_SAFE, LENIENT), GeneralPurpose::new(&STANDARD, LENIENT)];
    let json = engines.iter().find_map(|engine| engine.decode(text).ok())?;
    serde_json::from_slice::<Map<String, Value>>(&json).ok()?;
    Some(RegistryAuth(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(value: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert("X-Registry-Auth", value.parse().expect("a header"));
        of(&headers).is_some()
    }

    #[test]
    fn takes_every_alphabet_and_nothing_else() {
        // {"username":"ÿ>?ÿ"}: its encoding needs a letter on which the alphabets differ.
        let standard = "eyJ1c2VybmFtZSI6IsO/Pj/DvyJ9";
        assert!(taken(standard));
        assert!(taken(&standard.replace('/', "_").replace('+', "-")));
        assert!(taken("e30="));
        assert!(taken("e30"));
        for other in ["", "!!", "bm90IGpzb24=", "W10="] {
            assert!(!taken(other), "{other}");
        }
    }
}
