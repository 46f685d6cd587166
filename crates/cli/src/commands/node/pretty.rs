//! `node inspect --pretty`: one node as text for people, in docker's layout down to tabs and blanks.

use std::collections::{BTreeMap, BTreeSet};

use skep_api::wire::{ManagerStatus, Node, NodeDescription, TlsInfo};

use crate::format::{bytes, capitalize};

/// Billionths of a CPU in one CPU.
const NANO: i64 = 1_000_000_000;

/// Renders a node.
pub(super) fn pretty(node: &Node) -> String {
    let mut lines = vec![format!("ID:\t\t\t{}", node.id)];
    if !node.spec.name.is_empty() {
        lines.push(format!("Name:\t\t\t{}", node.spec.name));
    }
    labels(&mut lines, "Labels:", &node.spec.labels);
    lines.push(format!("Hostname:              \t{}", node.description.hostname));
    let joined_at = node.created_at.0.to_string().replace('T', " ").replace('Z', " +0000 utc");
    lines.push(format!("Joined at:             \t{joined_at}"));
    status(&mut lines, node);
    if let Some(manager) = &node.manager_status {
        manager_status(&mut lines, manager);
    }
    description(&mut lines, &node.description);
    if node.description.tls_info != TlsInfo::default() {
        tls(&mut lines, &node.description.tls_info);
    }
    lines.join("\n") + "\n"
}

fn labels(lines: &mut Vec<String>, title: &str, labels: &BTreeMap<String, String>) {
    if !labels.is_empty() {
        lines.push(title.to_owned());
    }
    for (key, value) in labels {
        let separator = if value.is_empty() { "" } else { "=" };
        lines.push(format!(" - {key}{separator}{value}"));
    }
}

fn status(lines: &mut Vec<String>, node: &Node) {
    lines.push("Status:".to_owned());
    lines.push(format!(" State:\t\t\t{}", capitalize(&node.status.state)));
    if !node.status.message.is_empty() {
        lines.push(format!(" Message:              \t{}", capitalize(&node.status.message)));
    }
    lines.push(format!(" Availability:         \t{}", capitalize(&node.spec.availability)));
    if !node.status.addr.is_empty() {
        lines.push(format!(" Address:\t\t{}", node.status.addr));
    }
}

fn manager_status(lines: &mut Vec<String>, manager: &ManagerStatus) {
    lines.push("Manager Status:".to_owned());
    lines.push(format!(" Address:\t\t{}", manager.addr));
    lines.push(format!(" Raft Status:\t\t{}", capitalize(&manager.reachability)));
    lines.push(format!(" Leader:\t\t{}", if manager.leader { "Yes" } else { "No" }));
}

fn description(lines: &mut Vec<String>, description: &NodeDescription) {
    lines.push("Platform:".to_owned());
    lines.push(format!(" Operating System:\t{}", description.platform.os));
    lines.push(format!(" Architecture:\t\t{}", description.platform.architecture));
    lines.push("Resources:".to_owned());
    lines.push(format!(" CPUs:\t\t\t{}", description.resources.nano_cpus / NANO));
    lines.push(format!(" Memory:\t\t{}", bytes(description.resources.memory_bytes)));
    let plugins = &description.engine.plugins;
    if !plugins.is_empty() {
        lines.push("Plugins:".to_owned());
    }
    let kinds: BTreeSet<&str> = plugins.iter().map(|plugin| plugin.kind.as_str()).collect();
    for kind in kinds {
        let names = plugins.iter().filter(|plugin| plugin.kind == kind).map(|plugin| plugin.name.as_str());
        lines.push(format!(" {kind}:\t\t{}", names.collect::<Vec<_>>().join(", ")));
    }
    lines.push(format!("Engine Version:\t\t{}", description.engine.engine_version));
    labels(lines, "Engine Labels:", &description.engine.labels);
}

fn tls(lines: &mut Vec<String>, info: &TlsInfo) {
    lines.push(format!("TLS Info:\n TrustRoot:\n{}", info.trust_root));
    lines.push(format!(" Issuer Subject:\t{}", info.cert_issuer_subject));
    lines.push(format!(" Issuer Public Key:\t{}", info.cert_issuer_public_key));
}
