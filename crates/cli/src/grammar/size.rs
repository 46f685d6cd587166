//! Amounts: bytes with binary units, CPUs as a rational number.

use super::number::go_float;
use super::{Invalid, invalid, refuse};

/// Billionths of a CPU in one CPU.
const NANO: i128 = 1_000_000_000;

/// Parses an amount of memory such as `64m` or `1.5 GiB`, in bytes. All units are powers of 1024.
pub(crate) fn bytes(text: &str) -> Result<i64, Invalid> {
    let Some(end) = text.rfind(|c: char| c.is_ascii_digit() || c == '.' || c == ' ') else {
        return refuse!("invalid size: '{text}'");
    };
    let (number, suffix) = (&text[..=end], &text[end + 1..]);
    let size = go_float(number.strip_suffix(' ').unwrap_or(number))?;
    if size < 0.0 {
        return refuse!("invalid size: '{text}'");
    }
    let suffix = if suffix.len() > 3 { suffix.to_owned() } else { suffix.to_lowercase() };
    let Some(power) = power(&suffix) else {
        return refuse!("invalid suffix: '{suffix}'");
    };
    let bytes = size * 1024f64.powi(power);
    // docker goes on with a number that has overflowed.
    if bytes.is_nan() || bytes >= i64::MAX as f64 {
        return refuse!("invalid size: '{text}': more than can be counted");
    }
    Ok(bytes as i64)
}

/// The power of 1024 that a lower-case suffix stands for.
fn power(suffix: &str) -> Option<i32> {
    match suffix {
        "" | "b" => return Some(0),
        _ if suffix.len() > 3 => return None,
        _ => {}
    }
    let mut characters = suffix.chars();
    let power = "kmgtp".find(characters.next()?)? as i32 + 1;
    matches!(characters.as_str(), "" | "b" | "ib").then_some(power)
}

/// Parses a number of CPUs such as `.5`, `1/2` or `2`, in billionths.
pub(crate) fn cpus(text: &str) -> Result<i64, Invalid> {
    let Some((numerator, denominator)) = rational(text) else {
        return refuse!("failed to parse {text} as a rational number");
    };
    let scaled = numerator.checked_mul(NANO);
    let Some(scaled) = scaled.filter(|scaled| scaled % denominator == 0) else {
        return refuse!("value is too precise");
    };
    i64::try_from(scaled / denominator).map_err(|_| invalid!("value {text} is out of range"))
}

/// Reads `a/b` or a decimal with an optional exponent as a fraction with a positive denominator.
fn rational(text: &str) -> Option<(i128, i128)> {
    if let Some((a, b)) = text.split_once('/') {
        let denominator: i64 = b.parse().ok().filter(|b| *b > 0)?;
        return Some((a.parse::<i64>().ok()?.into(), denominator.into()));
    }
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let negative = mantissa.starts_with('-');
    let mantissa = mantissa.strip_prefix(['-', '+']).unwrap_or(mantissa);
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{integer}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let scale = exponent.checked_sub(fraction.len() as i32)?;
    let value: i128 = digits.parse().ok().filter(|value| *value < 1 << 64)?;
    let value = if negative { -value } else { value };
    let power = 10i128.checked_pow(scale.unsigned_abs())?;
    if scale < 0 { Some((value, power)) } else { Some((value.checked_mul(power)?, 1)) }
}
