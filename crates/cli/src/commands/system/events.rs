//! `system events`.

use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use skep_api::client::Message;

use crate::commands::flags::collect;
use crate::commands::inspect::TEMPLATE;
use crate::commands::{Condition, none};
use crate::context::Context;
use crate::fault::Fault;
use crate::grammar::{filter, instant};
use crate::template::{Template, Value, to_value};

const FORMAT_HELP: &str = super::super::OBJECT_FORMAT_HELP;

/// The names that JSON has for the fields of an event, where they are not the names of templates.
const JSON_NAMES: [(&str, &str); 6] = [
    ("Status", "status"),
    ("ID", "id"),
    ("From", "from"),
    ("Scope", "scope"),
    ("Time", "time"),
    ("TimeNano", "timeNano"),
];

/// Get real time events from the server
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS]", after_help = "system events, events")]
pub(crate) struct Flags {
    /// Filter output based on conditions provided
    #[arg(short, long, value_name = "filter", value_parser = filter)]
    filter: Vec<Condition>,
    #[arg(long, value_name = "string", default_value = "", help = FORMAT_HELP)]
    format: String,
    /// Show all events created since timestamp
    #[arg(long, value_name = "string", default_value = "")]
    since: String,
    /// Stream events until this timestamp
    #[arg(long, value_name = "string", default_value = "")]
    until: String,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { filter, format, since, until, arguments } = flags;
    none(context, &arguments)?;
    let template = template(format.trim())?;
    let now = (context.now)();
    let (since, until) = (instant("", &since, now)?, instant("", &until, now)?);
    let client = context.client().await?;
    let mut events = client.events(&since, &until, &collect(&filter)).await?;
    while let Some(event) = events.next().await? {
        let line = match &template {
            None => describe(&event),
            Some(template) => template.render(&value(&event)?)?,
        };
        context.io.line(line)?;
        context.io.out.flush()?;
    }
    Ok(())
}

/// Returns what each event is shown by, tried on one that has nothing: the first may be long in coming.
fn template(format: &str) -> Result<Option<Template>, Fault> {
    let format = match format {
        "" => return Ok(None),
        "json" => "{{json .}}",
        template => template,
    };
    let mut nothing = value(&Message::default())?;
    if let Value::Struct(object) = &mut nothing {
        // Compat: docker tries it on a pointer.
        object.type_name.insert(0, '*');
    }
    let tried = Template::parse(format).and_then(|template| {
        template.render(&nothing)?;
        Ok(template)
    });
    tried.map(Some).map_err(|error| {
        let text = format!("Error parsing format: {}", error.bare());
        Fault { code: TEMPLATE, ..Fault::new(text) }
    })
}

/// `2026-01-02T03:04:05.000000000Z service update ID (name=web)`.
fn describe(event: &Message) -> String {
    let mut line = String::new();
    let instant = match (event.time_nano, event.time) {
        (0, 0) => None,
        (0, seconds) => Timestamp::from_second(seconds).ok(),
        (nanos, _) => Timestamp::from_nanosecond(nanos.into()).ok(),
    };
    if let Some(instant) = instant {
        let zoned = instant.to_zoned(TimeZone::system());
        let text = zoned.strftime("%Y-%m-%dT%H:%M:%S.%9f%:z").to_string();
        line = text.replace("+00:00", "Z") + " ";
    }
    line.push_str(&format!("{} {} {}", event.kind, event.action, event.actor.id));
    if !event.actor.attributes.is_empty() {
        let attributes = event.actor.attributes.iter().map(|(key, value)| format!("{key}={value}"));
        line.push_str(&format!(" ({})", attributes.collect::<Vec<_>>().join(", ")));
    }
    line
}

/// An event as template data, under Go's names, with JSON's beside them.
fn value(event: &Message) -> Result<Value, Fault> {
    let mut value = to_value(event, "events").map_err(|error| Fault::new(error.to_string()))?;
    if let Value::Struct(object) = &mut value {
        for field in &mut object.fields {
            let known = JSON_NAMES.iter().find(|(name, _)| *name == field.name);
            field.json_name = known.map(|(_, json)| *json);
            field.is_omitted = known.is_some() && !field.value.is_true();
        }
    }
    Ok(value)
}
