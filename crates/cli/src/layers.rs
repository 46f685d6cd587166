//! Progress of images: a line for each layer, redrawn in place on a terminal and written once elsewhere.

use std::collections::BTreeMap;

use skep_api::client::{Messages, Progress, ProgressDetail};

use crate::context::Context;
use crate::fault::Fault;
use crate::format::decimal_bytes;

/// The narrowest terminal that has room for bars, exclusive.
const BAR_COLUMNS: usize = 110;

/// The length of a full bar.
const BAR_LENGTH: usize = 50;

/// Shows a stream of progress until it ends.
pub(crate) async fn show(context: &mut Context, mut messages: Messages<Progress>) -> Result<(), Fault> {
    let mut lines = Lines { columns: context.io.columns, ids: BTreeMap::new() };
    while let Some(message) = messages.next().await? {
        refuse(&message)?;
        let text = lines.draw(&message);
        context.io.text(&text)?;
        context.io.out.flush()?;
    }
    Ok(())
}

/// Waits for the end of a stream of progress and shows nothing.
pub(crate) async fn finish(mut messages: Messages<Progress>) -> Result<(), Fault> {
    while let Some(message) = messages.next().await? {
        refuse(&message)?;
    }
    Ok(())
}

/// A stream that began well can still end with an error.
fn refuse(message: &Progress) -> Result<(), Fault> {
    match (&message.error_detail, message.error.as_str()) {
        (Some(detail), _) => Err(Fault::new(detail.message.clone())),
        (None, "") => Ok(()),
        (None, error) => Err(Fault::new(error)),
    }
}

/// What was drawn so far.
struct Lines {
    columns: Option<usize>,
    /// The line of each layer, from the top.
    ids: BTreeMap<String, usize>,
}

impl Lines {
    fn draw(&mut self, message: &Progress) -> String {
        match self.columns {
            Some(columns) => self.draw_over(message, columns),
            None => append(message),
        }
    }

    fn draw_over(&mut self, message: &Progress, columns: usize) -> String {
        let Some(detail) = message.progress_detail.filter(|_| !message.id.is_empty()) else {
            self.ids.clear();
            return append(message);
        };
        let mut drawn = String::new();
        let next = self.ids.len();
        let line = *self.ids.entry(message.id.clone()).or_insert_with(|| {
            drawn.push('\n');
            next
        });
        let up = self.ids.len() - line;
        let bar = bar(detail, columns);
        drawn.push_str(&format!("\x1b[{up}A\x1b[2K\r{}: {} {bar}\r\x1b[{up}B", message.id, message.status));
        drawn
    }
}

/// A line of its own; a count that will be another in a moment is not worth one.
fn append(message: &Progress) -> String {
    let is_counting = message.progress_detail.is_some_and(|detail| detail.current > 0 || detail.total > 0);
    if is_counting {
        return String::new();
    }
    if !message.stream.is_empty() {
        return message.stream.clone();
    }
    match message.id.as_str() {
        "" => format!("{}\n", message.status),
        id => format!("{id}: {}\n", message.status),
    }
}

/// `[==>   ]  1.2MB/3.4MB`.
fn bar(detail: ProgressDetail, columns: usize) -> String {
    let ProgressDetail { current, total } = detail;
    let shown = decimal_bytes(current, 4);
    match (current, total) {
        (..=0, ..=0) => String::new(),
        (_, ..=0) => format!("{shown:>8}"),
        _ => {
            let filled = (current.saturating_mul(100) / total / 2).clamp(0, BAR_LENGTH as i64) as usize;
            let bar = match columns > BAR_COLUMNS {
                true => format!("[{}>{}] ", "=".repeat(filled), " ".repeat(BAR_LENGTH - filled)),
                false => String::new(),
            };
            let all = if current > total { String::new() } else { format!("/{}", decimal_bytes(total, 4)) };
            format!("{bar}{shown:>8}{all}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: &str, status: &str, detail: Option<(i64, i64)>) -> Progress {
        let progress_detail = detail.map(|(current, total)| ProgressDetail { current, total });
        Progress { id: id.to_owned(), status: status.to_owned(), progress_detail, ..Progress::default() }
    }

    #[test]
    fn layers_are_redrawn_where_they_stand() {
        let mut lines = Lines { columns: Some(120), ids: BTreeMap::new() };
        assert_eq!(
            lines.draw(&message("7", "Pulling from library/redis", None)),
            "7: Pulling from library/redis\n"
        );
        lines.draw(&message("a", "Pulling fs layer", Some((0, 0))));
        lines.draw(&message("b", "Pulling fs layer", Some((0, 0))));
        let drawn = lines.draw(&message("a", "Downloading", Some((500_000, 1_000_000))));
        let bar = format!("[{}>{}]", "=".repeat(25), " ".repeat(25));
        assert_eq!(drawn, format!("\x1b[2A\x1b[2K\ra: Downloading {bar}    500kB/1MB\r\x1b[2B"));
    }

    #[test]
    fn a_log_has_no_counts() {
        let mut lines = Lines { columns: None, ids: BTreeMap::new() };
        assert_eq!(lines.draw(&message("a", "Pulling fs layer", Some((0, 0)))), "a: Pulling fs layer\n");
        assert_eq!(lines.draw(&message("a", "Downloading", Some((5, 10)))), "");
    }
}
