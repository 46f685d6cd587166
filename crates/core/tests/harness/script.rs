//! Scripts: a command on a line that begins with `> `, what it printed on the lines below it.
//!
//! ```text
//! > create web replicas=3 image=redis:6 delay=10s
//! > update web image=redis:7
//! > follow 20s          (what happens meanwhile, second by second)
//! > ps web
//! > status web
//! ```
//!
//! Times are since the last command that let time pass. `#4` is the fourth task that was made.

use std::sync::Arc;
use std::time::Duration;

use skep_core::check;
use skep_core::orchestrate::why;
use skep_core::store::{Change, Store};
use skep_model::endpoint::{Endpoint, Port, PublishMode};
use skep_model::node::{Availability, DRAIN, DRAIN_FORCE, NodeSpec};
use skep_model::request::{AuthFrom, Refusal, Reply, Request, RolloutVerb, ServiceChange};
use skep_model::rollout::Wait;
use skep_model::service::{FailureAction, Mode, UpdateConfig, UpdateOrder};
use skep_model::task::{Desired, SlotId, TaskState};
use skep_model::template::{Healthcheck, RegistryAuth, Reservations, RestartCondition};
use skep_model::{Id, NodeId, Service, ServiceId, ServiceSpec, Task, span};

use super::engine::Behaviour;
use super::{Loss, World, show};

/// Runs a script and returns it with the output that its commands print.
pub fn run(script: &str) -> String {
    play(&mut None, script)
}

/// Runs a script in a world that may have a past; a script that names no nodes begins with one.
pub fn play(world: &mut Option<World>, script: &str) -> String {
    let mut rendered = String::new();
    for line in script.lines().filter(|line| line.is_empty() || line.starts_with(['>', '#'])) {
        rendered.push_str(line);
        rendered.push('\n');
        let Some(command) = line.strip_prefix("> ") else { continue };
        let words: Vec<&str> = command.split_whitespace().collect();
        let output = match words[..] {
            ["nodes", ..] => {
                let cpus: Vec<i64> = words[1].split(',').map(|cpus| cpus.parse().expect("CPUs")).collect();
                let history = option(&words, "history").map_or(5, |limit| limit.parse().expect("a limit"));
                *world = Some(World::new(&cpus, history));
                String::new()
            }
            _ => perform(world.get_or_insert_with(|| World::new(&[8], 5)), &words),
        };
        rendered.push_str(&output);
    }
    rendered
}

