//! Waiting until every node has followed a rotation of the cluster's root, and showing it.

use std::io::Write as _;

use sha2::{Digest as _, Sha256};
use skep_api::client::Filters;
use skep_api::wire::{ClusterInfo, Node};

use super::POLL_AFTER;
use super::screen::{Line, Screen};
use crate::context::Context;
use crate::fault::Fault;

/// The labels of the lines, as docker aligns them.
const DIGEST: &str = "desired root digest";
const CERTIFICATES: &str = "  rotated TLS certificates";
const ROOTS: &str = "  rotated CA certificates";

/// Waits until all nodes have certificates of the cluster's root and trust no other.
///
/// Bounded by the user: a node that is away is waited for until Ctrl-C, which leaves the rotation to the cluster.
pub(crate) async fn wait(context: &mut Context, quiet: bool) -> Result<(), Fault> {
    let client = context.client().await?;
    let interrupt = context.interrupt.clone();
    let mut screen = Screen::new(context.io.columns);
    let mut show = |context: &mut Context, lines: &[Line]| -> std::io::Result<()> {
        for line in lines.iter().filter(|_| !quiet) {
            context.io.text(&screen.draw(line))?;
        }
        context.io.out.flush()
    };
    show(context, &[Line::new(DIGEST, ""), Line::new(CERTIFICATES, ""), Line::new(ROOTS, " ")])?;
    loop {
        let looked = interrupt.shield(async {
            let cluster = client.swarm().await?.cluster;
            let nodes = client.nodes(&Filters::default()).await?;
            Ok::<_, Fault>(look(&cluster, &nodes))
        });
        let Some(looked) = looked.await else { break };
        let (lines, is_over) = looked?;
        show(context, &lines)?;
        if is_over {
            return Ok(());
        }
        if interrupt.shield(tokio::time::sleep(POLL_AFTER)).await.is_none() {
            break;
        }
    }
    let texts = ["Operation continuing in background.", "Use `skep info` to check progress."];
    show(context, &texts.map(|text| Line::new("", text)))?;
    Ok(())
}

/// What to show, and whether that is the end of it.
fn look(cluster: &ClusterInfo, nodes: &[Node]) -> (Vec<Line>, bool) {
    let wanted = &cluster.tls_info;
    let issuers = |node: &&Node| {
        let found = &node.description.tls_info;
        found.cert_issuer_public_key == wanted.cert_issuer_public_key
            && found.cert_issuer_subject == wanted.cert_issuer_subject
    };
    let certificates = nodes.iter().filter(issuers).count() as u64;
    let trusting = nodes.iter().filter(|node| node.description.tls_info.trust_root == wanted.trust_root);
    let total = nodes.len() as u64;
    // While certificates are on their way, nodes trust both roots; only then the old one is taken away.
    let is_renewed = certificates == total && !cluster.root_rotation_in_progress;
    let roots = if is_renewed { trusting.count() as u64 } else { 0 };
    let bar = |label, text, count| Line {
        bar: Some((count, total)),
        units: Some("nodes"),
        ..Line::new(label, text)
    };
    let hex: String = Sha256::digest(&wanted.trust_root).iter().map(|byte| format!("{byte:02x}")).collect();
    let digest = Line::new(DIGEST, format!("sha256:{hex}"));
    let lines = vec![digest, bar(CERTIFICATES, "", certificates), bar(ROOTS, " ", roots)];
    (lines, is_renewed && roots == total)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use skep_api::wire::TlsInfo;

    use super::*;

    fn tls(name: &str) -> TlsInfo {
        TlsInfo {
            trust_root: format!("{name} root"),
            cert_issuer_subject: name.to_owned(),
            cert_issuer_public_key: format!("{name} key"),
        }
    }

    fn cluster(name: &str, is_rotating: bool) -> ClusterInfo {
        ClusterInfo { tls_info: tls(name), root_rotation_in_progress: is_rotating, ..ClusterInfo::default() }
    }

    fn node(issuer: &str, root: &str) -> Node {
        let mut node = Node::default();
        node.description.tls_info = TlsInfo { trust_root: tls(root).trust_root, ..tls(issuer) };
        node
    }

    /// The counts of certificates and roots, and whether it is over.
    fn counted(cluster: &ClusterInfo, nodes: &[Node]) -> (u64, u64, bool) {
        let (lines, is_over) = look(cluster, nodes);
        let count = |line: &Line| line.bar.expect("a bar").0;
        (count(&lines[1]), count(&lines[2]), is_over)
    }

    #[test]
    fn it_is_over_when_every_node_has_the_new_certificate_and_only_the_new_root() {
        let rotating = cluster("new", true);
        let nodes = [node("old", "old"), node("old", "old")];
        assert_eq!(counted(&rotating, &nodes), (0, 0, false));
        let nodes = [node("new", "new"), node("old", "old")];
        assert_eq!(counted(&rotating, &nodes), (1, 0, false));
        let nodes = [node("new", "new"), node("new", "new")];
        assert_eq!(counted(&rotating, &nodes), (2, 0, false), "the cluster says when");
        let rotated = cluster("new", false);
        assert_eq!(counted(&rotated, &[node("new", "new"), node("new", "old")]), (2, 1, false));
        assert_eq!(counted(&rotated, &nodes), (2, 2, true));
    }

    #[test]
    fn a_terminal_counts_nodes_beside_the_bar() {
        let (lines, _) = look(&cluster("new", true), &[node("new", "old"), node("old", "old")]);
        let draw = |columns| {
            let mut screen = Screen::new(Some(columns));
            lines
                .iter()
                .map(|line| screen.draw(line))
                .collect::<String>()
                .replace('\x1b', "^")
                .replace('\r', "<")
        };
        expect![[r#"

            ^[1A^[2K<desired root digest: sha256:2bbd4fea238b0b3839c331a4ea3f49f4433b9a7d2a115f398980114e1768befc <^[1B
            ^[1A^[2K<  rotated TLS certificates:  1/2 nodes<^[1B
            ^[1A^[2K<  rotated CA certificates:   0/2 nodes<^[1B"#]].assert_eq(&draw(80));
        expect![[r#"

            ^[1A^[2K<desired root digest: sha256:2bbd4fea238b0b3839c331a4ea3f49f4433b9a7d2a115f398980114e1768befc <^[1B
            ^[1A^[2K<  rotated TLS certificates:  [=========================>                         ] 1/2 nodes<^[1B
            ^[1A^[2K<  rotated CA certificates:   [>                                                  ] 0/2 nodes<^[1B"#]].assert_eq(&draw(150));
    }
}
