//! From the mounts that a service asks for to what the runtime mounts: binds, volumes, memory, and the volumes that
//! the image declares.
//!
//! A path that a task can change (a directory inside a volume) is resolved by the kernel with the volume as its root,
//! and handed on as an open directory, so that nobody can put a symlink in its place in between.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use skep_model::mount::{BindMount, Mount as Wish, MountKind, VolumeMount};
use skep_model::template::ContainerSpec;
use skep_runtime::{Mount, Nested, Propagation};

use super::{Engine, EngineError, PrepareFailure, VolumeHappened, What};
use crate::container::SpecError;
use crate::image::Image;
use crate::record::MountRecord;
use crate::volume::{self, NewVolume};

/// What is to be mounted, and what keeps it in place until that is done.
#[derive(Debug, Default)]
pub(super) struct Prepared {
    pub mounts: Vec<Mount>,
    /// Open directories that `mounts` name.
    pub held: Vec<OwnedFd>,
}

/// Returns what `inspect` shows of a container's mounts, and with it which volumes it has.
pub(super) fn records(spec: &ContainerSpec, image: &Image, container_id: &str) -> Vec<MountRecord> {
    let own = spec.mounts.iter().map(|wish| record(wish, container_id));
    let declared = declared(spec, image)
        .map(|target| volume_record(&NewVolume::anonymous(container_id, target), target));
    own.chain(declared).collect()
}

fn record(wish: &Wish, container_id: &str) -> MountRecord {
    let plain =
        MountRecord { target: wish.target.clone(), read_only: wish.read_only, ..MountRecord::default() };
    match &wish.kind {
        MountKind::Bind(bind) => MountRecord {
            kind: "bind".to_owned(),
            source: bind.source.clone(),
            propagation: if bind.propagation.is_empty() {
                "rprivate".to_owned()
            } else {
                bind.propagation.clone()
            },
            ..plain
        },
        MountKind::Volume(wanted) => {
            let read_only = wish.read_only;
            MountRecord {
                read_only,
                ..volume_record(&new_volume(wanted, &wish.target, container_id), &wish.target)
            }
        }
        MountKind::Tmpfs(_) => MountRecord { kind: "tmpfs".to_owned(), ..plain },
    }
}

fn volume_record(new: &NewVolume, target: &str) -> MountRecord {
    MountRecord {
        kind: "volume".to_owned(),
        volume: new.name.clone(),
        target: target.to_owned(),
        driver: volume::DRIVER.to_owned(),
        ..MountRecord::default()
    }
}

/// Returns the paths for which the image wants a volume and the service mounts nothing.
fn declared<'a>(spec: &'a ContainerSpec, image: &'a Image) -> impl Iterator<Item = &'a str> {
    let is_taken = |path: &str| {
        spec.mounts.iter().any(|wish| wish.target.trim_end_matches('/') == path.trim_end_matches('/'))
    };
    // A path like `/` or `/proc` makes no sense for a volume, and comes from a stranger.
    let is_plain = |path: &str| {
        let mut parts = Path::new(path).components();
        path.starts_with('/')
            && parts.all(|part| !matches!(part, std::path::Component::ParentDir))
            && !["", "/proc", "/sys", "/dev"].contains(&path.trim_end_matches('/'))
    };
    image.config.volumes.iter().map(String::as_str).filter(move |path| is_plain(path) && !is_taken(path))
}

fn new_volume(wish: &VolumeMount, target: &str, container_id: &str) -> NewVolume {
    let options = wish.options.clone().unwrap_or_default();
    let driver = options.driver.unwrap_or_default();
    if wish.source.is_empty() {
        let mut new = NewVolume::anonymous(container_id, target);
        new.labels.extend(options.labels);
        return NewVolume { driver: driver.name, options: driver.options, ..new };
    }
    NewVolume {
        name: wish.source.clone(),
        driver: driver.name,
        options: driver.options,
        labels: options.labels,
    }
}

impl Engine {
    /// Makes everything ready that the container mounts. Its volumes are held for it before they are touched.
    pub(super) async fn prepare_mounts(
        &self,
        spec: &ContainerSpec,
        image: &Image,
        container_id: &str,
    ) -> Result<Prepared, PrepareFailure> {
        let mut prepared = Prepared::default();
        for wish in &spec.mounts {
            let target = absolute_target(&wish.target)?;
            let mount = match &wish.kind {
                MountKind::Bind(bind) => bind_mount(bind, target, wish.read_only)?,
                MountKind::Tmpfs(tmpfs) => Mount::Tmpfs {
                    target,
                    size_bytes: u64::try_from(tmpfs.size_bytes).ok().filter(|bytes| *bytes > 0),
                    mode: tmpfs.mode,
                },
                MountKind::Volume(wanted) => {
                    self.volume_mount(wanted, wish, image, container_id, &mut prepared.held).await?
                }
            };
            prepared.mounts.push(mount);
        }
        for target in declared(spec, image) {
            let new = NewVolume::anonymous(container_id, target);
            let source = self.prepare_volume(new, Some((image, Path::new(target))), container_id).await?;
            prepared.mounts.push(plain_bind(source, target.into(), false));
        }
        Ok(prepared)
    }

