//! Registry credentials from Docker's `config.json`, for the `X-Registry-Auth` header.
//!
//! A registry's credentials come from its own helper (`credHelpers`), else from the general store (`credsStore`), else
//! from `auths`. Helpers are programs named `docker-credential-NAME` that speak JSON over their standard streams.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::context::Context;
use crate::fault::{Fault, chain};
use crate::format::Reference;

/// The name under which Docker Hub's credentials are kept.
const HUB: &str = "https://index.docker.io/v1/";

/// How long a helper may take; it may ask a person.
const HELPER_FOR: Duration = Duration::from_secs(120);

/// The user name under which helpers keep identity tokens.
const TOKEN_USER: &str = "<token>";

/// What `config.json` says about credentials.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ConfigFile {
    auths: BTreeMap<String, StoredAuth>,
    creds_store: String,
    cred_helpers: BTreeMap<String, String>,
}

/// An entry of `auths`; `auth` is the base64 of `user:password`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "lowercase")]
struct StoredAuth {
    auth: String,
    identitytoken: String,
    registrytoken: String,
}

/// What goes into the header.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct AuthConfig {
    #[serde(skip_serializing_if = "String::is_empty")]
    username: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    password: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    serveraddress: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    identitytoken: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    registrytoken: String,
}

/// What a helper prints.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperAnswer {
    username: String,
    secret: String,
}

#[derive(Debug, Error)]
enum CredentialError {
    #[error("cannot read {path}")]
    Read {
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot understand {path}")]
    Parse {
        path: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("the credentials of {registry} are not base64 of user:password")]
    Encoding { registry: String },
    #[error("cannot run {helper}")]
    Run {
        helper: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{helper} did not answer within {} seconds", HELPER_FOR.as_secs())]
    Slow { helper: String },
    #[error("{helper} refused: {message}")]
    Refused { helper: String, message: String },
    #[error("cannot understand the answer of {helper}")]
    Answer {
        helper: String,
        #[source]
        source: serde_json::Error,
    },
}

/// The value of `X-Registry-Auth` for an image; of an unknown registry it is an empty object.
pub(crate) async fn registry_auth(context: &Context, image: &str) -> Result<String, Fault> {
    let reference = Reference::parse(image).ok_or_else(|| Fault::new("invalid reference format"))?;
    let registry = if reference.host() == "docker.io" { HUB } else { reference.host() };
    let auth = look_up(&context.config_directory(), registry).await;
    let auth = auth.map_err(|error| Fault::new(chain(&error)))?;
    let json = serde_json::to_vec(&auth).expect("strings encode");
    Ok(URL_SAFE.encode(json))
}

async fn look_up(directory: &str, registry: &str) -> Result<AuthConfig, CredentialError> {
    let config = read(format!("{directory}/config.json"))?;
    let helper =
        config.cred_helpers.get(registry).or(Some(&config.creds_store)).filter(|name| !name.is_empty());
    match helper {
        Some(name) => ask_helper(&format!("docker-credential-{name}"), registry).await,
        None => stored(&config, registry),
    }
}

fn read(path: String) -> Result<ConfigFile, CredentialError> {
    match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|source| CredentialError::Parse { path, source }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(ConfigFile::default()),
        Err(source) => Err(CredentialError::Read { path, source }),
    }
}

fn stored(config: &ConfigFile, registry: &str) -> Result<AuthConfig, CredentialError> {
    let host = |key: &str| {
        let bare = key.trim_start_matches("https://").trim_start_matches("http://");
        bare.split('/').next().unwrap_or_default().to_owned()
    };
    let exact = config.auths.get_key_value(registry);
    let entry =
        exact.or_else(|| config.auths.iter().find(|(key, _)| registry != HUB && host(key) == registry));
    let Some((key, entry)) = entry else { return Ok(AuthConfig::default()) };
    let mut auth = AuthConfig {
        serveraddress: key.clone(),
        identitytoken: entry.identitytoken.clone(),
        registrytoken: entry.registrytoken.clone(),
        ..AuthConfig::default()
    };
    if !entry.auth.is_empty() {
        let pair = STANDARD.decode(&entry.auth).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let pair = pair.as_deref().and_then(|pair| pair.split_once(':'));
        let (user, password) =
            pair.ok_or_else(|| CredentialError::Encoding { registry: registry.to_owned() })?;
        user.clone_into(&mut auth.username);
        password.trim_end_matches('\0').clone_into(&mut auth.password);
    }
    Ok(auth)
}

async fn ask_helper(helper: &str, registry: &str) -> Result<AuthConfig, CredentialError> {
    let run = |source| CredentialError::Run { helper: helper.to_owned(), source };
    let mut child = Command::new(helper)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(run)?;
    let mut input = child.stdin.take().expect("the standard input is a pipe");
    input.write_all(registry.as_bytes()).await.map_err(run)?;
    drop(input);
    let output = tokio::time::timeout(HELPER_FOR, child.wait_with_output()).await;
    let output = output.map_err(|_| CredentialError::Slow { helper: helper.to_owned() })?.map_err(run)?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if message.contains("credentials not found") {
            return Ok(AuthConfig::default());
        }
        return Err(CredentialError::Refused { helper: helper.to_owned(), message });
    }
    let answer: HelperAnswer = serde_json::from_slice(&output.stdout)
        .map_err(|source| CredentialError::Answer { helper: helper.to_owned(), source })?;
    let mut auth = AuthConfig { serveraddress: registry.to_owned(), ..AuthConfig::default() };
    if answer.username == TOKEN_USER {
        auth.identitytoken = answer.secret;
    } else {
        auth.username = answer.username;
        auth.password = answer.secret;
    }
    Ok(auth)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auth_of(registry: &str) -> AuthConfig {
        let config = r#"{"auths":{
            "https://index.docker.io/v1/":{"auth":"dTpwOnE="},
            "https://reg.example/v2/":{"identitytoken":"t"},
            "bad.example":{"auth":"!"}
        }}"#;
        let config: ConfigFile = serde_json::from_str(config).expect("parses");
        stored(&config, registry).expect("is well formed")
    }

    #[test]
    fn entries_are_found_by_host() {
        let hub = auth_of(HUB);
        assert_eq!((hub.username.as_str(), hub.password.as_str()), ("u", "p:q"));
        assert_eq!(auth_of("reg.example").identitytoken, "t");
        assert_eq!(auth_of("other.example"), AuthConfig::default());
    }

    #[tokio::test]
    async fn no_configuration_is_an_empty_object() {
        let auth = look_up("/nonexistent", "reg.example").await.expect("nothing to misread");
        assert_eq!(URL_SAFE.encode(serde_json::to_vec(&auth).expect("encodes")), "e30=");
    }
}
