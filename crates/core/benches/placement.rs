//! Placements per second, in the shapes of SwarmKit's own scheduler benchmark: from tasks that are pending in the
//! store to assignments committed in the store, through passes of a real leader.
//!
//! ```text
//! cargo bench -p skep-core --bench placement                  the table
//! cargo bench -p skep-core --bench placement -- --write       and into docs/benchmarks.md
//! cargo bench -p skep-core --bench placement -- 1025 10000    one shape
//! ```
//!
//! A leader takes over a store that holds the nodes and all the tasks; it has heard of no node, so every task
//! waits and says so. Then all nodes register. A log entry takes so many of them that no task is placed before
//! the last one, which has an entry of its own: hence the odd numbers of nodes. The clock runs from there until no
//! task waits, and counts what the leader does in each step (planning, and telling the nodes) and what applying
//! its proposals costs. It is the processor's time of this process: others share the machine. Each shape runs in
//! a process of its own, so that its memory can be told.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use skep_core::message::NodeMessage;
use skep_core::store::Change;
use skep_core::{Event, Leader, Output, RequestId, Store};
use skep_model::mount::{Mount, MountKind, VolumeDriver, VolumeMount, VolumeOptions};
use skep_model::node::{NodeDescription, NodeState, NodeStatus, Plugin};
use skep_model::request::Request;
use skep_model::service::Mode;
use skep_model::task::{ServiceStamp, SlotId};
use skep_model::template::Reservations;
use skep_model::{
    Id, Meta, Node, NodeId, Revision, Service, ServiceId, ServiceSpec, Task, TaskId, TaskSpec, Timestamp,
};

/// What the design promises.
const TARGET_PER_SECOND: f64 = 300_000.0;
/// What SwarmKit's benchmark does on a machine of this kind, in its shapes of 1k nodes.
const SWARMKIT_PER_SECOND: f64 = 3_600.0;
const SHAPES: [(usize, usize); 6] = [
    (THOUSAND, 1_000),
    (THOUSAND, 10_000),
    (THOUSAND, 100_000),
    (HUNDRED_THOUSAND, 1_000),
    (HUNDRED_THOUSAND, 100_000),
    (HUNDRED_THOUSAND, 1_000_000),
];
/// One more than log entries are full of.
const THOUSAND: usize = 4 * NODES_PER_ENTRY + 1;
const HUNDRED_THOUSAND: usize = 392 * NODES_PER_ENTRY + 1;
const NODES_PER_ENTRY: usize = 256;
/// Replicas of each service.
const REPLICAS_MAX: usize = 1_000;
/// One line of the table.
#[derive(Clone, Copy, Debug)]
struct Measured {
    nodes: usize,
    tasks: usize,
    is_constrained: bool,
    cpu_seconds: f64,
    wall_seconds: f64,
    bytes_per_node: f64,
    bytes_per_task: f64,
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let numbers: Vec<usize> = args.iter().filter_map(|arg| arg.parse().ok()).collect();
    let is_constrained = args.iter().any(|arg| arg == "--constrained");
    if let [nodes, tasks] = numbers[..] {
        let one = measure(nodes, tasks, is_constrained);
        match args.iter().any(|arg| arg == "--raw") {
            true => println!("{}", one.to_line()),
            false => print!("{}", table(&[one])),
        }
        return;
    }
    let mut all = Vec::new();
    for is_constrained in [false, true] {
        for (nodes, tasks) in SHAPES {
            all.push(in_own_process(nodes, tasks, is_constrained));
            eprintln!("{:?}", all.last().expect("one was measured"));
        }
    }
    let table = table(&all);
    print!("{table}");
    if args.iter().any(|arg| arg == "--write") {
        write_section(&table);
    }
}

impl Measured {
    fn to_line(self) -> String {
        let Measured {
            nodes,
            tasks,
            is_constrained,
            cpu_seconds,
            wall_seconds,
            bytes_per_node,
            bytes_per_task,
        } = self;
        format!(
            "{nodes} {tasks} {is_constrained} {cpu_seconds} {wall_seconds} {bytes_per_node} {bytes_per_task}"
        )
    }

