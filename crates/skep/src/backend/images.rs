//! Images of this node and what registries say.

use std::collections::BTreeMap;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt};
use skep_agent::image::{self, ArchiveError, LookupError, PullError, RemoveError};
use skep_agent::{chain, credentials};
use skep_api::server::backend::{Credentials, Download, Images, Upload};
use skep_api::server::facts::{
    Distribution, Fault, FaultClass, HistoryStep, ImageDetail, ImageFacts, ImagePlatform, ImageRemoval,
    LayerState, LoadStep, PruneFilter, Pruned, PullRequest, PullStep,
};
use skep_core::orchestrate::keep;
use skep_model::template::{Platform, RegistryAuth};

use super::{Daemon, failed, images_shown as shown, pulls, rfc3339};

impl Images for Daemon {
    fn images(&self) -> BoxFuture<'_, Result<Vec<ImageFacts>, Fault>> {
        async {
            let images = self.engine.images().list().await.map_err(|error| pull_fault(&error))?;
            let usage = self.engine.images().disk_usage().await.map_err(|error| pull_fault(&error))?;
            let shared: BTreeMap<image::Digest, u64> = usage.shared.into_iter().collect();
            let used = self.image_usage();
            let mut rows: Vec<_> = images.iter().map(|image| shown::facts(image, &shared, &used)).collect();
            rows.sort_by_key(|image| std::cmp::Reverse(image.created_at));
            Ok(rows)
        }
        .boxed()
    }

    fn image<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, Result<ImageDetail, Fault>> {
        async move {
            let images = self.engine.images();
            let found = images.lookup(reference).await.map_err(|error| lookup_fault(&error))?;
            let details = images.details(&found).await.map_err(|error| lookup_fault(&error))?;
            Ok(shown::detail(&found, details, &self.image_usage()))
        }
        .boxed()
    }

    fn layers_size(&self) -> BoxFuture<'_, Result<i64, Fault>> {
        async {
            let usage = self.engine.images().disk_usage().await.map_err(|error| pull_fault(&error))?;
            Ok(super::files::bytes(usage.layers))
        }
        .boxed()
    }

    fn image_history<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, Result<Vec<HistoryStep>, Fault>> {
        async move {
            let images = self.engine.images();
            let found = images.lookup(reference).await.map_err(|error| lookup_fault(&error))?;
            let details = images.details(&found).await.map_err(|error| lookup_fault(&error))?;
            Ok(shown::history(&found, details))
        }
        .boxed()
    }

    fn pull(&self, request: PullRequest) -> BoxStream<'static, Result<PullStep, Fault>> {
        pulls::steps(self.engine.images(), &request)
    }

    fn tag_image<'a>(&'a self, source: &'a str, target: &'a str) -> BoxFuture<'a, Result<(), Fault>> {
        async move {
            let tagged = self.engine.images().tag(source, target).await;
            tagged.map_err(|error| lookup_fault(&error))
        }
        .boxed()
    }

    fn remove_image<'a>(
        &'a self,
        reference: &'a str,
        force: bool,
    ) -> BoxFuture<'a, Result<Vec<ImageRemoval>, Fault>> {
        async move {
            let removed = self.engine.images().remove(reference, force, self.image_usage()).await;
            removed.map(shown::removals).map_err(|error| match &error {
                RemoveError::Lookup(lookup) => lookup_fault(lookup),
                _ => Fault::new(FaultClass::Conflict, chain(&error)),
            })
        }
        .boxed()
    }

    fn prune_images(&self, filter: PruneFilter) -> BoxFuture<'_, Result<Pruned<ImageRemoval>, Fault>> {
        async move {
            let all = filter.all;
            let takes =
                move |image: &image::Image| filter.takes(&image.config.labels, rfc3339(&image.created));
            let mut usage = self.image_usage();
            if let Ok(manager) = self.membership.manager() {
                usage.services = keep::images(&manager.local_view().store);
            }
            let swept = self.engine.images().prune(all, takes, usage).await;
            let swept = swept.map_err(|error| pull_fault(&error))?;
            let removed = swept.removed.into_iter().flat_map(shown::removals).collect();
            Ok(Pruned { removed, reclaimed: swept.freed })
        }
        .boxed()
    }

    fn load_images(&self, archive: Upload) -> BoxStream<'static, Result<LoadStep, Fault>> {
        let steps = self.engine.images().load(archive);
        steps
            .flat_map(|step| {
                stream::iter(match step {
                    Ok(step) => shown::load_steps(step).into_iter().map(Ok).collect(),
                    Err(error) => vec![Err(archive_fault(&error))],
                })
            })
            .boxed()
    }

    fn save_images(&self, references: Vec<String>) -> BoxFuture<'_, Result<Download, Fault>> {
        async move {
            let saved = self.engine.images().save(references).await;
            saved.map_err(|error| archive_fault(&error))
        }
        .boxed()
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
            let auth = auth.as_ref().and_then(credentials);
            let found = self.engine.images().distribution(&reference, auth.as_ref()).await;
            let found = found.map_err(|error| pull_fault(&error))?;
            Ok(Distribution {
                media_type: found.descriptor.media_type.clone(),
                digest: found.descriptor.digest.to_string(),
                size: super::files::bytes(found.descriptor.size),
                platforms: found.platforms.into_iter().map(platform).collect(),
            })
        }
        .boxed()
    }

    fn login(&self, credentials: Credentials) -> BoxFuture<'_, Result<String, Fault>> {
        async move {
            let registry = registry_of(&credentials.server);
            let auth = image::Auth {
                username: credentials.username,
                password: credentials.password,
                identity_token: credentials.identity_token,
                registry_token: String::new(),
            };
            let asked = self.engine.images().login(&registry, auth).await;
            asked.map(|()| String::new()).map_err(|error| login_fault(&registry, &error))
        }
        .boxed()
    }
}

