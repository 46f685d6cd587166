//! Registry credentials, where Docker keeps them: a registry's own helper (`credHelpers`), else the general store
//! (`credsStore`), else `auths` in `config.json`.

mod helper;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::{Value, json};
use skep_api::client::Credentials;
use thiserror::Error;

use crate::config::{ConfigError, ConfigFile};
use crate::context::Context;
use crate::fault::{Fault, chain};
use crate::format::Reference;

use helper::{Helper, HelperError};

/// The name under which Docker Hub's credentials are kept.
pub(crate) const HUB: &str = "https://index.docker.io/v1/";

#[derive(Debug, Error)]
pub(crate) enum CredentialError {
    #[error("the credentials of {registry} are not base64 of user:password")]
    Encoding { registry: String },
    #[error(transparent)]
    Helper(HelperError),
    #[error(transparent)]
    Config(ConfigError),
}

impl From<CredentialError> for Fault {
    fn from(error: CredentialError) -> Fault {
        Fault::new(chain(&error))
    }
}

/// Where credentials are kept.
pub(crate) enum Keeper {
    /// A program.
    Helper,
    /// `config.json`, in clear.
    File,
}

/// The value of `X-Registry-Auth` for an image; of an unknown registry it is an empty object.
pub(crate) async fn registry_auth(context: &Context, image: &str) -> Result<String, Fault> {
    let reference = Reference::read(image).map_err(Fault::new)?;
    let registry = if reference.host() == "docker.io" { HUB } else { reference.host() };
    let auth = look_up(context.config()?, registry).await?;
    let mut object = serde_json::to_value(&auth.credentials).expect("strings encode");
    if !auth.registry_token.is_empty() {
        object["registrytoken"] = json!(auth.registry_token);
    }
    Ok(URL_SAFE.encode(object.to_string()))
}

/// Credentials, and a token that only `config.json` can hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub credentials: Credentials,
    registry_token: String,
}

/// The credentials of a registry; empty if there are none.
pub(crate) async fn look_up(config: &ConfigFile, registry: &str) -> Result<Found, CredentialError> {
    match helper_of(config, registry) {
        Some(helper) => {
            let credentials = helper.get(registry).await.map_err(CredentialError::Helper)?;
            Ok(Found { credentials, registry_token: String::new() })
        }
        None => stored(config, registry),
    }
}

/// Keeps credentials for their registry, and tells where.
pub(crate) async fn store(
    config: &mut ConfigFile,
    credentials: &Credentials,
) -> Result<Keeper, CredentialError> {
    let registry = &credentials.serveraddress;
    let entry = match helper_of(config, registry) {
        Some(helper) => {
            helper.store(credentials).await.map_err(CredentialError::Helper)?;
            // Compat: docker 28.2 leaves an empty entry, by which other tools know of the login.
            config.set_entry("auths", registry, Some(json!({})));
            config.write().map_err(CredentialError::Config)?;
            return Ok(Keeper::Helper);
        }
        None if credentials.identitytoken.is_empty() => {
            json!({"auth": STANDARD.encode(format!("{}:{}", credentials.username, credentials.password))})
        }
        None => {
            let user = STANDARD.encode(format!("{}:", credentials.username));
            json!({"auth": user, "identitytoken": credentials.identitytoken})
        }
    };
    config.set_entry("auths", registry, Some(entry));
    config.write().map_err(CredentialError::Config)?;
    Ok(Keeper::File)
}

/// Forgets the credentials of a registry.
pub(crate) async fn erase(config: &mut ConfigFile, registry: &str) -> Result<(), CredentialError> {
    if let Some(helper) = helper_of(config, registry) {
        helper.erase(registry).await.map_err(CredentialError::Helper)?;
    }
    config.set_entry("auths", registry, None);
    config.write().map_err(CredentialError::Config)
}

/// Tells whether `config.json` knows of a login.
pub(crate) fn is_known(config: &ConfigFile, registry: &str) -> bool {
    config.entry("auths", registry).is_some()
}

fn helper_of(config: &ConfigFile, registry: &str) -> Option<Helper> {
    let own = config.entry("credHelpers", registry).and_then(Value::as_str);
    own.or(Some(config.text("credsStore"))).filter(|name| !name.is_empty()).map(Helper::named)
}

/// What `auths` says; `auth` is the base64 of `user:password`.
fn stored(config: &ConfigFile, registry: &str) -> Result<Found, CredentialError> {
    let host = |key: &str| {
        let bare = key.trim_start_matches("https://").trim_start_matches("http://");
        bare.split('/').next().unwrap_or_default().to_owned()
    };
    let exact = config.entries("auths").find(|(key, _)| *key == registry);
    let entry =
        exact.or_else(|| config.entries("auths").find(|(key, _)| registry != HUB && host(key) == registry));
    let Some((key, entry)) = entry else { return Ok(Found::default()) };
    let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    let mut credentials = Credentials {
        serveraddress: key.clone(),
        identitytoken: text("identitytoken"),
        ..Credentials::default()
    };
    let auth = text("auth");
    if !auth.is_empty() {
        let pair = STANDARD.decode(&auth).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let pair = pair.as_deref().and_then(|pair| pair.split_once(':'));
        let (user, password) =
            pair.ok_or_else(|| CredentialError::Encoding { registry: registry.to_owned() })?;
        user.clone_into(&mut credentials.username);
        password.trim_end_matches('\0').clone_into(&mut credentials.password);
    }
    Ok(Found { credentials, registry_token: text("registrytoken") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> (tempfile::TempDir, ConfigFile) {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("config.json"), text).expect("writes");
        let config = ConfigFile::read(directory.path().to_str().expect("text")).expect("reads");
        (directory, config)
    }

    #[test]
    fn entries_are_found_by_host() {
        let text = r#"{"auths":{
            "https://index.docker.io/v1/":{"auth":"dTpwOnE="},
            "https://reg.example/v2/":{"identitytoken":"t"},
            "bad.example":{"auth":"!"}
        }}"#;
        let (_directory, config) = config(text);
        let hub = stored(&config, HUB).expect("is well formed").credentials;
        assert_eq!((hub.username.as_str(), hub.password.as_str()), ("u", "p:q"));
        assert_eq!(stored(&config, "reg.example").expect("is well formed").credentials.identitytoken, "t");
        assert_eq!(stored(&config, "other.example").expect("is well formed"), Found::default());
        assert!(stored(&config, "bad.example").is_err());
    }

    #[tokio::test]
    async fn what_is_stored_is_found_until_it_is_erased() {
        let (_directory, mut config) = config("{}");
        let credentials = Credentials {
            username: "u".to_owned(),
            password: "p".to_owned(),
            serveraddress: "reg.example".to_owned(),
            ..Credentials::default()
        };
        store(&mut config, &credentials).await.expect("stores");
        let mut read = ConfigFile::read(config.path().parent().and_then(|path| path.to_str()).expect("text"))
            .expect("reads");
        assert_eq!(look_up(&read, "reg.example").await.expect("looks").credentials, credentials);
        erase(&mut read, "reg.example").await.expect("erases");
        assert_eq!(look_up(&read, "reg.example").await.expect("looks"), Found::default());
    }
}
