//! `container cp`: files between a container and this machine, or an archive from and to the standard streams.
//!
//! The two sides are in `cp_in` and `cp_out`; here is what they have in common: which side is which, and what the end of a
//! path says about it.

use clap::Args;

use super::cp_in::{self, CopyIn};
use super::cp_out::{self, CopyOut};
use crate::commands::exactly_two;
use crate::context::Context;
use crate::fault::Fault;

/// Copy files/folders between a container and the local filesystem
///
/// Use '-' as the source to read a tar archive from stdin
/// and extract it to a directory destination in a container.
/// Use '-' as the destination to stream a tar archive of a
/// container source to stdout.
#[derive(Args, Debug)]
#[command(
    verbatim_doc_comment,
    before_help = "[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n\tskep cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH",
    after_help = "container cp, cp"
)]
pub(crate) struct Flags {
    /// Archive mode (copy all uid/gid information)
    #[arg(short, long)]
    archive: bool,
    /// Always follow symbol link in SRC_PATH
    #[arg(short = 'L', long)]
    follow_link: bool,
    /// Suppress progress output during copy. Progress output is automatically suppressed if no terminal is attached
    #[arg(short, long)]
    quiet: bool,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { archive, follow_link, quiet, arguments } = flags;
    let (source, target) = exactly_two(context, arguments)?;
    if source.is_empty() {
        return Err(Fault::new("source can not be empty"));
    }
    if target.is_empty() {
        return Err(Fault::new("destination can not be empty"));
    }
    let quiet = quiet || !context.io.output_is_terminal();
    match (Side::parse(&source), Side::parse(&target)) {
        (Side::Container(container, path), Side::Local(target)) => {
            let copy = CopyOut { container, path, target, follow_link, keep_owners: archive, quiet };
            cp_out::run(context, copy).await
        }
        (Side::Local(source), Side::Container(container, path)) => {
            let copy = CopyIn { source, container, path, follow_link, keep_owners: archive, quiet };
            cp_in::run(context, copy).await
        }
        (Side::Container(..), Side::Container(..)) => {
            Err(Fault::new("copying between containers is not supported"))
        }
        (Side::Local(_), Side::Local(_)) => Err(Fault::new("must specify at least one container source")),
    }
}

/// One side of a copy.
#[derive(Debug, PartialEq, Eq)]
enum Side {
    Container(String, String),
    Local(String),
}

impl Side {
    /// `container:path`; a path that is absolute or begins with a dot is local whatever it holds.
    fn parse(text: &str) -> Side {
        let local = || Side::Local(text.to_owned());
        if text.starts_with('/') {
            return local();
        }
        match text.split_once(':') {
            Some((container, path)) if !container.is_empty() && !container.starts_with('.') => {
                Side::Container(container.to_owned(), path.to_owned())
            }
            _ => local(),
        }
    }
}

/// What the end of a path says: `/x/` must be a directory, `/x/.` is its content.
pub(super) fn names_directory(path: &str) -> bool {
    path.ends_with('/') || path.ends_with("/.") || path == "."
}

/// A path in a container is absolute whatever is written.
pub(super) fn absolute(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }
}

/// The last component of a path, and what stands before it.
pub(super) fn split(path: &str) -> (&str, &str) {
    let trimmed = path.trim_end_matches("/.").trim_end_matches('/');
    match trimmed.rsplit_once('/') {
        Some(("", name)) => ("/", name),
        Some((directory, name)) => (directory, name),
        None if path.starts_with('/') => ("/", trimmed),
        None => (".", trimmed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_are_told_apart_as_docker_does() {
        let container = |name: &str, path: &str| Side::Container(name.to_owned(), path.to_owned());
        assert_eq!(Side::parse("c:/a:b"), container("c", "/a:b"));
        assert_eq!(Side::parse("c:"), container("c", ""));
        for local in ["/c:x", "./c:x", "-", "x"] {
            assert_eq!(Side::parse(local), Side::Local(local.to_owned()));
        }
    }

    #[test]
    fn paths_end_in_names() {
        assert_eq!(split("/a/b/"), ("/a", "b"));
        assert_eq!(split("/a/."), ("/", "a"));
        assert_eq!(split("/"), ("/", ""));
        assert_eq!(split("a"), (".", "a"));
    }
}
