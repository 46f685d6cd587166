//! Durations, sizes and words as Docker shows them to people.

use jiff::Timestamp;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Describes how long something took: `5 minutes`, `About an hour`. Negative durations count as nothing.
pub(crate) fn duration(seconds: i64) -> String {
    let (minutes, hours) = (seconds / 60, (seconds + 1800) / 3600);
    match () {
        () if seconds < 1 => "Less than a second".to_owned(),
        () if seconds == 1 => "1 second".to_owned(),
        () if seconds < 60 => format!("{seconds} seconds"),
        () if minutes == 1 => "About a minute".to_owned(),
        () if minutes < 60 => format!("{minutes} minutes"),
        () if hours == 1 => "About an hour".to_owned(),
        () if hours < 48 => format!("{hours} hours"),
        () if hours < 24 * 7 * 2 => format!("{} days", hours / 24),
        () if hours < 24 * 30 * 2 => format!("{} weeks", hours / 24 / 7),
        () if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        () => format!("{} years", hours / 24 / 365),
    }
}

/// Describes the time between two instants.
pub(crate) fn since(then: Timestamp, now: Timestamp) -> String {
    duration((now.as_nanosecond() - then.as_nanosecond()).div_euclid(1_000_000_000) as i64)
}

/// Renders bytes in binary units with four significant digits: `64MiB`, `1.952GiB`.
pub(crate) fn bytes(count: i64) -> String {
    const UNITS: [&str; 9] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"];
    in_units(count as f64, 1024.0, &UNITS, 4)
}

/// Renders bytes in decimal units with so many significant digits: `64MB`, `1.95GB`.
pub(crate) fn decimal_bytes(count: i64, digits: usize) -> String {
    const UNITS: [&str; 9] = ["B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"];
    in_units(count as f64, 1000.0, &UNITS, digits)
}

fn in_units(mut size: f64, base: f64, units: &[&str], digits: usize) -> String {
    let mut unit = 0;
    while size >= base && unit + 1 < units.len() {
        size /= base;
        unit += 1;
    }
    format!("{}{}", significant(size, digits), units[unit])
}

/// Go's `%.3g` and the like, for numbers below 10,000.
fn significant(value: f64, digits: usize) -> String {
    let digits_before = if value < 1.0 { 1 } else { value.log10().floor() as usize + 1 };
    let text = format!("{value:.*}", digits.saturating_sub(digits_before));
    let digits_shown = text.split('.').next().map_or(0, str::len);
    if digits_shown > digits {
        // Compat: docker 28.2 shows 999.9 kB with three digits as 1e+03kB.
        return format!("1e+{:02}", digits_shown - 1);
    }
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// Writes the first letter large and all others small.
pub(crate) fn capitalize(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters.flat_map(char::to_lowercase)).collect(),
        None => String::new(),
    }
}

/// Cuts a text to so many display columns, ending it with an ellipsis.
pub(crate) fn ellipsis(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut used = 1;
    let fits = |character: &char| {
        used += character.width().unwrap_or(0);
        used <= columns
    };
    let mut cut: String = text.chars().take_while(fits).collect();
    cut.push('…');
    cut
}
