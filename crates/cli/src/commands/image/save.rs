//! `image save`.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use skep_api::client::Download;

use super::history::platform_json;
use crate::commands::at_least_one;
use crate::context::Context;
use crate::fault::Fault;

/// Save one or more images to a tar archive (streamed to STDOUT by default)
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS] IMAGE [IMAGE...]", after_help = "image save, save")]
pub(crate) struct Flags {
    /// Write to a file, instead of STDOUT
    #[arg(short, long, value_name = "string")]
    output: Option<String>,
    /// Save only the given platform variant. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")
    #[arg(long, value_name = "string", default_value = "")]
    platform: String,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { output, platform, arguments } = flags;
    at_least_one(context, &arguments)?;
    if output.is_none() && context.io.output_is_terminal() {
        return Err(Fault::new("cowardly refusing to save to a terminal. Use the -o flag or redirect"));
    }
    if let Some(path) = &output {
        check_place(Path::new(path))?;
    }
    let client = context.client().await?;
    let mut archive = client.save_images(&arguments, &platform_json(&platform)?).await?;
    if let Some(path) = output {
        return write_file(Path::new(&path), archive).await;
    }
    while let Some(chunk) = archive.next().await? {
        context.io.out.write_all(&chunk)?;
    }
    Ok(context.io.out.flush()?)
}

/// Refuses a place that no file can be written to before images are asked for.
fn check_place(path: &Path) -> Result<(), Fault> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty() && !parent.exists());
    match parent {
        // Compat: Go's words for what is not there.
        Some(parent) => Err(Fault::new(format!(
            "failed to save image: invalid output path: stat {}: no such file or directory",
            parent.display()
        ))),
        None => Ok(()),
    }
}

/// Writes beside the file and renames at the end: a broken download leaves nothing that looks like an archive.
async fn write_file(path: &Path, mut archive: Download) -> Result<(), Fault> {
    let failed = |error: std::io::Error| Fault::new(format!("cannot write {}: {error}", path.display()));
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".{}.part", std::process::id()));
    let aside = Unfinished(PathBuf::from(aside));
    let mut file = std::fs::File::create(&aside.0).map_err(failed)?;
    while let Some(chunk) = archive.next().await? {
        file.write_all(&chunk).map_err(failed)?;
    }
    file.sync_all().map_err(failed)?;
    std::fs::rename(&aside.0, path).map_err(failed)
}

/// A file that is removed unless it was renamed.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        // After the renaming there is nothing left to remove.
        let _ = std::fs::remove_file(&self.0);
    }
}
