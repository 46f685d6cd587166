//! `service logs`.

use std::collections::BTreeMap;
use std::rc::Rc;

use clap::Args;
use skep_api::client::{Client, Frame, LogQuery, LogStream, Stream};
use skep_api::wire::{ServiceMode, Task};

use crate::commands::exactly_one;
use crate::context::Context;
use crate::fault::Fault;
use crate::format::short_id;
use crate::grammar::instant;

/// Where a daemon writes the origin of a line, in its details.
const NODE: &str = "com.docker.swarm.node.id";
const SERVICE: &str = "com.docker.swarm.service.id";
const TASK: &str = "com.docker.swarm.task.id";

/// Fetch the logs of a service or task
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS] SERVICE|TASK")]
pub(crate) struct Flags {
    /// Show extra details provided to logs
    #[arg(long)]
    details: bool,
    /// Follow log output
    #[arg(short, long)]
    follow: bool,
    /// Do not map IDs to Names in output
    #[arg(long)]
    no_resolve: bool,
    /// Do not include task IDs in output
    #[arg(long)]
    no_task_ids: bool,
    /// Do not truncate output
    #[arg(long)]
    no_trunc: bool,
    /// Do not neatly format logs
    #[arg(long)]
    raw: bool,
    /// Show logs since timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)
    #[arg(long, value_name = "string")]
    since: Option<String>,
    /// Number of lines to show from the end of the logs (default "all")
    #[arg(short = 'n', long, value_name = "string")]
    tail: Option<String>,
    /// Show timestamps
    #[arg(short, long)]
    timestamps: bool,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn run(context: &mut Context, mut flags: Flags) -> Result<(), Fault> {
    let reference = exactly_one(context, std::mem::take(&mut flags.arguments))?;
    let client = context.client().await?;
    let source = Source::find(&client, &reference).await?;
    if source.is_tty && !flags.raw {
        return Err(Fault::new("tty service logs only supported with --raw"));
    }
    let query = LogQuery {
        follow: flags.follow,
        timestamps: flags.timestamps,
        // Only details tell where a line comes from.
        details: flags.details || !flags.raw,
        since: instant("since", flags.since.as_deref().unwrap_or_default(), (context.now)())?,
        until: String::new(),
        tail: flags.tail.clone().unwrap_or_else(|| "all".to_owned()),
    };
    let mut stream = source.open(&client, &query).await?;
    let mut labels = Labels { client, flags, slot_digits: source.slot_digits, names: BTreeMap::new() };
    while let Some(frame) = stream.next().await? {
        let line = if labels.flags.raw { frame.payload.to_vec() } else { labels.line(&frame).await? };
        let out = match frame.stream {
            Stream::Stdout => &mut context.io.out,
            Stream::Stderr => &mut context.io.err,
        };
        out.write_all(&line)?;
        out.flush()?;
    }
    Ok(())
}

/// A service, or one task.
struct Source {
    id: String,
    is_task: bool,
    is_tty: bool,
    /// Digits of the highest slot, so that labels align.
    slot_digits: usize,
}

impl Source {
    async fn find(client: &Client, reference: &str) -> Result<Source, Fault> {
        match client.service(reference, false).await {
            Ok(service) => {
                let slots = match service.spec.mode {
                    ServiceMode { replicated: Some(mode), .. } => mode.replicas.unwrap_or(1),
                    _ => 0,
                };
                let container = service.spec.task_template.container_spec;
                Ok(Source {
                    id: service.id,
                    is_task: false,
                    is_tty: container.is_some_and(|container| container.tty),
                    slot_digits: slots.to_string().len(),
                })
            }
            Err(error) if error.is_not_found() => Source::find_task(client, reference).await,
            Err(error) => Err(error.into()),
        }
    }

