//! libcontainer reports details only through `tracing`; this keeps its errors in `shim.log`.
//!
//! Deliberately not a real subscriber library: the shim must stay small, and the file is read only when a creation fails.

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::path::Path;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// How much of the file goes into a failure.
const QUOTE_BYTES_MAX: u64 = 2048;

/// Writes errors to standard error, one line each.
struct Complaints;

/// Starts collecting.
pub(super) fn collect() {
    // A second call in one process changes nothing, and nothing depends on which collector is in place.
    let _ = tracing::subscriber::set_global_default(Complaints);
}

/// Reads what was collected, as one line.
pub(super) fn quote(path: &Path) -> Option<String> {
    let mut text = String::new();
    let file = std::fs::File::open(path).ok()?;
    file.take(QUOTE_BYTES_MAX).read_to_string(&mut text).ok()?;
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    (!lines.is_empty()).then(|| lines.join("; "))
}

impl Subscriber for Complaints {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::ERROR
    }

    fn max_level_hint(&self) -> Option<tracing::level_filters::LevelFilter> {
        Some(tracing::level_filters::LevelFilter::ERROR)
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Text(String::new());
        event.record(&mut line);
        line.0.push('\n');
        // A complaint that cannot be written is lost; there is no better place for it.
        let _ = std::io::stderr().write_all(line.0.as_bytes());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let separator = if self.0.is_empty() { "" } else { " " };
        // Writing into a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.0, "{separator}{value:?}"),
            name => write!(self.0, "{separator}{name}={value:?}"),
        };
    }
}
