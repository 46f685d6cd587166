//! `image pull`.

use clap::Args;

use crate::commands::exactly_one;
use crate::context::Context;
use crate::credentials::registry_auth;
use crate::fault::Fault;
use crate::format::Reference;
use crate::grammar::boolean;
use crate::layers;

/// Download an image from a registry
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS] NAME[:TAG|@DIGEST]", after_help = "image pull, pull")]
pub(crate) struct Flags {
    /// Download all tagged images in the repository
    #[arg(short, long)]
    all_tags: bool,
    /// Skip image verification (default true)
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = boolean)]
    disable_content_trust: Option<bool>,
    /// Set platform if server is multi-platform capable
    #[arg(long, value_name = "string", default_value = "")]
    platform: String,
    /// Suppress verbose output
    #[arg(short, long)]
    quiet: bool,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { all_tags, disable_content_trust, platform, quiet, arguments } = flags;
    let image = exactly_one(context, arguments)?;
    let reference = Reference::read(&image).map_err(Fault::new)?;
    let is_bare = reference.tag().is_none() && reference.digest().is_none();
    if all_tags && !is_bare {
        return Err(Fault::new("tag can't be used with --all-tags/-a"));
    }
    if disable_content_trust == Some(false) {
        return Err(Fault::new("--disable-content-trust=false is not supported: Skep has no content trust")
            .hint("pull by digest, NAME@sha256:…, to be sure of what you get"));
    }
    let reference = if all_tags { reference } else { reference.with_default_tag() };
    if is_bare && !all_tags && !quiet {
        context.io.line("Using default tag: latest")?;
    }
    let auth = registry_auth(context, &image).await?;
    let client = context.client().await?;
    let tag = reference.digest().or(reference.tag()).unwrap_or_default().to_owned();
    let messages = client.pull_image(&reference.full_name(), &tag, &platform, Some(&auth)).await?;
    match quiet {
        true => layers::finish(messages).await?,
        false => layers::show(context, messages).await?,
    }
    Ok(context.io.line(reference.full())?)
}
