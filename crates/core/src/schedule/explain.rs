//! Why a task waits: each reason in Swarm's words, then in figures and names.

use std::collections::BTreeMap;

use skep_model::endpoint::Protocol;

use super::demand::Demand;
use super::filter::{Absence, Miss};
use super::load::Resource;

/// How many nodes missed for which reason.
pub type Misses = BTreeMap<Miss, u64>;

/// Returns why no node can take a task: the most frequent reason first.
pub fn sentence(demand: &Demand, misses: &Misses) -> String {
    match reasons(demand, misses) {
        reasons if reasons.is_empty() => "no suitable node".to_owned(),
        reasons => format!("no suitable node ({reasons})"),
    }
}

/// Returns the reasons alone: all that Swarm says of a task that belongs to one node.
pub fn reasons(demand: &Demand, misses: &Misses) -> String {
    let mut by_filter: BTreeMap<Filter, Misses> = BTreeMap::new();
    for (miss, count) in misses {
        by_filter.entry(Filter::of(*miss)).or_default().insert(*miss, *count);
    }
    let mut parts: Vec<_> =
        by_filter.iter().map(|(filter, misses)| (misses.values().sum::<u64>(), filter, misses)).collect();
    parts.sort_by_key(|(count, filter, _)| (std::cmp::Reverse(*count), **filter));
    let parts: Vec<_> = parts
        .into_iter()
        .map(|(count, filter, misses)| {
            let details: Vec<_> = misses.iter().map(|(miss, count)| detail(demand, *miss, *count)).collect();
            format!("{}, {}", filter.words(count), details.join(", "))
        })
        .collect();
    parts.join("; ")
}

/// What Swarm has one sentence for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Filter {
    Ready,
    Resource,
    Plugin,
    Constraint,
    Platform,
    HostPort,
    MaxReplicas,
    Affinity,
    AntiAffinity,
}

impl Filter {
    fn of(miss: Miss) -> Filter {
        match miss {
            Miss::Absent(_) => Filter::Ready,
            Miss::Lacks(_) => Filter::Resource,
            Miss::Plugin(_) | Miss::LogDriver => Filter::Plugin,
            Miss::Constraint(_) => Filter::Constraint,
            Miss::Platform => Filter::Platform,
            Miss::Port(_) => Filter::HostPort,
            Miss::MaxReplicas => Filter::MaxReplicas,
            Miss::Near(_) => Filter::Affinity,
            Miss::Far(_) => Filter::AntiAffinity,
        }
    }

    // Compat: all but the last two are the words of Swarm 28, which clients match.
    fn words(self, count: u64) -> String {
        let nodes = if count == 1 { "1 node".to_owned() } else { format!("{count} nodes") };
        match self {
            Filter::Ready => format!("{nodes} not available for new tasks"),
            Filter::Resource => format!("insufficient resources on {nodes}"),
            Filter::Plugin => format!("missing plugin on {nodes}"),
            Filter::Constraint => format!("scheduling constraints not satisfied on {nodes}"),
            Filter::Platform => format!("unsupported platform on {nodes}"),
            Filter::HostPort => format!("host-mode port already in use on {nodes}"),
            Filter::MaxReplicas => "max replicas per node limit exceed".to_owned(),
            Filter::Affinity => format!("service affinity not satisfied on {nodes}"),
            Filter::AntiAffinity => format!("service anti-affinity not satisfied on {nodes}"),
        }
    }
}

/// Says what exactly so many nodes miss.
fn detail(demand: &Demand, miss: Miss, count: u64) -> String {
    let verb = |one: &'static str, many: &'static str| if count == 1 { one } else { many };
    let lacks = verb("lacks", "lack");
    match miss {
        Miss::Absent(absence) => {
            let word = match absence {
                Absence::Down => "down",
                Absence::Unknown => "not heard of yet",
                Absence::Disconnected => "disconnected",
                Absence::Drained => "drained",
                Absence::Paused => "paused",
            };
            format!("{count} {word}")
        }
        Miss::Lacks(Resource::Cpus) => {
            format!("{count} {lacks} cpus: need {}", cpus(demand.amount.nano_cpus))
        }
        Miss::Lacks(Resource::Memory) => {
            format!("{count} {lacks} memory: need {}", bytes(demand.amount.memory_bytes))
        }
        Miss::Lacks(Resource::Generic(index)) => match demand.amount.generic.iter().nth(index) {
            Some((kind, units)) => format!("{count} {lacks} {kind}: need {units}"),
            None => format!("{count} {lacks} a generic resource"),
        },
        Miss::Plugin(index) => match demand.requirements.plugins.get(index) {
            Some(plugin) => {
                format!("{count} {lacks} {} driver {}", plugin.kind.to_ascii_lowercase(), plugin.name)
            }
            None => format!("{count} {lacks} a driver"),
        },
        Miss::LogDriver => {
            format!("{count} {lacks} log driver {}", demand.requirements.log.as_deref().unwrap_or_default())
        }
        Miss::Constraint(index) => {
            let text = demand.requirements.constraints.get(index).map_or("", |(text, _)| text.as_str());
            format!("{count} {} {text}", verb("fails", "fail"))
        }
        Miss::Platform => {
            let one = |platform: &skep_model::template::Platform| {
                let known = [&platform.os, &platform.architecture];
                let known: Vec<_> = known.into_iter().filter(|text| !text.is_empty()).cloned().collect();
                known.join("/")
            };
            let platforms: Vec<_> = demand.requirements.platforms.iter().map(one).collect();
            format!("need {}", platforms.join(" or "))
        }
        Miss::Port(index) => {
            let port = demand.ports.get(index).map(|(protocol, port)| format!("{port}/{}", word(*protocol)));
            format!("{count} {} {}", verb("has", "have"), port.unwrap_or_default())
        }
        Miss::MaxReplicas => {
            let nodes = verb("node", "nodes");
            format!("{count} {nodes} with {}", demand.max_replicas)
        }
        Miss::Near(index) => {
            let name = demand.near.get(index).map_or("", |(name, _)| name.as_str());
            format!("{count} {} no {name}", verb("runs", "run"))
        }
        Miss::Far(index) => {
            let name = demand.far.get(index).map_or("", |(name, _)| name.as_str());
            format!("{count} {} {name}", verb("runs", "run"))
        }
    }
}

fn word(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::Sctp => "sctp",
    }
}

/// Renders CPUs as people type them: `2`, `0.5`.
fn cpus(nano_cpus: i64) -> String {
    let text = format!("{}.{:09}", nano_cpus / 1_000_000_000, nano_cpus % 1_000_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Renders bytes in the largest unit that leaves no fraction of more than two digits.
fn bytes(bytes: i64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    let mut size = bytes as f64;
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    let text = format!("{size:.2}");
    format!("{} {}", text.trim_end_matches('0').trim_end_matches('.'), UNITS[unit])
}
