//! Credential helpers: programs named `docker-credential-NAME` that keep credentials for others and speak JSON over their
//! standard streams. Three words: `get`, `store`, `erase`.

use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use skep_api::client::Credentials;
use thiserror::Error;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// How long a helper may take; it may ask a person.
const HELPER_FOR: Duration = Duration::from_secs(120);

/// The user name under which helpers keep identity tokens.
const TOKEN_USER: &str = "<token>";

/// What a helper says when it has nothing.
const NOT_FOUND: &str = "credentials not found";

/// A helper.
#[derive(Clone, Debug)]
pub(super) struct Helper {
    program: String,
}

/// What goes wrong with helpers.
#[derive(Debug, Error)]
pub(crate) enum HelperError {
    #[error("cannot run the credential helper {helper}")]
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

/// What `get` prints.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// What `store` reads.
#[derive(Serialize)]
struct Entry<'a> {
    #[serde(rename = "ServerURL")]
    server: &'a str,
    #[serde(rename = "Username")]
    username: &'a str,
    #[serde(rename = "Secret")]
    secret: &'a str,
}

impl Helper {
    /// The helper of a name in `config.json`.
    pub(super) fn named(name: &str) -> Helper {
        Helper { program: format!("docker-credential-{name}") }
    }

    /// The credentials of a registry; empty if it has none.
    pub(super) async fn get(&self, registry: &str) -> Result<Credentials, HelperError> {
        let mut credentials = Credentials { serveraddress: registry.to_owned(), ..Credentials::default() };
        let Some(output) = self.run("get", registry.as_bytes()).await? else {
            return Ok(Credentials::default());
        };
        let answer: Answer = serde_json::from_slice(&output)
            .map_err(|source| HelperError::Answer { helper: self.program.clone(), source })?;
        if answer.username == TOKEN_USER {
            credentials.identitytoken = answer.secret;
        } else {
            credentials.username = answer.username;
            credentials.password = answer.secret;
        }
        Ok(credentials)
    }

    /// Keeps credentials.
    pub(super) async fn store(&self, credentials: &Credentials) -> Result<(), HelperError> {
        let (username, secret) = match credentials.identitytoken.is_empty() {
            true => (credentials.username.as_str(), credentials.password.as_str()),
            false => (TOKEN_USER, credentials.identitytoken.as_str()),
        };
        let entry = Entry { server: &credentials.serveraddress, username, secret };
        let input = serde_json::to_vec(&entry).expect("strings encode");
        self.run("store", &input).await.map(drop)
    }

    /// Forgets the credentials of a registry.
    pub(super) async fn erase(&self, registry: &str) -> Result<(), HelperError> {
        self.run("erase", registry.as_bytes()).await.map(drop)
    }

    /// Runs the helper with one word; `None` if it has no such credentials. Secrets go through pipes, never into words.
    async fn run(&self, word: &str, input: &[u8]) -> Result<Option<Vec<u8>>, HelperError> {
        let helper = || self.program.clone();
        let failed = |source| HelperError::Run { helper: helper(), source };
        let mut child = Command::new(&self.program)
            .arg(word)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let mut pipe = child.stdin.take().expect("the standard input is a pipe");
        match pipe.write_all(input).await {
            // A helper that reads nothing may still have an answer.
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => return Err(failed(error)),
            _ => drop(pipe),
        }
        let output = tokio::time::timeout(HELPER_FOR, child.wait_with_output()).await;
        let output = output.map_err(|_| HelperError::Slow { helper: helper() })?.map_err(failed)?;
        if output.status.success() {
            return Ok(Some(output.stdout));
        }
        let message = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if message.contains(NOT_FOUND) {
            return Ok(None);
        }
        Err(HelperError::Refused { helper: helper(), message })
    }
}
