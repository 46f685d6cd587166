//! Which daemon a command speaks to, and how: flags before variables, variables before contexts, Skep's own socket last.

use skep_api::client::{Endpoint, Tls};

use crate::context::Context;
use crate::fault::Fault;
use crate::store::{DEFAULT, Store};

/// Where a daemon is looked for when nobody says.
pub(crate) const DEFAULT_ENDPOINT: &str = "unix:///run/skep/skep.sock";

/// The port of a daemon that speaks TLS.
const TLS_PORT: u16 = 2376;

/// What the flags in front of every command say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Choice {
    /// Values of `-H`, in order.
    pub hosts: Vec<String>,
    /// Value of `--context`.
    pub context: Option<String>,
    /// `--debug`.
    pub debug: bool,
    /// `--tls`.
    pub tls: bool,
    /// `--tlsverify`.
    pub tls_verify: bool,
    /// `--tlscacert`.
    pub tlscacert: Option<String>,
    /// `--tlscert`.
    pub tlscert: Option<String>,
    /// `--tlskey`.
    pub tlskey: Option<String>,
}

/// The daemon, and the TLS material to reach it.
pub(crate) fn resolve(context: &Context) -> Result<(Endpoint, Option<Tls>), Fault> {
    if !context.choice.hosts.is_empty() && context.choice.context.is_some() {
        return Err(Fault::new("conflicting options: cannot specify both --host and --context"));
    }
    let name = context_name(context)?;
    if name == DEFAULT {
        let tls = flags_tls(context)?;
        return Ok((parse(&default_host(context)?, tls.is_some())?, tls));
    }
    let store = Store::new(&context.config_directory());
    let stored = store.get(&name).map_err(|error| {
        Fault::from(error)
            .hint("\"skep context ls\" lists the contexts, \"skep context use default\" goes back")
    })?;
    let files = store.tls_files(&name);
    let find = |wanted: &str| files.iter().find(|(file, _)| *file == wanted).map(|(_, bytes)| bytes.clone());
    let identity = find("cert.pem").zip(find("key.pem"));
    let tls = (!files.is_empty() || stored.skip_verify).then(|| Tls {
        ca: find("ca.pem"),
        identity,
        verify: !stored.skip_verify,
    });
    let host = if stored.host.is_empty() { DEFAULT_ENDPOINT } else { &stored.host };
    Ok((parse(host, tls.is_some())?, tls))
}

/// The context in use. A host that is named by a flag or a variable is the default context.
pub(crate) fn context_name(context: &Context) -> Result<String, Fault> {
    if let Some(name) = &context.choice.context {
        return Ok(name.clone());
    }
    let is_host_named = !context.choice.hosts.is_empty()
        || context.variable("SKEP_HOST").is_some()
        || context.variable("DOCKER_HOST").is_some();
    if is_host_named {
        return Ok(DEFAULT.to_owned());
    }
    if let Some(name) = context.variable("DOCKER_CONTEXT") {
        return Ok(name.to_owned());
    }
    let current = context.config()?.text("currentContext");
    Ok(if current.is_empty() { DEFAULT } else { current }.to_owned())
}

/// Where the default context leads.
pub(crate) fn default_host(context: &Context) -> Result<String, Fault> {
    let host = match &context.choice.hosts[..] {
        [] => context.variable("SKEP_HOST").or(context.variable("DOCKER_HOST")).unwrap_or(DEFAULT_ENDPOINT),
        [host] => host,
        _ => return Err(Fault::new("specify only one -H")),
    };
    Ok(host.to_owned())
}

fn parse(host: &str, is_secure: bool) -> Result<Endpoint, Fault> {
    let endpoint: Endpoint = host.parse().map_err(|error| Fault::new(format!("{error}")))?;
    let has_port =
        host.rsplit_once(':').is_some_and(|(_, port)| port.trim_end_matches('/').parse::<u16>().is_ok());
    Ok(match endpoint {
        Endpoint::Tcp { host, port: _ } if is_secure && !has_port => Endpoint::Tcp { host, port: TLS_PORT },
        endpoint => endpoint,
    })
}

/// The TLS material that flags and variables name.
fn flags_tls(context: &Context) -> Result<Option<Tls>, Fault> {
    let choice = &context.choice;
    let verify = choice.tls_verify || context.variable("DOCKER_TLS_VERIFY").is_some();
    if !verify && !choice.tls && context.variable("DOCKER_TLS").is_none() {
        return Ok(None);
    }
    let directory =
        context.variable("DOCKER_CERT_PATH").map_or_else(|| context.config_directory(), str::to_owned);
    let read = |flag: &Option<String>, file: &str| {
        let path = flag.clone().unwrap_or_else(|| format!("{directory}/{file}"));
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            // What a flag names must be there; what is only looked for need not.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && flag.is_none() => Ok(None),
            Err(error) => Err(Fault::new(format!("cannot read the TLS file {path}: {error}"))),
        }
    };
    let ca = read(&choice.tlscacert, "ca.pem")?;
    let identity = read(&choice.tlscert, "cert.pem")?.zip(read(&choice.tlskey, "key.pem")?);
    if verify && ca.is_none() {
        return Err(Fault::new(format!("cannot verify the daemon: there is no {directory}/ca.pem"))
            .hint("name the authority with --tlscacert, or the directory with DOCKER_CERT_PATH"));
    }
    Ok(Some(Tls { ca, identity, verify }))
}
