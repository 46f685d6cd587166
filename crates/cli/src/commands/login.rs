//! `login`: shows credentials to a registry and, if it takes them, keeps them for later.

use clap::Args;
use skep_api::client::Credentials;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

use super::at_most_one;
use crate::context::Context;
use crate::credentials::{HUB, Keeper, look_up, store};
use crate::fault::Fault;
use crate::terminal::Mode;

/// The longest user name or password that is read.
const SECRET_BYTES_MAX: u64 = 64 << 10;

/// Authenticate to a registry
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS] [SERVER]", long_about = ABOUT)]
pub(crate) struct Flags {
    /// Password or Personal Access Token (PAT)
    #[arg(short, long, value_name = "string")]
    password: Option<String>,
    /// Take the Password or Personal Access Token (PAT) from stdin
    #[arg(long)]
    password_stdin: bool,
    /// Username
    #[arg(short, long, value_name = "string")]
    username: Option<String>,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

const ABOUT: &str = "Authenticate to a registry.\nDefaults to Docker Hub if no server is specified.";

/// Refuses to take nothing for a name or a password.
fn given(what: &str, value: Option<String>) -> Result<String, Fault> {
    match value {
        Some(empty) if empty.is_empty() => Err(Fault::new(format!("{what} is empty"))),
        value => Ok(value.unwrap_or_default()),
    }
}

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { password, password_stdin, username, arguments } = flags;
    if password.is_some() && password_stdin {
        let text = "conflicting options: cannot specify both --password and --password-stdin";
        return Err(Fault::new(text));
    }
    let (username, mut password) = (given("username", username)?, given("password", password)?);
    let registry = registry_key(at_most_one(context, arguments)?.as_deref());
    if !password.is_empty() {
        context.io.warn("WARNING! Using --password via the CLI is insecure. Use --password-stdin.")?;
    }
    if password_stdin {
        if username.is_empty() {
            return Err(Fault::new("the --password-stdin option requires --username to be set"));
        }
        password = read_all(context).await?;
    }
    let mut credentials =
        Credentials { username, password, serveraddress: registry.clone(), ..Credentials::default() };
    let config = context.config()?.clone();
    if credentials.username.is_empty() && credentials.password.is_empty() {
        let known = look_up(&config, &registry).await?.credentials;
        if !known.username.is_empty() || !known.identitytoken.is_empty() {
            context.io.text(&format!(
                "Authenticating with existing credentials... [Username: {}]\n",
                known.username
            ))?;
            let known = Credentials { serveraddress: registry.clone(), ..known };
            match check(context, known).await {
                Ok(()) => return Ok(()),
                Err(fault) => {
                    context.io.warn(format_args!("Login did not succeed, error: {}", fault.text))?
                }
            }
        }
    }
    if credentials.username.is_empty() || credentials.password.is_empty() {
        ask(context, &mut credentials).await?;
    }
    check(context, credentials).await
}

/// The name under which a registry's credentials are kept.
pub(super) fn registry_key(server: Option<&str>) -> String {
    match server.unwrap_or_default() {
        "" | "docker.io" | "index.docker.io" | "registry-1.docker.io" | HUB => HUB.to_owned(),
        server => {
            let bare = server.trim_start_matches("https://").trim_start_matches("http://");
            bare.split('/').next().unwrap_or_default().to_owned()
        }
    }
}

/// Shows the credentials to the registry, and keeps what it took.
async fn check(context: &mut Context, credentials: Credentials) -> Result<(), Fault> {
    let client = context.client().await?;
    let answer = client.check_credentials(&credentials).await?;
    let mut kept = credentials;
    if !answer.identity_token.is_empty() {
        kept.password.clear();
        kept.identitytoken = answer.identity_token;
    }
    let mut config = context.config()?.clone();
    if let Keeper::File = store(&mut config, &kept).await? {
        context.io.warn(format_args!(
            "\nWARNING! Your credentials are stored unencrypted in '{}'.\nConfigure a credential helper to remove this \
             warning. See\nhttps://docs.docker.com/go/credential-store/\n",
            config.path().display()
        ))?;
    }
    match answer.status.as_str() {
        "" => Ok(()),
        status => Ok(context.io.line(status)?),
    }
}

/// Asks a person for what is missing.
async fn ask(context: &mut Context, credentials: &mut Credentials) -> Result<(), Fault> {
    if !context.io.input_is_terminal {
        return Err(Fault::new("Error: Cannot perform an interactive login from a non TTY device")
            .hint("give -u, and the password through a pipe with --password-stdin"));
    }
    let mut input = BufReader::new(context.io.input().take(SECRET_BYTES_MAX));
    if credentials.username.is_empty() {
        context.io.text("Username: ")?;
        context.io.out.flush()?;
        credentials.username = read_line(&mut input).await?;
        if credentials.username.is_empty() {
            return Err(Fault::new("username is required"));
        }
    }
    if credentials.password.is_empty() {
        context.io.text("Password: ")?;
        context.io.out.flush()?;
        let silent =
            Mode::silent().map_err(|error| Fault::new(format!("cannot hide the password: {error}")))?;
        let password = read_line(&mut input).await;
        drop(silent);
        context.io.line("")?;
        credentials.password = password?;
        if credentials.password.is_empty() {
            return Err(Fault::new("password is required"));
        }
    }
    Ok(())
}

async fn read_line(input: &mut (impl AsyncBufReadExt + Unpin)) -> Result<String, Fault> {
    let mut line = String::new();
    let read = input.read_line(&mut line).await;
    read.map_err(|error| Fault::new(format!("cannot read the standard input: {error}")))?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

async fn read_all(context: &mut Context) -> Result<String, Fault> {
    let mut text = String::new();
    let read = context.io.input().take(SECRET_BYTES_MAX).read_to_string(&mut text).await;
    read.map_err(|error| Fault::new(format!("cannot read the standard input: {error}")))?;
    Ok(text.trim_end_matches('\n').trim_end_matches('\r').to_owned())
}
