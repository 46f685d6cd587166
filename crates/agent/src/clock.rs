//! The system's clock, made to go forward only.

use std::time::{Duration, Instant, SystemTime};

use skep_model::Timestamp;

/// Follows the system's clock, but goes on at its own pace where that is set back, so that no deadline
/// waits for an hour to happen twice.
#[derive(Debug)]
pub struct Clock {
    last: Timestamp,
    at: Instant,
}

impl Default for Clock {
    fn default() -> Self {
        Clock { last: system(), at: Instant::now() }
    }
}

impl Clock {
    /// Returns the instant; never an earlier one than before.
    pub fn now(&mut self) -> Timestamp {
        self.advance(system(), Instant::now())
    }

    fn advance(&mut self, system: Timestamp, at: Instant) -> Timestamp {
        self.last = system.max(self.last + at.saturating_duration_since(self.at));
        self.at = at;
        self.last
    }

    /// Waits for an instant of this clock; without one, for ever.
    pub fn sleep_until(&mut self, at: Option<Timestamp>) -> impl Future<Output = ()> + Send + use<> {
        let wait = at.map(|at| at.since(self.now()).max(Duration::from_millis(1)));
        async move {
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        }
    }
}

fn system() -> Timestamp {
    crate::engine::timestamp(SystemTime::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_set_back_goes_on() {
        let second = Duration::from_secs(1);
        let (start, at) = (Timestamp(5_000_000_000), Instant::now());
        let mut clock = Clock { last: start, at };
        assert_eq!(clock.advance(start + second, at + second), start + second);
        let back = Timestamp(0);
        assert_eq!(clock.advance(back, at + second * 3), start + second * 3);
        let ahead = start + second * 100;
        assert_eq!(clock.advance(ahead, at + second * 4), ahead);
    }
}
