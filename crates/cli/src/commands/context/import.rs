//! `context import`: a context from an archive that another machine exported.

use std::io::Read;

use clap::Args;
use skep_archive::{Archive, Kind};
use tokio::io::AsyncReadExt;

use super::{check_name, store};
use crate::commands::exactly_two;
use crate::context::Context;
use crate::fault::Fault;
use crate::store::{Stored, TLS_FILES, parse};

/// The largest archive that is read: a few certificates take a few kilobytes.
const ARCHIVE_BYTES_MAX: u64 = 10 << 20;

/// What a zip archive begins with.
const ZIP: &[u8] = b"PK\x03\x04";

/// Import a context from a tar or zip file
#[derive(Args, Debug)]
#[command(before_help = "CONTEXT FILE|-", about = "Import a context from a tar file")]
pub(crate) struct Flags {
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let (name, file) = exactly_two(context, flags.arguments)?;
    check_name(&name)?;
    let store = store(context);
    if store.get(&name).is_ok() {
        return Err(Fault::new(format!("context {name:?} already exists")));
    }
    let bytes = read(context, &file).await?;
    let (stored, tls) =
        unpack(&bytes).map_err(|error| Fault::new(format!("{file} is no archive of a context: {error}")))?;
    store.put(&Stored { name: name.clone(), ..stored }, Some(&tls))?;
    context.io.line(&name)?;
    Ok(context.io.warn(format_args!("Successfully imported context {name:?}"))?)
}

async fn read(context: &mut Context, file: &str) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    let read = match file {
        "-" => context.io.input().take(ARCHIVE_BYTES_MAX + 1).read_to_end(&mut bytes).await,
        file => std::fs::File::open(file)
            .and_then(|file| file.take(ARCHIVE_BYTES_MAX + 1).read_to_end(&mut bytes)),
    };
    read.map_err(|error| Fault::new(format!("cannot read {file}: {error}")))?;
    if bytes.len() as u64 > ARCHIVE_BYTES_MAX {
        return Err(Fault::new(format!(
            "{file} is larger than {ARCHIVE_BYTES_MAX} bytes, and no archive of a context"
        )));
    }
    if bytes.starts_with(ZIP) {
        return Err(Fault::new(format!("{file} is a zip archive, and only tar archives are read"))
            .hint("\"docker context export\" and \"skep context export\" write tar archives"));
    }
    Ok(bytes)
}

type Tls = Vec<(&'static str, Vec<u8>)>;

/// Takes what is known by name and looks at no path: nothing of an archive is unpacked anywhere.
fn unpack(bytes: &[u8]) -> std::io::Result<(Stored, Tls)> {
    let (mut stored, mut tls) = (None, Tls::new());
    let mut archive = Archive::new(bytes);
    while let Some(mut entry) = archive.next_entry()? {
        if entry.header.kind != Kind::File {
            continue;
        }
        let path = String::from_utf8_lossy(&entry.header.name).into_owned();
        let mut content = Vec::new();
        // What is in an archive is no longer than the archive.
        entry.content.read_to_end(&mut content)?;
        let file = TLS_FILES.into_iter().find(|file| path == format!("tls/docker/{file}"));
        match (path.as_str(), file) {
            ("meta.json", _) => stored = Some(parse(&content)?),
            (_, Some(file)) => tls.push((file, content)),
            _ => {}
        }
    }
    let missing = || std::io::Error::new(std::io::ErrorKind::InvalidData, "it has no meta.json");
    Ok((stored.ok_or_else(missing)?, tls))
}