    async fn volume_mount(
        &self,
        wanted: &VolumeMount,
        wish: &Wish,
        image: &Image,
        container_id: &str,
        held: &mut Vec<OwnedFd>,
    ) -> Result<Mount, PrepareFailure> {
        if Path::new(&wanted.source).is_absolute() {
            return Err(SpecError::AbsoluteVolume(wanted.source.clone()).into());
        }
        let options = wanted.options.clone().unwrap_or_default();
        let target = PathBuf::from(&wish.target);
        // Compat: with a subpath nothing is copied, because the image's directory is not that of the volume's root.
        let fills = !options.no_copy && options.subpath.is_empty();
        let fill = fills.then_some((image, target.as_path()));
        let new = new_volume(wanted, &wish.target, container_id);
        let mut source = self.prepare_volume(new, fill, container_id).await?;
        if !options.subpath.is_empty() {
            let directory = inside(&source, &options.subpath).map_err(|error| SpecError::Subpath {
                path: options.subpath.clone(),
                reason: error.to_string(),
            })?;
            // The container is made by another process, which follows this to the very directory.
            source = PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), directory.as_raw_fd()));
            held.push(directory);
        }
        Ok(plain_bind(source, target, wish.read_only))
    }

    async fn prepare_volume(
        &self,
        new: NewVolume,
        fill: Option<(&Image, &Path)>,
        container_id: &str,
    ) -> Result<PathBuf, PrepareFailure> {
        self.volumes.hold(&new.name, container_id);
        let name = new.name.clone();
        let ready = self.volumes.prepare(new, fill).await.map_err(|error| PrepareFailure::fatal(&error))?;
        if ready.is_new {
            self.tell_of(What::Volume(VolumeHappened::Created, name));
        }
        Ok(ready.data)
    }

    /// Takes a container's volumes away from it; the anonymous ones go.
    pub(super) async fn release_volumes(&self, container_id: &str) -> Result<(), EngineError> {
        let (gone, result) = self.volumes.release(container_id).await;
        gone.into_iter().for_each(|name| self.tell_of(What::Volume(VolumeHappened::Destroyed, name)));
        Ok(result?)
    }
}

fn absolute_target(target: &str) -> Result<PathBuf, SpecError> {
    match Path::new(target).is_absolute() {
        true => Ok(target.into()),
        false => Err(SpecError::RelativeTarget(target.to_owned())),
    }
}

fn bind_mount(bind: &BindMount, target: PathBuf, read_only: bool) -> Result<Mount, SpecError> {
    let source = PathBuf::from(&bind.source);
    if !source.is_absolute() {
        return Err(SpecError::RelativeSource(bind.source.clone()));
    }
    let propagation = match bind.propagation.as_str() {
        "" | "rprivate" | "private" => Propagation::Private,
        "rslave" | "slave" => Propagation::Slave,
        other => return Err(SpecError::Propagation(other.to_owned())),
    };
    let nested = match (bind.non_recursive, bind.read_only_non_recursive) {
        (true, _) => Nested::Excluded,
        (false, true) => Nested::Writable,
        (false, false) => Nested::Included,
    };
    Ok(Mount::Bind { source, target, read_only, propagation, nested })
}

fn plain_bind(source: PathBuf, target: PathBuf, read_only: bool) -> Mount {
    Mount::Bind { source, target, read_only, propagation: Propagation::Private, nested: Nested::Included }
}

/// Opens a file or directory below `root`, which no symlink leads out of.
fn inside(root: &Path, path: &str) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let root = rustix::fs::open(root, flags | OFlags::DIRECTORY, Mode::empty())?;
    let relative = path.trim_start_matches('/');
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    rustix::fs::openat2(root, relative, flags, Mode::empty(), resolve)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_subpath_never_leaves_its_volume() {
        let dir = tempfile::tempdir().expect("a directory");
        let root = dir.path().join("volume");
        std::fs::create_dir_all(root.join("a/b")).expect("a volume");
        symlink("/etc", root.join("out")).expect("a link");
        symlink("../../..", root.join("a/up")).expect("a link");
        symlink("b", root.join("a/in")).expect("a link");
        for (path, is_inside) in [
            ("a/b", true),
            ("/a/in", true),
            ("out", false),
            ("a/up", false),
            ("../volume", false),
            ("none", false),
        ] {
            assert_eq!(inside(&root, path).is_ok(), is_inside, "{path}");
        }
        // What is opened stays the same directory whatever is put in its place.
        let held = inside(&root, "a").expect("a directory");
        std::fs::rename(root.join("a"), root.join("old")).expect("moved");
        symlink("/etc", root.join("a")).expect("a link");
        assert!(std::fs::exists(format!("/proc/self/fd/{}/b", held.as_raw_fd())).expect("looked"));
    }

    #[test]
    fn binds_keep_what_was_asked_of_them() {
        let bind = BindMount { source: "/srv".into(), ..BindMount::default() };
        let made = |bind: BindMount| bind_mount(&bind, "/t".into(), true);
        let nested = |bind| match made(bind) {
            Ok(Mount::Bind { nested, propagation, .. }) => (nested, propagation),
            other => panic!("{other:?}"),
        };
        assert_eq!(nested(bind.clone()), (Nested::Included, Propagation::Private));
        let other = BindMount { non_recursive: true, propagation: "rslave".into(), ..bind.clone() };
        assert_eq!(nested(other), (Nested::Excluded, Propagation::Slave));
        assert_eq!(nested(BindMount { read_only_non_recursive: true, ..bind.clone() }).0, Nested::Writable);
        let shared = BindMount { propagation: "rshared".into(), ..bind };
        assert_eq!(made(shared), Err(SpecError::Propagation("rshared".into())));
        let relative =
            made(BindMount { source: "srv".into(), ..BindMount::default() }).expect_err("relative");
        assert_eq!(relative.to_string(), "invalid bind mount source, must be an absolute path: srv");
    }
}
