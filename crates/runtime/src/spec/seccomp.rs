//! The default seccomp profile: Docker's allow list, resolved for one container's capabilities and this machine.
//!
//! The profile is our own data. `program` compiles it to BPF, which `shim::confine` loads; `oci` renders it for external
//! OCI runtimes. What is not listed fails with EPERM.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use libseccomp::{ScmpAction, ScmpArch, ScmpArgCompare, ScmpCompareOp, ScmpFilterContext, ScmpSyscall};
use oci_spec::runtime::{
    Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompArgBuilder, LinuxSeccompBuilder,
    LinuxSeccompOperator, LinuxSyscall, LinuxSyscallBuilder,
};
use thiserror::Error;

use super::caps::CapSet;
use super::syscalls::ALLOWED;
use crate::files::{Durability, write_atomic};

/// A filter that cannot be built or kept.
#[derive(Debug, Error)]
pub enum FilterError {
    /// libseccomp refuses a rule.
    #[error("cannot build the seccomp filter")]
    Rules(#[source] libseccomp::error::SeccompError),
    /// The kept program cannot be read or written.
    #[error("cannot access the compiled seccomp filter {path}")]
    Kept {
        /// The file.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// The program has no place to go.
    #[error("cannot buffer the seccomp filter")]
    Buffer(#[source] io::Error),
}

/// Namespace flags of `clone` that need CAP_SYS_ADMIN: new mount, cgroup, uts, ipc, user, pid or net namespace.
const CLONE_NAMESPACES: u64 = 0x7e02_0000;
/// The socket family that would reach the hypervisor.
const AF_VSOCK: u64 = 40;
/// Personalities that are harmless: Linux, 32-bit, no randomisation, both, and "only tell me".
const PERSONALITIES: [u64; 5] = [0x0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];

/// Calls that come with a capability.
const BY_CAPABILITY: [(&str, &str); 13] = [
    ("DAC_READ_SEARCH", "open_by_handle_at"),
    (
        "SYS_ADMIN",
        "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount mount_setattr move_mount \
         open_tree perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog umount umount2 unshare",
    ),
    ("SYS_BOOT", "reboot"),
    ("SYS_CHROOT", "chroot"),
    ("SYS_MODULE", "delete_module init_module finit_module"),
    ("SYS_PACCT", "acct"),
    ("SYS_PTRACE", "kcmp pidfd_getfd process_madvise"),
    ("SYS_RAWIO", "iopl ioperm"),
    ("SYS_TIME", "settimeofday stime clock_settime clock_settime64"),
    ("SYS_TTY_CONFIG", "vhangup"),
    ("SYS_NICE", "get_mempolicy mbind set_mempolicy set_mempolicy_home_node"),
    ("SYSLOG", "syslog"),
    ("PERFMON", "perf_event_open"),
];

/// Calls that exist on one machine only.
const BY_MACHINE: [(&str, &str); 4] = [
    ("x86_64", "arch_prctl modify_ldt"),
    ("aarch64", "arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls"),
    ("riscv64", "riscv_flush_icache"),
    ("powerpc64", "sync_file_range2 swapcontext"),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Test {
    Equal(u64),
    NotEqual(u64),
    /// No bit of the mask is set.
    Clear(u64),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Rule {
    names: Vec<&'static str>,
    /// `None` allows; an error number refuses with it.
    errno: Option<u32>,
    /// Test of the first argument.
    first: Option<Test>,
}

/// The rules for one container.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Profile {
    rules: Vec<Rule>,
}

impl Profile {
    /// Resolves the profile for a container with these capabilities.
    pub(crate) fn for_capabilities(caps: CapSet) -> Profile {
        let mut allowed: Vec<&'static str> = ALLOWED.split_ascii_whitespace().collect();
        let machine = BY_MACHINE.iter().filter(|(name, _)| *name == std::env::consts::ARCH);
        let granted = BY_CAPABILITY.iter().filter(|(name, _)| caps.contains(name));
        for (_, names) in machine.chain(granted) {
            allowed.extend(names.split_ascii_whitespace());
        }
        if caps.contains("BPF") {
            allowed.push("bpf");
        }
        allowed.sort_unstable();
        allowed.dedup();

        let mut rules = vec![Rule { names: allowed, errno: None, first: None }];
        rules.extend(PERSONALITIES.map(|p| Rule::tested("personality", Test::Equal(p))));
        rules.push(Rule::tested("socket", Test::NotEqual(AF_VSOCK)));
        if !caps.contains("SYS_ADMIN") {
            rules.push(Rule::tested("clone", Test::Clear(CLONE_NAMESPACES)));
            // The flags of clone3 are in memory, out of a filter's reach; ENOSYS makes libc fall back to clone.
            rules.push(Rule { names: vec!["clone3"], errno: Some(libc::ENOSYS as u32), first: None });
        }
        Profile { rules }
    }

    /// Renders the profile into an OCI configuration.
    pub(crate) fn oci(&self) -> LinuxSeccomp {
        LinuxSeccompBuilder::default()
            .default_action(LinuxSeccompAction::ScmpActErrno)
            .default_errno_ret(libc::EPERM as u32)
            .architectures(architectures().iter().map(|(oci, _)| *oci).collect::<Vec<_>>())
            .syscalls(self.rules.iter().map(|rule| rule.oci()).collect::<Vec<_>>())
            .build()
            .expect("the required field, the default action, is set")
    }

    /// Returns the program of this profile, compiled once and then kept in `directory`.
    pub(crate) fn program(&self, directory: &Path) -> Result<Vec<u8>, FilterError> {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        let path = directory.join(format!("{:016x}.bpf", hasher.finish()));
        match std::fs::read(&path) {
            Ok(program) => return Ok(program),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(FilterError::Kept { path, source }),
        }
        let program = self.compile()?;
        write_atomic(&path, &program, Durability::UntilReboot)
            .map_err(|source| FilterError::Kept { path, source })?;
        Ok(program)
    }

    /// Compiles the profile into classic BPF for this kernel.
    pub(crate) fn compile(&self) -> Result<Vec<u8>, FilterError> {
        let filter = self.filter().map_err(FilterError::Rules)?;
        // libseccomp before 2.6 writes its program to a descriptor only.
        let file = rustix::fs::memfd_create("seccomp", rustix::fs::MemfdFlags::CLOEXEC);
        let mut file = File::from(file.map_err(|error| FilterError::Buffer(error.into()))?);
        filter.export_bpf(&file).map_err(FilterError::Rules)?;
        let mut program = Vec::new();
        file.rewind().and_then(|()| file.read_to_end(&mut program)).map_err(FilterError::Buffer)?;
        Ok(program)
    }

    fn filter(&self) -> Result<ScmpFilterContext, libseccomp::error::SeccompError> {
        let mut filter = ScmpFilterContext::new(ScmpAction::Errno(libc::EPERM))?;
        for (_, architecture) in architectures() {
            filter.add_arch(*architecture)?;
        }
        for rule in &self.rules {
            let action = rule.errno.map_or(ScmpAction::Allow, |errno| ScmpAction::Errno(errno as i32));
            let comparisons: Vec<ScmpArgCompare> = rule.first.iter().map(|test| test.compare()).collect();
            // A name that this libseccomp does not know is one that it cannot allow.
            for call in rule.names.iter().filter_map(|name| ScmpSyscall::from_name(name).ok()) {
                filter.add_rule_conditional(action, call, &comparisons)?;
            }
        }
        Ok(filter)
    }
}

impl Rule {
    fn tested(name: &'static str, test: Test) -> Rule {
        Rule { names: vec![name], errno: None, first: Some(test) }
    }

    fn oci(&self) -> LinuxSyscall {
        let mut builder = LinuxSyscallBuilder::default()
            .names(self.names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>());
        builder = match self.errno {
            None => builder.action(LinuxSeccompAction::ScmpActAllow),
            Some(errno) => builder.action(LinuxSeccompAction::ScmpActErrno).errno_ret(errno),
        };
        if let Some(test) = self.first {
            builder = builder.args(vec![test.oci()]);
        }
        builder.build().expect("the required fields, names and action, are set")
    }
}

impl Test {
    fn compare(self) -> ScmpArgCompare {
        match self {
            Test::Equal(value) => ScmpArgCompare::new(0, ScmpCompareOp::Equal, value),
            Test::NotEqual(value) => ScmpArgCompare::new(0, ScmpCompareOp::NotEqual, value),
            Test::Clear(mask) => ScmpArgCompare::new(0, ScmpCompareOp::MaskedEqual(mask), 0),
        }
    }

    fn oci(self) -> LinuxSeccompArg {
        let builder = LinuxSeccompArgBuilder::default().index(0usize);
        match self {
            Test::Equal(value) => builder.value(value).op(LinuxSeccompOperator::ScmpCmpEq),
            Test::NotEqual(value) => builder.value(value).op(LinuxSeccompOperator::ScmpCmpNe),
            Test::Clear(mask) => {
                builder.value(mask).value_two(0u64).op(LinuxSeccompOperator::ScmpCmpMaskedEq)
            }
        }
        .build()
        .expect("the required fields, index, value and operator, are set")
    }
}

/// Returns the machine's own architecture and the 32-bit ones it can also run.
fn architectures() -> &'static [(Arch, ScmpArch)] {
    match std::env::consts::ARCH {
        "x86_64" => &[
            (Arch::ScmpArchX86_64, ScmpArch::X8664),
            (Arch::ScmpArchX86, ScmpArch::X86),
            (Arch::ScmpArchX32, ScmpArch::X32),
        ],
        "aarch64" => &[(Arch::ScmpArchAarch64, ScmpArch::Aarch64), (Arch::ScmpArchArm, ScmpArch::Arm)],
        _ => &[(Arch::ScmpArchNative, ScmpArch::Native)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::Capabilities;

    fn profile(add: &[&str]) -> Profile {
        let wish = Capabilities { add: add.iter().map(|n| (*n).to_owned()).collect(), drop: vec![] };
        let held = CapSet::held().expect("own capabilities");
        Profile::for_capabilities(CapSet::for_container(&wish, held).expect("a set"))
    }

    fn allows(profile: &Profile, name: &str) -> bool {
        profile.rules[0].names.contains(&name)
    }

    #[test]
    fn defaults_refuse_what_needs_a_capability() {
        let profile = profile(&[]);
        for refused in
            ["mount", "unshare", "setns", "bpf", "reboot", "clone", "clone3", "io_uring_setup", "keyctl"]
        {
            assert!(!allows(&profile, refused), "{refused}");
        }
        assert!(allows(&profile, "chroot"), "comes with a default capability");
    }

    #[test]
    fn clone3_is_unknown_unless_namespaces_are_allowed() {
        let clone3 = |p: &Profile| p.rules.iter().find(|r| r.names == ["clone3"]).and_then(|r| r.errno);
        assert_eq!(clone3(&profile(&[])), Some(libc::ENOSYS as u32));
        assert!(allows(&profile(&["SYS_ADMIN"]), "clone3"));
        assert_eq!(clone3(&profile(&["SYS_ADMIN"])), None);
    }

    #[test]
    fn filter_compiles_to_whole_instructions() {
        let program = profile(&[]).compile().expect("a filter");
        assert!(program.len() > 1000 && program.len().is_multiple_of(8), "{}", program.len());
    }
}
