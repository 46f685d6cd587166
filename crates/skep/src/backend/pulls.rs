//! Pulling an image, or every tag of a repository, step by step.

use std::collections::VecDeque;

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use skep_agent::image::{self, Reference, Store};
use skep_agent::{chain, credentials};
use skep_api::platform::Here;
use skep_api::server::facts::{Fault, FaultClass, PullRequest, PullStep};

use super::images::pull_fault;
use super::images_shown::Told;

type Steps = BoxStream<'static, Result<PullStep, Fault>>;

/// Pulls what is asked for.
pub(super) fn steps(images: &Store, request: &PullRequest) -> Steps {
    let (reference, platform) = match parse(request) {
        Ok(parsed) => parsed,
        Err(fault) => return stream::iter([Err(fault)]).boxed(),
    };
    let terms = Terms { images: images.clone(), auth: request.auth.as_ref().and_then(credentials), platform };
    if !skep_model::reference::is_name_only(&request.reference) {
        return terms.pull(reference);
    }
    let tags = Tags { terms, repository: reference, left: None, current: None, is_any_new: false };
    stream::try_unfold(Some(tags), |tags| async {
        match tags {
            Some(tags) => tags.next().await,
            None => Ok(None),
        }
    })
    .boxed()
}

/// Into which store, as whom, and for what machine is pulled.
struct Terms {
    images: Store,
    auth: Option<image::Auth>,
    platform: image::Platform,
}

impl Terms {
    fn pull(&self, reference: Reference) -> Steps {
        let mut told = Told::of(&reference);
        let steps = self.images.pull_steps(reference, self.auth.clone(), self.platform.clone());
        let say = move |step| match step {
            Ok(step) => told.next(step).into_iter().map(Ok).collect(),
            Err(error) => vec![Err(pull_fault(&error))],
        };
        steps.map(say).flat_map(stream::iter).boxed()
    }
}

/// The tags of a repository, pulled one after another. Their end is told once; the first failure is the end.
struct Tags {
    terms: Terms,
    /// Its tag means nothing.
    repository: Reference,
    /// `None`: the registry was not asked yet.
    left: Option<VecDeque<Reference>>,
    current: Option<Steps>,
    is_any_new: bool,
}

impl Tags {
    /// Returns the next step, and what comes after it.
    async fn next(mut self) -> Result<Option<(PullStep, Option<Tags>)>, Fault> {
        loop {
            match &mut self.current {
                None => match self.next_tag().await? {
                    Some(tag) => self.current = Some(self.terms.pull(tag)),
                    None => {
                        let reference = self.repository.familiar_name();
                        return Ok(Some((PullStep::Ended { is_new: self.is_any_new, reference }, None)));
                    }
                },
                Some(steps) => match steps.next().await.transpose()? {
                    Some(PullStep::Ended { is_new, reference: _ }) => self.is_any_new |= is_new,
                    Some(step) => return Ok(Some((step, Some(self)))),
                    None => self.current = None,
                },
            }
        }
    }

    async fn next_tag(&mut self) -> Result<Option<Reference>, Fault> {
        if self.left.is_none() {
            let tags = self.terms.images.tags(&self.repository, self.terms.auth.as_ref()).await;
            self.left = Some(tags.map_err(|error| pull_fault(&error))?.into());
        }
        Ok(self.left.as_mut().and_then(VecDeque::pop_front))
    }
}

fn parse(request: &PullRequest) -> Result<(image::Reference, image::Platform), Fault> {
    let invalid = |text: String| Fault::new(FaultClass::Invalid, text);
    let reference = request.reference.parse();
    let reference = reference.map_err(|error: image::ReferenceError| invalid(chain(&error)))?;
    if request.platform.is_empty() {
        return Ok((reference, image::Platform::host()));
    }
    let host = image::Platform::host();
    let here = Here { os: &host.os, architecture: &host.architecture };
    let skep_api::platform::Platform { architecture, os, os_version: _, variant } =
        skep_api::platform::parse(&request.platform, here).map_err(invalid)?;
    let variant = Some(variant).filter(|variant| !variant.is_empty());
    let platform = image::Platform { os, architecture, variant };
    Ok((reference, platform))
}
