//! `service ls`.

use clap::Args;
use skep_api::wire::{PortConfig, Service, ServiceMode};

use crate::commands::flags::ListFlags;
use crate::commands::{none, show_list};
use crate::context::Context;
use crate::fault::Fault;
use crate::format::{Cell, Column, Listing, familiar_image, natural_order, short_id};

/// List services
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
    Column { field: "Name", heading: "NAME" },
    Column { field: "Mode", heading: "MODE" },
    Column { field: "Replicas", heading: "REPLICAS" },
    Column { field: "Image", heading: "IMAGE" },
    Column { field: "Ports", heading: "PORTS" },
];

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { list, arguments } = flags;
    none(context, &arguments)?;
    let format = context.list_format(&list.format, "servicesFormat", list.quiet)?;
    let client = context.client().await?;
    let services = client.services(&list.filters(), true).await?;
    show_list(context, &listing(services), &format, list.quiet)
}

/// One row per service, in natural order of names.
pub(super) fn listing(mut services: Vec<Service>) -> Listing {
    services.sort_by(|a, b| natural_order(&a.spec.name, &b.spec.name));
    Listing {
        type_name: "*service.serviceContext",
        columns: COLUMNS,
        key: "ID",
        table: &["ID", "Name", "Mode", "Replicas", "Image", "Ports"],
        raw: &[
            ("ID", "id"),
            ("Name", "name"),
            ("Mode", "mode"),
            ("Replicas", "replicas"),
            ("Image", "image"),
            ("Ports", "ports"),
        ],
        rows: services.iter().map(row).collect(),
    }
}

fn row(service: &Service) -> Vec<Cell> {
    let container = service.spec.task_template.container_spec.as_ref();
    let image = container.map(|container| familiar_image(&container.image)).unwrap_or_default();
    vec![
        short_id(&service.id).into(),
        service.spec.name.as_str().into(),
        mode(&service.spec.mode).into(),
        replicas(service).into(),
        image.into(),
        ports(&service.endpoint.ports).into(),
    ]
}

fn mode(mode: &ServiceMode) -> &'static str {
    match mode {
        ServiceMode { global: Some(_), .. } => "global",
        ServiceMode { replicated_job: Some(_), .. } => "replicated job",
        ServiceMode { global_job: Some(_), .. } => "global job",
        _ => "replicated",
    }
}

fn replicas(service: &Service) -> String {
    let status = service.service_status.unwrap_or_default();
    let (running, desired, completed) = (status.running_tasks, status.desired_tasks, status.completed_tasks);
    let spec = &service.spec;
    let max_per_node = spec.task_template.placement.as_ref().map_or(0, |placement| placement.max_replicas);
    match spec.mode {
        ServiceMode { replicated_job: Some(job), .. } => {
            let total = job.total_completions.unwrap_or(1);
            format!("{running}/{desired} ({completed}/{total} completed)")
        }
        ServiceMode { global_job: Some(_), .. } => {
            format!("{running}/{desired} ({completed}/{} completed)", desired + completed)
        }
        ServiceMode { replicated: Some(_), .. } if max_per_node > 0 => {
            format!("{running}/{desired} (max {max_per_node} per node)")
        }
        _ => format!("{running}/{desired}"),
    }
}

/// Ingress ports; neighbours are merged into ranges.
fn ports(ports: &[PortConfig]) -> String {
    let mut ingress: Vec<&PortConfig> = ports.iter().filter(|port| port.publish_mode == "ingress").collect();
    ingress.sort_by(|a, b| (&a.protocol, a.published_port).cmp(&(&b.protocol, b.published_port)));
    let mut ranges: Vec<Range<'_>> = Vec::new();
    for port in ingress {
        if !ranges.last_mut().is_some_and(|last| last.take(port)) {
            ranges.push(Range::of(port));
        }
    }
    ranges.iter().map(Range::show).collect::<Vec<_>>().join(", ")
}

/// Published ports in a row, and the target ports they lead to: as many, or just one.
struct Range<'a> {
    protocol: &'a str,
    published: (u32, u32),
    target: (u32, u32),
}

