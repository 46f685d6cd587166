//! The table of tasks that `service ps` and `node ps` share.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use skep_api::client::{Client, ClientError};
use skep_api::wire::{PortConfig, Task};

use super::flags::TaskListFlags;
use super::show_list;
use crate::context::Context;
use crate::fault::Fault;
use crate::format::{
    Cell, Column, Format, Listing, capitalize, ellipsis, familiar_image, natural_order, short_id, since,
};

/// How many display columns an error takes.
const ERROR_COLUMNS: usize = 30;

const COLUMNS: &[Column] = &[
    Column { field: "ID", heading: "ID" },
    Column { field: "Name", heading: "NAME" },
    Column { field: "Image", heading: "IMAGE" },
    Column { field: "Node", heading: "NODE" },
    Column { field: "DesiredState", heading: "DESIRED STATE" },
    Column { field: "CurrentState", heading: "CURRENT STATE" },
    Column { field: "Error", heading: "ERROR" },
    Column { field: "Ports", heading: "PORTS" },
];

/// How the table is wanted.
#[derive(Clone, Copy, Debug)]
struct Style {
    /// Shows ids, images and errors in full.
    pub no_trunc: bool,
    /// Marks earlier tasks of a slot, as tables do.
    pub mark_history: bool,
    /// The instant that "5 minutes ago" counts from.
    pub now: Timestamp,
}

/// The names of services and nodes, by id. What has no name is called by its id.
#[derive(Debug, Default)]
struct Names {
    services: BTreeMap<String, String>,
    nodes: BTreeMap<String, String>,
}

impl Names {
    /// Asks for the names of all that the tasks mention.
    async fn resolve(client: &Client, tasks: &[Task]) -> Result<Names, Fault> {
        let mut names = Names::default();
        let services: BTreeSet<&String> = tasks.iter().map(|task| &task.service_id).collect();
        for id in services.into_iter().filter(|id| !id.is_empty()) {
            if let Some(service) = known(client.service(id, false).await)? {
                names.services.insert(id.clone(), service.spec.name);
            }
        }
        let nodes: BTreeSet<&String> = tasks.iter().map(|task| &task.node_id).collect();
        for id in nodes.into_iter().filter(|id| !id.is_empty()) {
            if let Some(node) = known(client.node(id).await)? {
                let name = if node.spec.name.is_empty() { node.description.hostname } else { node.spec.name };
                names.nodes.insert(id.clone(), name);
            }
        }
        Ok(names)
    }

    fn service<'a>(&'a self, id: &'a str) -> &'a str {
        self.services.get(id).map_or(id, String::as_str)
    }

    fn node<'a>(&'a self, id: &'a str) -> &'a str {
        self.nodes.get(id).filter(|name| !name.is_empty()).map_or(id, String::as_str)
    }

    /// `web.1`; without a slot the node stands in its place.
    fn task(&self, task: &Task) -> String {
        let service = self.service(&task.service_id);
        match task.slot {
            0 => format!("{service}.{}", task.node_id),
            slot => format!("{service}.{slot}"),
        }
    }
}

