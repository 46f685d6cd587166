//! Linux capabilities as a set, and Docker's rules for which a container gets.

use std::fmt;

use oci_spec::runtime::Capability;
use rustix::thread::CapabilitySet;
use thiserror::Error;

use crate::container::Capabilities;

/// Names by number, as in `linux/capability.h`.
const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// Docker's default set.
const DEFAULT: [&str; 14] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FSETID",
    "FOWNER",
    "MKNOD",
    "NET_RAW",
    "SETGID",
    "SETUID",
    "SETFCAP",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "SYS_CHROOT",
    "KILL",
    "AUDIT_WRITE",
];

/// A capability that cannot be given.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum CapabilityError {
    /// No such name.
    #[error("unknown capability \"{0}\"")]
    Unknown(String),
    /// The daemon does not have it itself.
    #[error("capability CAP_{0} cannot be added: the daemon does not have it itself")]
    NotHeld(String),
}

/// A set of capabilities, one bit per number.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct CapSet(u64);

impl CapSet {
    /// Returns the capabilities this process may hand on.
    pub(crate) fn held() -> std::io::Result<CapSet> {
        Ok(CapSet(rustix::thread::capabilities(None)?.permitted.bits()))
    }

    /// Returns the capabilities this process could still gain.
    pub(crate) fn bounding() -> std::io::Result<CapSet> {
        let mut set = CapSet(0);
        for number in 0..u64::BITS {
            match rustix::thread::capability_is_in_bounding_set(CapabilitySet::from_bits_retain(1 << number))
            {
                Ok(true) => set = set.with(number),
                Ok(false) => {}
                // The first number that this kernel does not know.
                Err(rustix::io::Errno::INVAL) => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(set)
    }

    /// Returns the set for a container: Docker's defaults, minus `drop`, plus `add`, within `held`.
    pub(crate) fn for_container(wish: &Capabilities, held: CapSet) -> Result<CapSet, CapabilityError> {
        let mut set = DEFAULT.iter().fold(CapSet(0), |set, name| set.with(number(name).unwrap_or_default()));
        for name in &wish.drop {
            match parse(name)? {
                Named::All => set = CapSet(0),
                Named::One(number) => set.0 &= !(1 << number),
            }
        }
        set.0 &= held.0;
        for name in &wish.add {
            match parse(name)? {
                Named::All => set = CapSet(held.0 & ((1 << NAMES.len()) - 1)),
                Named::One(number) if held.has(number) => set = set.with(number),
                Named::One(number) => return Err(CapabilityError::NotHeld(NAMES[number as usize].into())),
            }
        }
        Ok(set)
    }

    fn with(self, number: u32) -> CapSet {
        CapSet(self.0 | 1 << number)
    }

    fn has(self, number: u32) -> bool {
        self.0 & 1 << number != 0
    }

    /// Returns whether the capability of that name, without `CAP_`, is in the set.
    pub(crate) fn contains(self, name: &str) -> bool {
        number(name).is_some_and(|number| self.has(number))
    }

    /// Returns the numbers in the set.
    pub(crate) fn numbers(self) -> impl Iterator<Item = u32> {
        (0..u64::BITS).filter(move |number| self.has(*number))
    }

    /// Returns the set as the kernel's interface takes it.
    pub(crate) fn kernel(self) -> CapabilitySet {
        CapabilitySet::from_bits_retain(self.0)
    }

    /// Returns the set as an OCI configuration writes it.
    pub(crate) fn oci(self) -> std::collections::HashSet<Capability> {
        self.numbers().filter_map(|n| NAMES.get(n as usize)).filter_map(|name| name.parse().ok()).collect()
    }
}

impl fmt::Debug for CapSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.numbers().map(|n| NAMES.get(n as usize).unwrap_or(&"?"))).finish()
    }
}

enum Named {
    All,
    One(u32),
}

fn parse(name: &str) -> Result<Named, CapabilityError> {
    let upper = name.to_ascii_uppercase();
    let short = upper.strip_prefix("CAP_").unwrap_or(&upper);
    if short == "ALL" {
        return Ok(Named::All);
    }
    number(short).map(Named::One).ok_or_else(|| CapabilityError::Unknown(name.to_owned()))
}

fn number(name: &str) -> Option<u32> {
    NAMES.iter().position(|known| *known == name).map(|index| index as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(add: &[&str], drop: &[&str]) -> Result<CapSet, CapabilityError> {
        let list = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
        let all_but_resource = CapSet(((1 << NAMES.len()) - 1) & !(1 << 24));
        CapSet::for_container(&Capabilities { add: list(add), drop: list(drop) }, all_but_resource)
    }

    #[test]
    fn default_is_dockers() {
        // What `grep Cap /proc/self/status` prints in a container of Docker.
        assert_eq!(set(&[], &[]).expect("a set").0, 0x0000_0000_a804_25fb);
    }

    #[test]
    fn drop_all_then_add_leaves_what_was_added() {
        assert_eq!(set(&["net_admin"], &["ALL"]).expect("a set").0, 1 << 12);
        assert!(!set(&[], &["CAP_MKNOD"]).expect("a set").contains("MKNOD"));
    }

    #[test]
    fn what_the_daemon_lacks_is_refused_by_name_but_not_by_all() {
        assert_eq!(set(&["SYS_RESOURCE"], &[]), Err(CapabilityError::NotHeld("SYS_RESOURCE".into())));
        assert!(!set(&["ALL"], &[]).expect("a set").contains("SYS_RESOURCE"));
        assert_eq!(set(&["FLY"], &[]), Err(CapabilityError::Unknown("FLY".into())));
    }

    #[test]
    fn every_name_is_known_to_the_oci_specification() {
        for name in NAMES {
            assert!(name.parse::<Capability>().is_ok(), "{name}");
        }
    }
}
