//! How a daemon stands in its cluster: its part, the leader, and whether the store keeps its invariants.

use skep_api::server::facts::{LocalNode, LocalState};
use skep_api::wire::{Condition, Finding};
use skep_core::check::{audit, check};
use skep_core::store::Store;
use skep_model::Timestamp;

use crate::membership::Membership;

/// Violations that are spelled out; a store that breaks one rule often breaks it for each of its objects.
const VIOLATIONS_SHOWN: usize = 5;
/// How far ahead of the clock the last write may be: managers' clocks differ a little.
const AHEAD_MAX: i64 = 5_000_000_000;

/// Looks at the cluster as this node knows it. Reading the whole store takes as long as it is large.
pub async fn look(membership: &Membership, now: Timestamp) -> Vec<Finding> {
    let node = membership.local_node();
    let mut findings = vec![part(&node)];
    let Ok(manager) = membership.manager() else { return findings };
    match manager.view().await {
        Ok(published) => {
            let store = &published.store;
            findings.push(Finding::ok("leader", "the log can be written"));
            findings.push(consistency(store));
            findings.push(last_write(store, now));
        }
        Err(refusal) => findings.push(Finding::bad(
            "leader",
            Condition::Missing,
            refusal.message,
            ["nothing in the cluster can change; what runs goes on", "bring the other managers back"],
        )),
    }
    findings
}

fn part(node: &LocalNode) -> Finding {
    let id = node.id.map(|id| id.to_string()).unwrap_or_default();
    match node.state {
        LocalState::Active if node.is_manager => {
            Finding::ok("swarm", format!("manager {id} at {}", node.addr))
        }
        LocalState::Active => Finding::ok("swarm", format!("worker {id} at {}", node.addr)),
        LocalState::Inactive => Finding::bad(
            "swarm",
            Condition::Warning,
            "this node is in no cluster",
            ["it runs no service", "\"skep init\" makes it a cluster of its own"],
        ),
        LocalState::Pending => Finding::bad(
            "swarm",
            Condition::Warning,
            "this node is starting its part in the cluster",
            ["it takes no requests yet", "wait; if it lasts, the daemon's log says why"],
        ),
        LocalState::Locked => Finding::bad(
            "swarm",
            Condition::Missing,
            "this manager is locked",
            ["it takes no part in the cluster", "\"skep swarm unlock\" opens it with the cluster's key"],
        ),
        LocalState::Error => Finding::bad(
            "swarm",
            Condition::Missing,
            format!("this node's part in the cluster failed: {}", node.error),
            ["it takes no requests", "mend what is named and start the daemon again"],
        ),
    }
}

fn consistency(store: &Store) -> Finding {
    let violations: Vec<_> = check(store).into_iter().chain(audit(store)).collect();
    if violations.is_empty() {
        let (services, tasks) = (store.services().count(), store.tasks().count());
        let index = store.index();
        return Finding::ok(
            "store",
            format!("{services} services and {tasks} tasks, consistent at index {index}"),
        );
    }
    let shown = violations.iter().take(VIOLATIONS_SHOWN);
    let told: Vec<String> = shown.map(|found| format!("{} ({})", found.detail, found.invariant)).collect();
    Finding::bad(
        "store",
        Condition::Missing,
        format!("{} rules of the store are broken: {}", violations.len(), told.join("; ")),
        [
            "decisions rest on what should not be",
            "keep a copy of swarm/ in the data directory and report this",
        ],
    )
}

fn last_write(store: &Store, now: Timestamp) -> Finding {
    let stamps = store.tasks().map(|task| task.meta.updated_at);
    let last = stamps.chain(store.services().map(|service| service.meta.updated_at)).max();
    match last {
        Some(last) if last.0 > now.0.saturating_add(AHEAD_MAX) => Finding::bad(
            "cluster time",
            Condition::Warning,
            format!("the cluster's last change is {} s in the future", (last.0 - now.0) / 1_000_000_000),
            ["delays and monitor periods last that much longer", "the clock was set back: set it right"],
        ),
        _ => Finding::ok("cluster time", "no change lies in the future"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nodes_part_tells_what_to_do_next() {
        let mut node = LocalNode { state: LocalState::Inactive, ..LocalNode::default() };
        assert!(part(&node).to_string().ends_with("\"skep init\" makes it a cluster of its own"));
        node.state = LocalState::Error;
        node.error = "the log is damaged".to_owned();
        let found = part(&node);
        assert_eq!(found.condition, Condition::Missing);
        assert!(found.message.contains("the log is damaged"));
        node.state = LocalState::Active;
        assert_eq!(part(&node).condition, Condition::Ok);
    }

    #[test]
    fn an_empty_store_is_consistent() {
        let store = Store::default();
        assert_eq!(consistency(&store).message, "0 services and 0 tasks, consistent at index 0");
        assert_eq!(last_write(&store, Timestamp(0)).condition, Condition::Ok);
    }
}
