//! Files out of a container. The archive is unpacked here, and nothing in it gets out of the directory it goes to.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use bytes::Bytes;
use skep_api::client::{Client, Download, PathStat};
use skep_archive::{Archive, Entry, Kind};
use tokio::sync::mpsc;

use super::cp::{absolute, names_directory, split};
use super::extract;
use crate::context::Context;
use crate::fault::Fault;
use crate::format::decimal_bytes;

/// Chunks that may wait between the connection and whoever unpacks them.
const CHUNKS_MAX: usize = 8;

/// How many links of a container are followed.
const LINKS_MAX: usize = 40;

/// A copy from a container to this machine.
#[derive(Debug)]
pub(super) struct CopyOut {
    pub container: String,
    pub path: String,
    /// `-` writes the archive.
    pub target: String,
    pub follow_link: bool,
    pub keep_owners: bool,
    pub quiet: bool,
}

pub(super) async fn run(context: &mut Context, copy: CopyOut) -> Result<(), Fault> {
    let client = context.client().await?;
    // Of nothing no path is made, which would be that of everything: the daemon refuses it.
    let mut source = if copy.path.is_empty() { String::new() } else { absolute(&copy.path) };
    if copy.follow_link {
        source = follow(&client, &copy.container, source).await?;
    }
    if copy.target == "-" && context.io.output_is_terminal() {
        return Err(Fault::new("refusing to copy an archive to a terminal")
            .hint("redirect the output to a file or a pipe"));
    }
    let (stat, mut archive) = client.download_path(&copy.container, &source).await?;
    if copy.target == "-" {
        while let Some(chunk) = archive.next().await? {
            context.io.out.write_all(&chunk)?;
        }
        return Ok(context.io.out.flush()?);
    }
    let place = Place::choose(&copy.target, &source, &stat)?;
    let bytes = unpack(archive, place, copy.keep_owners).await?;
    if !copy.quiet {
        let size = decimal_bytes(bytes as i64, 3);
        context.io.warn(format_args!("Successfully copied {size} to {}", copy.target))?;
    }
    Ok(())
}

/// Follows symbolic links inside the container.
async fn follow(client: &Client, container: &str, mut path: String) -> Result<String, Fault> {
    for _ in 0..LINKS_MAX {
        let stat = client.stat_path(container, &path).await?;
        if !stat.is_link() {
            return Ok(path);
        }
        path = match stat.link_target.starts_with('/') {
            true => stat.link_target,
            false => format!("{}/{}", split(&path).0, stat.link_target),
        };
    }
    Err(Fault::new(format!("{path}: more than {LINKS_MAX} symbolic links follow each other")))
}

/// Where an archive goes: the directory, and the name that its first component gets.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    directory: PathBuf,
    /// `None` keeps the names; an empty one leaves the first component out.
    rename: Option<String>,
}

impl Place {
    /// Docker's rules: into a directory that exists, under the name of the source; else under the name of the target,
    /// whose parent has to exist.
    fn choose(target: &str, source: &str, stat: &PathStat) -> Result<Place, Fault> {
        let content_only = source.ends_with("/.");
        let path = Path::new(target);
        match std::fs::metadata(path) {
            Ok(found) if found.is_dir() => {
                let rename = (content_only && stat.is_directory()).then(String::new);
                Ok(Place { directory: path.to_owned(), rename })
            }
            Ok(_) if stat.is_directory() => {
                Err(Fault::new("cannot copy directory").hint(format!("{target} is a file")))
            }
            Ok(_) if names_directory(target) => Err(Fault::new("not a directory")),
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Fault::new(format!("cannot look at {target}: {error}")))
            }
            found => {
                let (parent, name) = split(target);
                if !Path::new(parent).is_dir() {
                    let shown = std::path::absolute(parent).unwrap_or_else(|_| parent.into());
                    return Err(Fault::new(format!(
                        "invalid output path: directory \"{}\" does not exist",
                        shown.display()
                    )));
                }
                if found.is_err() && names_directory(target) && !stat.is_directory() {
                    return Err(Fault::new("no such directory"));
                }
                Ok(Place { directory: parent.into(), rename: Some(name.to_owned()) })
            }
        }
    }

    /// Where an entry goes; `None` for the directory itself.
    fn of(&self, entry: &Path) -> Result<Option<PathBuf>, Fault> {
        let mut parts = Vec::new();
        for part in entry.components() {
            match part {
                Component::Normal(name) => parts.push(name.to_owned()),
                // The archive of what is in a directory has no name before the first slash.
                Component::CurDir if self.rename.is_some() && parts.is_empty() => parts.push(".".into()),
                Component::CurDir | Component::RootDir => {}
                Component::ParentDir | Component::Prefix(_) => {
                    return Err(Fault::new(format!("the archive leaves its directory: {}", entry.display())));
                }
            }
        }
        match (&self.rename, parts.first_mut()) {
            (Some(name), Some(first)) if !name.is_empty() => *first = name.into(),
            (Some(_), Some(_)) => drop(parts.remove(0)),
            _ => {}
        }
        Ok((!parts.is_empty()).then(|| parts.iter().collect()))
    }
}

