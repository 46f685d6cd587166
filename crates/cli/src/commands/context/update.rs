//! `context update`.

use clap::Args;

use super::create::{KEYS_HELP, Pairs};
use super::{check_name, endpoint, store};
use crate::commands::exactly_one;
use crate::context::Context;
use crate::fault::Fault;

/// Update a context
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS] CONTEXT", long_about = long_about())]
pub(crate) struct Flags {
    /// Description of the context
    #[arg(long, value_name = "string", default_value = "")]
    description: String,
    /// set the docker endpoint (default [])
    #[arg(long, value_name = "stringToString", value_parser = endpoint::pairs)]
    docker: Vec<Pairs>,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

fn long_about() -> String {
    format!(
        "Update a context\n\n{KEYS_HELP}\n$ skep context update my-context --description \"some description\" --docker \"host=tcp://myserver:2376,ca=~/ca-file,cert=~/cert-file,key=~/key-file\""
    )
}

pub(crate) fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { description, docker, arguments } = flags;
    let name = exactly_one(context, arguments)?;
    check_name(&name)?;
    let store = store(context);
    let mut stored = store.get(&name)?;
    if !description.is_empty() {
        stored.description = description;
    }
    let pairs: Pairs = docker.into_iter().flatten().collect();
    let mut tls = None;
    if !pairs.is_empty() {
        let endpoint = endpoint::read(&store, &pairs)?;
        stored.host = endpoint.host;
        stored.skip_verify = endpoint.skip_verify;
        tls = Some(endpoint.tls);
    }
    store.put(&stored, tls.as_deref())?;
    context.io.line(&name)?;
    Ok(context.io.warn(format_args!("Successfully updated context {name:?}"))?)
}
