//! How the machine stands: room on the disk of the data directory, open files, the clock.

use std::path::Path;

use rustix::fs::{StatFs, statfs};
use rustix::process::{Resource, getrlimit};
use skep_api::wire::{Condition, Finding};

/// What an overlay calls itself; nothing can be stacked on one again.
const OVERLAY_MAGIC: i64 = 0x794c_7630;
/// Room under which a node gets into trouble with its next image.
const BYTES_WANTED: u64 = 1 << 30;
/// Room under which not even the log can be written for long.
const BYTES_NEEDED: u64 = 16 << 20;
/// Files of one more image with a few hundred thousand are too many below this.
const INODES_WANTED: u64 = 100_000;
/// Some for the log, the bundles and the sockets.
const INODES_NEEDED: u64 = 100;
/// Files that a daemon of a few hundred containers has open at a time.
const FILES_WANTED: u64 = 8192;
/// An instant before the first release: 2026-01-01.
const BEGINNING: jiff::Timestamp = jiff::Timestamp::constant(1_767_225_600, 0);

/// Looks at the machine.
pub fn look(data_root: &Path) -> Vec<Finding> {
    let mut findings = match place(data_root) {
        Ok((shown, disk)) => disk_findings(&shown, &disk),
        Err(error) => vec![Finding::bad(
            "data directory",
            Condition::Missing,
            format!("{}: {error}", data_root.display()),
            [
                "the daemon cannot keep anything",
                "make it a directory on a local disk, or choose another --data-root",
            ],
        )],
    };
    findings.push(files(getrlimit(Resource::Nofile).current));
    findings.push(clock(jiff::Timestamp::now()));
    findings
}

/// What the numbers of a file system say.
#[derive(Clone, Copy, Debug)]
struct Disk {
    kind: i64,
    bytes_free: u64,
    inodes: u64,
    inodes_free: u64,
}

impl From<StatFs> for Disk {
    fn from(stat: StatFs) -> Disk {
        Disk {
            kind: stat.f_type,
            bytes_free: stat.f_bavail.saturating_mul(u64::try_from(stat.f_bsize).unwrap_or(0)),
            inodes: stat.f_files,
            inodes_free: stat.f_ffree,
        }
    }
}

/// Returns the data directory, or the nearest directory above that exists, and its file system.
fn place(data_root: &Path) -> std::io::Result<(String, Disk)> {
    let existing = data_root.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    let disk = statfs(existing)?.into();
    Ok((data_root.display().to_string(), disk))
}

fn disk_findings(shown: &str, disk: &Disk) -> Vec<Finding> {
    let kind = match disk.kind {
        OVERLAY_MAGIC => Finding::bad(
            "data directory",
            Condition::Missing,
            format!("{shown} is itself on an overlay"),
            ["no container can have a root on it", "choose a --data-root on a disk, a volume or a tmpfs"],
        ),
        _ => Finding::ok("data directory", shown),
    };
    let follows = ["images cannot be pulled and containers cannot write", "free some, or enlarge the disk"];
    let mib = disk.bytes_free >> 20;
    let space = match disk.bytes_free {
        0..BYTES_NEEDED => {
            Finding::bad("disk space", Condition::Missing, format!("{mib} MiB free at {shown}"), follows)
        }
        BYTES_NEEDED..BYTES_WANTED => {
            let follows = ["the next image may not fit", "\"skep system prune\" removes what nothing needs"];
            Finding::bad("disk space", Condition::Warning, format!("{mib} MiB free at {shown}"), follows)
        }
        _ => Finding::ok("disk space", format!("{} GiB free", disk.bytes_free >> 30)),
    };
    let few = format!("{} inodes free at {shown}", disk.inodes_free);
    let inodes = match disk.inodes_free {
        // Some file systems make inodes as they go and count none.
        _ if disk.inodes == 0 => Finding::ok("inodes", "made as needed"),
        0..INODES_NEEDED => Finding::bad("inodes", Condition::Missing, few, follows),
        INODES_NEEDED..INODES_WANTED => {
            let follows = ["the next image may not fit", "\"skep system prune\" removes what nothing needs"];
            Finding::bad("inodes", Condition::Warning, few, follows)
        }
        free => Finding::ok("inodes", format!("{free} free")),
    };
    vec![kind, space, inodes]
}

/// `None` is no limit.
fn files(limit: Option<u64>) -> Finding {
    match limit {
        Some(limit) if limit < FILES_WANTED => Finding::bad(
            "open files",
            Condition::Warning,
            format!("this process may open {limit} files"),
            [
                "a node of many containers runs out of them",
                "set LimitNOFILE=1048576 in the unit, or ulimit -n",
            ],
        ),
        Some(limit) => Finding::ok("open files", format!("up to {limit}")),
        None => Finding::ok("open files", "without a limit"),
    }
}

fn clock(now: jiff::Timestamp) -> Finding {
    if now >= BEGINNING {
        return Finding::ok("clock", format!("{now:.0}"));
    }
    Finding::bad(
        "clock",
        Condition::Missing,
        format!("the clock says {now}, which is before Skep existed"),
        ["certificates are not valid yet", "set the clock, and keep it with chrony or systemd-timesyncd"],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const FINE: Disk = Disk { kind: 0xEF53, bytes_free: 50 << 30, inodes: 9_000_000, inodes_free: 8_000_000 };

    fn conditions(disk: Disk) -> Vec<Condition> {
        disk_findings("/d", &disk).iter().map(|finding| finding.condition).collect()
    }

    #[test]
    fn disks_are_judged_by_room_and_kind() {
        use Condition::{Missing, Ok, Warning};
        assert_eq!(conditions(FINE), [Ok, Ok, Ok]);
        assert_eq!(conditions(Disk { kind: OVERLAY_MAGIC, ..FINE }), [Missing, Ok, Ok]);
        assert_eq!(
            conditions(Disk { bytes_free: 500 << 20, inodes_free: 50_000, ..FINE }),
            [Ok, Warning, Warning]
        );
        assert_eq!(conditions(Disk { bytes_free: 1, inodes_free: 0, ..FINE }), [Ok, Missing, Missing]);
        assert_eq!(conditions(Disk { inodes: 0, inodes_free: 0, ..FINE }), [Ok, Ok, Ok]);
    }

    #[test]
    fn limits_and_clock() {
        assert_eq!(files(Some(1024)).condition, Condition::Warning);
        assert_eq!(files(None).condition, Condition::Ok);
        assert_eq!(clock(jiff::Timestamp::UNIX_EPOCH).condition, Condition::Missing);
        assert_eq!(clock(BEGINNING).message, "2026-01-01T00:00:00Z");
    }

    #[test]
    fn a_directory_that_is_not_made_yet_is_judged_by_the_one_above() {
        let dir = tempfile::tempdir().unwrap();
        let findings = look(&dir.path().join("a/b"));
        assert_eq!(findings.len(), 5);
        assert!(findings[0].message.ends_with("/a/b") || findings[0].condition == Condition::Missing);
    }
}
