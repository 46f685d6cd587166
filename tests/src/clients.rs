//! Clients of Docker's API that other people wrote, as `xtask/setup.sh test` keeps them below `.cache/clients/`.
//!
//! Each has a script in `tests/clients/` that walks through services, tasks, nodes, logs, exec, events and images
//! and asserts what it finds; a test runs it against a daemon of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

/// Returns the command that runs a Python script with a package of `.cache/clients/` and those it needs.
pub fn python(package: &str, script: &str) -> Result<Command> {
    let packages = folder(package)?;
    let mut command = Command::new("python3");
    // Compiled files would be written beside the scripts, into the tree.
    command.env("PYTHONPATH", packages).env("PYTHONDONTWRITEBYTECODE", "1").arg(self::script(script));
    Ok(command)
}

/// Returns the command that runs a script with the Node packages of `.cache/clients/`.
pub fn node(script: &str) -> Result<Command> {
    let packages = folder("node/node_modules")?;
    let mut command = Command::new("node");
    command.env("NODE_PATH", packages).arg(self::script(script));
    Ok(command)
}

/// Returns the path of a file in `tests/clients/`.
pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(name)
}

/// Returns a folder of packages.
pub fn folder(package: &str) -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the repository");
    let folder = root.join(".cache/clients").join(package);
    ensure!(folder.is_dir(), "{} does not exist: run `xtask/setup.sh test`", folder.display());
    Ok(folder)
}
