//! Images and what happens to them, from the store's terms to the API's.

use std::collections::BTreeMap;

use skep_agent::image;
use skep_api::server::facts::{
    HistoryStep, ImageConfig, ImageDetail, ImageFacts, ImageRemoval, LoadStep, PullStep,
};
use skep_model::template::Healthcheck;

use super::files::bytes;
use super::images::layer_state;
use super::rfc3339;

/// Digits of a layer's digest in messages.
const SHORT_LEN: usize = 12;

/// Returns what a list shows of an image.
pub(super) fn facts(
    image: &image::Image,
    shared: &BTreeMap<image::Digest, u64>,
    usage: &image::Usage,
) -> ImageFacts {
    let (digests, tags): (Vec<_>, Vec<_>) =
        image.references.iter().partition(|reference| reference.digest().is_some());
    let familiar = |references: Vec<&image::Reference>| references.iter().map(|one| one.familiar()).collect();
    ImageFacts {
        id: image.id.to_string(),
        repo_tags: familiar(tags),
        repo_digests: familiar(digests),
        created_at: rfc3339(&image.created),
        size: bytes(image.size),
        shared_size: bytes(shared.get(&image.id).copied().unwrap_or(0)),
        labels: image.config.labels.clone(),
        container_count: usage.containers.get(&image.id).map_or(0, |users| users.len() as u64),
    }
}

/// Returns everything about an image.
pub(super) fn detail(image: &image::Image, details: image::Details, usage: &image::Usage) -> ImageDetail {
    let layers = image.layers.iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
    ImageDetail {
        facts: facts(image, &BTreeMap::new(), usage),
        comment: details.comment,
        author: details.author,
        architecture: image.platform.architecture.clone(),
        variant: image.platform.variant.clone().unwrap_or_default(),
        os: image.platform.os.clone(),
        config: config(image.config.clone()),
        driver: "overlay".to_owned(),
        driver_data: BTreeMap::from([("LowerDir".to_owned(), layers.join(":"))]),
        layers: image.diff_ids.iter().map(ToString::to_string).collect(),
        tagged_at: image.tagged_at,
    }
}

fn config(config: image::Config) -> ImageConfig {
    let image::Config {
        entrypoint,
        cmd,
        env,
        user,
        working_dir,
        labels,
        stop_signal,
        healthcheck,
        exposed_ports,
        volumes,
        shell,
    } = config;
    ImageConfig {
        user,
        exposed_ports: exposed_ports.into_iter().collect(),
        env,
        entrypoint,
        cmd,
        volumes: volumes.into_iter().collect(),
        working_dir,
        labels,
        stop_signal,
        healthcheck: healthcheck.map(health),
        shell,
    }
}

fn health(check: image::Healthcheck) -> Healthcheck {
    Healthcheck {
        test: check.test,
        interval: check.interval.unwrap_or_default(),
        timeout: check.timeout.unwrap_or_default(),
        start_period: check.start_period.unwrap_or_default(),
        start_interval: check.start_interval.unwrap_or_default(),
        retries: check.retries.unwrap_or_default(),
    }
}

/// Returns how an image was made; only its last step has an id here.
pub(super) fn history(image: &image::Image, details: image::Details) -> Vec<HistoryStep> {
    let tags = image.references.iter().filter(|reference| reference.digest().is_none());
    let tags: Vec<String> = tags.map(image::Reference::familiar).collect();
    let step = |(index, step): (usize, image::HistoryStep)| HistoryStep {
        id: (index == 0).then(|| image.id.to_string()),
        created_at: rfc3339(&step.created),
        created_by: step.created_by,
        tags: if index == 0 { tags.clone() } else { Vec::new() },
        size: bytes(step.size),
        comment: step.comment,
    };
    details.history.into_iter().enumerate().map(step).collect()
}

/// A pull as people are told of it. Nothing is said before the registry has answered, because until then a failure is a
/// status; layers that are here already are only worth a word if another one is not; the digest comes last.
pub(super) struct Told {
    began: Option<PullStep>,
    named: String,
    here: Vec<PullStep>,
    digest: Option<PullStep>,
}

impl Told {
    pub(super) fn of(reference: &image::Reference) -> Self {
        // Compat: of a digest all is said where a tag is said alone.
        let tag = match reference.digest() {
            Some(_) => reference.to_string(),
            None => reference.tag().unwrap_or_default().to_owned(),
        };
        Told {
            began: Some(PullStep::Began { repository: reference.repository().to_owned(), tag }),
            named: reference.familiar(),
            here: Vec::new(),
            // It is known before the registry says it.
            digest: reference.digest().map(resolved),
        }
    }

    /// Returns what is to be said at a step of the store.
    pub(super) fn next(&mut self, step: image::PullStep) -> Vec<PullStep> {
        let mut said: Vec<PullStep> = self.began.take().into_iter().collect();
        match step {
            image::PullStep::Layer { digest, state } => {
                let layer = PullStep::Layer { id: short(digest), state: layer_state(state) };
                match state {
                    image::LayerState::AlreadyHere => self.here.push(layer),
                    _ => {
                        said.append(&mut self.here);
                        said.push(layer);
                    }
                }
            }
            image::PullStep::Resolved { digest } => {
                self.digest = Some(resolved(digest));
            }
            image::PullStep::Ended { is_new, image: _ } => {
                if is_new {
                    said.append(&mut self.here);
                }
                said.extend(self.digest.take());
                said.push(PullStep::Ended { is_new, reference: self.named.clone() });
            }
        }
        said
    }
}

fn resolved(digest: image::Digest) -> PullStep {
    PullStep::Resolved { digest: digest.to_string() }
}

/// Returns the steps of a load; one image may have several names.
pub(super) fn load_steps(step: image::LoadStep) -> Vec<LoadStep> {
    match step {
        image::LoadStep::Layer { diff_id, done, total } => {
            vec![LoadStep::Layer { id: short(diff_id), done, total }]
        }
        image::LoadStep::Loaded(loaded) => {
            let id = loaded.id.to_string();
            let named = |reference: image::Reference| LoadStep::Loaded {
                reference: Some(reference.familiar()),
                id: id.clone(),
            };
            match loaded.references.is_empty() {
                true => vec![LoadStep::Loaded { reference: None, id }],
                false => loaded.references.into_iter().map(named).collect(),
            }
        }
    }
}

/// Returns what a removal did, names first.
pub(super) fn removals(removed: image::Removed) -> Vec<ImageRemoval> {
    let untagged = removed.untagged.iter().map(|reference| ImageRemoval::Untagged(reference.familiar()));
    let deleted = removed.deleted.iter().map(|id| ImageRemoval::Deleted(id.to_string()));
    untagged.chain(deleted).collect()
}

fn short(digest: image::Digest) -> String {
    let text = digest.to_string();
    text.trim_start_matches("sha256:").chars().take(SHORT_LEN).collect()
}