    async fn find_task(client: &Client, reference: &str) -> Result<Source, Fault> {
        match client.task(reference).await {
            Ok(task) => Ok(Source {
                id: task.id,
                is_task: true,
                is_tty: task.spec.container_spec.is_some_and(|container| container.tty),
                slot_digits: task.slot.to_string().len(),
            }),
            Err(error) if error.is_not_found() => {
                Err(Fault::new(format!("no such task or service: {reference}")))
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn open(&self, client: &Client, query: &LogQuery) -> Result<LogStream, Fault> {
        let framed = !self.is_tty;
        Ok(match self.is_task {
            true => client.task_logs(&self.id, query, framed).await?,
            false => client.service_logs(&self.id, query, framed).await?,
        })
    }
}

/// The beginning of each line: who wrote it.
struct Labels {
    client: Rc<Client>,
    flags: Flags,
    slot_digits: usize,
    /// Names that were asked for, by id: one request per service, node and task.
    names: BTreeMap<String, String>,
}

impl Labels {
    /// Turns `[timestamp ]details line` into `[timestamp ]label    | [details ]line`.
    async fn line(&mut self, frame: &Frame) -> Result<Vec<u8>, Fault> {
        let malformed = || Fault::new("invalid context in log message");
        let mut rest = &frame.payload[..];
        let mut line = Vec::with_capacity(rest.len() + 64);
        if self.flags.timestamps {
            let (timestamp, after) = split_word(rest).ok_or_else(malformed)?;
            line.extend_from_slice(timestamp);
            line.push(b' ');
            rest = after;
        }
        let (details, message) = split_word(rest).ok_or_else(malformed)?;
        let mut details = parse_details(&String::from_utf8_lossy(details));
        let mut take = |key: &str, what: &str| {
            details.remove(key).ok_or_else(|| Fault::new(format!("missing {what} id in details")))
        };
        let (node, service, task) = (take(NODE, "node")?, take(SERVICE, "service")?, take(TASK, "task")?);
        let label = self.label(&node, &service, &task).await?;
        line.extend_from_slice(format!("{label}    | ").as_bytes());
        if self.flags.details {
            let pairs: Vec<String> = details.iter().map(|(key, value)| format!("{key}={value}")).collect();
            line.extend_from_slice(format!("{} ", pairs.join(",")).as_bytes());
        }
        line.extend_from_slice(message);
        Ok(line)
    }

    async fn label(&mut self, node: &str, service: &str, task: &str) -> Result<String, Fault> {
        let slot = self.name(task, "task").await?;
        let service = self.name(service, "service").await?;
        let node = self.name(node, "node").await?;
        let id = match (self.flags.no_task_ids, self.flags.no_trunc) {
            (true, _) => String::new(),
            (false, true) => format!(".{task}"),
            (false, false) => format!(".{}", short_id(task)),
        };
        let pad = " ".repeat(self.slot_digits.saturating_sub(slot.len()));
        Ok(format!("{service}.{slot}{id}@{node}{pad}"))
    }

    /// The slot of a task, or the name of a service or a node; of what is gone, the id.
    async fn name(&mut self, id: &str, kind: &str) -> Result<String, Fault> {
        if let Some(name) = self.names.get(id) {
            return Ok(name.clone());
        }
        let resolve = !self.flags.no_resolve;
        let answer = match kind {
            "task" => return self.slot(id).await,
            "service" if resolve => self.client.service(id, false).await.map(|service| service.spec.name),
            "node" if resolve => self.client.node(id).await.map(|node| node.description.hostname),
            _ => Ok(id.to_owned()),
        };
        let name = match answer {
            Ok(name) if !name.is_empty() => name,
            Err(error) if !error.is_not_found() => return Err(error.into()),
            _ => id.to_owned(),
        };
        self.names.insert(id.to_owned(), name.clone());
        Ok(name)
    }

    async fn slot(&mut self, id: &str) -> Result<String, Fault> {
        let Task { slot, .. } = self.client.task(id).await?;
        self.names.insert(id.to_owned(), slot.to_string());
        Ok(slot.to_string())
    }
}

fn split_word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let blank = text.iter().position(|byte| *byte == b' ')?;
    Some((&text[..blank], &text[blank + 1..]))
}

/// Parses `k=v,…` whose parts are query-escaped.
fn parse_details(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
    pairs.map(|(key, value)| (unescape(key), unescape(value))).collect()
}

fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = |byte: u8| char::from(byte).to_digit(16);
        match (first, after) {
            (b'%', [high, low, tail @ ..]) if hex(*high).is_some() && hex(*low).is_some() => {
                bytes.push((hex(*high).unwrap_or(0) * 16 + hex(*low).unwrap_or(0)) as u8);
                rest = tail;
                continue;
            }
            (b'+', _) => bytes.push(b' '),
            _ => bytes.push(first),
        }
        rest = after;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
