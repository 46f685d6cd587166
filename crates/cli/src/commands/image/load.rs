//! `image load`.

use clap::Args;
use skep_api::client::Upload;

use super::history::platform_json;
use crate::commands::none;
use crate::context::Context;
use crate::fault::Fault;
use crate::layers;

/// Load an image from a tar archive or STDIN
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS]", after_help = "image load, load")]
pub(crate) struct Flags {
    /// Read from tar archive file, instead of STDIN
    #[arg(short, long, value_name = "string")]
    input: Option<String>,
    /// Load only the given platform variant. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")
    #[arg(long, value_name = "string", default_value = "")]
    platform: String,
    /// Suppress the load output
    #[arg(short, long)]
    quiet: bool,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { input, platform, quiet, arguments } = flags;
    none(context, &arguments)?;
    let archive = match input {
        Some(path) => {
            let file = tokio::fs::File::open(&path).await;
            Upload::of(file.map_err(|error| Fault::new(format!("open {path}: {}", reason(&error))))?)
        }
        None if context.io.input_is_terminal => {
            return Err(Fault::new("requested load from stdin, but stdin is empty")
                .hint("name an archive with -i, or redirect one to the standard input"));
        }
        None => Upload::of(context.io.input()),
    };
    let client = context.client().await?;
    // Compat: docker 28.2 wants no progress when nobody watches it.
    let quiet = quiet || !context.io.output_is_terminal();
    let messages = client.load_images(archive, quiet, &platform_json(&platform)?).await?;
    layers::show(context, messages).await
}

/// The reason without the number that Rust adds.
fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}
