//! The root of the grammar, and the way from words to a command.

use std::rc::Rc;

use clap::error::ErrorKind;
use clap::{ArgAction, Args, Command, FromArgMatches, Parser, Subcommand};

use crate::commands::{
    self, any, cluster, completion, container, doctor, image, info, init, login, logout, node, rollout,
    service, start, swarm, system, version, volume,
};
use crate::context::Context;
use crate::endpoint::Choice;
use crate::fault::{Fault, Trailer};
use crate::usage;

/// The exit code of a command that Ctrl-C ended: 128 and the number of SIGINT.
const INTERRUPTED: u8 = 130;

/// The words of `--log-level`.
const LOG_LEVELS: [&str; 8] = ["trace", "debug", "info", "warn", "warning", "error", "fatal", "panic"];

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
    /// Name of the context to use to connect to the daemon (overrides SKEP_HOST and DOCKER_HOST env vars and default context set with "skep context use")
    #[arg(short, long, value_name = "string")]
    context: Option<String>,
    /// Enable debug mode
    #[arg(short = 'D', long)]
    debug: bool,
    /// Daemon socket to connect to (default "unix:///run/skep/skep.sock")
    #[arg(short = 'H', long = "host", value_name = "list")]
    hosts: Vec<String>,
    /// Set the logging level ("debug", "info", "warn", "error", "fatal") (default "info")
    #[arg(short, long, value_name = "string", default_value = "info")]
    log_level: String,
    /// Use TLS; implied by --tlsverify
    #[arg(long)]
    tls: bool,
    /// Trust certs signed only by this CA (default "~/.docker/ca.pem")
    #[arg(long, value_name = "string")]
    tlscacert: Option<String>,
    /// Path to TLS certificate file (default "~/.docker/cert.pem")
    #[arg(long, value_name = "string")]
    tlscert: Option<String>,
    /// Path to TLS key file (default "~/.docker/key.pem")
    #[arg(long, value_name = "string")]
    tlskey: Option<String>,
    /// Use TLS and verify the remote
    #[arg(long)]
    tlsverify: bool,
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
    Cluster(cluster::Commands),
    #[command(subcommand)]
    Rollout(rollout::Commands),
    #[command(subcommand)]
    Service(service::Commands),
    #[command(subcommand)]
    Node(node::Commands),
    #[command(subcommand)]
    Image(image::Commands),
    #[command(subcommand)]
    Container(container::Commands),
    #[command(subcommand)]
    Volume(volume::Commands),
    #[command(subcommand)]
    System(system::Commands),
    #[command(subcommand)]
    Context(commands::context::Commands),
    Attach(container::attach::Flags),
    Completion(completion::Flags),
    Cp(container::cp::Flags),
    Diff(container::diff::Flags),
    Doctor(doctor::Flags),
    Events(system::events::Flags),
    Exec(container::exec::Flags),
    History(image::history::Flags),
    Images(image::ls::Flags),
    Info(info::Flags),
    Inspect(any::Flags),
    Kill(container::kill::Flags),
    Load(image::load::Flags),
    Login(login::Flags),
    Logout(logout::Flags),
    Logs(container::logs::Flags),
    Port(container::port::Flags),
    Ps(container::ls::Flags),
    Pull(image::pull::Flags),
    Rm(container::rm::Flags),
    Rmi(image::rm::Flags),
    Save(image::save::Flags),
    Stats(container::stats::Flags),
    Stop(container::stop::Flags),
    Tag(image::tag::Flags),
    Top(container::top::Flags),
    Version(version::Flags),
    Wait(container::wait::Flags),
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
        Ok(Some(root)) => execute(context, root, &command).await,
        Ok(None) => Ok(()),
        Err(fault) => Err(fault),
    };
    let outcome = match outcome {
        Err(fault) if fault.trailer == Trailer::Help => {
            let found = usage::find(&command, words);
            let help = usage::help(found.command, &found.path, context.io.columns);
            context.io.text(&help).map_err(Fault::from)
        }
        outcome => outcome,
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
        Trailer::None | Trailer::Help => String::new(),
        Trailer::Run => usage::trailer(found.command, &found.path, "Run") + "\n",
        Trailer::See => usage::trailer(found.command, &found.path, "See") + "\n",
        Trailer::Bare => format!("\nRun '{} --help' for more information\n", found.path),
    };
    if !fault.text.is_empty() {
        let hint = fault.hint.as_ref().map(|hint| format!("hint: {hint}\n")).unwrap_or_default();
        // If standard error is gone, the exit code still tells.
        let _ = context.io.err.write_all(format!("{}\n{trailer}{hint}", fault.text).as_bytes());
    }
}

