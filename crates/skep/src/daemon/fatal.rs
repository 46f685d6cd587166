//! What ends the daemon from inside: a part that cannot go on, such as a log whose disk is full.
//!
//! A daemon that lives on without one of its parts looks well to its supervisor and serves nobody, so
//! it stops in order, says why, and exits with 1. Containers live on; the next start takes up again.

use tokio::sync::watch;

/// The way to the end of the daemon. Clones lead to the same end.
#[derive(Clone, Debug)]
pub struct Fatal(watch::Sender<Option<String>>);

impl Default for Fatal {
    fn default() -> Self {
        Fatal(watch::channel(None).0)
    }
}

impl Fatal {
    /// Asks for the end. The first reason counts.
    pub fn tell(&self, reason: String) {
        tracing::error!(reason, "the daemon cannot go on");
        self.0.send_if_modified(|told| {
            let is_first = told.is_none();
            told.get_or_insert(reason);
            is_first
        });
    }

    /// Waits for a reason to end.
    pub async fn told(&self) -> String {
        let mut reasons = self.0.subscribe();
        let told = reasons.wait_for(Option::is_some).await.expect("this end keeps the channel open");
        told.clone().expect("waited for")
    }

    /// Returns the reason, if there is one.
    pub fn reason(&self) -> Option<String> {
        self.0.borrow().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_reason_counts() {
        let fatal = Fatal::default();
        assert_eq!(fatal.reason(), None);
        fatal.tell("disk".into());
        fatal.tell("other".into());
        assert_eq!(fatal.told().await, "disk");
    }
}
