//! `completion`: a script for the shell, made of the grammar.

use clap::{Args, Command};
use clap_complete::Shell;

use super::exactly_one;
use crate::context::Context;
use crate::fault::Fault;

/// Generate the autocompletion script for a shell
#[derive(Args, Debug)]
#[command(before_help = "bash|zsh|fish|powershell|elvish")]
pub(crate) struct Flags {
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) fn run(context: &mut Context, flags: Flags, grammar: &Command) -> Result<(), Fault> {
    let name = exactly_one(context, flags.arguments)?;
    let shell: Shell = name.parse().map_err(|_| {
        Fault::new(format!("there is no completion for the shell {name:?}")).hint(
            "the shells are bash, zsh, fish, powershell and elvish; try: source <(skep completion bash)",
        )
    })?;
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut grammar.clone(), "skep", &mut script);
    Ok(context.io.out.write_all(&script)?)
}
