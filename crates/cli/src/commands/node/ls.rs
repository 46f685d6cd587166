//! `node ls`.

use clap::Args;
use skep_api::wire::{Info, Node, TlsInfo};

use crate::commands::flags::ListFlags;
use crate::commands::{none, show_list};
use crate::context::Context;
use crate::fault::Fault;
use crate::format::{Cell, Column, Format, Listing, capitalize, natural_order};

/// List nodes in the swarm
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS]")]
pub(crate) struct Flags {
    #[command(flatten)]
    list: ListFlags,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

const COLUMNS: &[Column] = &[
    Column { field: "ID", heading: "ID" },
    Column { field: "Self", heading: "" },
    Column { field: "Hostname", heading: "HOSTNAME" },
    Column { field: "Status", heading: "STATUS" },
    Column { field: "Availability", heading: "AVAILABILITY" },
    Column { field: "ManagerStatus", heading: "MANAGER STATUS" },
    Column { field: "EngineVersion", heading: "ENGINE VERSION" },
    Column { field: "TLSStatus", heading: "TLS STATUS" },
];

/// Docker's default table, as the template that it is: the mark of the own node shares a column with the id.
const TABLE: &str = "table {{.ID}} {{if .Self}}*{{else}} {{end}}\t{{.Hostname}}\t{{.Status}}\t{{.Availability}}\t{{.ManagerStatus}}\t{{.EngineVersion}}";

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { list, arguments } = flags;
    none(context, &arguments)?;
    let format = context.list_format(&list.format, "nodesFormat", list.quiet)?;
    let client = context.client().await?;
    let nodes = client.nodes(&list.filters()).await?;
    let info = if nodes.is_empty() || list.quiet { Info::default() } else { client.info().await? };
    let is_default = Format::parse(&format) == Format::Table && !list.quiet;
    let format = if is_default { TABLE } else { &format };
    show_list(context, &listing(nodes, &info), format, list.quiet)
}

fn listing(mut nodes: Vec<Node>, info: &Info) -> Listing {
    nodes.sort_by(|a, b| natural_order(&a.description.hostname, &b.description.hostname));
    let cluster_tls = info.swarm.cluster.as_ref().map(|cluster| &cluster.tls_info);
    Listing {
        type_name: "*node.nodeContext",
        columns: COLUMNS,
        key: "ID",
        table: &["ID", "Hostname", "Status", "Availability", "ManagerStatus", "EngineVersion"],
        raw: &[
            ("ID", "node_id"),
            ("Hostname", "hostname"),
            ("Status", "status"),
            ("Availability", "availability"),
            ("ManagerStatus", "manager_status"),
        ],
        rows: nodes.iter().map(|node| row(node, &info.swarm.node_id, cluster_tls)).collect(),
    }
}

fn row(node: &Node, own_id: &str, cluster_tls: Option<&TlsInfo>) -> Vec<Cell> {
    let manager = match &node.manager_status {
        Some(status) if status.leader => "Leader".to_owned(),
        Some(status) => capitalize(&status.reachability),
        None => String::new(),
    };
    vec![
        node.id.as_str().into(),
        (node.id == own_id).into(),
        node.description.hostname.as_str().into(),
        capitalize(&node.status.state).into(),
        capitalize(&node.spec.availability).into(),
        manager.into(),
        node.description.engine.engine_version.as_str().into(),
        tls_status(&node.description.tls_info, cluster_tls).into(),
    ]
}

/// A node needs new certificates when it trusts another authority than the cluster has.
fn tls_status(node: &TlsInfo, cluster: Option<&TlsInfo>) -> &'static str {
    match cluster {
        Some(cluster) if *node == TlsInfo::default() || *cluster == TlsInfo::default() => "Unknown",
        Some(cluster) if node == cluster => "Ready",
        Some(_) => "Needs Rotation",
        None => "Unknown",
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use skep_api::wire::ManagerStatus;

    use super::*;

    fn node(id: char, hostname: &str) -> Node {
        let mut node = Node { id: String::from(id).repeat(25), ..Node::default() };
        hostname.clone_into(&mut node.description.hostname);
        "28.2.2".clone_into(&mut node.description.engine.engine_version);
        "ready".clone_into(&mut node.status.state);
        "active".clone_into(&mut node.spec.availability);
        node
    }

    #[test]
    fn the_own_node_is_marked() {
        let mut leader = node('a', "n10");
        leader.manager_status = Some(ManagerStatus { leader: true, ..ManagerStatus::default() });
        let mut info = Info::default();
        info.swarm.node_id.clone_from(&leader.id);
        let listing = listing(vec![leader, node('b', "n2")], &info);
        expect![[r#"
            ID                            HOSTNAME   STATUS    AVAILABILITY   MANAGER STATUS   ENGINE VERSION
            bbbbbbbbbbbbbbbbbbbbbbbbb     n2         Ready     Active                          28.2.2
            aaaaaaaaaaaaaaaaaaaaaaaaa *   n10        Ready     Active         Leader           28.2.2
        "#]]
        .assert_eq(&listing.render(&Format::parse(TABLE)).expect("renders"));
        expect![[r#"
            {"Availability":"Active","EngineVersion":"28.2.2","Hostname":"n2","ID":"bbbbbbbbbbbbbbbbbbbbbbbbb","ManagerStatus":"","Self":false,"Status":"Ready","TLSStatus":"Unknown"}
            {"Availability":"Active","EngineVersion":"28.2.2","Hostname":"n10","ID":"aaaaaaaaaaaaaaaaaaaaaaaaa","ManagerStatus":"Leader","Self":true,"Status":"Ready","TLSStatus":"Unknown"}
        "#]]
        .assert_eq(&listing.render(&Format::Json).expect("renders"));
    }
}
