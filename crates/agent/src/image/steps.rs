//! A pull as a sequence of steps, for people who watch it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt as _, StreamExt as _};

use super::digest::Digest;
use super::error::PullError;
use super::platform::Platform;
use super::progress::{Feed, LayerState};
use super::reference::Reference;
use super::registry::Auth;
use super::store::{Image, Store};

/// How often a reader hears of bytes: fast enough for the eye.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What happened since the last step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PullStep {
    /// A layer went on. The digest is that of its archive.
    Layer { digest: Digest, state: LayerState },
    /// The registry's digest of what the reference names.
    Resolved { digest: Digest },
    /// The image is here; `is_new` if the reference stood for another one, or none, before.
    Ended { image: Box<Image>, is_new: bool },
}

struct Watching {
    pull: Option<BoxFuture<'static, Result<(Image, bool), PullError>>>,
    feed: Arc<Feed>,
    /// Where each layer was when the reader heard of it last.
    told: Vec<LayerState>,
    resolved: bool,
}

impl Store {
    /// Pulls an image and tells how far it is. A failure is the last item; dropping the stream gives up.
    pub fn pull_steps(
        &self,
        reference: Reference,
        auth: Option<Auth>,
        platform: Platform,
    ) -> BoxStream<'static, Result<PullStep, PullError>> {
        let feed = self.feed(&reference, auth.as_ref(), &platform);
        let store = self.clone();
        let pull = async move {
            let before = store.find(&reference).await?.map(|image| image.id);
            let image = store.pull(&reference, auth.as_ref(), &platform).await?;
            let is_new = before != Some(image.id);
            Ok((image, is_new))
        };
        let watching = Watching { pull: Some(pull.boxed()), feed, told: Vec::new(), resolved: false };
        stream::unfold(watching, |mut watching| async move {
            let steps = watching.next().await?;
            Some((stream::iter(steps), watching))
        })
        .flatten()
        .boxed()
    }
}

impl Watching {
    /// Waits until there is something to tell.
    async fn next(&mut self) -> Option<Vec<Result<PullStep, PullError>>> {
        loop {
            let ended = tokio::time::timeout(LOOK_EVERY, self.pull.as_mut()?).await.ok();
            let mut steps = self.news();
            match ended {
                Some(Ok((image, is_new))) => {
                    steps.push(Ok(PullStep::Ended { image: Box::new(image), is_new }));
                    self.pull = None;
                }
                Some(Err(error)) => {
                    steps.push(Err(error));
                    self.pull = None;
                }
                None => {}
            }
            if !steps.is_empty() {
                return Some(steps);
            }
        }
    }

    fn news(&mut self) -> Vec<Result<PullStep, PullError>> {
        let seen = self.feed.look();
        let mut steps = Vec::new();
        if let Some(digest) = seen.top.filter(|_| !self.resolved) {
            self.resolved = true;
            steps.push(Ok(PullStep::Resolved { digest }));
        }
        for (at, (digest, meter)) in seen.layers.iter().enumerate() {
            let state = meter.state();
            if self.told.get(at) == Some(&state) {
                continue;
            }
            match self.told.get_mut(at) {
                Some(told) => *told = state,
                None => {
                    self.told.push(state);
                    // However fast the rest went: a layer that was not here had to be fetched first.
                    if !matches!(state, LayerState::Waiting | LayerState::AlreadyHere) {
                        let state = LayerState::Waiting;
                        steps.push(Ok(PullStep::Layer { digest: *digest, state }));
                    }
                }
            }
            steps.push(Ok(PullStep::Layer { digest: *digest, state }));
        }
        steps
    }
}
