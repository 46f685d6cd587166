//! An unpacked image as a container sees it.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen,
};
use skep_agent::image::Image;

/// The stacked layers of an image, on a mount that ends with this value.
pub struct View {
    root: PathBuf,
    _mount: Option<OwnedFd>,
}

impl View {
    pub fn of(image: &Image) -> Self {
        if let [only] = image.layers.as_slice() {
            return Self { root: only.clone(), _mount: None };
        }
        let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).unwrap();
        for layer in &image.layers {
            fsconfig_set_string(&context, "lowerdir+", layer).unwrap();
        }
        fsconfig_create(&context).unwrap();
        let mount = fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty()).unwrap();
        let root = PathBuf::from(format!("/proc/self/fd/{}/.", mount.as_raw_fd()));
        Self { root, _mount: Some(mount) }
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub fn stat(&self, path: &str) -> std::fs::Metadata {
        self.path(path).symlink_metadata().unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub fn names(&self, path: &str) -> Vec<String> {
        names(&self.path(path))
    }
}

fn names(path: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(path).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
