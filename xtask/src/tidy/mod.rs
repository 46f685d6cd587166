//! The rules that no compiler checks, one module each; `cargo xtask tidy` prints every breach at once.
//!
//! A rule is a function from what was read to findings, so its tests run on sample text. Reading happens in
//! [`source`] (one Rust file, with comments and strings told from code) and [`modules`] (which files a crate
//! declares, and which of them are test code). A message always names the replacement to use.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::workspace::{Kind, Workspace};

mod architecture;
mod crate_rules;
mod edges;
mod modules;
mod orphans;
mod pitfalls;
mod purity;
mod reminders;
mod size;
mod source;

use modules::Tree;
use source::Source;

/// One breach of one rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file, relative to the workspace root.
    pub path: PathBuf,
    /// The line, from 1; 0 when the whole file is meant.
    pub line: usize,
    pub message: String,
}

impl Finding {
    fn new(path: &Path, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, message: message.into() }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path.display(), self.message),
            line => write!(f, "{}:{line}: {}", self.path.display(), self.message),
        }
    }
}

/// Checks the whole workspace and prints what it found; returns true when it found nothing.
pub fn main() -> Result<bool> {
    let workspace = Workspace::load()?;
    let (findings, file_count) = check(&workspace)?;
    for finding in &findings {
        println!("{finding}");
    }
    println!("tidy: {file_count} files, {} findings", findings.len());
    Ok(findings.is_empty())
}

fn check(workspace: &Workspace) -> Result<(Vec<Finding>, usize)> {
    let mut findings = edges::check(workspace);
    let mut file_count = 0;
    let mut numbered_tests = pitfalls::Tests::default();
    for package in &workspace.packages {
        let manifest = read(&package.manifest)?;
        findings.extend(crate_rules::check_manifest(workspace.relative(&package.manifest), &manifest));
        let mut tree = Tree::default();
        for target in &package.targets {
            if !target.root.exists() {
                let root = workspace.relative(&target.root);
                findings.push(Finding::new(root, 0, "a target of the manifest that does not exist"));
                continue;
            }
            let root = tree.add_target(workspace, target)?;
            if matches!(target.kind, Kind::Library | Kind::Binary) {
                findings.extend(crate_rules::check_root(&package.name, &root));
            }
        }
        findings.extend(orphans::check(workspace, package, &tree)?);
        file_count += tree.files.len();
        for file in tree.files.values() {
            findings.extend(check_file(&package.name, file));
            numbered_tests.add(file);
        }
    }
    findings.extend(architecture::check(workspace)?);
    findings.extend(numbered_tests.check(&read(&workspace.root.join(pitfalls::PAGE))?));
    findings.sort();
    findings.dedup();
    Ok((findings, file_count))
}

fn check_file(package: &str, file: &Source) -> Vec<Finding> {
    let mut findings = size::check(file);
    findings.extend(reminders::check(file));
    findings.extend(purity::check(package, file));
    findings
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
