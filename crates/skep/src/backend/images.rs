//! Images of this node and what registries say.

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt};
use skep_agent::{chain, image};
use skep_api::server::backend::{Credentials, Download, Images, Upload};
use skep_api::server::facts::{
    Distribution, Fault, FaultClass, HistoryStep, ImageDetail, ImageFacts, ImagePlatform, ImageRemoval,
    LoadStep, PruneFilter, Pruned, PullRequest, PullStep,
};
use skep_model::Timestamp;
use skep_model::template::{Platform, RegistryAuth};

use super::{Daemon, failed, later};

impl Images for Daemon {
    fn images(&self) -> BoxFuture<'_, Result<Vec<ImageFacts>, Fault>> {
        async {
            let images = self.engine.images().list().await.map_err(|error| failed(&error))?;
            let mut images: Vec<_> = images.into_iter().map(facts).collect();
            images.sort_by_key(|image| std::cmp::Reverse(image.created_at));
            Ok(images)
        }
        .boxed()
    }
    fn image<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<ImageDetail, Fault>> {
        std::future::ready(Err(later("inspecting images"))).boxed()
    }
    fn layers_size(&self) -> BoxFuture<'_, Result<i64, Fault>> {
        async {
            let images = self.engine.images().list().await.map_err(|error| failed(&error))?;
            Ok(images.iter().map(|image| i64::try_from(image.size).unwrap_or(i64::MAX)).sum())
        }
        .boxed()
    }

    fn image_history<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Vec<HistoryStep>, Fault>> {
        std::future::ready(Err(later("the history of images"))).boxed()
    }
    fn pull(&self, _: PullRequest) -> BoxStream<'static, Result<PullStep, Fault>> {
        stream::iter([Err(later("pulling images by hand"))]).boxed()
    }
    fn tag_image<'a>(&'a self, _: &'a str, _: &'a str) -> BoxFuture<'a, Result<(), Fault>> {
        std::future::ready(Err(later("tagging images"))).boxed()
    }
    fn remove_image<'a>(&'a self, _: &'a str, _: bool) -> BoxFuture<'a, Result<Vec<ImageRemoval>, Fault>> {
        std::future::ready(Err(later("removing images"))).boxed()
    }
    fn prune_images(&self, _: PruneFilter) -> BoxFuture<'_, Result<Pruned<ImageRemoval>, Fault>> {
        std::future::ready(Err(later("pruning images"))).boxed()
    }
    fn load_images(&self, _: Upload) -> BoxStream<'static, Result<LoadStep, Fault>> {
        stream::iter([Err(later("loading images"))]).boxed()
    }
    fn save_images(&self, _: Vec<String>) -> BoxFuture<'_, Result<Download, Fault>> {
        std::future::ready(Err(later("saving images"))).boxed()
    }
    fn distribution(
        &self,
        image: String,
        auth: Option<RegistryAuth>,
    ) -> BoxFuture<'_, Result<Distribution, Fault>> {
        async move {
            let reference: image::Reference = image
                .parse()
                .map_err(|error: image::ReferenceError| Fault::new(FaultClass::Invalid, chain(&error)))?;
            let auth = auth.as_ref().and_then(skep_agent::credentials);
            let found = self.engine.images().distribution(&reference, auth.as_ref()).await;
            let found = found.map_err(|error| registry_fault(&error))?;
            Ok(Distribution {
                media_type: found.descriptor.media_type.clone(),
                digest: found.descriptor.digest.to_string(),
                size: i64::try_from(found.descriptor.size).unwrap_or(i64::MAX),
                platforms: found.platforms.into_iter().map(platform).collect(),
            })
        }
        .boxed()
    }
    fn login(&self, _: Credentials) -> BoxFuture<'_, Result<String, Fault>> {
        std::future::ready(Err(later("checking registry credentials"))).boxed()
    }
}

fn platform(platform: image::Platform) -> ImagePlatform {
    ImagePlatform {
        platform: Platform { architecture: platform.architecture, os: platform.os },
        variant: platform.variant.unwrap_or_default(),
    }
}

/// Returns what dockerd answers for the same failure.
fn registry_fault(error: &image::PullError) -> Fault {
    use image::PullError;
    let class = match error {
        PullError::InvalidReference(_) => FaultClass::Invalid,
        PullError::NotFound { .. } => FaultClass::NotFound,
        PullError::Unauthorized { .. } => FaultClass::Unauthorized,
        PullError::Denied { .. } => FaultClass::Denied,
        _ => FaultClass::Failed,
    };
    Fault::new(class, chain(error))
}

fn facts(image: image::Image) -> ImageFacts {
    let (digests, tags): (Vec<_>, Vec<_>) =
        image.references.iter().partition(|reference| reference.digest().is_some());
    let familiar = |references: Vec<&image::Reference>| references.iter().map(|one| one.familiar()).collect();
    let created: Option<jiff::Timestamp> = image.created.parse().ok();
    ImageFacts {
        id: image.id.to_string(),
        repo_tags: familiar(tags),
        repo_digests: familiar(digests),
        created_at: Timestamp(created.map_or(0, |at| i64::try_from(at.as_nanosecond()).unwrap_or(0))),
        size: i64::try_from(image.size).unwrap_or(i64::MAX),
        labels: image.config.labels,
        ..ImageFacts::default()
    }
}
