//! `--cap-add` and `--cap-drop`.

use std::collections::BTreeSet;

use skep_api::wire::ContainerSpec;

const ALL: &str = "ALL";

/// On an update, forgets what the service has.
const RESET: &str = "RESET";

type Capabilities = BTreeSet<String>;

/// Full upper-case names, each once.
fn normalize(names: &[String]) -> Capabilities {
    let normal = |name: &String| {
        let name = name.trim().to_uppercase();
        if name == ALL || name == RESET || name.starts_with("CAP_") { name } else { format!("CAP_{name}") }
    };
    names.iter().map(normal).collect()
}

/// `ALL` says everything there is to say.
fn list(names: Capabilities) -> Vec<String> {
    if names.contains(ALL) { vec![ALL.to_owned()] } else { names.into_iter().collect() }
}

/// The capabilities of a new service: adding wins over dropping.
pub(super) fn build(add: &[String], drop: &[String]) -> (Vec<String>, Vec<String>) {
    let (add, drop) = (list(normalize(add)), list(normalize(drop)));
    let drop = drop.into_iter().filter(|name| !add.contains(name)).collect();
    (add, drop)
}

/// Merges into the capabilities of an existing service.
///
/// Each capability is in one of three states: added, dropped, or as the runtime has it. A flag moves it one step, so
/// that adding what was dropped restores the default, and adding it once more adds it.
pub(super) fn merge(add: &[String], drop: &[String], container: &mut ContainerSpec) {
    if add.is_empty() && drop.is_empty() {
        return;
    }
    let (mut add, mut drop) = (normalize(add), normalize(drop));
    let mut added = normalize(&container.capability_add);
    let mut dropped = normalize(&container.capability_drop);
    if add.remove(RESET) {
        added.clear();
    }
    if drop.remove(RESET) {
        dropped.clear();
    }
    for name in drop.into_iter().filter(|name| !add.contains(name)) {
        if !added.remove(&name) {
            dropped.insert(name);
        }
    }
    for name in add {
        if !dropped.remove(&name) {
            added.insert(name);
        }
    }
    container.capability_add = list(added);
    container.capability_drop = list(dropped);
}
