//! Removing the control groups of a sandbox, in whatever hierarchies this machine has.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::wait::{Look, wait_for};

const ROOT: &str = "/sys/fs/cgroup";

/// Removes the groups below `name` (one path component) in every hierarchy, deepest first.
///
/// Their processes were killed just before; a group is busy until the kernel has buried the last of them.
pub fn remove(name: &str) -> Result<()> {
    for group in roots(name)? {
        wait_for(&format!("{} to be removed", group.display()), Duration::from_secs(10), || {
            Ok(match remove_tree(&group) {
                Ok(()) => Look::Done(()),
                Err(error) => Look::NotYet(error.to_string()),
            })
        })?;
    }
    Ok(())
}

/// Returns the names of the top groups of all hierarchies, each once.
pub fn names() -> BTreeSet<String> {
    let list = |path: &Path| std::fs::read_dir(path).into_iter().flatten().flatten();
    let mut names = BTreeSet::new();
    for entry in list(Path::new(ROOT)) {
        names.insert(entry.file_name().to_string_lossy().into_owned());
        names.extend(list(&entry.path()).map(|group| group.file_name().to_string_lossy().into_owned()));
    }
    names
}

/// Returns the folder `name` of every hierarchy that has one: v2 at the root, v1 one level below.
fn roots(name: &str) -> Result<Vec<PathBuf>> {
    let root = Path::new(ROOT);
    let mut found = vec![root.join(name)];
    for entry in std::fs::read_dir(root).with_context(|| format!("cannot list {ROOT}"))? {
        found.push(entry.with_context(|| format!("cannot list {ROOT}"))?.path().join(name));
    }
    found.retain(|path| path.is_dir());
    Ok(found)
}

fn remove_tree(group: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(group)? {
        let path = entry?.path();
        if path.is_dir() {
            remove_tree(&path)?;
        }
    }
    std::fs::remove_dir(group)
}
