//! Waiting for a condition, never for a time.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Pause between two looks: short beside anything waited for, long beside what a look costs.
const PAUSE: Duration = Duration::from_millis(20);

/// What a look found.
pub enum Look<T> {
    /// The condition holds.
    Done(T),
    /// It does not yet; the text describes what was seen instead, for the message when time is up.
    NotYet(String),
}

/// Looks until the condition holds or `limit` has passed; an error of `look` ends the wait at once.
pub fn wait_for<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Result<Look<T>>) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        match look()? {
            Look::Done(found) => return Ok(found),
            Look::NotYet(seen) if Instant::now() >= deadline => {
                bail!("waited {limit:?} for {what}; last seen: {seen}")
            }
            Look::NotYet(_) => std::thread::sleep(PAUSE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_says_what_was_seen_last() {
        let error = wait_for::<()>("rain", Duration::ZERO, || Ok(Look::NotYet("sun".into()))).unwrap_err();
        assert_eq!(error.to_string(), "waited 0ns for rain; last seen: sun");
    }

    #[test]
    fn it_ends_as_soon_as_the_condition_holds() {
        let mut looks = 0;
        let found = wait_for("three", Duration::from_secs(5), || {
            looks += 1;
            Ok(if looks == 3 { Look::Done(looks) } else { Look::NotYet(String::new()) })
        });
        assert_eq!(found.unwrap(), 3);
    }
}
