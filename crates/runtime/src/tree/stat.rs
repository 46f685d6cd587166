//! Looking at one path of a container.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, FileType, Stat, fstat, readlinkat, statat};

use super::{Target, Tree, TreeError, clean};

/// Links on the way to what a link finally means, as in the kernel.
const LINK_COUNT_MAX: usize = 40;

/// A path in a container, for `docker cp`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathStat {
    /// Last component.
    pub name: String,
    /// In bytes.
    pub size: u64,
    /// As Go's `os.FileMode` numbers it.
    pub mode: u32,
    /// When its content changed last.
    pub modified_at: SystemTime,
    /// What a link means, as an absolute path in the container; empty for anything else.
    pub link_target: String,
}

impl Tree {
    /// Looks at a path. A link at its end is followed only if the path ends with a slash. Blocks.
    pub fn stat(&self, path: &str) -> Result<PathStat, TreeError> {
        let target = Target::parse(path);
        let stat = self.look(&target)?;
        let is_link = FileType::from_raw_mode(stat.st_mode) == FileType::Symlink;
        Ok(PathStat {
            name: target.name().map_or("/".into(), |name| name.to_string_lossy().into_owned()),
            size: u64::try_from(stat.st_size).unwrap_or_default(),
            mode: go_mode(stat.st_mode),
            modified_at: instant(stat.st_mtime, stat.st_mtime_nsec),
            link_target: if is_link {
                self.follow(&target.clean)?.display().to_string()
            } else {
                String::new()
            },
        })
    }

    pub(super) fn look(&self, target: &Target) -> Result<Stat, TreeError> {
        let failed = |error: rustix::io::Errno| self.error(&target.clean, error.into());
        match target.name() {
            Some(name) if !target.is_directory => {
                let parent = self.directory(target.parent())?;
                statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)
            }
            _ => fstat(self.directory(&target.clean)?).map_err(failed),
        }
    }

    /// Returns what the last component of a path means in the end; its parents stay as they are.
    fn follow(&self, path: &Path) -> Result<PathBuf, TreeError> {
        let mut path = path.to_owned();
        for _ in 0..LINK_COUNT_MAX {
            let target = Target { clean: path.clone(), is_directory: false };
            let Some(name) = target.name() else { return Ok(path) };
            let parent = match self.directory(target.parent()) {
                Ok(parent) => parent,
                // It leads nowhere, which is still an answer.
                Err(TreeError::NotFound { .. }) => return Ok(path),
                Err(error) => return Err(error),
            };
            let Ok(link) = readlinkat(&parent, name, Vec::new()) else { return Ok(path) };
            path = clean(&target.parent().join(Path::new(&*link.to_string_lossy())));
        }
        Ok(path)
    }
}

/// Returns an instant of a file as the clock's.
pub(super) fn instant(seconds: i64, nanos: u64) -> SystemTime {
    let nanos = Duration::from_nanos(nanos);
    match u64::try_from(seconds) {
        Ok(seconds) => SystemTime::UNIX_EPOCH + Duration::from_secs(seconds) + nanos,
        Err(_) => SystemTime::UNIX_EPOCH - Duration::from_secs(seconds.unsigned_abs()) + nanos,
    }
}

/// Translates a mode into Go's numbering, which docker's clients print and compare.
fn go_mode(mode: u32) -> u32 {
    let kind = match FileType::from_raw_mode(mode) {
        FileType::Directory => 1 << 31,
        FileType::Symlink => 1 << 27,
        FileType::BlockDevice => 1 << 26,
        FileType::CharacterDevice => 1 << 26 | 1 << 21,
        FileType::Fifo => 1 << 25,
        FileType::Socket => 1 << 24,
        _ => 0,
    };
    let special = [(0o4000, 1 << 23), (0o2000, 1 << 22), (0o1000, 1 << 20)];
    let special = special.iter().filter(|(bit, _)| mode & bit != 0).fold(0, |all, (_, go)| all | go);
    kind | special | mode & 0o777
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_gos() {
        assert_eq!(go_mode(0o100_644), 0o644);
        assert_eq!(go_mode(0o040_755), 0x8000_01ed);
        assert_eq!(go_mode(0o041_777), 0x8010_01ff);
        assert_eq!(go_mode(0o104_755), 0x0080_01ed);
        assert_eq!(go_mode(0o120_777), 0x0800_01ff);
        assert_eq!(go_mode(0o020_666), 0x0420_01b6);
    }
}