/// Parses the words; `None` if they asked for help, which is written.
fn parse(context: &mut Context, command: &Command, words: &[String]) -> Result<Option<Root>, Fault> {
    let found = usage::find(command, words);
    context.path.clone_from(&found.path);
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
                    unknown_command(program, &found.path, word)
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

/// A command that does not exist, or that only docker has.
fn unknown_command(program: &str, path: &str, word: &str) -> Fault {
    let typed = format!("{path} {word}");
    // Compat: docker 28.2 leaves the usage line out at the root.
    let trailer = if path == program { Trailer::Bare } else { Trailer::Run };
    let fault = Fault::usage(format!("{program}: unknown command: {typed}"), trailer);
    let behind = typed.strip_prefix(program).unwrap_or(&typed).trim_start();
    match commands::instead_of(behind) {
        Some(instead) => fault.hint(instead),
        None => fault,
    }
}

async fn execute(context: &mut Context, root: Root, grammar: &Command) -> Result<(), Fault> {
    let Root { global, command } = root;
    let Global {
        config,
        context: name,
        debug,
        hosts,
        log_level,
        tls,
        tlscacert,
        tlscert,
        tlskey,
        tlsverify,
        version,
    } = global;
    if !LOG_LEVELS.contains(&log_level.to_lowercase().as_str()) {
        return Err(Fault::new(format!("Unable to parse logging level: {log_level}")));
    }
    context.config_flag = config;
    context.choice =
        Choice { hosts, context: name, debug, tls, tls_verify: tlsverify, tlscacert, tlscert, tlskey };
    if version {
        return Ok(context.io.line(version::one_line())?);
    }
    let command = command.expect("a command line without a command was answered with help");
    let running = match command {
        Commands::Init(flags) => start(context, *flags, init::run),
        Commands::Swarm(command) => swarm::run(context, command),
        Commands::Cluster(command) => cluster::run(context, command),
        Commands::Rollout(command) => rollout::run(context, command),
        Commands::Service(command) => service::run(context, command),
        Commands::Node(command) => node::run(context, command),
        Commands::Image(command) => image::run(context, command),
        Commands::Container(command) => container::run(context, command),
        Commands::Volume(command) => volume::run(context, command),
        Commands::System(command) => system::run(context, command),
        Commands::Context(command) => start(context, command, commands::context::run),
        Commands::Attach(flags) => start(context, flags, container::attach::run),
        Commands::Completion(flags) => return completion::run(context, flags, grammar),
        Commands::Cp(flags) => start(context, flags, container::cp::run),
        Commands::Diff(flags) => start(context, flags, container::diff::run),
        Commands::Doctor(flags) => start(context, flags, doctor::run),
        Commands::Events(flags) => start(context, flags, system::events::run),
        Commands::Exec(flags) => start(context, flags, container::exec::run),
        Commands::History(flags) => start(context, flags, image::history::run),
        Commands::Images(flags) => start(context, flags, image::ls::run),
        Commands::Info(flags) => start(context, flags, info::run),
        Commands::Inspect(flags) => start(context, flags, any::run),
        Commands::Kill(flags) => start(context, flags, container::kill::run),
        Commands::Load(flags) => start(context, flags, image::load::run),
        Commands::Login(flags) => start(context, flags, login::run),
        Commands::Logout(flags) => start(context, flags, logout::run),
        Commands::Logs(flags) => start(context, flags, container::logs::run),
        Commands::Port(flags) => start(context, flags, container::port::run),
        Commands::Ps(flags) => start(context, flags, container::ls::run),
        Commands::Pull(flags) => start(context, flags, image::pull::run),
        Commands::Rm(flags) => start(context, flags, container::rm::run),
        Commands::Rmi(flags) => start(context, flags, image::rm::run),
        Commands::Save(flags) => start(context, flags, image::save::run),
        Commands::Stats(flags) => start(context, flags, container::stats::run),
        Commands::Stop(flags) => start(context, flags, container::stop::run),
        Commands::Tag(flags) => start(context, flags, image::tag::run),
        Commands::Top(flags) => start(context, flags, container::top::run),
        Commands::Version(flags) => start(context, flags, version::run),
        Commands::Wait(flags) => start(context, flags, container::wait::run),
    };
    running.await
}
