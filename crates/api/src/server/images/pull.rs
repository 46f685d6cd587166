//! `POST /images/create`: fetching an image, told line by line.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt as _, stream};

use super::super::error::Error;
use super::super::facts::{Fault, PullRequest, PullStep};
use super::super::query::Query;
use super::super::{Context, registry_auth, reply};
use super::progress;
use crate::wire::local::ProgressMessage;

pub(super) async fn create(
    State(context): State<Arc<Context>>,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let name = query.get("fromImage");
    if name.is_empty() {
        return Err(super::refuse(super::IMPORT));
    }
    let reference = reference(name, query.get("tag"));
    if !skep_model::reference::is_valid(&reference) {
        return Err(invalid_reference(&reference));
    }
    let request = PullRequest {
        reference,
        platform: query.get("platform").to_owned(),
        auth: registry_auth::of(&headers),
    };
    let steps = context.backend.pull(request);
    let (first, rest) = begun(steps).await?;
    let stop = context.stop.clone().cancelled_owned();
    let messages = stream::once(std::future::ready(Ok(first))).chain(rest).then(move |step| {
        let context = context.clone();
        async move {
            if let Ok(PullStep::Ended { reference, .. }) = &step {
                tell(&context, reference).await;
            }
            message(step)
        }
    });
    Ok(reply::lines(lines(messages).take_until(stop)))
}

/// Puts a name and what `tag` says together: a tag, or a digest. Where neither is said every tag is meant; clients that
/// mean the latest say so.
fn reference(name: &str, tag: &str) -> String {
    match tag {
        "" => name.to_owned(),
        digest if digest.contains(':') => format!("{name}@{digest}"),
        tag => format!("{name}:{tag}"),
    }
}

/// The sentence for what is no reference, with the reason that users meet most.
pub(super) fn invalid_reference(reference: &str) -> Error {
    let repository = reference.split('@').next().unwrap_or_default();
    let path = repository.rsplit_once(':').map_or(repository, |(path, _)| path);
    match path.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Error::invalid("invalid reference format: repository name must be lowercase"),
        false => Error::invalid("invalid reference format"),
    }
}

type Steps = BoxStream<'static, Result<PullStep, Fault>>;

/// Waits for the first step that shows that there is such an image: until then a failure is a status.
async fn begun(mut steps: Steps) -> Result<(PullStep, Steps), Error> {
    match steps.next().await {
        Some(Ok(first)) => Ok((first, steps)),
        Some(Err(fault)) => Err(fault.into()),
        None => Err(Error::unclassed("the pull ended without a word")),
    }
}

fn message(step: Result<PullStep, Fault>) -> ProgressMessage {
    match step {
        Ok(step) => progress::of_pull(step),
        Err(fault) => progress::of_failure(fault.message),
    }
}

/// Tells those who follow events of what is pulled: of the reference, with the name of its repository and, where one image is
/// named, the labels of that.
async fn tell(context: &Context, reference: &str) {
    let name = skep_model::reference::name(reference);
    let image = match name == reference {
        true => None,
        false => context.backend.image(reference).await.ok(),
    };
    let mut attributes = image.map(|image| image.config.labels).unwrap_or_default();
    attributes.insert("name".to_owned(), name.to_owned());
    context.tell("image", "pull", reference, attributes);
}

/// Encodes messages as Docker does, each with a line end of two letters.
pub(super) fn lines(messages: impl Stream<Item = ProgressMessage>) -> impl Stream<Item = Bytes> {
    messages.map(|message| {
        let mut text = serde_json::to_vec(&message).expect("a message has text keys");
        text.extend_from_slice(b"\r\n");
        text.into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_a_tag_make_a_reference() {
        assert_eq!(reference("redis", ""), "redis");
        assert_eq!(reference("redis", "7"), "redis:7");
        assert_eq!(reference("host:5000/redis", ""), "host:5000/redis");
        assert_eq!(reference("host:5000/redis:7", ""), "host:5000/redis:7");
        assert_eq!(reference("redis", "sha256:00"), "redis@sha256:00");
        assert_eq!(reference("redis@sha256:00", ""), "redis@sha256:00");
    }

    #[test]
    fn capitals_are_named_as_the_reason() {
        assert_eq!(
            invalid_reference("Redis:7"),
            Error::invalid("invalid reference format: repository name must be lowercase")
        );
        assert_eq!(invalid_reference("a b:X"), Error::invalid("invalid reference format"));
    }
}
