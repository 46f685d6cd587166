//! No dead files: every `.rs` file below a package is declared by some module.
//!
//! A test file that no module declares never compiles and never runs, and nobody notices.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::Finding;
use super::modules::Tree;
use crate::workspace::{Package, Workspace};

/// Folders that hold packages of their own or what a build leaves.
const OTHER: [&str; 3] = ["target", "fuzz", ".cache"];

/// Reports the Rust files of `package` that no target reaches.
pub fn check(workspace: &Workspace, package: &Package, tree: &Tree) -> Result<Vec<Finding>> {
    let mut files = Vec::new();
    collect(package.folder(), &mut files)?;
    let nested: Vec<&Path> = workspace
        .packages
        .iter()
        .map(Package::folder)
        .filter(|folder| *folder != package.folder() && folder.starts_with(package.folder()))
        .collect();
    Ok(files
        .iter()
        .filter(|file| !nested.iter().any(|folder| file.starts_with(folder)))
        .filter(|file| !tree.files.contains_key(*file))
        .map(|file| {
            Finding::new(
                workspace.relative(file),
                0,
                "no module declares this file: add its `mod` line or delete it",
            )
        })
        .collect())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let path = entry.with_context(|| format!("cannot list {}", folder.display()))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() && !OTHER.contains(&name) {
            collect(&path, files)?;
        } else if name.ends_with(".rs") {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::{Kind, Target};

    #[test]
    fn names_the_file_that_nobody_declares() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("src/lib.rs");
        std::fs::create_dir_all(root.parent().unwrap()).unwrap();
        std::fs::write(&root, "mod used;").unwrap();
        std::fs::write(folder.path().join("src/used.rs"), "").unwrap();
        std::fs::write(folder.path().join("src/forgotten.rs"), "").unwrap();
        let workspace = Workspace { root: folder.path().to_owned(), ..Workspace::default() };
        let package = Package { manifest: folder.path().join("Cargo.toml"), ..Package::default() };
        let mut tree = Tree::default();
        tree.add_target(&workspace, &Target { kind: Kind::Library, root }).unwrap();
        let found = check(&workspace, &package, &tree).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].path, Path::new("src/forgotten.rs"));
    }
}
