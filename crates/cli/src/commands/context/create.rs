//! `context create`.

use clap::Args;

use super::{check_name, endpoint, store};
use crate::commands::exactly_one;
use crate::context::Context;
use crate::endpoint::default_host;
use crate::fault::Fault;
use crate::store::{DEFAULT, Stored};

/// The pairs of one `--docker`.
pub(super) type Pairs = Vec<(String, String)>;

pub(super) const KEYS_HELP: &str = "Docker endpoint config:

NAME                DESCRIPTION
from                Copy named context's Docker endpoint configuration
host                Docker endpoint on which to connect
ca                  Trust certs signed only by this CA
cert                Path to TLS certificate file
key                 Path to TLS key file
skip-tls-verify     Skip TLS certificate validation

Example:
";

/// Create a context
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS] CONTEXT", long_about = long_about())]
pub(crate) struct Flags {
    /// Description of the context
    #[arg(long, value_name = "string", default_value = "")]
    description: String,
    /// set the docker endpoint (default [])
    #[arg(long, value_name = "stringToString", value_parser = endpoint::pairs)]
    docker: Vec<Pairs>,
    /// create context from a named context
    #[arg(long, value_name = "string", default_value = "")]
    from: String,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

fn long_about() -> String {
    format!(
        "Create a context\n\n{KEYS_HELP}\n$ skep context create my-context --description \"some description\" --docker \"host=tcp://myserver:2376,ca=~/ca-file,cert=~/cert-file,key=~/key-file\""
    )
}

pub(crate) fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { description, docker, from, arguments } = flags;
    let name = exactly_one(context, arguments)?;
    check_name(&name)?;
    let store = store(context);
    if store.get(&name).is_ok() {
        return Err(Fault::new(format!("context {name:?} already exists")));
    }
    let pairs: Pairs = docker.into_iter().flatten().collect();
    let (stored, tls) = match (from.as_str(), pairs.is_empty()) {
        ("", true) | (DEFAULT, true) => {
            // Without an endpoint the context keeps what flags and variables say at this moment.
            let host = default_host(context)?;
            (Stored { host, ..Stored::default() }, Vec::new())
        }
        (from, true) => (store.get(from)?, store.tls_files(from)),
        ("", false) => {
            let endpoint = endpoint::read(&store, &pairs)?;
            let stored =
                Stored { host: endpoint.host, skip_verify: endpoint.skip_verify, ..Stored::default() };
            (stored, endpoint.tls)
        }
        (_, false) => {
            return Err(Fault::new("cannot use --docker flag when --from is set"));
        }
    };
    let description = if description.is_empty() { stored.description.clone() } else { description };
    store.put(&Stored { name: name.clone(), description, ..stored }, Some(&tls))?;
    context.io.line(&name)?;
    Ok(context.io.warn(format_args!("Successfully created context {name:?}"))?)
}