    fn of_line(line: &str) -> Option<Measured> {
        let mut words = line.split_whitespace();
        Some(Measured {
            nodes: words.next()?.parse().ok()?,
            tasks: words.next()?.parse().ok()?,
            is_constrained: words.next()?.parse().ok()?,
            cpu_seconds: words.next()?.parse().ok()?,
            wall_seconds: words.next()?.parse().ok()?,
            bytes_per_node: words.next()?.parse().ok()?,
            bytes_per_task: words.next()?.parse().ok()?,
        })
    }
}

fn in_own_process(nodes: usize, tasks: usize, is_constrained: bool) -> Measured {
    let program = std::env::current_exe().expect("the path of this program");
    let mut command = Command::new(program);
    command.args([nodes.to_string(), tasks.to_string(), "--raw".to_owned()]);
    if is_constrained {
        command.arg("--constrained");
    }
    let output = command.output().expect("this program runs again");
    let text = String::from_utf8_lossy(&output.stdout);
    Measured::of_line(&text).unwrap_or_else(|| {
        panic!("{nodes} nodes, {tasks} tasks: {text}{}", String::from_utf8_lossy(&output.stderr))
    })
}

/// A leader with its store, and the shell's part between them.
struct Cluster {
    store: Store,
    leader: Leader,
    proposed: Option<skep_core::ChangeSet>,
}

impl Cluster {
    fn step(&mut self, event: Event) {
        let Output { propose, .. } = self.leader.step(&self.store, now(), event);
        assert!(propose.is_none() || self.proposed.is_none(), "one proposal at a time");
        self.proposed = self.proposed.take().or(propose);
    }

    /// Commits what is proposed, if anything is. Returns whether there was something.
    fn commit(&mut self) -> bool {
        let Some(changes) = self.proposed.take() else { return false };
        self.store.apply(self.store.index() + 1, &changes);
        self.step(Event::Committed);
        true
    }
}

fn measure(nodes: usize, tasks: usize, is_constrained: bool) -> Measured {
    let mut store = Store::default();
    let empty = resident_bytes();
    let cluster = std::iter::once(Change::PutCluster(Arc::new(skep_testing::cluster())));
    store.apply(1, &cluster.chain(node_changes(nodes)).collect());
    let leader = Leader::new(7, &store, now());
    // With its leader, whose memory the next one uses again.
    let with_nodes = resident_bytes();
    drop(leader);
    for (index, changes) in task_changes(tasks, is_constrained).enumerate() {
        store.apply(2 + index as u64, &changes.into_iter().collect());
    }
    let leader = Leader::new(7, &store, now());
    let mut cluster = Cluster { store, leader, proposed: None };
    cluster.step(Event::Woke);
    while cluster.commit() {}
    let with_tasks = resident_bytes();
    assert_eq!(cluster.store.tasks_unplaced().count(), tasks);

    let began = register_all(&mut cluster, nodes, is_constrained);
    place_all(&mut cluster);
    let (cpu_seconds, wall_seconds) = (cpu_seconds() - began.0, began.1.elapsed().as_secs_f64());
    check(&cluster.store, tasks, is_constrained);
    let per = |bytes: u64, count: usize| bytes as f64 / count as f64;
    Measured {
        nodes,
        tasks,
        is_constrained,
        cpu_seconds,
        wall_seconds,
        bytes_per_node: per(with_nodes.saturating_sub(empty), nodes),
        bytes_per_task: per(with_tasks.saturating_sub(with_nodes), tasks),
    }
}