/// Unpacks on a thread of its own, which reads what this task receives; returns the bytes of the archive.
async fn unpack(mut archive: Download, place: Place, keep_owners: bool) -> Result<u64, Fault> {
    let (sender, chunks) = mpsc::channel::<Bytes>(CHUNKS_MAX);
    let worker = tokio::task::spawn_blocking(move || {
        let mut reader = Chunks { chunks, rest: Bytes::new(), count: 0 };
        write_entries(&mut reader, &place, keep_owners)?;
        // What follows the end of an archive is padding.
        let drained = io::copy(&mut reader, &mut io::sink());
        drained.map_err(|error| Fault::new(format!("cannot read the archive: {error}")))?;
        Ok(reader.count)
    });
    let mut failure = None;
    loop {
        match archive.next().await {
            // A worker that gave up says why below.
            Ok(Some(chunk)) => {
                if sender.send(chunk).await.is_err() {
                    break;
                }
            }
            Ok(None) => break,
            Err(error) => {
                failure = Some(Fault::from(error));
                break;
            }
        }
    }
    drop(sender);
    let written = worker.await.expect("unpacking does not panic");
    failure.map_or(written, Err)
}

fn write_entries(reader: &mut Chunks, place: &Place, keep_owners: bool) -> Result<(), Fault> {
    let root = place.directory.canonicalize().map_err(|error| unwritten(&place.directory, error))?;
    let mut directories = BTreeMap::new();
    let mut written = write_each(reader, place, &root, keep_owners, &mut directories);
    // The deepest ones first: the mode of a directory may forbid to go below it. Also where something failed, since until then
    // they are their owner's only.
    for (path, finish) in directories.into_iter().rev() {
        let finished = extract::finish(&root.join(&path), finish);
        written = written.and(finished.map_err(|error| unwritten(&place.directory.join(path), error)));
    }
    written
}

fn unwritten(path: &Path, error: io::Error) -> Fault {
    Fault::new(format!("cannot write {}: {error}", path.display()))
}

/// Writes all entries, and notes what is to be done for directories in the end, by their path below the root.
fn write_each(
    reader: &mut Chunks,
    place: &Place,
    root: &Path,
    keep_owners: bool,
    directories: &mut BTreeMap<PathBuf, extract::Finish>,
) -> Result<(), Fault> {
    let broken = |error: io::Error| Fault::new(format!("cannot read the archive: {error}"));
    let mut archive = Archive::new(reader);
    while let Some(entry) = archive.next_entry().map_err(broken)? {
        let Some(relative) = place.of(&extract::path(&entry.header.name))? else { continue };
        let shown = place.directory.join(&relative);
        let finish = write_entry(entry, place, root, &relative, keep_owners)
            .map_err(|error| unwritten(&shown, error))?;
        directories.extend(finish);
    }
    Ok(())
}

/// Writes one entry. Returns the path of a directory below the root, which no link is part of, with what is to be done in the end.
fn write_entry<R: Read>(
    mut entry: Entry<'_, R>,
    place: &Place,
    root: &Path,
    relative: &Path,
    keep_owners: bool,
) -> io::Result<Option<(PathBuf, extract::Finish)>> {
    let name = relative.file_name().ok_or_else(|| io::Error::other("it has no name"))?;
    let target = parent(root, relative.parent().unwrap_or(Path::new("")))?.join(name);
    if entry.header.kind == Kind::HardLink {
        let link = entry.header.link_name.as_deref();
        let link = link.ok_or_else(|| io::Error::other("a link without a target"))?;
        let source = place.of(&extract::path(link)).map_err(|fault| io::Error::other(fault.text))?;
        let source = root.join(source.unwrap_or_default()).canonicalize()?;
        if !source.starts_with(root) {
            return Err(io::Error::other("a hard link leads out of the directory"));
        }
        extract::replace(&target)?;
        std::fs::hard_link(source, &target)?;
        return Ok(None);
    }
    let finish = extract::make(&entry.header, &mut entry.content, &target, keep_owners)?;
    let path = target.strip_prefix(root).expect("it is below the root").to_owned();
    Ok(finish.map(|finish| (path, finish)))
}

/// Returns the directory that an entry goes into, and makes what the archive left out of the way there. Links are followed as
/// long as they stay below the root, which has no link in it.
fn parent(root: &Path, relative: &Path) -> io::Result<PathBuf> {
    let mut directory = root.to_owned();
    for part in relative.components() {
        let next = directory.join(part);
        directory = match extract::look(&next)? {
            Some(found) if found.is_symlink() => next.canonicalize()?,
            Some(_) => next,
            None => {
                std::fs::create_dir(&next)?;
                next
            }
        };
        if !directory.starts_with(root) {
            return Err(io::Error::other("a link in its path leads out of the directory"));
        }
    }
    Ok(directory)
}

