//! Kernel settings below `/proc/sys/net`, which belong to the network namespace of the thread that
//! touches them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Doing, NetError};

const ROOT: &str = "/proc/sys/net";

/// Sets `name` (such as `ipv4/ip_forward`) to `value`. Reads it first: where `/proc/sys` is read-only, a
/// host that was prepared by its operator still works.
pub(crate) fn set(name: &str, value: &str) -> Result<(), NetError> {
    let path = path(name);
    if same(&path, value).doing("read the kernel setting", path.display())? {
        return Ok(());
    }
    fs::write(&path, value).doing("change the kernel setting", path.display())
}

/// As [`set`], but a kernel without this setting (no IPv6, say) has nothing to set.
pub(crate) fn set_if_present(name: &str, value: &str) -> Result<(), NetError> {
    if path(name).exists() { set(name, value) } else { Ok(()) }
}

fn path(name: &str) -> PathBuf {
    Path::new(ROOT).join(name)
}

/// Compares word by word, because the kernel separates several numbers by tabs.
fn same(path: &Path, value: &str) -> io::Result<bool> {
    Ok(fs::read_to_string(path)?.split_whitespace().eq(value.split_whitespace()))
}
