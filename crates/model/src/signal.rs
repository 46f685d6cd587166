//! Signals by the names that people and images use, with Linux's numbers.

/// The first and the last real-time signal that programs may use.
const RTMIN: i32 = 34;
const RTMAX: i32 = 64;
pub const SIGTERM: i32 = 15;

/// Returns the number of `SIGTERM`, `TERM`, `15` or `RTMIN+3`, or `None` for what is no signal.
pub fn parse(name: &str) -> Option<i32> {
    if let Ok(number) = name.parse::<i32>() {
        return (1..=RTMAX).contains(&number).then_some(number);
    }
    let upper = name.to_ascii_uppercase();
    let short = upper.strip_prefix("SIG").unwrap_or(&upper);
    let offset =
        |text: &str| if text.is_empty() { Some(0) } else { text[1..].parse::<u8>().ok().map(i32::from) };
    let realtime = match (short.strip_prefix("RTMIN"), short.strip_prefix("RTMAX")) {
        (Some(rest), _) if rest.is_empty() || rest.starts_with('+') => Some(RTMIN + offset(rest)?),
        (_, Some(rest)) if rest.is_empty() || rest.starts_with('-') => Some(RTMAX - offset(rest)?),
        _ => None,
    };
    if let Some(number) = realtime {
        return (RTMIN..=RTMAX).contains(&number).then_some(number);
    }
    NAMES.iter().position(|known| *known == short).map(|place| place as i32 + 1)
}

/// The names in the order of their numbers, beginning with 1; the same on x86-64 and ARM.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
    "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
    "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn knows_names_numbers_and_realtime_signals() {
        for (name, expected) in [
            ("SIGINT", Some(2)),
            ("usr1", Some(10)),
            ("SIGTERM", Some(15)),
            ("9", Some(9)),
            ("SIGRTMIN+3", Some(37)),
            ("RTMAX-1", Some(63)),
            ("RTMIN", Some(34)),
            ("RTMIN+99", None),
            ("RTMIN+2147483647", None),
            ("RTMINx", None),
            ("", None),
            ("SIGNONSENSE", None),
            ("0", None),
            ("65", None),
        ] {
            assert_eq!(parse(name), expected, "{name}");
        }
    }
}