/// Chunks of a channel as a reader.
struct Chunks {
    chunks: mpsc::Receiver<Bytes>,
    rest: Bytes,
    count: u64,
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.chunks.blocking_recv() {
                Some(chunk) => self.rest = chunk,
                None => return Ok(0),
            }
        }
        let length = self.rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&self.rest.split_to(length));
        self.count += length as u64;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Unpacks an archive into a directory of its own.
    fn unpacked(build: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> (tempfile::TempDir, Result<(), Fault>) {
        let outer = tempfile::tempdir().expect("a directory");
        for name in ["in", "out"] {
            std::fs::create_dir(outer.path().join(name)).expect("a directory");
        }
        let mut builder = tar::Builder::new(Vec::new());
        build(&mut builder);
        let bytes = builder.into_inner().expect("an archive");
        let (_, chunks) = mpsc::channel(1);
        let mut reader = Chunks { chunks, rest: bytes.into(), count: 0 };
        let place = Place { directory: outer.path().join("in"), rename: None };
        let written = write_entries(&mut reader, &place, false);
        (outer, written)
    }

    fn add(builder: &mut tar::Builder<Vec<u8>>, name: &str, kind: tar::EntryType, mode: u32) {
        let mut header = tar::Header::new_ustar();
        header.set_path(name).expect("a short name");
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_mtime(1_000);
        header.set_size(0);
        if matches!(kind, tar::EntryType::Symlink | tar::EntryType::Link) {
            header.set_link_name("../out").expect("a short name");
        }
        header.set_cksum();
        builder.append(&header, io::empty()).expect("it fits");
    }

    fn mode_and_time(path: &Path) -> (u32, i64) {
        use std::os::unix::fs::MetadataExt as _;
        let found = std::fs::symlink_metadata(path).expect("it is there");
        (found.mode() & 0o7777, found.mtime())
    }

    #[test]
    fn links_lead_nowhere() {
        use tar::EntryType::{Directory, Link, Regular, Symlink};
        // A directory takes the place of a link, and what the link leads to stays as it was.
        let (outer, written) = unpacked(|builder| {
            add(builder, "x", Symlink, 0o777);
            add(builder, "x/", Directory, 0o777);
            add(builder, "x/file", Regular, 0o644);
        });
        written.expect("it is unpacked");
        let (mode, time) = mode_and_time(&outer.path().join("out"));
        assert!(mode != 0o777 && time != 1_000);
        assert_eq!(mode_and_time(&outer.path().join("in/x")), (0o777, 1_000));
        assert_eq!(mode_and_time(&outer.path().join("in/x/file")), (0o644, 1_000));
        assert_eq!(std::fs::read_dir(outer.path().join("out")).expect("readable").count(), 0);
        // A path through a link that leads out is refused before anything is made there.
        for kind in [Regular, Directory, Symlink] {
            let (outer, written) = unpacked(|builder| {
                add(builder, "x", Symlink, 0o777);
                add(builder, "x/made/by/us", kind, 0o777);
            });
            let fault = written.expect_err("it is refused");
            assert!(fault.text.contains("leads out of the directory"), "{}", fault.text);
            assert_eq!(std::fs::read_dir(outer.path().join("out")).expect("readable").count(), 0);
        }
        let (_, written) = unpacked(|builder| add(builder, "x", Link, 0o644));
        assert!(written.expect_err("it is refused").text.contains("leaves its directory"));
    }

    #[test]
    fn directories_have_the_last_mode_they_were_given() {
        use tar::EntryType::{Directory, Regular};
        let (outer, written) = unpacked(|builder| {
            add(builder, "d/below/", Directory, 0o711);
            add(builder, "d/", Directory, 0o700);
            add(builder, "d/file", Regular, 0o600);
            add(builder, "d/", Directory, 0o555);
        });
        written.expect("it is unpacked");
        let of = |name: &str| mode_and_time(&outer.path().join("in").join(name));
        assert_eq!((of("d"), of("d/below"), of("d/file")), ((0o555, 1_000), (0o711, 1_000), (0o600, 1_000)));
    }

    #[test]
    fn nothing_leaves_its_directory() {
        let place = Place { directory: "/t".into(), rename: Some("new".to_owned()) };
        assert_eq!(place.of(Path::new("old/a/b")).expect("inside"), Some("new/a/b".into()));
        assert!(place.of(Path::new("old/../../etc")).is_err());
        let content = Place { directory: "/t".into(), rename: Some(String::new()) };
        assert_eq!(content.of(Path::new("old/")).expect("inside"), None);
        assert_eq!(content.of(Path::new("old/a")).expect("inside"), Some("a".into()));
        // What is in a directory comes below a dot.
        for (dotted, there) in [("./", None), ("./a", Some("a".into())), ("./sub/a", Some("sub/a".into()))] {
            assert_eq!(content.of(Path::new(dotted)).expect("inside"), there);
        }
        assert_eq!(place.of(Path::new("./sub/a")).expect("inside"), Some("new/sub/a".into()));
    }
}