/// Returns the host of a registry that may be typed as a URL. Without one it is Docker's own.
fn registry_of(server: &str) -> String {
    let bare = server.trim_start_matches("https://").trim_start_matches("http://");
    match bare.split('/').next().unwrap_or_default() {
        "" | "index.docker.io" | "registry-1.docker.io" => "docker.io".to_owned(),
        host => host.to_owned(),
    }
}

/// Returns what dockerd answers when a login fails.
fn login_fault(registry: &str, error: &PullError) -> Fault {
    match error {
        PullError::Unauthorized { .. } | PullError::Denied { .. } => {
            let text =
                format!("Get \"https://{registry}/v2/\": unauthorized: incorrect username or password");
            Fault::new(FaultClass::Unauthorized, text)
        }
        error => pull_fault(error),
    }
}

impl Daemon {
    /// Returns which images containers are made of.
    fn image_usage(&self) -> image::Usage {
        let mut usage = image::Usage::default();
        for view in self.engine.containers() {
            let Ok(id) = view.record.image_id.parse() else { continue };
            usage.containers.entry(id).or_default().push(image::ImageUser {
                container_id: view.record.container_id.clone(),
                is_running: view.started_at.is_some() && view.ended.is_none(),
            });
        }
        usage
    }
}

fn platform(platform: image::Platform) -> ImagePlatform {
    ImagePlatform {
        platform: Platform { architecture: platform.architecture, os: platform.os },
        variant: platform.variant.unwrap_or_default(),
    }
}

/// Returns what dockerd answers for the same failure.
pub(super) fn pull_fault(error: &PullError) -> Fault {
    let class = match error {
        PullError::InvalidReference(_) | PullError::TooManyTags { .. } => FaultClass::Invalid,
        PullError::NotFound { .. } | PullError::NoMatchingPlatform { .. } => FaultClass::NotFound,
        PullError::Unauthorized { .. } => FaultClass::Unauthorized,
        PullError::Denied { .. } => FaultClass::Denied,
        _ => FaultClass::Failed,
    };
    Fault::new(class, chain(error))
}

fn lookup_fault(error: &LookupError) -> Fault {
    let class = match error {
        LookupError::NoSuchImage(_) => FaultClass::NotFound,
        LookupError::Ambiguous(_) | LookupError::Reference(_) | LookupError::TagWithDigest => {
            FaultClass::Invalid
        }
        LookupError::Store(error) => return pull_fault(error),
    };
    Fault::new(class, chain(error))
}

fn archive_fault(error: &ArchiveError) -> Fault {
    match error {
        ArchiveError::Lookup(error) => lookup_fault(error),
        ArchiveError::Store(error) => pull_fault(error),
        ArchiveError::Invalid(_) => Fault::new(FaultClass::Invalid, chain(error)),
        ArchiveError::Read(_) | ArchiveError::NotKept { .. } => failed(error),
    }
}

/// Returns the state of a layer in the API's terms.
pub(super) fn layer_state(state: image::LayerState) -> LayerState {
    match state {
        image::LayerState::Waiting => LayerState::Pulling,
        image::LayerState::Downloading { done, total } => LayerState::Downloading { done, total },
        image::LayerState::Verifying => LayerState::Verifying,
        image::LayerState::Downloaded => LayerState::Downloaded,
        image::LayerState::Extracting { done, total } => LayerState::Extracting { done, total },
        image::LayerState::Complete => LayerState::Complete,
        image::LayerState::AlreadyHere => LayerState::AlreadyHere,
    }
}