/// Carries one command out, and returns what it prints.
pub fn perform(world: &mut World, words: &[&str]) -> String {
    let output = match words {
        ["create", name, options @ ..] => create(world, name, options),
        ["update", name, options @ ..] => update(world, name, options),
        ["rollback", name] => {
            let service = service(world, name);
            change(world, &service, service.meta.version, ServiceChange::Rollback)
        }
        ["rollout", verb, name, options @ ..] => {
            let verb = match *verb {
                "pause" => RolloutVerb::Pause,
                "resume" => RolloutVerb::Resume,
                "abort" => RolloutVerb::Abort,
                "undo" => {
                    RolloutVerb::Undo { to: option(options, "to").map(|n| n.parse().expect("a number")) }
                }
                _ => panic!("no such verb: {verb}"),
            };
            let (id, author) = (service(world, name).id, "eve".to_owned());
            said(world.request(Request::SteerRollout { id, verb, author }))
        }
        ["history", name] => show::history(world, name),
        ["limits", name] => show::limits(world, name),
        ["rm", name] => {
            let id = service(world, name).id;
            said(world.request(Request::RemoveService { id }))
        }
        ["tick", time] => {
            world.run_for(duration(time));
            world.committed.clear();
            String::new()
        }
        ["follow", time] => follow(world, duration(time)),
        ["image", image, behaviour @ ..] => {
            world.images.set(image, self::behaviour(behaviour));
            String::new()
        }
        ["exit", slot, code] => {
            let (name, number) = slot.split_once('.').expect("a slot like web.1");
            let id = service(world, name).id;
            let slot = match number.strip_prefix('n') {
                Some(node) => SlotId::Node(NodeId::from_number(node.parse().expect("a node like n1"))),
                None => SlotId::Number(number.parse().expect("the number of a slot")),
            };
            let runs = |task: &&Arc<Task>| task.status.state == TaskState::Running;
            let task = world.store.tasks_in(id, slot).find(runs).expect("a task that runs").clone();
            world.exit(&task, code.parse().expect("an exit code"));
            String::new()
        }
        ["cluster", label] => {
            let cluster = world.store.cluster().expect("a cluster").clone();
            let mut spec = cluster.spec.clone();
            let (key, value) = label.split_once('=').expect("a label like skep.profile=swarm");
            spec.labels.insert(key.to_owned(), value.to_owned());
            let version = cluster.meta.version;
            said(world.request(Request::UpdateCluster { version, spec, rotate: Box::default() }))
        }
        ["node", "rm", name, options @ ..] => {
            let force = *options == ["force"];
            let id = node_id(name);
            said(world.request(Request::RemoveNode { id, force })).replace(&id.to_string(), name)
        }
        ["node", "label", name, label] => {
            let (key, value) = label.split_once('=').expect("a label like zone=a");
            change_node(world, name, |spec| drop(spec.labels.insert(key.to_owned(), value.to_owned())))
        }
        ["node", "drain", name, "force"] => change_node(world, name, |spec| {
            spec.availability = Availability::Drain;
            spec.labels.insert(DRAIN.to_owned(), DRAIN_FORCE.to_owned());
        }),
        // What it reports meanwhile arrives when that time is over; its heartbeats come through.
        ["node", "late", name, time] => both(|| world.hold_reports(node_id(name), duration(time))),
        ["moves"] => show::moves(world),
        ["node", verb, name] => node(world, verb, name),
        ["leader", "restart"] => {
            world.change_leader();
            String::new()
        }
        // At its next proposal but so many, which the next leader finds in the log, or does not.
        ["leader", "lose", fate @ ("committed" | "dropped"), after] => {
            let after = after.parse().expect("a number of proposals");
            world.loss = Some(Loss { after, survives: *fate == "committed" });
            String::new()
        }
        ["leader", "restart", "every", time] => {
            world.change_leaders(duration(time));
            String::new()
        }
        ["pause", name] => {
            let id = service(world, name).id;
            said(world.request(Request::SteerRollout { id, verb: RolloutVerb::Pause, author: "ann".into() }))
        }
        ["why", name] => why(world, name),
        ["ps", name] => ps(world, name),
        ["status", name] => show::status(world, name),
        _ => panic!("no such command: {}", words.join(" ")),
    };
    let broken = check::check(&world.store);
    assert!(broken.is_empty(), "after `{}`: {broken:?}", words.join(" "));
    output
}

/// Says what a service waits for.
fn why(world: &World, name: &str) -> String {
    let waits = why::waits(&world.store, service(world, name).id, world.now);
    let line = |wait: &Wait| {
        let slot = wait.slot.map(|slot| format!(" slot {slot}")).unwrap_or_default();
        let until = wait.until.map(|until| format!(", {} left", span::render(until.since(world.now))));
        let since = span::render(world.now.since(wait.since));
        format!("{:?}{slot}: {} (for {since}{})\n", wait.code, wait.text, until.unwrap_or_default())
    };
    if waits.is_empty() { "nothing is waited for\n".to_owned() } else { waits.iter().map(line).collect() }
}

pub fn service(world: &World, name: &str) -> Service {
    Service::clone(world.store.service_named(name).unwrap_or_else(|| panic!("no service {name}")))
}

fn said(answer: Result<Reply, Refusal>) -> String {
    // Identifiers are drawn by lot, names are not.
    let text = |refusal: Refusal| match refusal.message.split_once(" does not have a previous spec") {
        Some(_) => "service has no previous spec".to_owned(),
        None => refusal.message,
    };
    answer.map_or_else(|refusal| format!("refused: {}\n", text(refusal)), |_| String::new())
}

fn create(world: &mut World, name: &str, options: &[&str]) -> String {
    let mut spec = ServiceSpec { name: name.to_owned(), ..ServiceSpec::default() };
    options.iter().for_each(|option| set(&mut spec, option));
    said(world.request(Request::CreateService { spec: Box::new(spec), author: String::new() }))
}

