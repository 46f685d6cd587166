//! Points in time of `--since`: RFC 3339 in several lengths, Unix seconds, or how long ago.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::duration::duration;
use super::{Invalid, refuse};

/// Turns the text of a flag such as `--since` (which the refusal names, unless it is empty) into Unix seconds as the daemon reads them; empty stays empty.
pub(crate) fn instant(flag: &str, text: &str, now: Timestamp) -> Result<String, Invalid> {
    if text.is_empty() {
        return Ok(String::new());
    }
    if let Ok(ago) = duration(text)
        && text != "0"
    {
        let nanos = now.as_nanosecond() - i128::from(ago);
        return Ok(nanos.div_euclid(1_000_000_000).to_string());
    }
    if let Some(instant) = absolute(text) {
        return Ok(format!("{}.{:09}", instant.as_second(), instant.subsec_nanosecond()));
    }
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_number(seconds.strip_prefix('-').unwrap_or(seconds)) && is_number(fraction) {
        return Ok(text.to_owned());
    }
    let about = if flag.is_empty() { String::new() } else { format!("invalid value for \"{flag}\": ") };
    refuse!(r#"{about}failed to parse value as time or duration: "{text}""#)
}

/// Reads a date, perhaps with a time, perhaps with an offset; without one it is local time.
fn absolute(text: &str) -> Option<Timestamp> {
    if let Ok(instant) = text.parse() {
        return Some(instant);
    }
    let text = text.strip_suffix('Z').map_or((text, TimeZone::system()), |text| (text, TimeZone::UTC));
    let (civil, zone) = text;
    if !civil.contains('-') {
        return None;
    }
    let civil: DateTime = match civil.split_once('T') {
        // Hours alone, or hours and minutes, which the ISO parser wants spelled out.
        Some((_, time)) if time.len() == 2 => format!("{civil}:00:00").parse().ok()?,
        Some(_) => civil.parse().ok()?,
        None => format!("{civil}T00:00:00").parse().ok()?,
    };
    civil.to_zoned(zone).ok().map(|zoned| zoned.timestamp())
}
