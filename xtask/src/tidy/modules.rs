//! Which files a package declares, found by following `mod` lines from the root of each target.
//!
//! Understands inline modules and `#[path = "…"]`. A file reached only below `#[cfg(test)]`, or from an
//! integration test, is test code. A `mod` line without its file is the compiler's to report, not ours.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::source::{Source, closing, occurrences};
use crate::workspace::{Kind, Target, Workspace};

/// The files of one package by absolute path.
#[derive(Default)]
pub struct Tree {
    pub files: BTreeMap<PathBuf, Source>,
}

/// One `mod name;` line.
#[derive(Debug, PartialEq, Eq)]
struct Declaration {
    name: String,
    /// The content of `#[path = "…"]`.
    path: Option<String>,
    /// The inline modules around it, outermost first.
    inside: Vec<String>,
    test: bool,
}

impl Tree {
    /// Adds every file of a target; returns the target's root.
    pub fn add_target(&mut self, workspace: &Workspace, target: &Target) -> Result<Source> {
        let test = target.kind == Kind::Test;
        let mut open = vec![(target.root.clone(), test, true)];
        while let Some((path, test, is_root)) = open.pop() {
            // Production code wins: a file that both a test and the product declare is checked as product.
            if self.files.get(&path).is_some_and(|known| !known.test || test) {
                continue;
            }
            let source = Source::new(workspace.relative(&path), super::read(&path)?, test);
            for declaration in declarations(&source) {
                if let Some(file) = locate(&path, is_root, &declaration) {
                    open.push((file, test || declaration.test, false));
                }
            }
            self.files.insert(path, source);
        }
        let text = super::read(&target.root)?;
        Ok(Source::new(workspace.relative(&target.root), text, test))
    }
}

/// Returns the file that a declaration in `parent` means, if it exists.
fn locate(parent: &Path, is_root: bool, declaration: &Declaration) -> Option<PathBuf> {
    let folder = parent.parent()?;
    let own_folder = is_root || parent.file_name().is_some_and(|name| name == "mod.rs");
    let mut base = if own_folder { folder.to_owned() } else { folder.join(parent.file_stem()?) };
    if let Some(path) = &declaration.path {
        let start = if declaration.inside.is_empty() { folder.to_owned() } else { base };
        let file = declaration.inside.iter().fold(start, |at, name| at.join(name)).join(path);
        return file.is_file().then_some(file);
    }
    base.extend(&declaration.inside);
    [base.join(format!("{}.rs", declaration.name)), base.join(&declaration.name).join("mod.rs")]
        .into_iter()
        .find(|file| file.is_file())
}

fn declarations(source: &Source) -> Vec<Declaration> {
    let code = &source.code;
    let inline: Vec<(String, std::ops::Range<usize>)> = occurrences(code, "mod")
        .filter_map(|at| {
            let (name, end) = module_name(code, at)?;
            let open = code[end..].starts_with('{').then_some(end)?;
            Some((name, open..closing(code, open)?))
        })
        .collect();
    occurrences(code, "mod")
        .filter_map(|at| {
            let (name, end) = module_name(code, at)?;
            code[end..].starts_with(';').then_some(())?;
            let inside = inline
                .iter()
                .filter(|(_, range)| range.contains(&at))
                .map(|(name, _)| name.clone())
                .collect();
            Some(Declaration { name, path: path_attribute(source, at), inside, test: source.is_test(at) })
        })
        .collect()
}

/// Returns the name behind `mod` and where the next sign stands.
fn module_name(code: &str, at: usize) -> Option<(String, usize)> {
    let start = at + "mod".len();
    let rest = code[start..].trim_start();
    let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let behind = rest[name.len()..].trim_start();
    (!name.is_empty()).then(|| (name, code.len() - behind.len()))
}

/// Returns the content of a `#[path = "…"]` that stands on the line before, or the same line.
fn path_attribute(source: &Source, at: usize) -> Option<String> {
    let from = source.code[..at].rfind([';', '}', '{']).map_or(0, |before| before + 1);
    let attribute = source.code[from..at].find("#[path")? + from;
    let quoted = &source.text[attribute..at];
    let open = quoted.find('"')? + 1;
    let close = open + quoted[open..].find('"')?;
    Some(quoted[open..close].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_mod_lines_and_marks_test_code() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write(
            "src/lib.rs",
            "mod a;\npub mod b;\n#[cfg(test)]\nmod t;\nmod c { mod d; }\n#[path = \"z.rs\"] mod e;",
        );
        write("src/a.rs", "mod inner;");
        write("src/a/inner.rs", "");
        write("src/b/mod.rs", "pub(crate) mod k;");
        write("src/b/k.rs", "");
        write("src/t.rs", "mod u;");
        write("src/t/u.rs", "");
        write("src/c/d.rs", "");
        write("src/z.rs", "");
        let workspace = Workspace { root: folder.path().to_owned(), ..Workspace::default() };
        let mut tree = Tree::default();
        let target = Target { kind: Kind::Library, root: folder.path().join("src/lib.rs") };
        tree.add_target(&workspace, &target).unwrap();
        let found: Vec<(String, bool)> =
            tree.files.values().map(|file| (file.path.display().to_string(), file.test)).collect();
        let expected = [
            ("src/a/inner.rs", false),
            ("src/a.rs", false),
            ("src/b/k.rs", false),
            ("src/b/mod.rs", false),
            ("src/c/d.rs", false),
            ("src/lib.rs", false),
            ("src/t/u.rs", true),
            ("src/t.rs", true),
            ("src/z.rs", false),
        ];
        assert_eq!(found, expected.map(|(path, test)| (path.to_owned(), test)));
    }

    #[test]
    fn a_function_named_like_a_module_is_none() {
        let source = Source::new(Path::new("x.rs"), "fn modulo() { let mode = 1; } // mod x;".into(), false);
        assert_eq!(declarations(&source), []);
    }
}
