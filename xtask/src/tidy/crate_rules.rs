//! What the root of every crate states: its purpose, the shared lints, and that it holds no `unsafe`.

use std::path::Path;

use super::Finding;
use super::source::Source;

/// The crates that talk to the kernel in ways that safe wrappers do not cover.
const UNSAFE_CRATES: [&str; 2] = ["skep-runtime", "skep-net"];

/// Reports a crate root (`lib.rs`, `main.rs`, a file of `bin/`) without its declarations.
pub fn check_root(package: &str, root: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !root.text.contains("//!") {
        findings.push(Finding::new(
            &root.path,
            0,
            "no `//!` text: say what this crate decides and what it does not",
        ));
    }
    if !UNSAFE_CRATES.contains(&package) && !root.code.contains("#![forbid(unsafe_code)]") {
        let message =
            format!("no `#![forbid(unsafe_code)]`: unsafe belongs to {} only", UNSAFE_CRATES.join(" and "));
        findings.push(Finding::new(&root.path, 0, message));
    }
    findings
}

/// Reports a manifest that does not inherit the shared lints.
pub fn check_manifest(path: &Path, manifest: &str) -> Option<Finding> {
    let mut lines = manifest.lines().map(str::trim).skip_while(|line| *line != "[lints]").skip(1);
    let inherits =
        lines.by_ref().take_while(|line| !line.starts_with('[')).any(|line| line == "workspace = true");
    (!inherits).then(|| Finding::new(path, 0, "no `[lints] workspace = true`: the shared lints do not apply"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(package: &str, text: &str) -> usize {
        check_root(package, &Source::new(Path::new("lib.rs"), text.to_owned(), false)).len()
    }

    #[test]
    fn a_root_forbids_unsafe_and_says_what_it_is() {
        assert_eq!(root("skep-core", "#![forbid(unsafe_code)]\n//! Decides."), 0);
        assert_eq!(root("skep-core", "//! Decides. #![forbid(unsafe_code)]"), 1);
        assert_eq!(root("skep-core", "fn main() {}"), 2);
        assert_eq!(root("skep-net", "//! Links."), 0);
    }

    #[test]
    fn lints_are_inherited_in_their_own_section() {
        let path = Path::new("Cargo.toml");
        assert_eq!(check_manifest(path, "[package]\n[lints]\nworkspace = true\n"), None);
        assert!(check_manifest(path, "[lints]\n[dependencies]\nworkspace = true\n").is_some());
        assert!(check_manifest(path, "[package]\n").is_some());
    }
}