fn update(world: &mut World, name: &str, options: &[&str]) -> String {
    let service = service(world, name);
    let mut spec = service.spec.clone();
    let version = option(options, "version").map(|quoted| quoted.parse().expect("a version"));
    let options = options.iter().filter(|option| !option.starts_with("version="));
    options.for_each(|option| set(&mut spec, option));
    let spec = ServiceChange::Spec { spec, auth: AuthFrom::Spec };
    change(world, &service, version.unwrap_or(service.meta.version), spec)
}

fn change(world: &mut World, service: &Service, version: u64, change: ServiceChange) -> String {
    said(world.request(Request::UpdateService {
        id: service.id,
        version,
        change: Box::new(change),
        author: String::new(),
    }))
}

fn node_id(name: &str) -> NodeId {
    NodeId::from_number(name.strip_prefix('n').and_then(|n| n.parse().ok()).expect("a node like n1"))
}

fn node(world: &mut World, verb: &str, name: &str) -> String {
    let id = node_id(name);
    let availability = match verb {
        "drain" => Availability::Drain,
        "pause" => Availability::Pause,
        "activate" => Availability::Active,
        "join" => return both(|| world.join_node(id, 8)),
        "start" => return both(|| world.start_node(id)),
        "cut" => return both(|| world.cut_node(id)),
        "kill-agent" => return both(|| world.stop_node(id, false)),
        "kill" => return both(|| world.stop_node(id, true)),
        _ => panic!("no such thing to do with a node: {verb}"),
    };
    change_node(world, name, |spec| spec.availability = availability)
}

fn change_node(world: &mut World, name: &str, change: impl FnOnce(&mut NodeSpec)) -> String {
    let id = node_id(name);
    let node = world.store.node(id).expect("a node of the cluster").clone();
    let mut spec = node.spec.clone();
    change(&mut spec);
    said(world.request(Request::UpdateNode { id, version: node.meta.version, spec }))
}

fn both(act: impl FnOnce()) -> String {
    act();
    String::new()
}

fn option<'w>(words: &[&'w str], key: &str) -> Option<&'w str> {
    words.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
}

/// Sets one `key=value` in a specification.
fn set(spec: &mut ServiceSpec, text: &str) {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    let number = || value.parse::<u64>().unwrap_or_else(|_| panic!("{text}: not a number"));
    let task = Arc::make_mut(&mut spec.task);
    let restart = &mut task.restart;
    match key {
        "image" => task.container.image = value.to_owned(),
        "replicas" => spec.mode = Mode::Replicated { replicas: number() },
        "mode" => {
            spec.mode = match value {
                "global" => Mode::Global,
                "global-job" => Mode::GlobalJob,
                "job" => Mode::ReplicatedJob { max_concurrent: 1, total_completions: 1 },
                _ => panic!("no such mode: {value}"),
            }
        }
        "total" | "concurrent" => {
            let Mode::ReplicatedJob { max_concurrent, total_completions } = &mut spec.mode else {
                panic!("{text}: the service is no replicated job")
            };
            *(if key == "total" { total_completions } else { max_concurrent }) = number();
        }
        "force" => task.force_update += 1,
        "host-port" => {
            let number = value.parse().expect("a port");
            let port = Port { target: number, published: number, mode: PublishMode::Host, ..Port::default() };
            let endpoint = Endpoint { ports: vec![port], ..Endpoint::default() };
            *spec = std::mem::take(spec).with_endpoint(endpoint);
        }
        "label" => {
            let (name, value) = value.split_once(':').unwrap_or((value, ""));
            drop(spec.labels.insert(name.to_owned(), value.to_owned()));
        }
        "auth" => task.registry_auth = Some(RegistryAuth(value.to_owned())),
        "memory" => task.resources.limits.get_or_insert_default().memory_bytes = number() as i64 * (1 << 20),
        "port" => {
            let port = Port { target: number() as u16, ..Port::default() };
            *spec = spec.clone().with_endpoint(Endpoint { ports: vec![port], ..Endpoint::default() });
        }
        "profile" => drop(spec.labels.insert("skep.profile".to_owned(), value.to_owned())),
        key if key.starts_with("skep.") => drop(spec.labels.insert(key.to_owned(), value.to_owned())),
        "grace" => task.container.stop_grace = Some(duration(value)),
        "cpus" => {
            let nano_cpus = number() as i64 * 1_000_000_000;
            task.resources.reservations =
                Some(Reservations { nano_cpus, memory_bytes: 0, ..Reservations::default() });
        }
        "constraint" => task.placement.constraints = vec![value.to_owned()],
        "max-replicas" => task.placement.max_replicas = number(),
        "health" => {
            task.container.healthcheck = Some(Healthcheck {
                test: vec!["CMD".into(), "true".into()],
                interval: duration(value),
                retries: 2,
                ..Healthcheck::default()
            });
        }
        "restart" => {
            restart.get_or_insert_default().condition = match value {
                "none" => RestartCondition::None,
                "on-failure" => RestartCondition::OnFailure,
                "any" => RestartCondition::Any,
                _ => panic!("no such condition: {value}"),
            }
        }
        "restart-delay" => restart.get_or_insert_default().delay = Some(duration(value)),
        "attempts" => restart.get_or_insert_default().max_attempts = number(),
        "window" => restart.get_or_insert_default().window = Some(duration(value)),
        _ => match key.strip_prefix("rollback-") {
            Some(key) => set_pace(spec.rollback.get_or_insert_default(), key, value),
            None => set_pace(spec.update.get_or_insert_default(), key, value),
        },
    }
}

