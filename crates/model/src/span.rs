//! Durations as people write them in labels and read them in reasons: `500ms`, `40s`, `1h30m`.

use std::time::Duration;

/// Units from the largest to the smallest, in milliseconds.
const UNITS: [(&str, u64); 5] =
    [("d", 24 * 3_600_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Parses whole numbers with their units, such as `90s` or `1h30m`; `0` needs none.
pub fn parse(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let (mut rest, mut total) = (text, 0u64);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at(digits);
        let unit = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        let (_, millis) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(millis)?)?;
        rest = after;
    }
    (!text.is_empty()).then(|| Duration::from_millis(total))
}

/// Renders a duration; what is below a millisecond counts as one.
pub fn render(span: Duration) -> String {
    let mut millis = u64::try_from(span.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
    if !millis.is_multiple_of(1_000) {
        return format!("{millis}ms");
    }
    let mut text = String::new();
    for (unit, size) in UNITS {
        if millis >= size {
            text.push_str(&format!("{}{unit}", millis / size));
            millis %= size;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_rendered_can_be_parsed() {
        for text in ["0s", "1ms", "1500ms", "40s", "1m20s", "2m", "1h30m", "1d2h", "1d"] {
            assert_eq!(render(parse(text).expect(text)), text);
        }
        assert_eq!(parse("90s").map(render).as_deref(), Some("1m30s"));
        assert_eq!(parse("0"), Some(Duration::ZERO));
        assert_eq!(render(Duration::from_nanos(40_000_000_001 - 1_000_000)), "40s");
    }

    #[test]
    fn nothing_else_is_a_duration() {
        for text in ["", "5", "s", "5 s", "1.5s", "-1s", "5sec", "99999999999999999999s", "9999999999999d"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
