//! `container stats`: what containers use, once or drawn anew all the time.

use std::rc::Rc;
use std::time::Duration;

use clap::Args;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use skep_api::client::{Client, ClientError, ContainerQuery, Messages, StatsSample};

use super::usage::{Row, listing};
use crate::commands::LIST_FORMAT_HELP;
use crate::context::Context;
use crate::fault::Fault;
use crate::format::Format;

/// How often the table is drawn.
const DRAW_AFTER: Duration = Duration::from_millis(500);

/// How many drawings go by until the list of containers is asked for again.
const DRAWINGS_TO_LIST: u32 = 4;

/// Goes to the upper left corner; clears to the end of the line; clears what is below.
const HOME: &str = "\x1b[H";
const CLEAR_LINE: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";

/// Display a live stream of container(s) resource usage statistics
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS] [CONTAINER...]", after_help = "container stats, stats")]
pub(crate) struct Flags {
    /// Show all containers (default shows just running)
    #[arg(short, long)]
    all: bool,
    #[arg(long, value_name = "string", default_value = "", help = LIST_FORMAT_HELP)]
    format: String,
    /// Disable streaming stats and only pull the first result
    #[arg(long)]
    no_stream: bool,
    /// Do not truncate output
    #[arg(long)]
    no_trunc: bool,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

/// The next sample of a container, and the stream for those after it.
type Next = (String, Result<Option<StatsSample>, ClientError>, Option<Messages<StatsSample>>);

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { all, format, no_stream, no_trunc, arguments } = flags;
    let format = context.list_format(&format, "statsFormat", false)?;
    let format = Format::parse(&format);
    let client = context.client().await?;
    let names_all = arguments.is_empty();
    let references = if names_all { list(&client, all).await? } else { arguments };
    let mut table = Table::default();
    let mut samples = FuturesUnordered::new();
    for reference in references {
        samples.push(next(client.clone(), table.add(&reference), None, !no_stream));
    }
    let mut ticks = tokio::time::interval(DRAW_AFTER);
    let mut drawings: u32 = 0;
    loop {
        tokio::select! {
            Some((reference, answer, stream)) = samples.next() => match answer {
                Ok(Some(sample)) => {
                    table.set(&reference, sample);
                    if !no_stream {
                        samples.push(next(client.clone(), reference, stream, true));
                    }
                }
                Err(error) if !names_all => return Err(error.into()),
                _ => table.remove(&reference),
            },
            _ = ticks.tick(), if !no_stream => {
                drawings += 1;
                if names_all && drawings.is_multiple_of(DRAWINGS_TO_LIST) {
                    for reference in list(&client, all).await? {
                        if !table.has(&reference) {
                            samples.push(next(client.clone(), table.add(&reference), None, true));
                        }
                    }
                }
                let text = render(&table, no_trunc, &format)?;
                draw(context, &text)?;
                if table.is_empty() && !names_all {
                    return Ok(());
                }
            }
            else => {
                let text = render(&table, no_trunc, &format)?;
                return Ok(context.io.text(&text)?);
            }
        }
    }
}

fn render(table: &Table, no_trunc: bool, format: &Format) -> Result<String, Fault> {
    listing(&table.rows, no_trunc).render(format).map_err(|error| Fault::new(error.in_list()))
}

/// The ids of containers, running or all.
async fn list(client: &Client, all: bool) -> Result<Vec<String>, Fault> {
    let query = ContainerQuery { all, ..ContainerQuery::default() };
    Ok(client.containers(&query).await?.into_iter().map(|container| container.id).collect())
}

/// Waits for the next sample of a container, whose stream is opened first if it is not.
async fn next(
    client: Rc<Client>,
    reference: String,
    stream: Option<Messages<StatsSample>>,
    is_endless: bool,
) -> Next {
    let mut stream = match stream {
        Some(stream) => stream,
        None => match client.stats(&reference, is_endless).await {
            Ok(stream) => stream,
            Err(error) => return (reference, Err(error), None),
        },
    };
    let sample = stream.next().await;
    (reference, sample, Some(stream))
}

/// Draws over what was drawn before; not on a terminal, goes on below it.
fn draw(context: &mut Context, text: &str) -> Result<(), Fault> {
    if !context.io.output_is_terminal() {
        context.io.text(text)?;
    } else {
        let lines: String = text.lines().map(|line| format!("{line}{CLEAR_LINE}\n")).collect();
        context.io.text(&format!("{HOME}{lines}{CLEAR_BELOW}"))?;
    }
    Ok(context.io.out.flush()?)
}

/// Containers in the order in which they came, and the latest sample of each.
#[derive(Debug, Default)]
struct Table {
    rows: Vec<Row>,
}

impl Table {
    fn add(&mut self, reference: &str) -> String {
        self.rows.push(Row { reference: reference.to_owned(), sample: None });
        reference.to_owned()
    }

    fn has(&self, reference: &str) -> bool {
        self.rows.iter().any(|row| row.reference == reference)
    }

    fn set(&mut self, reference: &str, sample: StatsSample) {
        if let Some(row) = self.rows.iter_mut().find(|row| row.reference == reference) {
            row.sample = Some(sample);
        }
    }

    fn remove(&mut self, reference: &str) {
        self.rows.retain(|row| row.reference != reference);
    }

    fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}
