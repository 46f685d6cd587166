//! The dependency table: which crate of the workspace may depend on which.
//!
//! An edge that is not here is an architectural change: add it with an ADR, or put the code elsewhere.

use super::Finding;
use crate::workspace::{Package, Workspace};

/// What a crate may depend on; a crate that is not listed may not exist.
const TABLE: [(&str, &[&str]); 15] = [
    ("skep-model", &[]),
    ("skep-core", &["skep-model"]),
    ("skep-raft", &[]),
    // Archives come from strangers everywhere: one reader for all (ADR 0017).
    ("skep-archive", &[]),
    ("skep-runtime", &["skep-archive"]),
    ("skep-net", &[]),
    ("skep-agent", &["skep-model", "skep-core", "skep-runtime", "skep-net", "skep-archive"]),
    ("skep-api", &["skep-model"]),
    ("skep-cli", &["skep-api", "skep-archive"]),
    (
        "skep",
        &[
            "skep-model",
            "skep-core",
            "skep-raft",
            "skep-runtime",
            "skep-net",
            "skep-agent",
            "skep-api",
            "skep-cli",
            // Its configuration file is tried with the driver of the other targets.
            "skep-fuzz",
        ],
    ),
    ("skep-sim", &["skep-model", "skep-core", FOR_TESTS]),
    (FOR_TESTS, &["skep-model"]),
    // The targets read what strangers send, with the readers of the crates that meet it.
    ("skep-fuzz", &["skep-agent", "skep-api", "skep-archive", "skep-runtime"]),
    // The black box reaches the product through its binary and its sockets only.
    ("skep-tests", &[]),
    ("xtask", &[]),
];

/// Any crate may test with this one, and none that ships may be built of it.
const FOR_TESTS: &str = "skep-testing";

/// Reports edges outside the table. Development edges count too: a test reaches through the same walls.
pub fn check(workspace: &Workspace) -> Vec<Finding> {
    workspace.packages.iter().flat_map(|package| check_package(workspace, package)).collect()
}

fn check_package(workspace: &Workspace, package: &Package) -> Vec<Finding> {
    let manifest = workspace.relative(&package.manifest);
    let Some((_, allowed)) = TABLE.iter().find(|(name, _)| *name == package.name) else {
        let message = format!(
            "crate {} is not in the table of xtask/src/tidy/edges.rs: a new crate is a new wall",
            package.name
        );
        return vec![Finding::new(manifest, 0, message)];
    };
    package
        .dependencies
        .iter()
        .filter(|edge| workspace.packages.iter().any(|other| other.name == edge.name))
        .filter(|edge| edge.name != package.name && !allowed.contains(&edge.name.as_str()))
        .filter(|edge| !(edge.development && edge.name == FOR_TESTS))
        .map(|edge| {
            let kind = if edge.development { "development edge" } else { "edge" };
            let may = if allowed.is_empty() { "no other crate".to_owned() } else { allowed.join(", ") };
            let message = format!(
                "{kind} to {} is outside the dependency table: {} may use {may}",
                edge.name, package.name
            );
            Finding::new(manifest, 0, message)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Dependency;

    fn package(name: &str, edges: &[&str]) -> Package {
        Package {
            name: name.to_owned(),
            manifest: format!("/w/{name}/Cargo.toml").into(),
            dependencies: edges
                .iter()
                .map(|edge| Dependency { name: (*edge).to_owned(), development: false })
                .collect(),
            targets: Vec::new(),
        }
    }

    fn messages(packages: Vec<Package>) -> Vec<String> {
        let workspace = Workspace { root: "/w".into(), packages };
        check(&workspace).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_table_itself_passes() {
        let packages = TABLE.iter().map(|(name, edges)| package(name, edges)).collect();
        assert_eq!(messages(packages), [""; 0]);
    }

    #[test]
    fn an_edge_outside_the_table_is_named() {
        let found = messages(vec![
            package("skep-core", &["skep-model", "skep-runtime", "serde"]),
            package("skep-runtime", &[]),
            package("skep-model", &[]),
        ]);
        assert_eq!(
            found,
            [
                "skep-core/Cargo.toml: edge to skep-runtime is outside the dependency table: skep-core may use skep-model"
            ]
        );
    }

    #[test]
    fn what_is_for_tests_is_for_nothing_else() {
        let uses = |development| {
            let mut core = package("skep-core", &[FOR_TESTS]);
            core.dependencies[0].development = development;
            messages(vec![core, package(FOR_TESTS, &[])]).len()
        };
        assert_eq!((uses(true), uses(false)), (0, 1));
    }

    #[test]
    fn an_unknown_crate_is_refused() {
        assert!(messages(vec![package("skep-utils", &[])])[0].contains("is not in the table"));
    }
}
