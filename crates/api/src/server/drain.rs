//! Request bodies that nobody wanted.
//!
//! A request can be refused before its body has arrived. If the connection were closed then, a client that still sends
//! would see a broken pipe and never read the refusal. So what is left of a body is read and thrown away, within bounds,
//! before the answer goes out.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

/// Most bytes thrown away; whoever has more to send is cut off.
const BYTES_MAX: usize = 4 << 20;
/// Longest time for them to arrive.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// A body that can be taken back from whoever did not read it to its end.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<Body>>);

impl Shared {
    /// Returns the body for the handler, and a hold on it.
    pub fn split(body: Body) -> (Body, Shared) {
        let shared = Shared(Arc::new(Mutex::new(body)));
        (Body::new(shared.clone()), shared)
    }

    /// Reads the rest if the handler has given it up; a handler that still reads goes on undisturbed.
    pub async fn drain(self) {
        let Some(body) = Arc::into_inner(self.0) else { return };
        let mut body = body.into_inner().unwrap_or_else(PoisonError::into_inner);
        let rest = async {
            let mut count = 0;
            while let Some(Ok(frame)) = body.frame().await
                && count < BYTES_MAX
            {
                count += frame.data_ref().map_or(0, Bytes::len);
            }
        };
        // One that does not come in time is cut off: the client was asked for nothing.
        drop(tokio::time::timeout(WAIT_MAX, rest).await);
    }

    fn with<T>(&self, work: impl FnOnce(Pin<&mut Body>) -> T) -> T {
        work(Pin::new(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl HttpBody for Shared {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.with(|body| body.poll_frame(context))
    }

    fn is_end_stream(&self) -> bool {
        self.with(|body| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.with(|body| body.size_hint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;

    /// A body whose parts are counted when they are taken.
    fn counted(parts: usize) -> (Body, Arc<Mutex<usize>>) {
        let taken = Arc::new(Mutex::new(0));
        let count = taken.clone();
        let part = move |_| {
            *count.lock().expect("nobody panics with it") += 1;
            Ok::<_, std::io::Error>(Bytes::from_static(&[0; 1024]))
        };
        (Body::from_stream(stream::iter((0..parts).map(part))), taken)
    }

    #[tokio::test]
    async fn what_nobody_read_is_thrown_away_within_bounds() {
        let (body, taken) = counted(10);
        let (theirs, hold) = Shared::split(body);
        drop(theirs);
        hold.drain().await;
        assert_eq!(*taken.lock().expect("nobody panics with it"), 10);
        let (body, taken) = counted(1_000_000);
        let (theirs, hold) = Shared::split(body);
        drop(theirs);
        hold.drain().await;
        let taken = *taken.lock().expect("nobody panics with it");
        assert!((4096..5000).contains(&taken), "{taken}");
    }

    #[tokio::test]
    async fn whoever_still_reads_is_not_disturbed() {
        let (body, taken) = counted(3);
        let (theirs, hold) = Shared::split(body);
        hold.drain().await;
        assert_eq!(*taken.lock().expect("nobody panics with it"), 0);
        assert_eq!(theirs.collect().await.expect("a body").to_bytes().len(), 3 * 1024);
    }
}
