//! Work that must not happen on a Tokio worker: it changes the thread's namespace, or waits in the kernel.

use std::io;
use std::time::Duration;

/// Creating a namespace takes half a millisecond and deleting an interface some twenty; a kernel that is
/// busy destroying hundreds takes longer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Deep enough for a few nested calls and a netlink buffer.
const STACK: usize = 256 * 1024;

/// Runs `work` on a thread that ends afterwards, and waits for it, within bounds. The thread starts in
/// the namespaces of the calling one.
pub(crate) async fn on_thread<T: Send + 'static>(
    name: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    std::thread::Builder::new().name(name.to_owned()).stack_size(STACK).spawn(move || {
        // Nobody waits any more after the deadline: then the result has no use.
        drop(sender.send(work()));
    })?;
    match tokio::time::timeout(ANSWER_WITHIN, receiver).await {
        Ok(Ok(result)) => Ok(result),
        Ok(Err(_)) => Err(io::Error::other("its thread ended without an answer")),
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "its thread did not answer in 10 s")),
    }
}
