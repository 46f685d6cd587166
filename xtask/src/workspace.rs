//! What cargo knows of this workspace: its packages, their targets and the edges between them.
//!
//! Read from `cargo metadata`, so a dependency renamed, optional or behind a `cfg` is still seen.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// The packages of the workspace, in name order.
#[derive(Debug, Default)]
pub struct Workspace {
    pub root: PathBuf,
    pub packages: Vec<Package>,
}

/// One package of the workspace.
#[derive(Debug, Default)]
pub struct Package {
    pub name: String,
    pub manifest: PathBuf,
    pub dependencies: Vec<Dependency>,
    pub targets: Vec<Target>,
}

/// One edge of the dependency graph; `development` edges are not part of what ships.
#[derive(Debug)]
pub struct Dependency {
    pub name: String,
    pub development: bool,
}

/// One compilation target: the file where its module tree starts.
#[derive(Debug)]
pub struct Target {
    pub kind: Kind,
    pub root: PathBuf,
}

/// What a target is for; decides whether its files are test code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Library,
    Binary,
    /// Integration tests, benchmarks and examples.
    Test,
    /// A build script.
    Build,
}

impl Workspace {
    /// Asks cargo, without touching the network or the lock file.
    pub fn load() -> Result<Self> {
        let output = Command::new(env!("CARGO"))
            .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
            .output()
            .context("cannot run cargo metadata")?;
        ensure!(
            output.status.success(),
            "cargo metadata: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        let metadata = serde_json::from_slice(&output.stdout).context("cannot read cargo metadata")?;
        Self::parse(&metadata)
    }

    fn parse(metadata: &Value) -> Result<Self> {
        let mut packages: Vec<Package> =
            array(metadata, "packages").iter().map(Package::parse).collect::<Result<_>>()?;
        packages.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self { root: PathBuf::from(text(metadata, "workspace_root")?), packages })
    }

    /// Returns the path of `file` below the root, as written in messages.
    pub fn relative<'a>(&self, file: &'a Path) -> &'a Path {
        file.strip_prefix(&self.root).unwrap_or(file)
    }
}

impl Package {
    fn parse(package: &Value) -> Result<Self> {
        let dependencies = array(package, "dependencies")
            .iter()
            .map(|edge| {
                Ok(Dependency {
                    name: text(edge, "name")?,
                    development: edge["kind"].as_str() == Some("dev"),
                })
            })
            .collect::<Result<_>>()?;
        let targets = array(package, "targets")
            .iter()
            .map(|target| Ok(Target { kind: kind(target), root: PathBuf::from(text(target, "src_path")?) }))
            .collect::<Result<_>>()?;
        Ok(Self {
            name: text(package, "name")?,
            manifest: PathBuf::from(text(package, "manifest_path")?),
            dependencies,
            targets,
        })
    }

    /// Returns the folder that holds `Cargo.toml`.
    pub fn folder(&self) -> &Path {
        self.manifest.parent().expect("a manifest lies in a folder")
    }
}

fn kind(target: &Value) -> Kind {
    match target["kind"][0].as_str() {
        Some("bin") => Kind::Binary,
        Some("test" | "bench" | "example") => Kind::Test,
        Some("custom-build") => Kind::Build,
        _ => Kind::Library,
    }
}

fn array<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value, key: &str) -> Result<String> {
    Ok(value[key].as_str().with_context(|| format!("cargo metadata has no {key}"))?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_packages_edges_and_targets() {
        let metadata = serde_json::json!({
            "workspace_root": "/w",
            "packages": [{
                "name": "skep-core", "manifest_path": "/w/crates/core/Cargo.toml",
                "dependencies": [{"name": "skep-model", "kind": null}, {"name": "proptest", "kind": "dev"}],
                "targets": [{"kind": ["lib"], "src_path": "/w/crates/core/src/lib.rs"},
                            {"kind": ["test"], "src_path": "/w/crates/core/tests/a.rs"}],
            }],
        });
        let workspace = Workspace::parse(&metadata).unwrap();
        let package = &workspace.packages[0];
        assert_eq!(package.folder(), Path::new("/w/crates/core"));
        assert_eq!(workspace.relative(&package.manifest), Path::new("crates/core/Cargo.toml"));
        assert!(!package.dependencies[0].development && package.dependencies[1].development);
        assert_eq!(package.targets.iter().map(|t| t.kind).collect::<Vec<_>>(), [Kind::Library, Kind::Test]);
    }
}
