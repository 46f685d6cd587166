//! Images: the tag a bare name means, and the digest a tag stands for at this moment.

use skep_api::client::{Client, ClientError};
use skep_api::wire::{DistributionInspect, Platform, TaskSpec};

use crate::format::Reference;

/// Writes an image with its tag, in familiar form. What is no reference stays as it is, for the server to refuse.
pub(crate) fn with_tag(image: &str) -> String {
    Reference::parse(image).map_or_else(|| image.to_owned(), |image| image.with_default_tag().familiar())
}

/// Asks the registry for the digest of the task's image and writes it into the spec, with the platforms it serves.
pub(crate) async fn pin(task: &mut TaskSpec, client: &Client, auth: Option<&str>) -> Result<(), ClientError> {
    let Some(container) = &mut task.container_spec else { return Ok(()) };
    let answer = client.distribution(&container.image, auth).await?;
    if let (Some(reference), Some(digest)) = (Reference::parse(&container.image), &answer.descriptor.digest)
        && !reference.is_pinned()
    {
        container.image = reference.pinned(digest).familiar();
    }
    let platforms = platforms(answer);
    if !platforms.is_empty() {
        task.placement.get_or_insert_default().platforms = platforms;
    }
    Ok(())
}

fn platforms(answer: DistributionInspect) -> Vec<Platform> {
    let platform = |platform: skep_api::wire::OciPlatform| {
        // Registries say `arm` for several architectures that nodes tell apart, so it matches all of them.
        let architecture = platform.architecture.filter(|name| name != "arm").unwrap_or_default();
        Platform { architecture, os: platform.os.unwrap_or_default() }
    };
    answer.platforms.into_iter().map(platform).collect()
}

/// What standard error says when no digest could be had.
pub(crate) fn digest_warning(image: &str) -> String {
    format!(
        "image {image} could not be accessed on a registry to record\n\
         its digest. Each node will access {image} independently,\n\
         possibly leading to different nodes running different\n\
         versions of the image.\n"
    )
}
