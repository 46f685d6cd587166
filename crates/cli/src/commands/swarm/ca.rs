//! `swarm ca`: the certificate that every node of the cluster trusts, and its replacement.

use clap::Args;
use skep_api::client::Rotate;
use skep_api::wire::{CaConfig, ExternalCa};

use crate::commands::none;
use crate::context::Context;
use crate::fault::Fault;
use crate::grammar::{Pem, duration, external_ca, pem_file};
use crate::progress::rotation;

/// Display and rotate the root CA
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS]")]
pub(crate) struct Flags {
    /// Path to the PEM-formatted root CA certificate to use for the new cluster
    #[arg(long, value_name = "pem-file", value_parser = pem_file)]
    ca_cert: Option<Pem>,
    /// Path to the PEM-formatted root CA key to use for the new cluster
    #[arg(long, value_name = "pem-file", value_parser = pem_file)]
    ca_key: Option<Pem>,
    /// Validity period for node certificates (ns|us|ms|s|m|h) (default 2160h0m0s)
    #[arg(long, value_name = "duration", value_parser = duration)]
    cert_expiry: Option<i64>,
    /// Exit immediately instead of waiting for the root rotation to converge
    #[arg(short, long)]
    detach: bool,
    /// Specifications of one or more certificate signing endpoints
    #[arg(long, value_name = "external-ca", value_parser = external_ca)]
    external_ca: Vec<ExternalCa>,
    /// Suppress progress output
    #[arg(short, long)]
    quiet: bool,
    /// Rotate the swarm CA - if no certificate or key are provided, new ones will be generated
    #[arg(long)]
    rotate: bool,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn run(context: &mut Context, mut flags: Flags) -> Result<(), Fault> {
    none(context, &std::mem::take(&mut flags.arguments))?;
    let client = context.client().await?;
    let mut cluster = client.swarm().await?.cluster;
    let (detach, quiet) = (flags.detach, flags.quiet);
    if !flags.rotate {
        only_to_rotate(&flags)?;
        return show(context, &cluster.tls_info.trust_root);
    }
    merge(&mut cluster.spec.ca_config, flags)?;
    client.update_swarm(cluster.version, &cluster.spec, Rotate::default()).await?;
    if detach {
        return Ok(());
    }
    rotation::wait(context, quiet).await?;
    if quiet {
        return Ok(());
    }
    let rotated = client.swarm().await?.cluster;
    show(context, &rotated.tls_info.trust_root)
}

fn show(context: &mut Context, root: &str) -> Result<(), Fault> {
    match root.trim() {
        "" => Err(Fault::new("No CA information available")),
        certificate => Ok(context.io.line(certificate)?),
    }
}

fn only_to_rotate(flags: &Flags) -> Result<(), Fault> {
    let given = [
        ("ca-cert", flags.ca_cert.is_some()),
        ("ca-key", flags.ca_key.is_some()),
        ("cert-expiry", flags.cert_expiry.is_some()),
        ("external-ca", !flags.external_ca.is_empty()),
    ];
    match given.iter().find(|(_, is_given)| *is_given) {
        Some((name, _)) => {
            Err(Fault::new(format!("`--{name}` flag requires the `--rotate` flag to update the CA")))
        }
        None => Ok(()),
    }
}

fn merge(config: &mut CaConfig, flags: Flags) -> Result<(), Fault> {
    let Flags { ca_cert, ca_key, cert_expiry, external_ca, .. } = flags;
    if !external_ca.is_empty() && ca_cert.is_none() {
        return Err(Fault::new(
            "rotating to an external CA requires the `--ca-cert` flag to specify the external CA's cert - to add an \
             external CA with the current root CA certificate, use the `update` command instead",
        ));
    }
    if ca_cert.is_some() && external_ca.is_empty() && ca_key.is_none() {
        return Err(Fault::new(
            "the --ca-cert flag requires that a --ca-key flag and/or --external-ca flag be provided as well",
        ));
    }
    config.node_cert_expiry = cert_expiry.unwrap_or(config.node_cert_expiry);
    let certificate = ca_cert.unwrap_or_default().0;
    if !external_ca.is_empty() {
        let trusted = |ca| ExternalCa { ca_cert: certificate.clone(), ..ca };
        config.external_cas = external_ca.into_iter().map(trusted).collect();
    }
    let key = ca_key.unwrap_or_default().0;
    if certificate.is_empty() && key.is_empty() {
        config.force_rotate = config.force_rotate.wrapping_add(1);
    }
    config.signing_ca_cert = certificate;
    config.signing_ca_key = key;
    Ok(())
}
