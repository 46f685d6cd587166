//! Go's durations: `1h30m`, `1.5s`, `0`, in nanoseconds.

use super::{Invalid, refuse};

const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// The largest magnitude: one more than a positive duration can hold.
const MAGNITUDE_MAX: u64 = 1 << 63;

/// Parses a duration, in nanoseconds.
pub(crate) fn duration(text: &str) -> Result<i64, Invalid> {
    let invalid = || Invalid::new(format!("time: invalid duration {}", quote(text)));
    let negative = text.starts_with('-');
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (value, after) = term(text, rest)?;
        total = total.checked_add(value).filter(|total| *total <= MAGNITUDE_MAX).ok_or_else(invalid)?;
        rest = after;
    }
    match (negative, i64::try_from(total)) {
        (true, Ok(total)) => Ok(-total),
        (true, Err(_)) => Ok(i64::MIN),
        (false, Ok(total)) => Ok(total),
        (false, Err(_)) => Err(invalid()),
    }
}

/// Parses a duration that may not be negative, as health checks want it.
pub(crate) fn positive_duration(text: &str) -> Result<i64, Invalid> {
    match duration(text)? {
        value if value < 0 => refuse!("duration cannot be negative"),
        value => Ok(value),
    }
}

/// Reads one number with its unit off the front of `rest`.
fn term<'a>(whole: &str, rest: &'a str) -> Result<(u64, &'a str), Invalid> {
    let invalid = || Invalid::new(format!("time: invalid duration {}", quote(whole)));
    let is_number = |c: char| c.is_ascii_digit() || c == '.';
    let (integer, after) = digits(rest);
    let (fraction, after) = match after.strip_prefix('.') {
        Some(after) => digits(after),
        None => ("", after),
    };
    if integer.is_empty() && fraction.is_empty() {
        return Err(invalid());
    }
    let integer: u64 = if integer.is_empty() { 0 } else { integer.parse().map_err(|_| invalid())? };
    let (unit, after) = after.split_at(after.find(is_number).unwrap_or(after.len()));
    if unit.is_empty() {
        return refuse!("time: missing unit in duration {}", quote(whole));
    }
    let Some((_, scale)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        return refuse!("time: unknown unit {} in duration {}", quote(unit), quote(whole));
    };
    let value = integer.checked_mul(*scale).filter(|value| *value <= MAGNITUDE_MAX).ok_or_else(invalid)?;
    let part = fraction.parse::<f64>().map_or(0.0, |digits| digits / 10f64.powi(fraction.len() as i32));
    let value = value.checked_add((part * *scale as f64) as u64).ok_or_else(invalid)?;
    Ok((value, after))
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// Go's quoting inside package time: printable ASCII stays, other bytes become `\xNN`.
fn quote(text: &str) -> String {
    let mut quoted = String::from('"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => quoted.extend(['\\', char::from(byte)]),
            b' '..=b'~' => quoted.push(char::from(byte)),
            _ => quoted.push_str(&format!("\\x{byte:02x}")),
        }
    }
    quoted.push('"');
    quoted
}

/// Renders nanoseconds as Go does: `1m30s`, `500ms`, `0s`.
pub(crate) fn show(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let magnitude = nanos.unsigned_abs();
    let fraction = |unit: u64, name: &str| format!("{sign}{}{name}", decimal(magnitude, unit));
    match magnitude {
        0 => "0s".to_owned(),
        1..1_000 => fraction(1, "ns"),
        1_000..1_000_000 => fraction(1_000, "\u{b5}s"),
        1_000_000..1_000_000_000 => fraction(1_000_000, "ms"),
        _ => {
            let second = 1_000_000_000;
            let (hours, minutes) = (magnitude / (3_600 * second), magnitude / (60 * second) % 60);
            let seconds = decimal(magnitude % (60 * second), second);
            match (hours, minutes) {
                (0, 0) => format!("{sign}{seconds}s"),
                (0, _) => format!("{sign}{minutes}m{seconds}s"),
                _ => format!("{sign}{hours}h{minutes}m{seconds}s"),
            }
        }
    }
}

/// `value / unit` without trailing zeros; `unit` is a power of ten.
fn decimal(value: u64, unit: u64) -> String {
    let width = unit.ilog10() as usize;
    let fraction = format!("{:0width$}", value % unit);
    let fraction = if width == 0 { "" } else { fraction.trim_end_matches('0') };
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{}{point}{fraction}", value / unit)
}
