//! Who the process is: `name|uid[:group|gid]` looked up in the container's own `/etc/passwd` and `/etc/group` (R4).
//!
//! The rules are Docker's. The files belong to the image, so they are read inside the root (a symbolic link cannot lead
//! out of it) and with a bound.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use pathrs::Root;
use pathrs::flags::OpenFlags;
use thiserror::Error;

/// A passwd or group file beyond this is cut off: larger ones are not written by hand.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// A user or group that the container does not have.
#[derive(Debug, Error)]
pub enum UserError {
    /// No such name.
    #[error("unable to find user {0}: no matching entries in passwd file")]
    User(String),
    /// No such group.
    #[error("unable to find group {0}: no matching entries in group file")]
    Group(String),
    /// A file of the container cannot be read.
    #[error("cannot read {path} in the container's root")]
    Read {
        /// The path inside the container.
        path: &'static str,
        /// Cause.
        #[source]
        source: io::Error,
    },
}

/// A resolved user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    pub uid: u32,
    pub gid: u32,
    /// Supplementary groups, the primary one first.
    pub groups: Vec<u32>,
    pub home: String,
}

/// The two files of one container.
pub(crate) struct Accounts {
    passwd: String,
    group: String,
}

impl Accounts {
    /// Reads the files below `root`; missing ones are empty.
    pub(crate) fn below(root: &Root) -> Result<Accounts, UserError> {
        Accounts::read(|path| {
            // Resolution fails for a file that is not there, and for one that no process of the container could open.
            let Ok(handle) = root.resolve(path) else { return Ok(None) };
            let flags = OpenFlags::O_RDONLY | OpenFlags::O_CLOEXEC | OpenFlags::O_NONBLOCK;
            handle.reopen(flags).map(Some).map_err(io::Error::other)
        })
    }

    /// Reads the files of the current root, which must be a container's; missing ones are empty.
    pub(crate) fn here() -> Result<Accounts, UserError> {
        Accounts::read(|path| match File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        })
    }

    fn read(open: impl Fn(&Path) -> io::Result<Option<File>>) -> Result<Accounts, UserError> {
        let read = |path: &'static str| {
            let read = || -> io::Result<String> {
                let mut bytes = Vec::new();
                if let Some(file) = open(Path::new(path))? {
                    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
                }
                Ok(String::from_utf8_lossy(&bytes).into_owned())
            };
            read().map_err(|source| UserError::Read { path, source })
        };
        Ok(Accounts { passwd: read("/etc/passwd")?, group: read("/etc/group")? })
    }

    /// Resolves `user` (`name|uid[:group|gid]`, empty for root) and the extra groups.
    pub(crate) fn resolve(&self, user: &str, extra: &[String]) -> Result<User, UserError> {
        let (name, group) = user.split_once(':').map_or((user, None), |(name, group)| (name, Some(group)));
        let name = if name.is_empty() { "0" } else { name };
        let number: Option<u32> = name.parse().ok();
        let account = self.accounts().find(|a| a.name == name || Some(a.uid) == number);
        let (uid, mut gid, home) = match (&account, number) {
            (Some(account), _) => (account.uid, account.gid, account.home),
            (None, Some(uid)) => (uid, 0, "/"),
            (None, None) => return Err(UserError::User(name.to_owned())),
        };
        let mut memberships = Vec::new();
        match (group.filter(|g| !g.is_empty()), &account) {
            (Some(group), _) => gid = self.group(group)?,
            // Compat: memberships count only when no group is asked for (opencontainers/user, GetExecUser).
            (None, Some(account)) => memberships.extend(self.memberships(account.name)),
            (None, None) => {}
        }
        // The primary group is a supplementary one as well: otherwise a process that changes its group sheds
        // it, and with it what a file denies to that group (CVE-2022-36109).
        let mut groups = vec![gid];
        for membership in memberships.into_iter().map(Ok).chain(extra.iter().map(|group| self.group(group))) {
            let membership = membership?;
            if !groups.contains(&membership) {
                groups.push(membership);
            }
        }
        let home = if home.is_empty() { "/" } else { home };
        Ok(User { uid, gid, groups, home: home.to_owned() })
    }

    fn group(&self, group: &str) -> Result<u32, UserError> {
        self.groups()
            .find(|g| g.name == group)
            .map(|g| g.gid)
            .or_else(|| group.parse().ok())
            .ok_or_else(|| UserError::Group(group.to_owned()))
    }

    fn memberships<'a>(&'a self, user: &'a str) -> impl Iterator<Item = u32> + 'a {
        self.groups().filter(move |g| g.members.split(',').any(|member| member == user)).map(|g| g.gid)
    }

    fn accounts(&self) -> impl Iterator<Item = Account<'_>> {
        self.passwd.lines().filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            let uid = fields.nth(1)?.parse().ok()?;
            let gid = fields.next()?.parse().ok()?;
            Some(Account { name, uid, gid, home: fields.nth(1).unwrap_or_default() })
        })
    }

    fn groups(&self) -> impl Iterator<Item = Group<'_>> {
        self.group.lines().filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            let gid = fields.nth(1)?.parse().ok()?;
            Some(Group { name, gid, members: fields.next().unwrap_or_default() })
        })
    }
}

struct Account<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

struct Group<'a> {
    name: &'a str,
    gid: u32,
    members: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts() -> Accounts {
        Accounts {
            passwd: "root:x:0:0:root:/root:/bin/sh\nredis:x:999:1000::/data:\nbroken\n".into(),
            group: "root:x:0:\nredis:x:1000:\nlogs:x:50:redis,other\ntape:x:60:other\n".into(),
        }
    }

    #[test]
    fn users_resolve_as_in_docker() {
        let user = |text: &str| accounts().resolve(text, &[]).map(|u| (u.uid, u.gid, u.groups, u.home));
        assert_eq!(user("").expect("root"), (0, 0, vec![0], "/root".into()));
        assert_eq!(user("redis").expect("a name"), (999, 1000, vec![1000, 50], "/data".into()));
        assert_eq!(user("999").expect("a known number"), (999, 1000, vec![1000, 50], "/data".into()));
        assert_eq!(user("1234").expect("an unknown number"), (1234, 0, vec![0], "/".into()));
        assert_eq!(user("redis:tape").expect("a group"), (999, 60, vec![60], "/data".into()));
        assert_eq!(user("7:8").expect("two numbers"), (7, 8, vec![8], "/".into()));
    }

    #[test]
    fn unknown_names_are_named() {
        let error = |text: &str| accounts().resolve(text, &[]).expect_err("unknown").to_string();
        assert_eq!(error("nobody"), "unable to find user nobody: no matching entries in passwd file");
        assert_eq!(error("redis:x"), "unable to find group x: no matching entries in group file");
    }

    #[test]
    fn extra_groups_add_to_memberships() {
        let user = accounts().resolve("redis", &["tape".into(), "77".into()]).expect("a user");
        assert_eq!(user.groups, vec![1000, 50, 60, 77]);
    }
}
