//! `service update`.

use clap::Args;
use skep_api::client::{Client, RegistryAuthFrom, UpdateOptions};
use skep_api::wire::{ConfigReference, ContainerSpec, ServiceSpec};

use super::create::{pin_image, tag_image};
use super::{require, warn};
use crate::commands::exactly_one;
use crate::context::Context;
use crate::credentials::registry_auth;
use crate::fault::Fault;
use crate::grammar::FileRef;
use crate::progress::{self, Wait};
use crate::spec::{self, Environment, UpdateFlags, resolve_configs, resolve_network, resolve_secrets};

/// Update a service
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS] SERVICE")]
pub(crate) struct Flags {
    #[command(flatten)]
    spec: UpdateFlags,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { spec: flags, arguments } = flags;
    let reference = exactly_one(context, arguments)?;
    require(context, &flags.shared).await?;
    let client = context.client().await?;
    let service = client.service(&reference, false).await?;
    if flags.rollback && !is_alone(&flags) {
        return Err(Fault::new("other flags may not be combined with --rollback"));
    }
    let mut spec = service.spec;
    let environment = Environment { variables: &context.env, read: |path| std::fs::read(path) };
    spec::apply(&flags, &mut spec, &environment)?;
    resolve_networks(&client, &flags, &mut spec).await?;
    let container = spec.task_template.container_spec.get_or_insert_default();
    resolve_files(&client, &flags, container).await?;
    let auth = match flags.shared.with_registry_auth {
        true => Some(registry_auth(context, &container.image).await?),
        false => None,
    };
    let mut warning = None;
    // Unlike docker, which writes a tag on every update, this does not restart tasks for a tag nobody asked for.
    if flags.image.is_some() {
        tag_image(&mut spec.task_template);
        if !flags.shared.no_resolve_image {
            warning = pin_image(&client, &mut spec.task_template, auth.as_deref()).await;
        }
    }
    let auth_from = if auth.is_some() { RegistryAuthFrom::Unsaid } else { RegistryAuthFrom::Spec };
    let options = UpdateOptions { auth, auth_from, rollback: flags.rollback };
    let updated = client.update_service(&service.id, service.version, &spec, &options).await?;
    warn(context, updated.warnings)?;
    warn(context, warning.map(|text| vec![text]))?;
    context.io.line(&reference)?;
    if flags.shared.detach {
        return Ok(());
    }
    progress::wait(context, Wait { service: &reference, quiet: flags.shared.quiet }).await
}

/// Tells whether `--rollback` comes with nothing but `--detach` and `--quiet`.
fn is_alone(flags: &UpdateFlags) -> bool {
    let mut alone = UpdateFlags { rollback: true, ..UpdateFlags::default() };
    alone.shared.detach = flags.shared.detach;
    alone.shared.quiet = flags.shared.quiet;
    *flags == alone
}

async fn resolve_networks(client: &Client, flags: &UpdateFlags, spec: &mut ServiceSpec) -> Result<(), Fault> {
    if flags.network_add.is_empty() && flags.network_rm.is_empty() {
        return Ok(());
    }
    let networks = &mut spec.task_template.networks;
    // Services from before API 1.25 keep theirs elsewhere; they move on the first change.
    let legacy = std::mem::take(&mut spec.networks);
    if networks.is_empty() {
        *networks = legacy;
    }
    for reference in &flags.network_rm {
        let id = client.swarm_network(reference).await?.id;
        networks.retain(|network| network.target != id);
    }
    for added in &flags.network_add {
        let resolved = resolve_network(client, added).await?;
        if networks.iter().any(|network| network.target == resolved.target) {
            return Err(Fault::new(format!("service is already attached to network {}", added.target)));
        }
        networks.push(resolved);
    }
    networks.sort_by(|a, b| a.target.cmp(&b.target));
    Ok(())
}

/// Merges secrets, configs and the credential spec, which may name a config.
async fn resolve_files(
    client: &Client,
    flags: &UpdateFlags,
    container: &mut ContainerSpec,
) -> Result<(), Fault> {
    container.secrets.retain(|secret| !flags.secret_rm.contains(&secret.secret_name));
    container.secrets.extend(resolve_secrets(client, &flags.secret_add).await?);

    let given = flags.shared.credential_spec.clone();
    let current = container.privileges.as_ref().and_then(|privileges| privileges.credential_spec.as_ref());
    let current_config = current.map(|spec| spec.config.clone()).filter(|id| !id.is_empty());
    let is_kept = |config: &ConfigReference| match (&config.runtime, &given) {
        (None, _) => !flags.config_rm.contains(&config.config_name),
        (Some(_), Some(given)) => given.config == config.config_name,
        (Some(_), None) => current_config.as_ref() == Some(&config.config_id),
    };
    container.configs.retain(is_kept);
    let mut refs = flags.config_add.clone();
    let wanted = given.as_ref().map(|spec| spec.config.clone()).filter(|name| !name.is_empty());
    if let Some(name) = &wanted
        && !container.configs.iter().any(|config| config.runtime.is_some() && config.config_name == *name)
    {
        refs.push(FileRef { name: name.clone(), file: None });
    }
    container.configs.extend(resolve_configs(client, &refs).await?);
    if let Some(mut given) = given {
        if let Some(config) = container.configs.iter().find(|config| config.config_name == given.config) {
            given.config.clone_from(&config.config_id);
        }
        container.privileges.get_or_insert_default().credential_spec = Some(given);
    }
    Ok(())
}
