//! What a command works with: the streams, the environment, the clock, and a daemon that is dialled when first needed.

use std::cell::{Cell, OnceCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use jiff::Timestamp;
use skep_api::client::{ApiVersion, Client};
use tokio::sync::Notify;

use crate::config::ConfigFile;
use crate::endpoint::{self, Choice};
use crate::fault::Fault;
use crate::io::Io;

/// Where the user's registry credentials are, below the home directory.
const CONFIG_DIRECTORY: &str = ".docker";

/// The surroundings of one command.
pub(crate) struct Context {
    /// The streams.
    pub io: Io,
    /// The environment variables.
    pub env: BTreeMap<String, String>,
    /// The command as it was called: `skep container ls`.
    pub path: String,
    /// Which daemon the flags choose.
    pub choice: Choice,
    /// Value of `--config`.
    pub config_flag: Option<String>,
    /// The clock, for "5 minutes ago".
    pub now: fn() -> Timestamp,
    /// Ctrl-C.
    pub interrupt: Rc<Interrupt>,
    /// How to look at this machine, where the program can.
    pub machine: Option<crate::Machine>,
    client: Option<Rc<Client>>,
    config: OnceCell<ConfigFile>,
}

impl Context {
    /// The surroundings of this process.
    pub(crate) fn process() -> Context {
        let env = std::env::vars_os()
            .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)));
        Context::new(Io::process(), env.collect(), Timestamp::now)
    }

    /// Surroundings made of parts.
    pub(crate) fn new(io: Io, env: BTreeMap<String, String>, now: fn() -> Timestamp) -> Context {
        let interrupt = Rc::new(Interrupt::default());
        Context {
            io,
            env,
            path: String::new(),
            choice: Choice::default(),
            config_flag: None,
            now,
            interrupt,
            machine: None,
            client: None,
            config: OnceCell::new(),
        }
    }

    /// The daemon, dialled on first use.
    pub(crate) async fn client(&mut self) -> Result<Rc<Client>, Fault> {
        if let Some(client) = &self.client {
            return Ok(client.clone());
        }
        let pinned = self.variable("DOCKER_API_VERSION").map(|text| {
            text.parse::<ApiVersion>().map_err(|()| Fault::new(format!("invalid API version {text:?}")))
        });
        let (endpoint, tls) = endpoint::resolve(self)?;
        let client = Rc::new(Client::connect(endpoint, tls, pinned.transpose()?).await?);
        self.client = Some(client.clone());
        Ok(client)
    }

    /// Refuses flags that the daemon is too old for.
    pub(crate) async fn require(&mut self, flags: &[(&str, bool, ApiVersion)]) -> Result<(), Fault> {
        let version = self.client().await?.version();
        let refusal = |flag, needed| {
            Fault::new(format!(
                "\"--{flag}\" requires API version {needed}, but the Docker daemon API version is {version}"
            ))
        };
        let too_new = flags.iter().filter(|(_, used, needed)| *used && version < *needed);
        Fault::join(too_new.map(|(flag, _, needed)| refusal(*flag, *needed)).collect())
    }

    /// The user's `config.json`, read on first use.
    pub(crate) fn config(&self) -> Result<&ConfigFile, Fault> {
        if let Some(config) = self.config.get() {
            return Ok(config);
        }
        let config = ConfigFile::read(&self.config_directory())?;
        Ok(self.config.get_or_init(|| config))
    }

    /// The format of a list: the flag's, else the user's choice under `key` in `config.json`, which `--quiet` overrules.
    pub(crate) fn list_format(&self, flag: &str, key: &str, quiet: bool) -> Result<String, Fault> {
        if !flag.is_empty() || quiet {
            return Ok(flag.to_owned());
        }
        Ok(self.config()?.text(key).to_owned())
    }

    /// An environment variable that is set to something.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        self.env.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The directory of Docker's `config.json`.
    pub(crate) fn config_directory(&self) -> String {
        let home = || format!("{}/{CONFIG_DIRECTORY}", self.variable("HOME").unwrap_or("."));
        self.config_flag
            .clone()
            .or_else(|| self.variable("DOCKER_CONFIG").map(str::to_owned))
            .unwrap_or_else(home)
    }
}

/// Ctrl-C, which ends a command unless the command has something to say about it.
#[derive(Debug, Default)]
pub(crate) struct Interrupt {
    heard: Notify,
    shielded: Cell<bool>,
}

impl Interrupt {
    /// Reports a Ctrl-C; false if nobody listens and the command should end.
    pub(crate) fn report(&self) -> bool {
        if self.shielded.get() {
            self.heard.notify_one();
        }
        self.shielded.get()
    }

    /// Keeps Ctrl-C from ending the command as long as the result lives.
    pub(crate) fn hold(&self) -> Held<'_> {
        self.shielded.set(true);
        Held(self)
    }

    /// Keeps Ctrl-C from ending the command while `work` runs; `None` if one came first.
    pub(crate) async fn shield<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.shielded.set(true);
        let result = tokio::select! {
            result = work => Some(result),
            () = self.heard.notified() => None,
        };
        self.shielded.set(false);
        result
    }
}

/// While this lives, Ctrl-C is something to hear about.
pub(crate) struct Held<'a>(&'a Interrupt);

impl Held<'_> {
    /// Waits for the next Ctrl-C.
    pub(crate) async fn next(&self) {
        self.0.heard.notified().await;
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.shielded.set(false);
    }
}
