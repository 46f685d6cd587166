//! Places in the root that must be there before anything is mounted on them, or a program is started in them.
//!
//! Whatever is missing is made when the OCI runtime mounts. It does not follow a link that leads nowhere, though, as
//! dockerd and runc do, who make what the link leads to; so that is made here. Every path is resolved with the container's
//! root as its root.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path};

use pathrs::error::{Error as PathError, ErrorKind as PathErrorKind};
use pathrs::flags::OpenFlags;
use pathrs::{InodeType, Root};
use thiserror::Error;

use crate::container::{Container, Mount};

/// Links that lead to places which must be made first; the kernel's own bound for following.
const DANGLING_MAX: usize = 40;

/// A place that cannot be made.
#[derive(Debug, Error)]
#[error("cannot make {path} in the container")]
pub(super) struct TargetError {
    path: String,
    #[source]
    source: io::Error,
}

/// What a path is to lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Directory,
    File,
}

/// Prepares the targets of all mounts.
pub(super) fn prepare(root: &Root, container: &Container) -> Result<(), TargetError> {
    // Compat: as dockerd does for these three. Images have such an `/etc/resolv.conf`, and its target is another's.
    for target in ["/etc/resolv.conf", "/etc/hosts", "/etc/hostname"].map(Path::new) {
        if root.resolve(target).is_err() && root.readlink(target).is_ok() {
            root.remove_file(target).map_err(|error| failed(target, error))?;
        }
    }
    // In the order in which they are mounted.
    let mut mounts: Vec<&Mount> = container.mounts.iter().collect();
    mounts.sort_by_key(|mount| mount.target().components().count());
    for mount in mounts {
        let kind = match mount {
            Mount::Bind { source, .. } if !source.is_dir() => Kind::File,
            Mount::Bind { .. } | Mount::Tmpfs { .. } => Kind::Directory,
        };
        reach(root, mount.target(), kind)?;
    }
    Ok(())
}

/// Makes `path` if a link on its way leads nowhere, and what that link leads to. Without such a link, nothing.
fn reach(root: &Root, path: &Path, kind: Kind) -> Result<(), TargetError> {
    let dangles = path.ancestors().any(|place| root.resolve(place).is_err() && root.readlink(place).is_ok());
    if dangles { make(root, path, kind) } else { Ok(()) }
}

/// Makes `path` and what leads to it, also where a link leads to what does not exist yet. What is there stays.
pub(super) fn make(root: &Root, path: &Path, kind: Kind) -> Result<(), TargetError> {
    follow(root, path, kind, 0).map_err(|source| TargetError { path: path.display().to_string(), source })
}

fn follow(root: &Root, path: &Path, kind: Kind, links: usize) -> io::Result<()> {
    if links > DANGLING_MAX {
        return Err(io::Error::from_raw_os_error(libc::ELOOP));
    }
    let count = path.components().count();
    let mut reached = Path::new("/").to_owned();
    for (index, component) in path.components().enumerate() {
        let Component::Normal(name) = component else {
            // `..` is resolved by the kernel, with the path so far.
            reached.push(component);
            continue;
        };
        let above = reached.clone();
        reached.push(name);
        let kind = if index + 1 == count { kind } else { Kind::Directory };
        match root.resolve(&reached) {
            Ok(_) => {}
            Err(error) if error.kind() == PathErrorKind::OsError(Some(libc::ENOENT)) => {
                match root.readlink(&reached) {
                    Ok(target) => follow(root, &above.join(target), kind, links + 1)?,
                    Err(_) => make_one(root, &reached, kind).map_err(io_error)?,
                }
            }
            Err(error) => return Err(io_error(error)),
        }
    }
    Ok(())
}

fn make_one(root: &Root, path: &Path, kind: Kind) -> Result<(), PathError> {
    match kind {
        Kind::Directory => root.create(path, &InodeType::Directory(Permissions::from_mode(0o755))),
        Kind::File => {
            let flags = OpenFlags::O_CREAT | OpenFlags::O_EXCL | OpenFlags::O_NOFOLLOW | OpenFlags::O_CLOEXEC;
            root.create_file(path, flags, &Permissions::from_mode(0o644)).map(drop)
        }
    }
}

fn failed(path: &Path, error: PathError) -> TargetError {
    TargetError { path: path.display().to_string(), source: io_error(error) }
}

