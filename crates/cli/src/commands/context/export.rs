//! `context export`: a context as an archive that another machine can import.

use std::fs::OpenOptions;
use std::io::{Cursor, Write};

use clap::Args;

use super::{check_name, store};
use crate::commands::one_or_two;
use crate::context::Context;
use crate::endpoint::default_host;
use crate::fault::Fault;
use crate::store::{DEFAULT, Stored};

/// What stands for the standard output.
const STREAM: &str = "-";

/// Export a context to a tar archive FILE or a tar stream on STDOUT.
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS] CONTEXT [FILE|-]", verbatim_doc_comment)]
pub(crate) struct Flags {
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let (name, file) = one_or_two(context, flags.arguments)?;
    let file = file.unwrap_or_else(|| format!("{name}.dockercontext"));
    if name != DEFAULT {
        check_name(&name)?;
    }
    if file == STREAM && context.io.output_is_terminal() {
        return Err(Fault::new("cowardly refusing to export to a terminal, specify a file path"));
    }
    let store = store(context);
    let (stored, tls) = match name.as_str() {
        DEFAULT => {
            let host = default_host(context)?;
            (Stored { name: name.clone(), host, ..Stored::default() }, Vec::new())
        }
        name => (store.get(name)?, store.tls_files(name)),
    };
    let failed = |error: std::io::Error| Fault::new(format!("cannot write {file}: {error}"));
    let archive = pack(&stored, &tls).map_err(failed)?;
    if file == STREAM {
        return Ok(context.io.out.write_all(&archive)?);
    }
    // The archive holds keys, and nobody's file is written over.
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&file).and_then(|mut out| out.write_all(&archive));
    written.map_err(failed)?;
    Ok(context.io.warn(format_args!("Written file {file:?}"))?)
}

/// The archive in docker's layout.
fn pack(stored: &Stored, tls: &[(&str, Vec<u8>)]) -> std::io::Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut add = |path: &str, mode: u32, kind: tar::EntryType, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_mode(mode);
        header.set_entry_type(kind);
        header.set_size(bytes.len() as u64);
        builder.append_data(&mut header, path, Cursor::new(bytes))
    };
    add("meta.json", 0o644, tar::EntryType::Regular, stored.to_json().to_string().as_bytes())?;
    add("tls", 0o700, tar::EntryType::Directory, &[])?;
    if !tls.is_empty() {
        add("tls/docker", 0o700, tar::EntryType::Directory, &[])?;
    }
    for (name, bytes) in tls {
        add(&format!("tls/docker/{name}"), 0o600, tar::EntryType::Regular, bytes)?;
    }
    builder.into_inner()
}
