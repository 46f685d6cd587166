//! Docker's words and sentences about containers.

use jiff::Timestamp;

use super::super::time;
use crate::server::facts::{ContainerFacts, ContainerState, HealthState};

/// Returns the sentence that `docker ps` shows.
pub fn status(row: &ContainerFacts, now: Timestamp) -> String {
    let ago = |at| span(now.duration_since(time(at).0).as_secs());
    match row.state {
        ContainerState::Running => {
            let health = match row.health {
                None => "",
                Some(HealthState::Starting) => " (health: starting)",
                Some(HealthState::Healthy) => " (healthy)",
                Some(HealthState::Unhealthy) => " (unhealthy)",
            };
            format!("Up {}{health}", ago(row.started_at))
        }
        ContainerState::Exited => format!("Exited ({}) {} ago", row.exit_code, ago(row.finished_at)),
        ContainerState::Created => "Created".to_owned(),
    }
}

/// Returns Docker's word for a state.
pub fn state(state: ContainerState) -> &'static str {
    match state {
        ContainerState::Created => "created",
        ContainerState::Running => "running",
        ContainerState::Exited => "exited",
    }
}

/// Returns Docker's word for a health.
pub fn health(health: HealthState) -> &'static str {
    match health {
        HealthState::Starting => "starting",
        HealthState::Healthy => "healthy",
        HealthState::Unhealthy => "unhealthy",
    }
}

/// Returns a command line as `docker ps` shows it: arguments with spaces in quotes.
pub fn command(words: &[String]) -> String {
    let mut shown = Vec::with_capacity(words.len());
    for (index, word) in words.iter().enumerate() {
        let quoted = index > 0 && word.contains(' ');
        shown.push(if quoted { format!("'{word}'") } else { word.clone() });
    }
    shown.join(" ")
}

/// Returns a span as Docker words it.
fn span(seconds: i64) -> String {
    let (minutes, hours) = (seconds / 60, (seconds + 1800) / 3600);
    match seconds {
        ..1 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..60 => format!("{seconds} seconds"),
        60..120 => "About a minute".to_owned(),
        120..3600 => format!("{minutes} minutes"),
        _ if hours == 1 => "About an hour".to_owned(),
        _ if hours < 48 => format!("{hours} hours"),
        _ if hours < 24 * 14 => format!("{} days", hours / 24),
        _ if hours < 24 * 60 => format!("{} weeks", hours / 24 / 7),
        _ if hours < 24 * 730 => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", hours / 24 / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_dockers() {
        let cases = [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (179, "2 minutes"),
            (3600, "About an hour"),
            (5400, "2 hours"),
            (3 * 86_400, "3 days"),
            (15 * 86_400, "2 weeks"),
            (100 * 86_400, "3 months"),
            (800 * 86_400, "2 years"),
        ];
        for (seconds, text) in cases {
            assert_eq!(span(seconds), text);
        }
    }

    #[test]
    fn arguments_with_spaces_are_quoted() {
        let words = ["sh", "-c", "echo hello"].map(str::to_owned);
        assert_eq!(command(&words), "sh -c 'echo hello'");
        assert_eq!(command(&["a b".to_owned()]), "a b");
    }
}
