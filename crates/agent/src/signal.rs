//! Signals by the names that people and images use.

/// Returns the number of `SIGTERM`, `TERM`, `15` or `RTMIN+3`. An empty or unknown name means SIGTERM:
/// what users name was checked when the service was made, so only an image can be wrong here.
pub fn number(name: &str) -> i32 {
    parse(name).unwrap_or(libc::SIGTERM)
}

fn parse(name: &str) -> Option<i32> {
    if let Ok(number) = name.parse::<i32>() {
        return (1..=libc::SIGRTMAX()).contains(&number).then_some(number);
    }
    let upper = name.to_ascii_uppercase();
    let short = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some(offset) = short.strip_prefix("RTMIN") {
        let number = libc::SIGRTMIN() + offset.strip_prefix('+').unwrap_or("0").parse::<i32>().ok()?;
        return (number <= libc::SIGRTMAX()).then_some(number);
    }
    NAMES.iter().find(|(known, _)| *known == short).map(|(_, number)| *number)
}

const NAMES: [(&str, i32); 16] = [
    ("HUP", libc::SIGHUP),
    ("INT", libc::SIGINT),
    ("QUIT", libc::SIGQUIT),
    ("ABRT", libc::SIGABRT),
    ("ALRM", libc::SIGALRM),
    ("KILL", libc::SIGKILL),
    ("USR1", libc::SIGUSR1),
    ("USR2", libc::SIGUSR2),
    ("PIPE", libc::SIGPIPE),
    ("TERM", libc::SIGTERM),
    ("CONT", libc::SIGCONT),
    ("STOP", libc::SIGSTOP),
    ("TSTP", libc::SIGTSTP),
    ("WINCH", libc::SIGWINCH),
    ("IO", libc::SIGIO),
    ("PWR", libc::SIGPWR),
];

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn knows_names_numbers_and_realtime_signals() {
        for (name, expected) in [
            ("SIGINT", libc::SIGINT),
            ("usr1", libc::SIGUSR1),
            ("9", 9),
            ("SIGRTMIN+3", libc::SIGRTMIN() + 3),
            ("", libc::SIGTERM),
            ("SIGNONSENSE", libc::SIGTERM),
            ("0", libc::SIGTERM),
        ] {
            assert_eq!(number(name), expected, "{name}");
        }
    }
}
