//! Numbers and booleans as Go's `strconv` reads them, with its error texts.

use std::num::IntErrorKind;

use super::{Invalid, invalid, refuse};
use crate::format::go_quote;

/// Parses an unsigned number with an optional base prefix: `16`, `0x10`, `0o20`, `020`, `1_000`.
pub(crate) fn uint64(text: &str) -> Result<u64, Invalid> {
    let digits = based(text);
    digits
        .and_then(|(digits, base)| u64::from_str_radix(&digits, base).map_err(|error| *error.kind()))
        .map_err(|kind| number_error("ParseUint", text, &kind))
}

/// Parses an unsigned number of 32 bits with an optional base prefix.
pub(crate) fn uint32(text: &str) -> Result<u32, Invalid> {
    uint_auto(text, 32).map(|value| value as u32)
}

/// Parses an unsigned number in base ten.
pub(crate) fn uint64_decimal(text: &str) -> Result<u64, Invalid> {
    uint_in_base(text, 10, 64)
}

/// Parses an unsigned number of at most `bits` bits.
pub(super) fn uint_in_base(text: &str, base: u32, bits: u32) -> Result<u64, Invalid> {
    let value = if text.starts_with('+') {
        Err(IntErrorKind::InvalidDigit)
    } else {
        u64::from_str_radix(text, base).map_err(|error| *error.kind())
    };
    value
        .and_then(
            |value| {
                if value.leading_zeros() < 64 - bits { Err(IntErrorKind::PosOverflow) } else { Ok(value) }
            },
        )
        .map_err(|kind| number_error("ParseUint", text, &kind))
}

/// Parses an unsigned number with an optional base prefix and at most `bits` bits.
pub(super) fn uint_auto(text: &str, bits: u32) -> Result<u64, Invalid> {
    match uint64(text)? {
        value if value.leading_zeros() < 64 - bits => {
            Err(number_error("ParseUint", text, &IntErrorKind::PosOverflow))
        }
        value => Ok(value),
    }
}

/// Parses a signed number with an optional base prefix.
pub(crate) fn int64(text: &str) -> Result<i64, Invalid> {
    let negative = text.starts_with('-');
    let parsed = based(text.strip_prefix(['-', '+']).unwrap_or(text)).and_then(|(digits, base)| {
        let signed = if negative { format!("-{digits}") } else { digits };
        i64::from_str_radix(&signed, base).map_err(|error| *error.kind())
    });
    parsed.map_err(|kind| number_error("ParseInt", text, &kind))
}

/// Parses a number with a fraction.
pub(crate) fn float32(text: &str) -> Result<f32, Invalid> {
    match go_float(text)? as f32 {
        value if value.is_finite() => Ok(value),
        // docker fails later, and less plainly.
        value if value.is_nan() => refuse!("strconv.ParseFloat: parsing {}: not a number", go_quote(text)),
        _ => refuse!("strconv.ParseFloat: parsing {}: value out of range", go_quote(text)),
    }
}

/// Parses a float of 64 bits.
pub(super) fn go_float(text: &str) -> Result<f64, Invalid> {
    text.parse().map_err(|_| invalid!("strconv.ParseFloat: parsing {}: invalid syntax", go_quote(text)))
}

/// Parses Go's spellings of a truth value.
pub(crate) fn boolean(text: &str) -> Result<bool, Invalid> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => refuse!("strconv.ParseBool: parsing {}: invalid syntax", go_quote(text)),
    }
}

/// Strips a base prefix and the underscores that it allows.
fn based(text: &str) -> Result<(String, u32), IntErrorKind> {
    let lower = text.to_ascii_lowercase();
    let (digits, base) = match lower.as_bytes() {
        [b'0', b'x', ..] => (&lower[2..], 16),
        [b'0', b'b', ..] => (&lower[2..], 2),
        [b'0', b'o', ..] => (&lower[2..], 8),
        [b'0', _, ..] => (&lower[1..], 8),
        _ => (&lower[..], 10),
    };
    let misplaced = digits.ends_with('_') || digits.contains("__") || (base == 10 && digits.starts_with('_'));
    if misplaced || digits.starts_with(['+', '-']) {
        return Err(IntErrorKind::InvalidDigit);
    }
    Ok((digits.replace('_', ""), base))
}

fn number_error(function: &str, text: &str, kind: &IntErrorKind) -> Invalid {
    let reason = match kind {
        IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "value out of range",
        _ => "invalid syntax",
    };
    Invalid::new(format!("strconv.{function}: parsing {}: {reason}", go_quote(text)))
}
