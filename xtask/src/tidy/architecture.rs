//! `ARCHITECTURE.md` stays true: every path it names exists, and every crate is described in it.

use std::path::Path;

use anyhow::Result;

use super::Finding;
use crate::workspace::Workspace;

const PAGE: &str = "ARCHITECTURE.md";

/// Top folders of the repository: a quoted text that begins with one of them is meant as a path.
const FOLDERS: [&str; 8] = ["crates/", "fuzz/", "xtask/", "tests/", "docs/", "web/", ".ci/", ".cargo/"];

/// Reports what the page says and the tree does not; a tree without the page is told so.
pub fn check(workspace: &Workspace) -> Result<Vec<Finding>> {
    let page = workspace.root.join(PAGE);
    if !page.exists() {
        return Ok(vec![Finding::new(
            Path::new(PAGE),
            0,
            "missing: it is the map every newcomer starts from",
        )]);
    }
    let crates: Vec<&str> = workspace.packages.iter().map(|package| package.name.as_str()).collect();
    let text = super::read(&page)?;
    Ok(check_text(&text, &crates, |path| workspace.root.join(path).exists()))
}

fn check_text(text: &str, crates: &[&str], exists: impl Fn(&str) -> bool) -> Vec<Finding> {
    let page = Path::new(PAGE);
    let mut findings = Vec::new();
    for (number, line) in text.lines().enumerate() {
        // Every second piece between backquotes is quoted.
        for quoted in line.split('`').skip(1).step_by(2) {
            let path = quoted.trim_end_matches('/');
            if FOLDERS.iter().any(|folder| quoted.starts_with(folder)) && !is_pattern(path) && !exists(path) {
                findings.push(Finding::new(page, number + 1, format!("{path} does not exist")));
            }
        }
    }
    for name in crates {
        if !text.split('`').any(|piece| piece == *name) {
            findings.push(Finding::new(page, 0, format!("crate `{name}` is not described")));
        }
    }
    findings
}

/// Tells `crates/*/tests` and `docs/adr/NNNN-title.md` from a path that must exist.
fn is_pattern(path: &str) -> bool {
    path.contains(['*', '<', '…', ' ']) || path.contains("NNNN")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_exist_and_crates_are_described() {
        let text =
            "The core is `skep-core`, in `crates/core/src/lib.rs`.\nSee `crates/gone/` and `crates/*/tests`.";
        let found = check_text(text, &["skep-core", "skep-net"], |path| path == "crates/core/src/lib.rs");
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "ARCHITECTURE.md:2: crates/gone does not exist",
                "ARCHITECTURE.md: crate `skep-net` is not described"
            ]
        );
    }
}
