//! An overlay mount that nobody can see.
//!
//! Decides how parents are stacked while a layer is applied. The mount is never attached to a directory: only the
//! returned file descriptor holds it, so it appears in no mount table and ends with the process, even with
//! `kill -9`. Layers are handed over one by one (`lowerdir+`, Linux 6.5), since `mount(2)` takes one page of options
//! and that is too little for a hundred of them.

use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string,
    fsmount, fsopen,
};

use super::UnpackError;

/// Messages of the kernel that are read to explain a failure.
const LOG_MESSAGES_MAX: usize = 16;

/// Mounts `lowers` (topmost first) below `upper` and returns the root of the view.
pub(super) fn mount(lowers: &[PathBuf], upper: &Path, work: &Path) -> Result<OwnedFd, UnpackError> {
    let failed = |source: io::Error, log| UnpackError::Overlay { lowers: lowers.len(), log, source };
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)
        .map_err(|errno| failed(errno.into(), String::new()))?;
    configure(&context, lowers, upper, work)
        .and_then(|()| {
            let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
                | MountAttrFlags::MOUNT_ATTR_NODEV
                | MountAttrFlags::MOUNT_ATTR_NOEXEC;
            fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
        })
        .map_err(|errno| failed(errno.into(), explanation(context)))
}

fn configure(context: impl AsFd, lowers: &[PathBuf], upper: &Path, work: &Path) -> Result<(), Errno> {
    let context = context.as_fd();
    for lower in lowers {
        fsconfig_set_string(context, "lowerdir+", lower)?;
    }
    fsconfig_set_string(context, "upperdir", upper)?;
    fsconfig_set_string(context, "workdir", work)?;
    // A layer must stand alone on any node: no references to its parents' inodes, no files without their data.
    for option in ["index", "metacopy"] {
        fsconfig_set_string(context, option, "off")?;
    }
    fsconfig_set_string(context, "redirect_dir", "nofollow")?;
    // We sync once ourselves when the layer is complete; until then nothing of it matters.
    fsconfig_set_flag(context, "volatile")?;
    fsconfig_create(context)
}

/// Reads what the kernel says about the failure, `: overlay: …`.
fn explanation(context: OwnedFd) -> String {
    let mut context = std::fs::File::from(context);
    let mut text = String::new();
    let mut message = [0u8; 1024];
    for _ in 0..LOG_MESSAGES_MAX {
        // ENODATA is the end of the log; any other error only costs the explanation.
        let Ok(len) = context.read(&mut message) else { break };
        text.push_str(": ");
        text.push_str(String::from_utf8_lossy(&message[..len]).trim_end().trim_start_matches("e "));
    }
    text
}
