//! Raft's own log lines, which come through `slog`, as `tracing` events of target `raft`.
//!
//! Raft calls every vote and every heartbeat of an election `info`; an operator does not want to read
//! them tomorrow, so they are `debug` here. What an operator wants (who leads, what failed) is logged
//! by the [driver](crate::driver).

use std::fmt::{self, Write};

use slog::{Drain, KV, Level, Logger, Never, OwnedKVList, Record};

/// Returns the logger to give to `raft`.
pub(crate) fn logger() -> Logger {
    Logger::root(Tracing, slog::o!())
}

struct Tracing;

impl Drain for Tracing {
    type Ok = ();
    type Err = Never;

    fn log(&self, record: &Record<'_>, values: &OwnedKVList) -> Result<(), Never> {
        if !self.is_enabled(record.level()) {
            return Ok(());
        }
        let fields = render_fields(record, values);
        let message = record.msg();
        match record.level() {
            Level::Critical | Level::Error => tracing::error!(target: "raft", "{message}{fields}"),
            Level::Warning => tracing::warn!(target: "raft", "{message}{fields}"),
            Level::Info => tracing::debug!(target: "raft", "{message}{fields}"),
            Level::Debug | Level::Trace => tracing::trace!(target: "raft", "{message}{fields}"),
        }
        Ok(())
    }

    fn is_enabled(&self, level: Level) -> bool {
        match level {
            Level::Critical | Level::Error => tracing::enabled!(target: "raft", tracing::Level::ERROR),
            Level::Warning => tracing::enabled!(target: "raft", tracing::Level::WARN),
            Level::Info => tracing::enabled!(target: "raft", tracing::Level::DEBUG),
            Level::Debug | Level::Trace => tracing::enabled!(target: "raft", tracing::Level::TRACE),
        }
    }
}

fn render_fields(record: &Record<'_>, values: &OwnedKVList) -> String {
    let mut fields = Fields(String::new());
    let rendered =
        values.serialize(record, &mut fields).and_then(|()| record.kv().serialize(record, &mut fields));
    match rendered {
        Ok(()) => fields.0,
        Err(error) => format!("{} (field not rendered: {error})", fields.0),
    }
}

struct Fields(String);

impl slog::Serializer for Fields {
    fn emit_arguments(&mut self, key: slog::Key, value: &fmt::Arguments<'_>) -> slog::Result {
        write!(self.0, " {key}={value}").map_err(slog::Error::Fmt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_follow_the_message() {
        let owned = slog::o!("raft_id" => 7).into();
        let rendered =
            render_fields(&slog::record!(Level::Info, "", &format_args!("m"), slog::b!("term" => 3)), &owned);
        assert_eq!(rendered, " raft_id=7 term=3");
    }
}