/// An object that is gone has no name, which is no reason to fail.
fn known<T>(answer: Result<T, ClientError>) -> Result<Option<T>, ClientError> {
    match answer {
        Ok(object) => Ok(Some(object)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Shows tasks as the flags and the user's `tasksFormat` want them.
pub(crate) async fn show(
    context: &mut Context,
    tasks: Vec<Task>,
    list: &TaskListFlags,
    no_trunc: bool,
) -> Result<(), Fault> {
    let format = context.list_format(&list.format, "tasksFormat", list.quiet)?;
    let client = context.client().await?;
    let anonymous = list.no_resolve || list.quiet;
    let names = if anonymous { Names::default() } else { Names::resolve(&client, &tasks).await? };
    let style = Style { no_trunc, mark_history: Format::parse(&format).is_table(), now: (context.now)() };
    show_list(context, &listing(tasks, &names, style), &format, list.quiet)
}

/// One row per task: by name, the newest of a name first.
fn listing(tasks: Vec<Task>, names: &Names, style: Style) -> Listing {
    let mut tasks: Vec<(String, Task)> = tasks.into_iter().map(|task| (names.task(&task), task)).collect();
    tasks.sort_by(|(name, task), (other_name, other)| {
        natural_order(name, other_name).then_with(|| other.created_at.cmp(&task.created_at))
    });
    let mut previous = String::new();
    let mut rows = Vec::with_capacity(tasks.len());
    for (name, task) in &tasks {
        let is_history = style.mark_history && *name == previous;
        let shown = if is_history { format!(" \\_ {name}") } else { name.clone() };
        rows.push(row(task, shown, names, style));
        previous.clone_from(name);
    }
    Listing {
        type_name: "*task.taskContext",
        columns: COLUMNS,
        key: "ID",
        table: &["ID", "Name", "Image", "Node", "DesiredState", "CurrentState", "Error", "Ports"],
        raw: &[
            ("ID", "id"),
            ("Name", "name"),
            ("Image", "image"),
            ("Node", "node"),
            ("DesiredState", "desired_state"),
            ("CurrentState", "current_state"),
            ("Error", "error"),
            ("Ports", "ports"),
        ],
        rows,
    }
}

fn row(task: &Task, name: String, names: &Names, style: Style) -> Vec<Cell> {
    let id = if style.no_trunc { &task.id } else { short_id(&task.id) };
    let image = task.spec.container_spec.as_ref().map_or("", |container| container.image.as_str());
    let ago = since(task.status.timestamp.0, style.now).to_lowercase();
    vec![
        id.into(),
        name.into(),
        if style.no_trunc { image.to_owned() } else { familiar_image(image) }.into(),
        names.node(&task.node_id).into(),
        capitalize(&task.desired_state).into(),
        format!("{} {ago} ago", capitalize(&task.status.state)).into(),
        error(&task.status.err, style.no_trunc).into(),
        ports(&task.status.port_status.ports).into(),
    ]
}

fn error(error: &str, no_trunc: bool) -> String {
    match error {
        "" => String::new(),
        _ if no_trunc => format!("\"{error}\""),
        _ => format!("\"{}\"", ellipsis(error, ERROR_COLUMNS)),
    }
}

fn ports(ports: &[PortConfig]) -> String {
    let show =
        |port: &PortConfig| format!("*:{}->{}/{}", port.published_port, port.target_port, port.protocol);
    ports.iter().map(show).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use skep_api::wire::{ContainerSpec, TaskStatus, Time};

    use super::*;

    fn instant(text: &str) -> Timestamp {
        text.parse().expect("an instant")
    }

    fn task(id: char, slot: i64, image: &str, states: [&str; 2], at: &str, err: &str) -> Task {
        let mut task = Task { id: String::from(id).repeat(25), slot, ..Task::default() };
        "s".clone_into(&mut task.service_id);
        "n".clone_into(&mut task.node_id);
        task.created_at = Time(instant(at));
        task.desired_state = states[0].to_owned();
        task.status = TaskStatus {
            timestamp: Time(instant(at)),
            state: states[1].to_owned(),
            err: err.to_owned(),
            ..TaskStatus::default()
        };
        let image = format!("{image}@sha256:{}", "0".repeat(64));
        task.spec.container_spec = Some(ContainerSpec { image, ..ContainerSpec::default() });
        task
    }

    #[test]
    fn two_failures_and_an_update() {
        let failure = "task: non-zero exit (137): dockerexec: unhealthy container";
        let tasks = vec![
            task('d', 2, "redis:3.0.6", ["running", "running"], "2026-01-02T03:00:00Z", ""),
            task('c', 1, "redis:3.0.6", ["shutdown", "failed"], "2026-01-02T03:02:00Z", failure),
            task('a', 1, "redis:3.0.7", ["running", "running"], "2026-01-02T03:03:57Z", ""),
            task('b', 10, "redis:3.0.6", ["shutdown", "shutdown"], "2026-01-02T03:03:00Z", ""),
        ];
        let names = Names {
            services: [("s".to_owned(), "web".to_owned())].into(),
            nodes: [("n".to_owned(), "n1".to_owned())].into(),
        };
        let style = Style { no_trunc: false, mark_history: true, now: instant("2026-01-02T03:04:00Z") };
        let text = listing(tasks, &names, style).render(&Format::Table).expect("renders");
        expect![[r#"
            ID             NAME        IMAGE         NODE      DESIRED STATE   CURRENT STATE                 ERROR                              PORTS
            aaaaaaaaaaaa   web.1       redis:3.0.7   n1        Running         Running 3 seconds ago                                            
            cccccccccccc    \_ web.1   redis:3.0.6   n1        Shutdown        Failed 2 minutes ago          "task: non-zero exit (137): do…"   
            dddddddddddd   web.2       redis:3.0.6   n1        Running         Running 4 minutes ago                                            
            bbbbbbbbbbbb   web.10      redis:3.0.6   n1        Shutdown        Shutdown about a minute ago                                      
        "#]]
        .assert_eq(&text);
    }

    #[test]
    fn what_is_gone_is_called_by_its_id() {
        let mut lost = task('e', 0, "redis:7", ["running", "pending"], "2026-01-02T03:04:00Z", "");
        lost.status.port_status.ports = vec![PortConfig {
            protocol: "tcp".to_owned(),
            target_port: 80,
            published_port: 8080,
            ..PortConfig::default()
        }];
        let style = Style { no_trunc: true, mark_history: false, now: instant("2026-01-02T03:04:00Z") };
        let listing = listing(vec![lost], &Names::default(), style);
        let text = listing.render(&Format::parse("{{.ID}} {{.Name}} {{.Node}} {{.CurrentState}} {{.Ports}}"));
        expect!["eeeeeeeeeeeeeeeeeeeeeeeee s.n n Pending less than a second ago *:8080->80/tcp\n"]
            .assert_eq(&text.expect("renders"));
    }
}
