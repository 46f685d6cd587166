//! Files into a container: an archive is made here while it is sent, and the daemon unpacks it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use skep_api::client::{Client, PathStat, Upload};
use tokio::sync::{mpsc, oneshot};

use super::cp::{absolute, names_directory, split};
use super::pack;
use crate::context::Context;
use crate::fault::Fault;
use crate::format::decimal_bytes;

/// How much of the archive is sent at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// A copy from this machine to a container.
#[derive(Debug)]
pub(super) struct CopyIn {
    /// `-` reads an archive.
    pub source: String,
    pub container: String,
    pub path: String,
    pub follow_link: bool,
    pub keep_owners: bool,
    pub quiet: bool,
}

pub(super) async fn run(context: &mut Context, copy: CopyIn) -> Result<(), Fault> {
    let client = context.client().await?;
    let target = absolute(&copy.path);
    let found = look(&client, &copy.container, &target).await?;
    if copy.source == "-" {
        if !found.is_some_and(|stat| stat.is_directory()) {
            return Err(Fault::new(format!(
                "destination \"{}:{}\" must be a directory",
                copy.container, copy.path
            )));
        }
        let archive = Upload::of(context.io.input());
        return Ok(client.upload_path(&copy.container, &target, copy.keep_owners, archive).await?);
    }
    let source = Source::open(&copy.source, copy.follow_link)?;
    let (directory, name) = place(&source, &target, found.as_ref(), &copy)?;
    let (upload, outcome) = send(source, name);
    let sent = client.upload_path(&copy.container, &directory, copy.keep_owners, upload).await;
    // Why no archive could be made says more than that the daemon did not get one.
    let bytes = match outcome.await {
        Ok(Err(error)) => return Err(Fault::new(format!("cannot read {}: {error}", copy.source))),
        Ok(Ok(bytes)) => bytes,
        Err(_) => 0,
    };
    sent?;
    if !copy.quiet {
        let size = decimal_bytes(bytes as i64, 3);
        context.io.warn(format_args!("Successfully copied {size} to {}:{}", copy.container, copy.path))?;
    }
    Ok(())
}

/// What is at a path of the container, through one symbolic link; `None` if nothing is.
async fn look(client: &Client, container: &str, path: &str) -> Result<Option<PathStat>, Fault> {
    let stat = match client.stat_path(container, path).await {
        Ok(stat) => stat,
        // A HEAD has no body that would tell a missing path from a missing container.
        Err(error) if error.is_not_found() => {
            client.container(container).await?;
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    if !stat.is_link() {
        return Ok(Some(stat));
    }
    let target = match stat.link_target.starts_with('/') {
        true => stat.link_target.clone(),
        false => format!("{}/{}", split(path).0, stat.link_target),
    };
    match client.stat_path(container, &target).await {
        Ok(stat) => Ok(Some(stat)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A file or a directory of this machine.
#[derive(Debug)]
struct Source {
    path: PathBuf,
    is_directory: bool,
    /// The content goes without the directory itself.
    content_only: bool,
    name: String,
}

impl Source {
    fn open(text: &str, follow_link: bool) -> Result<Source, Fault> {
        let path = PathBuf::from(text);
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => {
                Fault::new(format!("lstat {}: no such file or directory", shown(&path)))
            }
            _ => Fault::new(format!("cannot look at {text}: {error}")),
        };
        let follows = follow_link || names_directory(text);
        let found = if follows { std::fs::metadata(&path) } else { std::fs::symlink_metadata(&path) };
        let found = found.map_err(failed)?;
        if names_directory(text) && !found.is_dir() {
            return Err(Fault::new("not a directory"));
        }
        let full = if follows { path.canonicalize().map_err(failed)? } else { path.clone() };
        let name = match split(text).1 {
            "" | "." | ".." => full
                .canonicalize()
                .map_err(failed)?
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            name => name.to_owned(),
        };
        let content_only = found.is_dir() && (text.ends_with("/.") || text == ".");
        Ok(Source { path: full, is_directory: found.is_dir(), content_only, name })
    }
}

fn shown(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

/// The directory of the container that the archive goes to, and the name of its first component; an empty one leaves it out.
fn place(
    source: &Source,
    target: &str,
    found: Option<&PathStat>,
    copy: &CopyIn,
) -> Result<(String, String), Fault> {
    let (parent, name) = split(target);
    match found {
        Some(stat) if stat.is_directory() => {
            let name = if source.content_only { String::new() } else { source.name.clone() };
            Ok((target.to_owned(), name))
        }
        Some(_) if source.is_directory => {
            Err(Fault::new("cannot copy directory").hint(format!("{} is a file in the container", copy.path)))
        }
        None if names_directory(target) && !source.is_directory => Err(Fault::new("no such directory")),
        _ => Ok((parent.to_owned(), name.to_owned())),
    }
}

/// Makes the archive on a thread of its own; the receiver learns its size, or why it could not be made.
fn send(source: Source, name: String) -> (Upload, oneshot::Receiver<io::Result<u64>>) {
    let (sender, upload) = Upload::channel();
    let (told, outcome) = oneshot::channel();
    tokio::task::spawn_blocking(move || {
        let mut chunks = Chunks { sender, buffer: Vec::with_capacity(CHUNK_BYTES), count: 0 };
        let made = write_archive(&mut chunks, &source, &name).and_then(|()| chunks.flush());
        if let Err(error) = &made {
            // Ends the request; a daemon that went away needs no reason.
            let _ = chunks.sender.blocking_send(Err(io::Error::new(error.kind(), error.to_string())));
        }
        // Nobody waits for the outcome of a request that failed before.
        let _ = told.send(made.map(|()| chunks.count));
    });
    (upload, outcome)
}

fn write_archive(chunks: &mut Chunks, source: &Source, name: &str) -> io::Result<()> {
    let mut archive = tar::Builder::new(chunks);
    archive.follow_symlinks(false);
    match source.is_directory {
        true => pack::append_tree(&mut archive, &source.path, Path::new(name))?,
        false => pack::append(&mut archive, &source.path, Path::new(name))?,
    }
    archive.finish()
}

/// A writer whose bytes go to an upload.
struct Chunks {
    sender: mpsc::Sender<io::Result<Bytes>>,
    buffer: Vec<u8>,
    count: u64,
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        self.count += bytes.len() as u64;
        if self.buffer.len() >= CHUNK_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let chunk = std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK_BYTES));
        if chunk.is_empty() {
            return Ok(());
        }
        let gone = |_| io::Error::new(io::ErrorKind::BrokenPipe, "the daemon takes no more");
        self.sender.blocking_send(Ok(chunk.into())).map_err(gone)
    }
}
