//! `version`: of this program and of the daemon.

use clap::Args;
use serde::Serialize;
use skep_api::client::{ApiVersion, NEWEST};
use skep_api::wire::SystemVersion;

use super::flags::ObjectFlags;
use super::inspect::TEMPLATE;
use super::none;
use crate::context::Context;
use crate::endpoint::context_name;
use crate::fault::Fault;
use crate::format::{capitalize, compact};
use crate::grammar::{go_arch, go_os};
use crate::template::{Template, TemplateError, Value, own, to_value};

/// Show the version information of the client and the daemon
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS]")]
pub(crate) struct Flags {
    #[command(flatten)]
    object: ObjectFlags,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

/// Both halves, under the names that templates use.
#[derive(Debug, Serialize)]
#[serde(rename = "versionInfo", rename_all = "PascalCase")]
struct Versions {
    client: ClientVersion,
    server: Option<SystemVersion>,
}

/// What this program says of itself. Where docker says what it was built from, Skep has nothing to say.
#[derive(Debug, Serialize)]
#[serde(rename = "clientVersion", rename_all = "PascalCase")]
pub(super) struct ClientVersion {
    pub(super) version: &'static str,
    /// The version spoken with the daemon; absent where none was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    api_version: Option<String>,
    #[serde(rename = "DefaultAPIVersion")]
    default_api_version: String,
    os: &'static str,
    arch: &'static str,
    pub(super) context: String,
}

impl ClientVersion {
    pub(super) fn new(context: &Context, spoken: Option<ApiVersion>) -> Result<ClientVersion, Fault> {
        Ok(ClientVersion {
            version: env!("CARGO_PKG_VERSION"),
            api_version: spoken.map(|version| version.to_string()),
            default_api_version: NEWEST.to_string(),
            os: go_os(),
            arch: go_arch(),
            context: context_name(context)?,
        })
    }
}

/// What `skep --version` prints.
pub(crate) fn one_line() -> String {
    format!("Skep version {}", env!("CARGO_PKG_VERSION"))
}

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { object: ObjectFlags { format }, arguments } = flags;
    none(context, &arguments)?;
    let template = match format.as_str() {
        "" | "json" => None,
        format => Some(Template::parse(format).map_err(|error| Fault { code: TEMPLATE, ..named(error) })?),
    };
    let (server, fault, spoken) = match context.client().await {
        Ok(client) => {
            let spoken = client.version();
            match client.daemon_version().await {
                Ok(server) => (Some(server), None, spoken),
                Err(error) => (None, Some(error.into()), spoken),
            }
        }
        Err(fault) => (None, Some(fault), NEWEST),
    };
    let client = ClientVersion::new(context, Some(spoken))?;
    let versions = Versions { client, server };
    let text = match (format.as_str(), template) {
        (_, Some(template)) => {
            let mut data = to_value(&versions, "system").map_err(|error| Fault::new(error.to_string()))?;
            if let Value::Struct(whole) = &mut data
                && let Some(field) = whole.fields.iter_mut().find(|field| field.name == "Client")
            {
                field.value = own("client version", &versions.client)?;
            }
            match template.render(&data) {
                Ok(text) => text + "\n",
                // Compat: where there is no daemon, docker 28.2 says that and nothing of the template.
                Err(_) if fault.is_some() => "\n".to_owned(),
                Err(error) => return Err(named(error)),
            }
        }
        ("json", _) => compact(&versions)? + "\n",
        _ => describe(&versions),
    };
    context.io.text(&text)?;
    fault.map_or(Ok(()), Err)
}

/// Compat: docker 28.2 calls this template by the name of the command.
fn named(error: TemplateError) -> Fault {
    Fault::new(error.in_template("version"))
}

fn describe(versions: &Versions) -> String {
    let client = &versions.client;
    let mut api = client.api_version.clone().unwrap_or_default();
    if api != client.default_api_version {
        api.push_str(&format!(" (downgraded from {})", client.default_api_version));
    }
    let mut text = format!(
        "Client: Skep\n Version:           {}\n API version:       {api}\n OS/Arch:           {}/{}\n Context:           {}\n",
        client.version, client.os, client.arch, client.context
    );
    if let Some(server) = &versions.server {
        text.push_str(&describe_server(server));
    }
    text
}

fn describe_server(server: &SystemVersion) -> String {
    let mut text = format!("\nServer: {}", server.platform.name).trim_end().to_owned() + "\n";
    if text.trim() == "Server:" {
        "\nServer:\n".clone_into(&mut text);
    }
    for component in &server.components {
        text.push_str(&format!(" {}:\n  Version:          {}\n", component.name, component.version));
        if component.name != "Engine" {
            continue;
        }
        let detail = |key: &str| component.details.get(key).map_or("", String::as_str);
        let range = format!("{} (minimum version {})", detail("ApiVersion"), detail("MinAPIVersion"));
        text.push_str(&format!("  API version:      {range}\n"));
        for (label, key) in [("Git commit:", "GitCommit"), ("Built:", "BuildTime")] {
            if !detail(key).is_empty() {
                text.push_str(&format!("  {label:<17} {}\n", detail(key)));
            }
        }
        text.push_str(&format!("  OS/Arch:          {}/{}\n", detail("Os"), detail("Arch")));
        if !detail("KernelVersion").is_empty() {
            text.push_str(&format!("  Kernel:           {}\n", detail("KernelVersion")));
        }
    }
    if server.components.is_empty() {
        text.push_str(&format!(" {}:\n  Version:          {}\n", capitalize("engine"), server.version));
    }
    text
}