/// Lets all nodes register. Returns when the pass began that takes in the last of them.
fn register_all(cluster: &mut Cluster, nodes: usize, is_constrained: bool) -> (f64, std::time::Instant) {
    let mut registrations = (1..=nodes).map(|number| register(number, is_constrained));
    let last = NodeId::from_number(nodes as u128);
    // While a proposal is in flight nothing is planned, and nodes may be heard.
    let spec = ServiceSpec { name: "none".to_owned(), ..service_spec(0, template(false)) };
    let request = Request::CreateService { spec: Box::new(spec), author: String::new() };
    cluster.step(Event::Requested(RequestId(1), request));
    assert!(cluster.proposed.is_some(), "the request was granted");
    for (id, message) in registrations.by_ref().take(NODES_PER_ENTRY) {
        cluster.step(Event::Heard(id, message));
    }
    loop {
        for (id, message) in registrations.by_ref().take(NODES_PER_ENTRY) {
            cluster.step(Event::Heard(id, message));
        }
        let is_task = |change: &Change| matches!(change, Change::PutTask(_));
        let writes_tasks = cluster.proposed.as_ref().is_some_and(|changes| changes.iter().any(is_task));
        assert!(!writes_tasks, "no task is placed before the clock runs: entries are not full of nodes");
        let began = (cpu_seconds(), std::time::Instant::now());
        assert!(cluster.commit(), "nodes are left");
        if cluster.leader.expected().node(last).is_some_and(|node| node.takes_tasks()) {
            return began;
        }
    }
}

/// Commits until nothing is left to do; a function of its own, so that a profiler finds it.
#[inline(never)]
fn place_all(cluster: &mut Cluster) {
    while cluster.commit() {}
}

/// Nothing waits, nothing is where it may not be, and the tasks are level.
fn check(store: &Store, tasks: usize, is_constrained: bool) {
    assert_eq!(store.tasks_unplaced().next(), None, "no task waits");
    let fitting = store.nodes().filter(|node| !is_constrained || node.id.number() % 3 == 0);
    let counts: Vec<usize> = fitting.map(|node| store.tasks_on(node.id).count()).collect();
    assert_eq!(counts.iter().sum::<usize>(), tasks);
    let (most, least) = (counts.iter().max().expect("a node"), counts.iter().min().expect("a node"));
    assert!(most - least <= 2, "nodes have {least} to {most} tasks");
}

fn now() -> Timestamp {
    Timestamp(1_000_000_000)
}

fn node_changes(count: usize) -> impl Iterator<Item = Change> {
    (1..=count).map(|number| {
        let status = NodeStatus { state: NodeState::Ready, ..NodeStatus::default() };
        Change::PutNode(Arc::new(Node { status, ..skep_testing::node(NodeId::from_number(number as u128)) }))
    })
}

fn register(number: usize, is_constrained: bool) -> (NodeId, NodeMessage) {
    let name = if number.is_multiple_of(3) { "network" } else { "local" };
    let plugin = Plugin { kind: "Volume".to_owned(), name: name.to_owned() };
    let description = NodeDescription {
        hostname: format!("n{number}"),
        nano_cpus: 64_000_000_000,
        memory_bytes: 256 << 30,
        plugins: if is_constrained { vec![plugin] } else { Vec::new() },
        ..NodeDescription::default()
    };
    let addr = format!("10.{}.{}.{}", number >> 16, (number >> 8) & 255, number & 255);
    let id = NodeId::from_number(number as u128);
    (id, NodeMessage::Register { attempt: 1, description: Box::new(description), addr })
}

/// Returns services with their tasks, a change set for each.
fn task_changes(count: usize, is_constrained: bool) -> impl Iterator<Item = Vec<Change>> {
    let services = count.div_ceil(REPLICAS_MAX);
    (0..services).map(move |number| {
        let replicas = REPLICAS_MAX.min(count - number * REPLICAS_MAX);
        service_changes(number as u128, replicas, is_constrained)
    })
}

fn service_changes(number: u128, replicas: usize, is_constrained: bool) -> Vec<Change> {
    let template = template(is_constrained);
    let spec = ServiceSpec { name: format!("s{number}"), ..service_spec(replicas as u64, template.clone()) };
    let id = ServiceId::from_number(scatter(number));
    let meta = Meta::new(now());
    let stamp = Arc::new(ServiceStamp { name: spec.name.clone(), labels: Default::default() });
    let revision = Revision { created_at: now(), ..skep_testing::revision(id, 1, &spec) };
    let service = Service { meta, ..skep_testing::service(id, spec) };
    let tasks = (1..=replicas as u64).map(|slot| {
        let id = TaskId::from_number(scatter((number << 32) | u128::from(slot) | 1 << 100));
        let task = Task::of(&service, id, SlotId::Number(slot));
        // One stamp for all of them, as in a store.
        Change::PutTask(Arc::new(Task { service: stamp.clone(), ..task }))
    });
    let tasks: Vec<_> = tasks.collect();
    let head = [Change::PutRevision(Arc::new(revision)), Change::PutService(Arc::new(service))];
    head.into_iter().chain(tasks).collect()
}