fn set_pace(pace: &mut UpdateConfig, key: &str, value: &str) {
    match key {
        "parallelism" => pace.parallelism = value.parse().expect("a number"),
        "delay" => pace.delay = duration(value),
        "monitor" => pace.monitor = duration(value),
        "ratio" => pace.max_failure_ratio = value.parse().expect("a ratio"),
        "action" => {
            pace.failure_action = match value {
                "pause" => FailureAction::Pause,
                "continue" => FailureAction::Continue,
                "rollback" => FailureAction::Rollback,
                _ => panic!("no such action: {value}"),
            }
        }
        "order" => {
            pace.order = match value {
                "stop-first" => UpdateOrder::StopFirst,
                "start-first" => UpdateOrder::StartFirst,
                _ => panic!("no such order: {value}"),
            }
        }
        _ => panic!("no such option: {key}"),
    }
}

fn behaviour(words: &[&str]) -> Behaviour {
    match words {
        ["runs"] => Behaviour::Runs,
        ["missing"] => Behaviour::Missing,
        ["slow", pause] => Behaviour::Slow(duration(pause)),
        ["unstartable"] => Behaviour::Unstartable,
        ["exits", code, after] => Behaviour::Exits(code.parse().expect("an exit code"), duration(after)),
        ["stubborn"] => Behaviour::Stubborn,
        ["hanging"] => Behaviour::Hanging,
        ["sick", after] => Behaviour::Sick(duration(after)),
        _ => panic!("no such behaviour: {}", words.join(" ")),
    }
}

fn duration(text: &str) -> Duration {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().unwrap_or_else(|_| panic!("{text} is no duration"));
    match &text[digits.len()..] {
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        "m" => Duration::from_secs(60 * number),
        "h" => Duration::from_secs(3600 * number),
        unit => panic!("no such unit: {unit}"),
    }
}

/// Lets time pass and tells what changed meanwhile.
fn follow(world: &mut World, time: Duration) -> String {
    let began_at = world.now;
    world.run_for(time);
    let committed = std::mem::take(&mut world.committed);
    let mut lines = String::new();
    for (at, before, changes) in committed {
        let at = at.since(began_at).as_secs_f64();
        let mut texts: Vec<_> = changes.iter().filter_map(|change| told(world, &before, change)).collect();
        texts.sort();
        texts.iter().for_each(|text| lines.push_str(&format!("{at:>7.1}s {text}\n")));
    }
    lines
}

