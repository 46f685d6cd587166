//! Two small rules that the whole image store shares: how locks are taken, and where blocking work runs.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Takes a lock. What these locks guard is replaced in single steps, so it is whole even if a holder panicked.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs blocking work on a thread that may block, and passes a panic on to the caller.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Blocking work is only cancelled while the runtime shuts down, and then nobody polls its waiters.
            Err(_) => std::future::pending().await,
        },
    }
}
