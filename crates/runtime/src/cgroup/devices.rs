//! Which device nodes a container may open: Docker's list, enforced by the kernel.
//!
//! On v1 the OCI runtime writes the list (deny all first, S2) but insists on allowing /dev/net/tun, which is taken back
//! here (S6). On v2 libcontainer filters nothing (S3), so a small program is generated and attached here.
//! Both happen between create and start, before the container's own code runs.

use std::fs::File;
use std::path::Path;

use oci_spec::runtime::{LinuxDeviceCgroup, LinuxDeviceCgroupBuilder, LinuxDeviceType};

use super::{CgroupError, Hierarchies, Version, write};
use crate::sys::bpf::{Instruction, attach_device_program, load_device_program};

const CHARACTER: i32 = 2;
const ACCESS_MKNOD: i32 = 1;

/// One allowed device; `None` is any number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Allowed {
    major: i32,
    minor: Option<i32>,
}

/// The character devices a container may use: null, zero, full, random, urandom, tty, console, ptmx, and its ptys.
const ALLOWED: [Allowed; 9] = [
    Allowed { major: 1, minor: Some(3) },
    Allowed { major: 1, minor: Some(5) },
    Allowed { major: 1, minor: Some(7) },
    Allowed { major: 1, minor: Some(8) },
    Allowed { major: 1, minor: Some(9) },
    Allowed { major: 5, minor: Some(0) },
    Allowed { major: 5, minor: Some(1) },
    Allowed { major: 5, minor: Some(2) },
    Allowed { major: 136, minor: None },
];

/// What the OCI runtimes allow on their own and Skep does not: /dev/net/tun.
const TUN: &str = "c 10:200 rwm";

/// Returns the list in the form of an OCI configuration.
pub(crate) fn oci_rules() -> Vec<LinuxDeviceCgroup> {
    let rule = |allow: bool, typ: LinuxDeviceType, major: Option<i64>, minor: Option<i64>, access: &str| {
        let mut builder = LinuxDeviceCgroupBuilder::default().allow(allow).typ(typ).access(access);
        if let Some(major) = major {
            builder = builder.major(major);
        }
        if let Some(minor) = minor {
            builder = builder.minor(minor);
        }
        builder.build().expect("every field of a device rule has a default")
    };
    let mut rules = vec![
        rule(false, LinuxDeviceType::A, None, None, "rwm"),
        // Nodes may be made, as Docker allows, but not opened.
        rule(true, LinuxDeviceType::C, None, None, "m"),
        rule(true, LinuxDeviceType::B, None, None, "m"),
    ];
    rules.extend(ALLOWED.iter().map(|device| {
        let minor = device.minor.map(i64::from);
        rule(true, LinuxDeviceType::C, Some(i64::from(device.major)), minor, "rwm")
    }));
    rules
}

impl Hierarchies {
    /// Tightens the device filter of `path` beyond what the OCI runtime did.
    pub(crate) fn restrict_devices(&self, path: &str) -> Result<(), CgroupError> {
        for hierarchy in self.used() {
            let group = hierarchy.group(path);
            match hierarchy.version {
                Version::V1 if hierarchy.controllers.iter().any(|c| c == "devices") => {
                    write(&group.join("devices.deny"), TUN)?;
                }
                Version::V1 => {}
                Version::V2 => attach(&group)?,
            }
        }
        Ok(())
    }
}

fn attach(group: &Path) -> Result<(), CgroupError> {
    let install = || {
        let directory = File::open(group)?;
        attach_device_program(&directory, &load_device_program(&program())?)
    };
    install().map_err(|source| CgroupError::Devices { path: group.into(), source })
}

/// Generates the program for v2.
///
/// Its context is `{ access << 16 | type, major, minor }`. It returns 1 to allow:
/// mknod alone always, then each allowed character device; everything else is refused.
fn program() -> Vec<Instruction> {
    const LOAD_WORD: u8 = 0x61;
    const AND: u8 = 0x54;
    const SHIFT_RIGHT: u8 = 0x74;
    const MOVE_REGISTER: u8 = 0xbc;
    const MOVE: u8 = 0xb7;
    const JUMP_IF_NOT: u8 = 0x55;
    const EXIT: u8 = 0x95;
    // r1 context, r2 type, r3 access, r4 major, r5 minor, r0 result.
    let op = |code, destination: u8, source: u8, offset, immediate| Instruction {
        code,
        registers: destination | source << 4,
        offset,
        immediate,
    };
    let allow = [op(MOVE, 0, 0, 0, 1), op(EXIT, 0, 0, 0, 0)];
    let mut program = vec![
        op(LOAD_WORD, 2, 1, 0, 0),
        op(MOVE_REGISTER, 3, 2, 0, 0),
        op(SHIFT_RIGHT, 3, 0, 0, 16),
        op(AND, 2, 0, 0, 0xffff),
        op(LOAD_WORD, 4, 1, 4, 0),
        op(LOAD_WORD, 5, 1, 8, 0),
        op(JUMP_IF_NOT, 3, 0, allow.len() as i16, ACCESS_MKNOD),
    ];
    program.extend(allow);
    for device in ALLOWED {
        let mut tests = vec![(2, CHARACTER), (4, device.major)];
        tests.extend(device.minor.map(|minor| (5, minor)));
        for (index, (register, value)) in tests.iter().enumerate() {
            let skip = tests.len() - 1 - index + allow.len();
            program.push(op(JUMP_IF_NOT, *register, 0, skip as i16, *value));
        }
        program.extend(allow);
    }
    program.extend([op(MOVE, 0, 0, 0, 0), op(EXIT, 0, 0, 0, 0)]);
    program
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the program as the kernel would.
    fn decide(access: i32, kind: i32, major: i32, minor: i32) -> bool {
        let context = [access << 16 | kind, major, minor];
        let mut registers = [0i32; 6];
        let program = program();
        let mut at = 0usize;
        for _ in 0..1000 {
            let Instruction { code, registers: packed, offset, immediate } = program[at];
            let (to, from) = ((packed & 15) as usize, (packed >> 4) as usize);
            match code {
                0x61 => registers[to] = context[offset as usize / 4],
                0x54 => registers[to] &= immediate,
                0x74 => registers[to] >>= immediate,
                0xbc => registers[to] = registers[from],
                0xb7 => registers[to] = immediate,
                0x55 if registers[to] != immediate => at += offset as usize,
                0x55 => {}
                0x95 => return registers[0] == 1,
                other => panic!("unknown instruction {other:#x}"),
            }
            at += 1;
        }
        panic!("no end");
    }

    #[test]
    fn program_allows_what_docker_allows() {
        let (block, char, mknod, read_write) = (1, 2, 1, 6);
        assert!(decide(read_write, char, 1, 3), "/dev/null");
        assert!(decide(read_write, char, 136, 77), "any pty");
        assert!(decide(mknod, block, 7, 0), "mknod of a block device");
        assert!(!decide(read_write, block, 7, 0), "opening a block device");
        assert!(!decide(read_write, block, 1, 3), "a block device with the numbers of /dev/null");
        assert!(!decide(read_write, char, 10, 200), "/dev/net/tun");
        assert!(!decide(read_write | mknod, char, 10, 229), "mknod together with an open");
    }

    #[test]
    fn kernel_accepts_the_program() {
        load_device_program(&program()).expect("the verifier accepts the program");
    }
}
