//! `service create`.

use clap::Args;
use skep_api::client::Client;
use skep_api::wire::{ServiceSpec, TaskSpec};

use super::{require, warn};
use crate::context::Context;
use crate::credentials::registry_auth;
use crate::fault::{Fault, Trailer};
use crate::grammar::FileRef;
use crate::progress::{self, Wait};
use crate::spec::{
    self, CreateFlags, Environment, digest_warning, pin, resolve_configs, resolve_network, resolve_secrets,
    with_tag,
};

/// Create a new service
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS] IMAGE [COMMAND] [ARG...]")]
pub(crate) struct Flags {
    #[command(flatten)]
    spec: CreateFlags,
    #[arg(trailing_var_arg = true, hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { spec: flags, arguments } = flags;
    let Some((image, arguments)) = arguments.split_first() else {
        let text = "skep: 'skep service create' requires at least 1 argument";
        return Err(Fault::usage(text, Trailer::See));
    };
    let environment = Environment { variables: &context.env, read: |path| std::fs::read(path) };
    let mut spec = spec::build(&flags, image, arguments, &environment)?;
    require(context, &flags.shared).await?;
    let client = context.client().await?;
    resolve(&client, &flags, &mut spec).await?;
    let with_auth = flags.shared.with_registry_auth;
    let auth = if with_auth { Some(registry_auth(context, image).await?) } else { None };
    tag_image(&mut spec.task_template);
    let warning = match flags.shared.no_resolve_image {
        true => None,
        false => pin_image(&client, &mut spec.task_template, auth.as_deref()).await,
    };
    let created = client.create_service(&spec, auth.as_deref()).await?;
    warn(context, created.warnings)?;
    warn(context, warning.map(|text| vec![text]))?;
    context.io.line(&created.id)?;
    if flags.shared.detach {
        return Ok(());
    }
    progress::wait(context, Wait { service: &created.id, quiet: flags.shared.quiet }).await
}

/// Replaces the names of networks, secrets and configs by ids.
async fn resolve(client: &Client, flags: &CreateFlags, spec: &mut ServiceSpec) -> Result<(), Fault> {
    let task = &mut spec.task_template;
    for network in &mut task.networks {
        *network = resolve_network(client, network).await?;
    }
    task.networks.sort_by(|a, b| a.target.cmp(&b.target));
    let container = task.container_spec.get_or_insert_default();
    container.secrets = resolve_secrets(client, &flags.secret).await?;
    let credentials =
        container.privileges.as_mut().and_then(|privileges| privileges.credential_spec.as_mut());
    let credentials = credentials.filter(|spec| !spec.config.is_empty());
    let mut refs = flags.config.clone();
    refs.extend(credentials.as_ref().map(|spec| FileRef { name: spec.config.clone(), file: None }));
    container.configs = resolve_configs(client, &refs).await?;
    if let Some(credentials) = credentials
        && let Some(config) = container.configs.iter().find(|config| config.config_name == credentials.config)
    {
        credentials.config.clone_from(&config.config_id);
    }
    Ok(())
}

/// Writes the tag that a bare image name means into the spec.
pub(super) fn tag_image(task: &mut TaskSpec) {
    if let Some(container) = &mut task.container_spec {
        container.image = with_tag(&container.image);
    }
}

/// Writes the digest of the image into the spec. If no registry gives one, the answer is a warning.
pub(super) async fn pin_image(client: &Client, task: &mut TaskSpec, auth: Option<&str>) -> Option<String> {
    let image = task.container_spec.as_ref()?.image.clone();
    // Whatever went wrong, the nodes may still reach the registry, or have the image.
    pin(task, client, auth).await.err().map(|_| digest_warning(&image))
}