fn service_spec(replicas: u64, task: Arc<TaskSpec>) -> ServiceSpec {
    ServiceSpec { mode: Mode::Replicated { replicas }, task, ..ServiceSpec::default() }
}

fn template(is_constrained: bool) -> Arc<TaskSpec> {
    let mut template = TaskSpec::default();
    template.container.image = "redis:7".to_owned();
    template.resources.reservations =
        Some(Reservations { nano_cpus: 1_000_000, memory_bytes: 4 << 20, ..Reservations::default() });
    if is_constrained {
        let driver = VolumeDriver { name: "network".to_owned(), ..VolumeDriver::default() };
        let options = Some(VolumeOptions { driver: Some(driver), ..VolumeOptions::default() });
        template.container.mounts.push(Mount {
            target: "/data".to_owned(),
            read_only: false,
            kind: MountKind::Volume(VolumeMount { source: "data".to_owned(), options }),
            consistency: String::new(),
        });
    }
    Arc::new(template)
}

/// Scatters identifiers as those are that are drawn by lot.
fn scatter(number: u128) -> u128 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835).rotate_left(64) ^ (number << 7)
}

/// Returns the time that this process spent on a processor.
fn cpu_seconds() -> f64 {
    use nix::time::{ClockId, clock_gettime};
    let time = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).expect("a kernel that counts");
    Duration::from(time).as_secs_f64()
}

fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").expect("the memory of this process");
    let pages: u64 = text.split_whitespace().nth(1).and_then(|word| word.parse().ok()).expect("a number");
    pages * 4096
}

fn table(all: &[Measured]) -> String {
    let mut text = String::from(
        "| nodes | tasks | nodes that fit | placements/s | of target | × SwarmKit | µs each | wall clock | \
         bytes/node | bytes/task |\n|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for one in all {
        let rate = one.tasks as f64 / one.cpu_seconds;
        let fit = if one.is_constrained { "a third" } else { "all" };
        text.push_str(&format!(
            "| {} | {} | {fit} | {:.0} | {:.2} | {:.0} | {:.2} | {:.3} s | {:.0} | {:.0} |\n",
            one.nodes,
            one.tasks,
            rate,
            rate / TARGET_PER_SECOND,
            rate / SWARMKIT_PER_SECOND,
            one.cpu_seconds / one.tasks as f64 * 1e6,
            one.wall_seconds,
            one.bytes_per_node,
            one.bytes_per_task,
        ));
    }
    text
}

/// Puts the table into its section of `docs/benchmarks.md`.
fn write_section(table: &str) {
    const HEAD: &str = "## Placement\n";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/benchmarks.md");
    let text = std::fs::read_to_string(path).expect("docs/benchmarks.md");
    let (before, rest) = text.split_once(HEAD).unwrap_or((&text, ""));
    let after = rest.find("\n## ").map_or("", |at| &rest[at + 1..]);
    let section = format!(
        "{HEAD}\nWritten by `cargo bench -p skep-core --bench placement -- --write`. From tasks pending in the store \
         to assignments\ncommitted in the store, through passes of a leader; services of {REPLICAS_MAX} replicas that \
         reserve CPU and memory.\nThe rate is by the processor's time of one core, the wall clock stands beside it; \
         the target is {TARGET_PER_SECOND:.0}/s.\nSwarmKit's own benchmark does about {SWARMKIT_PER_SECOND:.0}/s with \
         1,000 nodes. Memory: the leader's, with its store and its draft.\n\n{table}"
    );
    let mut new = format!("{}\n\n{section}", before.trim_end());
    if !after.is_empty() {
        new.push('\n');
        new.push_str(after);
    }
    std::fs::write(path, new).expect("docs/benchmarks.md is written");
}
