//! What a command works with: the streams, the environment, the clock, and a daemon that is dialled when first needed.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use jiff::Timestamp;
use skep_api::client::{ApiVersion, Client, Endpoint};
use tokio::sync::Notify;

use crate::fault::Fault;
use crate::io::Io;

/// Where a daemon is looked for when nobody says.
const DEFAULT_ENDPOINT: &str = "unix:///run/skep/skep.sock";

/// Where the user's registry credentials are, below the home directory.
const CONFIG_DIRECTORY: &str = ".docker";

/// The surroundings of one command.
pub(crate) struct Context {
    /// The streams.
    pub io: Io,
    /// The environment variables.
    pub env: BTreeMap<String, String>,
    /// Values of `-H`, in order.
    pub hosts: Vec<String>,
    /// Value of `--config`.
    pub config: Option<String>,
    /// The clock, for "5 minutes ago".
    pub now: fn() -> Timestamp,
    /// Ctrl-C.
    pub interrupt: Rc<Interrupt>,
    client: Option<Rc<Client>>,
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
        Context { io, env, hosts: Vec::new(), config: None, now, interrupt, client: None }
    }

    /// The daemon, dialled on first use.
    pub(crate) async fn client(&mut self) -> Result<Rc<Client>, Fault> {
        if let Some(client) = &self.client {
            return Ok(client.clone());
        }
        let pinned = self.variable("DOCKER_API_VERSION").map(|text| {
            text.parse::<ApiVersion>().map_err(|()| Fault::new(format!("invalid API version {text:?}")))
        });
        let client = Rc::new(Client::connect(self.endpoint()?, pinned.transpose()?).await?);
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

    /// Where the daemon listens: `-H`, `SKEP_HOST`, `DOCKER_HOST`, or Skep's own socket.
    fn endpoint(&self) -> Result<Endpoint, Fault> {
        let text = match &self.hosts[..] {
            [] => self.variable("SKEP_HOST").or(self.variable("DOCKER_HOST")).unwrap_or(DEFAULT_ENDPOINT),
            [host] => host,
            _ => return Err(Fault::new("specify only one -H")),
        };
        text.parse().map_err(|error| Fault::new(format!("{error}")))
    }

    /// An environment variable that is set to something.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        self.env.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The directory of Docker's `config.json`.
    pub(crate) fn config_directory(&self) -> String {
        let home = || format!("{}/{CONFIG_DIRECTORY}", self.variable("HOME").unwrap_or("."));
        self.config.clone().or_else(|| self.variable("DOCKER_CONFIG").map(str::to_owned)).unwrap_or_else(home)
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
