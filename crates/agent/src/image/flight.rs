//! Joins callers who want the same thing at the same time.
//!
//! Decides that work with one key runs once and that everybody who asked gets its result. The work makes progress
//! while anybody waits and is dropped with the last one who does, so cancelling a pull that nobody else needs stops
//! its downloads. It is not a cache: a finished result is forgotten.

use std::collections::HashMap;
use std::sync::Mutex;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, WeakShared};

use super::sync::lock;

/// Work in progress by key.
pub(super) struct Flights<T: Clone>(Mutex<HashMap<String, WeakShared<BoxFuture<'static, T>>>>);

impl<T: Clone> Default for Flights<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone + Send + 'static> Flights<T> {
    /// Waits for the work called `key`, which `start` describes in case nobody has begun it.
    pub async fn join(&self, key: String, start: impl FnOnce() -> BoxFuture<'static, T>) -> T {
        let work = {
            let mut flights = lock(&self.0);
            // What is finished or abandoned leaves only its key behind; the map is as small as the work at hand.
            flights.retain(|_, flight| flight.upgrade().is_some());
            match flights.get(&key).and_then(WeakShared::upgrade) {
                Some(work) => work,
                None => {
                    let work = start().shared();
                    if let Some(weak) = work.downgrade() {
                        flights.insert(key, weak);
                    }
                    work
                }
            }
        };
        work.await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn work_runs_once_for_all_who_wait_and_again_for_who_comes_later() {
        let flights = Arc::new(Flights::<usize>::default());
        let (started, go) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let start = || {
            let (started, go) = (Arc::clone(&started), Arc::clone(&go));
            move || {
                async move {
                    let count = started.fetch_add(1, Ordering::SeqCst) + 1;
                    go.notified().await;
                    count
                }
                .boxed()
            }
        };
        let both = futures_util::future::join(
            flights.join("key".into(), start()),
            flights.join("key".into(), start()),
        );
        let (results, ()) = futures_util::future::join(both, async { go.notify_one() }).await;
        assert_eq!(results, (1, 1));
        go.notify_one();
        assert_eq!(flights.join("key".into(), start()).await, 2);
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_is_dropped() {
        let flights = Flights::<()>::default();
        let held = Arc::new(());
        let inside = Arc::clone(&held);
        let work = flights.join("key".into(), || {
            async move {
                std::future::pending::<()>().await;
                drop(inside);
            }
            .boxed()
        });
        assert!(futures_util::FutureExt::now_or_never(work).is_none());
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