/// Says what a change means to a person, if it means anything.
fn told(world: &World, before: &Store, change: &Change) -> Option<String> {
    match change {
        Change::PutTask(task) => {
            let known = before.task(task.id);
            // What a task waits for before it starts is no event.
            let err = |task: &Task| match visible(task.status.state) {
                TaskState::Assigned | TaskState::Ready => String::new(),
                _ => task.status.err.clone(),
            };
            let mark = |task: &Task| (task.desired, visible(task.status.state), err(task));
            if known.is_some_and(|known| mark(known) == mark(task)) {
                return None;
            }
            let wanted = match (known.map(|known| known.desired), task.desired) {
                (Some(was), is) if was == is => String::new(),
                (_, Desired::Ready) => ", to be ready".to_owned(),
                (_, Desired::Running) => ", to run".to_owned(),
                (_, Desired::Complete) => ", to complete".to_owned(),
                (_, Desired::Shutdown) => ", to stop".to_owned(),
                (_, Desired::Remove) => ", to go".to_owned(),
            };
            let (name, number) = (&task.service.name, world.number(task.id));
            let state = if known.is_none() { "made".to_owned() } else { state(task) };
            let slot = self::slot(task.slot);
            Some(format!("{name}.{slot} #{number} {}: {state}{wanted}", task.spec.container.image))
        }
        Change::PutRollout(rollout) => {
            let known = before.rollout(rollout.service_id);
            let mark =
                |rollout: &skep_model::Rollout| (rollout.phase, rollout.direction, rollout.message.clone());
            if known.is_some_and(|known| mark(known) == mark(rollout)) {
                return None;
            }
            Some(format!(
                "{}: {}",
                name(world, before, rollout.service_id),
                world.with_numbers(&rollout.message)
            ))
        }
        Change::DeleteTask { id, .. } => Some(format!("#{}: forgotten", world.number(*id))),
        Change::DeleteService(id) => Some(format!("{}: removed", name(world, before, *id))),
        Change::PutNode(node) => {
            let known = before.node(node.id).map(|known| (known.status.state, known.spec.availability));
            let is = (node.status.state, node.spec.availability);
            (known != Some(is)).then(|| format!("{}: {:?} {:?}", node.description.hostname, is.0, is.1))
        }
        _ => None,
    }
}

fn name(world: &World, before: &Store, id: ServiceId) -> String {
    let known = before.service(id).or_else(|| world.store.service(id));
    known.map_or_else(String::new, |service| service.spec.name.clone())
}

/// Names a slot: by its number, or by the name of its node.
fn slot(id: SlotId) -> String {
    match id {
        SlotId::Number(number) => number.to_string(),
        SlotId::Node(id) => format!("n{}", id.number()),
    }
}

/// Steps on the way that a person does not care to see are shown as the one before them.
fn visible(state: TaskState) -> TaskState {
    match state {
        TaskState::Assigned | TaskState::Accepted | TaskState::Preparing => TaskState::Assigned,
        TaskState::Ready | TaskState::Starting => TaskState::Ready,
        state => state,
    }
}

fn state(task: &Task) -> String {
    let state = format!("{:?}", task.status.state).to_lowercase();
    if task.status.err.is_empty() { state } else { format!("{state} ({})", task.status.err) }
}

/// Prints what `docker service ps` would: the tasks of each slot, the newest first.
fn ps(world: &World, name: &str) -> String {
    let tasks: Vec<_> = match world.store.service_named(name) {
        Some(service) => world.store.tasks_of(service.id).cloned().collect(),
        None => world.store.tasks().filter(|task| task.service.name == name).cloned().collect(),
    };
    let mut tasks: Vec<_> = tasks.iter().map(|task| (task.slot, world.number(task.id), task)).collect();
    tasks.sort_by_key(|(slot, number, _)| (*slot, std::cmp::Reverse(*number)));
    let mut lines = String::new();
    let mut last_slot = None;
    for (slot, number, task) in tasks {
        let place = self::slot(slot);
        let title = match last_slot == Some(slot) {
            true => format!(" \\_ {name}.{place}"),
            false => format!("{name}.{place}"),
        };
        last_slot = Some(slot);
        let node = task.node_id.map_or("-".to_owned(), |id| format!("n{}", id.number()));
        let (image, wanted) = (&task.spec.container.image, format!("{:?}", task.desired));
        let line = format!("{title:<10} #{number:<3} {image:<10} {node:<3} {wanted:<9} {}", state(task));
        lines.push_str(line.trim_end());
        lines.push('\n');
    }
    lines
}