impl<'a> Range<'a> {
    fn of(port: &'a PortConfig) -> Range<'a> {
        Range {
            protocol: &port.protocol,
            published: (port.published_port, port.published_port),
            target: (port.target_port, port.target_port),
        }
    }

    /// Takes a port in, if it continues the row.
    fn take(&mut self, port: &PortConfig) -> bool {
        let is_next = port.protocol == self.protocol && port.published_port == self.published.1 + 1;
        let is_single = self.published.0 == self.published.1;
        let is_many = self.target.0 == self.target.1 && !is_single;
        let target = port.target_port;
        let continues = is_next
            && ((target == self.target.1 + 1 && !is_many)
                || (target == self.target.0 && (is_single || is_many)));
        if continues {
            self.published.1 += 1;
            self.target.1 = target;
        }
        continues
    }

    fn show(&self) -> String {
        let show = |(first, last): (u32, u32)| {
            if first == last { first.to_string() } else { format!("{first}-{last}") }
        };
        format!("*:{}->{}/{}", show(self.published), show(self.target), self.protocol)
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use skep_api::wire::{ContainerSpec, Placement, ReplicatedService, ServiceStatus};

    use super::*;
    use crate::format::Format;

    fn port(published_port: u32, target_port: u32, protocol: &str, publish_mode: &str) -> PortConfig {
        let (protocol, publish_mode) = (protocol.to_owned(), publish_mode.to_owned());
        PortConfig { protocol, publish_mode, published_port, target_port, ..PortConfig::default() }
    }

    fn service(name: &str, max_replicas: u64) -> Service {
        let mut service = Service { id: "8zfc4lwscxadq0v1m2n3b4v5c".to_owned(), ..Service::default() };
        name.clone_into(&mut service.spec.name);
        service.spec.mode.replicated = Some(ReplicatedService { replicas: Some(2) });
        let digest = "0".repeat(64);
        let image = format!("redis:7@sha256:{digest}");
        service.spec.task_template.container_spec = Some(ContainerSpec { image, ..ContainerSpec::default() });
        service.spec.task_template.placement = Some(Placement { max_replicas, ..Placement::default() });
        service.service_status =
            Some(ServiceStatus { running_tasks: 2, desired_tasks: 2, completed_tasks: 0 });
        service
    }

    #[test]
    fn the_table() {
        let mut web = service("web2", 0);
        web.endpoint.ports = vec![port(8080, 80, "tcp", "ingress"), port(53, 53, "udp", "host")];
        let listing = listing(vec![service("web10", 1), web]);
        expect![[r#"
            ID             NAME      MODE         REPLICAS               IMAGE     PORTS
            8zfc4lwscxad   web2      replicated   2/2                    redis:7   *:8080->80/tcp
            8zfc4lwscxad   web10     replicated   2/2 (max 1 per node)   redis:7   
        "#]]
        .assert_eq(&listing.render(&Format::Table).expect("renders"));
        expect![[r#"
            {"ID":"8zfc4lwscxad","Image":"redis:7","Mode":"replicated","Name":"web2","Ports":"*:8080-\u003e80/tcp","Replicas":"2/2"}
            {"ID":"8zfc4lwscxad","Image":"redis:7","Mode":"replicated","Name":"web10","Ports":"","Replicas":"2/2 (max 1 per node)"}
        "#]]
        .assert_eq(&listing.render(&Format::parse("json")).expect("renders"));
        expect![[r#"
            NAME      REPLICAS
            WEB2      2/2
            WEB10     2/2 (max 1 per node)
        "#]]
        .assert_eq(
            &listing.render(&Format::parse(r"table {{upper .Name}}\t{{.Replicas}}")).expect("renders"),
        );
        let error = listing.render(&Format::parse("{{.Foo}}")).expect_err("no such field");
        expect![[r#"template parsing error: template: :1:2: executing "" at <.Foo>: can't evaluate field Foo in type *service.serviceContext"#]]
        .assert_eq(&error.to_string());
    }

    #[test]
    fn neighbouring_ports_merge() {
        let show = |pairs: &[(u32, u32)]| {
            ports(&pairs.iter().map(|(a, b)| port(*a, *b, "tcp", "ingress")).collect::<Vec<_>>())
        };
        assert_eq!(show(&[(81, 81), (80, 80)]), "*:80-81->80-81/tcp");
        assert_eq!(show(&[(80, 80), (81, 80)]), "*:80-81->80/tcp");
        assert_eq!(show(&[(80, 80), (90, 90)]), "*:80->80/tcp, *:90->90/tcp");
        assert_eq!(show(&[]), "");
    }
}
