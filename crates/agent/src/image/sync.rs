//! Small rules that the whole image store shares: how locks are taken, where blocking work runs, what time it is.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use skep_model::Timestamp;
use tokio::task::JoinError;

/// Takes a lock. What these locks guard is replaced in single steps, so it is whole even if a holder panicked.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs blocking work on a thread that may block, and passes a panic on to the caller.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    joined(tokio::task::spawn_blocking(work)).await
}

/// Waits for spawned work that nobody aborts while waiting for it, and passes a panic on.
pub(super) async fn joined<T>(handle: impl Future<Output = Result<T, JoinError>>) -> T {
    match handle.await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // It was cancelled because the runtime shuts down, which is about to drop whoever waits here.
            Err(_) => std::future::pending().await,
        },
    }
}

/// Returns the time of day.
pub(super) fn now() -> Timestamp {
    crate::engine::timestamp(SystemTime::now())
}
