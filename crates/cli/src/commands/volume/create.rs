//! `volume create`. Docker's flags for cluster volumes are not Skep's.

use clap::Args;
use skep_api::client::VolumeRequest;

use crate::commands::at_most_one;
use crate::context::Context;
use crate::fault::{Fault, Trailer};
use crate::grammar::label;
use crate::spec::key_values;

/// Create a volume
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS] [VOLUME]")]
pub(crate) struct Flags {
    /// Specify volume driver name (default "local")
    #[arg(short, long, value_name = "string")]
    driver: Option<String>,
    /// Set metadata for a volume
    #[arg(long, value_name = "list", value_parser = label)]
    label: Vec<String>,
    /// Specify volume name
    #[arg(long, value_name = "string", hide = true)]
    name: Option<String>,
    /// Set driver specific options (default map[])
    #[arg(short, long, value_name = "map")]
    opt: Vec<String>,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { driver, label, name, opt, arguments } = flags;
    let argument = at_most_one(context, arguments)?;
    if name.is_some() && argument.is_some() {
        let text =
            "conflicting options: cannot specify a volume-name through both --name and as a positional arg";
        return Err(Fault::usage(text, Trailer::None));
    }
    let request = VolumeRequest {
        name: argument.or(name).unwrap_or_default(),
        driver: driver.unwrap_or_else(|| "local".to_owned()),
        driver_opts: key_values(&opt),
        labels: key_values(&label),
    };
    let client = context.client().await?;
    let volume = client.create_volume(&request).await?;
    Ok(context.io.line(volume.name)?)
}