fn io_error(error: PathError) -> io::Error {
    match error.kind() {
        PathErrorKind::OsError(Some(number)) => io::Error::from_raw_os_error(number),
        _ => io::Error::other(error),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    struct World(tempfile::TempDir);

    impl World {
        /// A root with these links, a space between name and target.
        fn new(links: &[&str]) -> World {
            let world = World(tempfile::tempdir().expect("a directory"));
            fs::create_dir_all(world.path("root/etc")).expect("a directory");
            for link in links {
                let (name, target) = link.split_once(' ').expect("a name and a target");
                symlink(target, world.path("root").join(name)).expect("a link");
            }
            world
        }

        fn path(&self, name: &str) -> std::path::PathBuf {
            self.0.path().join(name)
        }

        fn reach(&self, path: &str, kind: Kind) -> Result<(), TargetError> {
            let root = Root::open(self.path("root")).expect("a root");
            reach(&root, Path::new(path), kind)
        }

        /// What there is below the root, without links.
        fn made(&self) -> Vec<String> {
            fn list(directory: &Path, above: &str, names: &mut Vec<String>) {
                for entry in fs::read_dir(directory).expect("a directory").flatten() {
                    let path = format!("{above}/{}", entry.file_name().display());
                    let kind = entry.file_type().expect("a kind");
                    if kind.is_dir() {
                        list(&entry.path(), &path, names);
                    }
                    if !kind.is_symlink() {
                        names.push(if kind.is_dir() { format!("{path}/") } else { path });
                    }
                }
            }
            let mut names = Vec::new();
            list(&self.path("root"), "", &mut names);
            names.retain(|name| name != "/etc/");
            names.sort();
            names
        }
    }

    #[test]
    fn what_a_link_leads_to_is_made_and_the_link_stays() {
        for (links, path, kind, made) in [
            (
                &["data /var/missing"][..],
                "/data/x",
                Kind::Directory,
                &["/var/", "/var/missing/", "/var/missing/x/"][..],
            ),
            (&["data var/missing"], "/data", Kind::Directory, &["/var/", "/var/missing/"]),
            (&["data /var/missing"], "/data", Kind::File, &["/var/", "/var/missing"]),
            (&["data /var/missing"], "/data/x", Kind::File, &["/var/", "/var/missing/", "/var/missing/x"]),
            (&["a b/x", "b /c", "c d"], "/a/y", Kind::Directory, &["/d/", "/d/x/", "/d/x/y/"]),
            (&["etc/up ../../../../up"], "/etc/up/x", Kind::Directory, &["/up/", "/up/x/"]),
            (&["data /etc/../missing"], "/data", Kind::Directory, &["/missing/"]),
        ] {
            let world = World::new(links);
            world.reach(path, kind).expect("made");
            assert_eq!(world.made(), made, "{links:?} {path}");
            // Again, with everything there.
            world.reach(path, kind).expect("it is there");
            assert_eq!(world.made(), made, "{links:?} {path}");
            let name = links[0].split(' ').next().expect("a name");
            assert!(world.path("root").join(name).is_symlink());
        }
    }

    #[test]
    fn without_a_dangling_link_nothing_is_made() {
        let world = World::new(&["there etc"]);
        for path in ["/", "/a", "/a/b", "/etc/a", "/there/a", "/there"] {
            world.reach(path, Kind::Directory).expect("nothing to do");
        }
        assert_eq!(world.made(), [""; 0]);
    }

    #[test]
    fn no_link_leads_out() {
        let world = World::new(&[]);
        let outside = world.path("outside");
        for (name, target) in
            [("a", outside.clone()), ("b", "../outside".into()), ("c", "../../../../x".into())]
        {
            symlink(target, world.path("root").join(name)).expect("a link");
            world.reach(&format!("/{name}/y"), Kind::Directory).expect("made");
        }
        assert!(!outside.exists() && !world.path("x").exists());
        assert!(world.path("root/outside/y").is_dir() && world.path("root/x/y").is_dir());
        assert!(world.path("root").join(outside.strip_prefix("/").expect("absolute")).join("y").is_dir());
    }

    #[test]
    fn links_that_lead_to_each_other_are_an_error() {
        let world = World::new(&["a b", "b a", "file etc/passwd/x"]);
        let error = world.reach("/a/x", Kind::Directory).expect_err("a circle");
        assert_eq!(error.source.raw_os_error(), Some(libc::ELOOP));
        fs::write(world.path("root/etc/passwd"), "").expect("written");
        let error = world.reach("/file", Kind::Directory).expect_err("a file is no directory");
        assert_eq!(error.source.raw_os_error(), Some(libc::ENOTDIR));
    }

    #[test]
    fn a_link_that_grows_ends() {
        let world = World::new(&["a a/x"]);
        assert!(world.reach("/a", Kind::Directory).is_err());
    }
}
