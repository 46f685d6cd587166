//! The root of the grammar, and the way from words to a command.

use std::rc::Rc;

use clap::error::ErrorKind;
use clap::{ArgAction, Args, Command, FromArgMatches, Parser, Subcommand};

use crate::commands::{info, init, node, service, swarm, version};
use crate::context::Context;
use crate::fault::{Fault, Trailer};
use crate::usage;

/// The exit code of a command that Ctrl-C ended: 128 and the number of SIGINT.
const INTERRUPTED: u8 = 130;

/// A self-contained orchestrator for containers, compatible with Docker Swarm
#[derive(Debug, Parser)]
#[command(name = "skep", before_help = "[OPTIONS] COMMAND")]
struct Root {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Option<Commands>,
}

#[derive(Args, Debug)]
struct Global {
    /// Location of client config files (default "~/.docker")
    #[arg(long, value_name = "string")]
    config: Option<String>,
    /// Daemon socket to connect to (default "unix:///run/skep/skep.sock")
    #[arg(short = 'H', long = "host", value_name = "list")]
    hosts: Vec<String>,
    /// Print version information and quit
    #[arg(short, long, action = ArgAction::SetTrue)]
    version: bool,
}

#[derive(Debug, Subcommand)]
enum Commands {
    Init(Box<init::Flags>),
    #[command(subcommand)]
    Swarm(swarm::Commands),
    #[command(subcommand)]
    Service(service::Commands),
    #[command(subcommand)]
    Node(node::Commands),
    Info(info::Flags),
    Version(version::Flags),
}

/// The whole grammar.
pub(crate) fn command() -> Command {
    let root = <Root as clap::CommandFactory>::command();
    let root = root.mut_subcommand("service", service::describe);
    usage::finish(root)
}

/// Runs one command line and returns its exit code.
pub(crate) async fn run(context: &mut Context, command: Command, arguments: Vec<String>) -> u8 {
    let interrupt = Rc::clone(&context.interrupt);
    let command = parse_and_run(context, command, arguments);
    tokio::pin!(command);
    loop {
        tokio::select! {
            code = &mut command => return code,
            heard = tokio::signal::ctrl_c() => {
                if heard.is_ok() && !interrupt.report() {
                    return INTERRUPTED;
                }
            }
        }
    }
}

async fn parse_and_run(context: &mut Context, mut command: Command, arguments: Vec<String>) -> u8 {
    // Fills in what parsing and help both need, such as the names of flags inside groups.
    command.build();
    let words = arguments.get(1..).unwrap_or_default();
    let outcome = match parse(context, &command, words) {
        Ok(Some(root)) => execute(context, root).await,
        Ok(None) => Ok(()),
        Err(fault) => Err(fault),
    };
    let flushed = context.io.out.flush().map_err(Fault::from);
    match outcome.and(flushed) {
        Ok(()) => 0,
        Err(fault) => {
            report(context, &command, words, &fault);
            fault.code
        }
    }
}

/// Tells standard error what went wrong.
fn report(context: &mut Context, command: &Command, words: &[String], fault: &Fault) {
    let found = usage::find(command, words);
    let trailer = match fault.trailer {
        Trailer::None => String::new(),
        Trailer::Run => usage::trailer(found.command, &found.path, "Run") + "\n",
        Trailer::See => usage::trailer(found.command, &found.path, "See") + "\n",
        Trailer::Bare => format!("\nRun '{} --help' for more information\n", found.path),
    };
    if !fault.text.is_empty() {
        // If standard error is gone, the exit code still tells.
        let _ = context.io.err.write_all(format!("{}\n{trailer}", fault.text).as_bytes());
    }
}

/// Parses the words; `None` if they asked for help, which is written.
fn parse(context: &mut Context, command: &Command, words: &[String]) -> Result<Option<Root>, Fault> {
    let found = usage::find(command, words);
    let columns = context.io.columns;
    let program = command.get_name();
    let matches = match command
        .clone()
        .try_get_matches_from(std::iter::once(program).chain(words.iter().map(String::as_str)))
    {
        Ok(matches) => matches,
        Err(error) if error.kind() == ErrorKind::DisplayHelp => {
            if !found.rest.iter().any(|word| word == "--help") {
                context.io.line("Flag shorthand -h has been deprecated, use --help")?;
            }
            context.io.text(&usage::help(found.command, &found.path, columns))?;
            return Ok(None);
        }
        Err(error) => {
            let unknown = found.command.has_subcommands().then_some(found.next.as_ref()).flatten();
            return Err(match (unknown, error.kind()) {
                (Some(word), ErrorKind::InvalidSubcommand | ErrorKind::UnknownArgument)
                    if !word.starts_with('-') =>
                {
                    let text = format!("{program}: unknown command: {} {word}", found.path);
                    // Compat: docker 28.2 leaves the usage line out at the root.
                    Fault::usage(text, if found.path == program { Trailer::Bare } else { Trailer::Run })
                }
                _ => usage::refusal(&error, found.command, &found.rest),
            });
        }
    };
    if found.command.has_subcommands() && !matches.get_flag("version") {
        // Compat: docker shows the help of a group on standard error and calls that a success.
        let help = usage::help(found.command, &found.path, columns);
        context.io.err.write_all(help.as_bytes())?;
        return Ok(None);
    }
    Root::from_arg_matches(&matches)
        .map(Some)
        .map_err(|error| usage::refusal(&error, found.command, &found.rest))
}

async fn execute(context: &mut Context, root: Root) -> Result<(), Fault> {
    let Root { global: Global { config, hosts, version }, command } = root;
    context.config = config;
    context.hosts = hosts;
    if version {
        return Ok(context.io.line(version::one_line())?);
    }
    match command.expect("a command line without a command was answered with help") {
        Commands::Init(flags) => init::run(context, *flags).await,
        Commands::Swarm(command) => swarm::run(context, command).await,
        Commands::Service(command) => service::run(context, command).await,
        Commands::Node(command) => node::run(context, command).await,
        Commands::Info(flags) => info::run(context, flags).await,
        Commands::Version(flags) => version::run(context, flags).await,
    }
}
