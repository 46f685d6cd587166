//! Drawing lines: in place on a terminal, once per change elsewhere.

use std::collections::BTreeMap;

/// The narrowest terminal that has room for bars, exclusive.
const BAR_COLUMNS: usize = 110;

/// The length of a full bar.
const BAR_LENGTH: u64 = 50;

/// One thing to show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    /// What it is about; a line with the same label replaces it. Empty for a message of its own.
    pub label: String,
    /// The text.
    pub text: String,
    /// How far it is, of how many steps. Shown only on terminals.
    pub bar: Option<(u64, u64)>,
    /// What the steps of the bar are, to be counted beside it.
    pub units: Option<&'static str>,
    /// A last word, which ends with a line break and is never replaced.
    pub is_final: bool,
}

impl Line {
    /// A line without a bar.
    pub(super) fn new(label: impl Into<String>, text: impl Into<String>) -> Line {
        Line { label: label.into(), text: text.into(), ..Line::default() }
    }
}

/// What was drawn so far.
#[derive(Debug)]
pub(super) struct Screen {
    columns: Option<usize>,
    /// On a terminal: the labels from top to bottom.
    labels: Vec<String>,
    /// Elsewhere: the last text under each label.
    shown: BTreeMap<String, String>,
}

impl Screen {
    /// A screen of so many columns, or a log.
    pub(super) fn new(columns: Option<usize>) -> Screen {
        Screen { columns, labels: Vec::new(), shown: BTreeMap::new() }
    }

    /// The bytes that show a line.
    pub(super) fn draw(&mut self, line: &Line) -> String {
        match self.columns {
            Some(columns) => self.draw_over(line, columns),
            None => self.append(line),
        }
    }

    /// Docker writes five equal lines a second; a log is better off with changes only.
    fn append(&mut self, line: &Line) -> String {
        if line.bar.is_some() || self.shown.get(&line.label) == Some(&line.text) {
            return String::new();
        }
        self.shown.insert(line.label.clone(), line.text.clone());
        render(line)
    }

    fn draw_over(&mut self, line: &Line, columns: usize) -> String {
        if line.label.is_empty() || line.is_final {
            self.labels.clear();
            return render(line);
        }
        let mut drawn = String::new();
        let index = self.labels.iter().position(|label| *label == line.label).unwrap_or_else(|| {
            drawn.push('\n');
            self.labels.push(line.label.clone());
            self.labels.len() - 1
        });
        let up = self.labels.len() - index;
        let bar = line.bar.filter(|_| columns > BAR_COLUMNS).map(bar).unwrap_or_default();
        let count = line.bar.zip(line.units);
        let count =
            count.map(|((value, total), units)| format!("{value}/{total} {units}")).unwrap_or_default();
        drawn.push_str(&format!("\x1b[{up}A\x1b[2K\r{}: {} {bar}{count}\r\x1b[{up}B", line.label, line.text));
        drawn
    }
}

fn render(line: &Line) -> String {
    let separator = if line.label.is_empty() { "" } else { ": " };
    format!("{}{separator}{}\n", line.label, line.text)
}

fn bar((value, total): (u64, u64)) -> String {
    let filled = (value * 100 / total.max(1) / 2).min(BAR_LENGTH) as usize;
    format!("[{}>{}] ", "=".repeat(filled), " ".repeat(BAR_LENGTH as usize - filled))
}
