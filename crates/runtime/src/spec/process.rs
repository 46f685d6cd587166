//! The process side of a container: arguments, environment, limits. Shared by the first process and by every exec.

use std::collections::BTreeSet;

use rustix::process::{Resource, Rlimit, getrlimit};
use thiserror::Error;

use super::caps::CapSet;
use super::user::User;
use crate::container::{Container, Ulimit};

/// Docker's search path for an image that sets none.
const PATH_DEFAULT: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A ulimit that cannot be set.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum UlimitError {
    /// No such limit.
    #[error("unknown ulimit \"{0}\"")]
    Unknown(String),
    /// A soft limit above the hard one.
    #[error("ulimit \"{0}\": the soft limit is above the hard limit")]
    Inverted(String),
}

/// Everything about a process that is decided before it starts.
#[derive(Debug, Clone)]
pub(crate) struct ProcessPlan {
    pub args: Vec<String>,
    pub env: Vec<String>,
    pub cwd: String,
    pub user: User,
    pub caps: CapSet,
    pub no_new_privileges: bool,
    pub limits: Vec<Limit>,
}

/// One resource limit, clamped to what this process may set; `None` is unlimited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Limit {
    pub name: String,
    pub resource: Resource,
    pub soft: Option<u64>,
    pub hard: Option<u64>,
}

/// Returns the host name a container sees.
pub(crate) fn hostname(container: &Container) -> &str {
    if container.hostname.is_empty() {
        container.id.get(..12).unwrap_or(&container.id)
    } else {
        &container.hostname
    }
}

/// Assembles the environment: Docker's defaults, then `lists` in order, then `HOME` if nothing set it.
pub(crate) fn environment(
    container: &Container,
    has_terminal: bool,
    lists: &[&[String]],
    user: &User,
) -> Vec<String> {
    let mut env = vec![format!("PATH={PATH_DEFAULT}"), format!("HOSTNAME={}", hostname(container))];
    env.extend(has_terminal.then(|| "TERM=xterm".to_owned()));
    for entry in lists.iter().copied().flatten().filter(|entry| !entry.contains('\0')) {
        let name = entry.split('=').next().unwrap_or_default();
        if name.is_empty() {
            continue;
        }
        let is_same = |other: &String| other.split('=').next() == Some(name);
        // Compat: an entry without `=` takes the variable away.
        match (entry.contains('='), env.iter().position(is_same)) {
            (true, Some(index)) => env[index] = entry.clone(),
            (true, None) => env.push(entry.clone()),
            (false, Some(index)) => drop(env.remove(index)),
            (false, None) => {}
        }
    }
    // The HOME of libcontainer's own would ask NSS, which loads libraries out of the container.
    if !env.iter().any(|entry| entry.starts_with("HOME=") && entry.len() > 5) {
        env.retain(|entry| !entry.starts_with("HOME="));
        env.push(format!("HOME={}", user.home));
    }
    env
}

/// Returns the value of `PATH` in an environment.
pub(crate) fn search_path(env: &[String]) -> &str {
    env.iter().find_map(|entry| entry.strip_prefix("PATH=")).unwrap_or(PATH_DEFAULT)
}

/// Resolves ulimits. A value above the hard limit of this process is clamped: raising it needs CAP_SYS_RESOURCE,
/// which a daemon in a confined service does not have.
pub(crate) fn limits(ulimits: &[Ulimit]) -> Result<Vec<Limit>, UlimitError> {
    let mut seen = BTreeSet::new();
    let mut limits = Vec::new();
    for ulimit in ulimits.iter().rev().filter(|u| seen.insert(u.name.as_str())) {
        let resource = resource(&ulimit.name).ok_or_else(|| UlimitError::Unknown(ulimit.name.clone()))?;
        if ulimit.soft > ulimit.hard {
            return Err(UlimitError::Inverted(ulimit.name.clone()));
        }
        let ceiling = getrlimit(resource).maximum.unwrap_or(u64::MAX);
        let clamp = |value: u64| Some(value.min(ceiling)).filter(|value| *value != u64::MAX);
        let name = ulimit.name.clone();
        limits.push(Limit { name, resource, soft: clamp(ulimit.soft), hard: clamp(ulimit.hard) });
    }
    limits.reverse();
    Ok(limits)
}

impl Limit {
    /// Applies the limit to the calling process.
    pub(crate) fn apply(&self) -> std::io::Result<()> {
        Ok(rustix::process::setrlimit(self.resource, Rlimit { current: self.soft, maximum: self.hard })?)
    }
}

fn resource(name: &str) -> Option<Resource> {
    Some(match name {
        "as" => Resource::As,
        "core" => Resource::Core,
        "cpu" => Resource::Cpu,
        "data" => Resource::Data,
        "fsize" => Resource::Fsize,
        "locks" => Resource::Locks,
        "memlock" => Resource::Memlock,
        "msgqueue" => Resource::Msgqueue,
        "nice" => Resource::Nice,
        "nofile" => Resource::Nofile,
        "nproc" => Resource::Nproc,
        "rss" => Resource::Rss,
        "rtprio" => Resource::Rtprio,
        "rttime" => Resource::Rttime,
        "sigpending" => Resource::Sigpending,
        "stack" => Resource::Stack,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user() -> User {
        User { uid: 0, gid: 0, groups: vec![], home: "/root".into() }
    }

    fn list(entries: &[&str]) -> Vec<String> {
        entries.iter().map(|e| (*e).to_owned()).collect()
    }

    #[test]
    fn later_entries_win_and_broken_ones_vanish() {
        let container = Container { id: "0123456789abcdef".into(), ..Container::default() };
        let image = list(&["A=1", "PATH=/bin", "B=x=y", "=odd"]);
        let service = list(&["A=2", "B"]);
        let env = environment(&container, false, &[&image, &service], &user());
        assert_eq!(env, ["PATH=/bin", "HOSTNAME=0123456789ab", "A=2", "HOME=/root"]);
    }

    #[test]
    fn limits_are_clamped_to_the_hard_limit() {
        let ceiling = getrlimit(Resource::Nofile).maximum;
        let wish = |soft, hard| Ulimit { name: "nofile".into(), soft, hard };
        let resolved = limits(&[wish(1, 2), wish(512, u64::MAX)]).expect("limits");
        assert_eq!(
            resolved,
            [Limit { name: "nofile".into(), resource: Resource::Nofile, soft: Some(512), hard: ceiling }]
        );
        assert_eq!(limits(&[wish(3, 2)]), Err(UlimitError::Inverted("nofile".into())));
    }
}
