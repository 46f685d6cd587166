//! Images and volumes.

use super::super::{container as spec, gate::Minor, time};
use super::container::unix_seconds;
use super::inspect::set;
use crate::server::facts::{HistoryStep, ImageDetail, ImageFacts, ImageRemoval, VolumeFacts};
use crate::wire::local as wire;

/// From this API version on the size is told once.
const VIRTUAL_SIZE_END: Minor = 44;

/// Whether the parts of a list that cost something are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counted {
    pub shared_size: bool,
    pub containers: bool,
}

/// Shows an image in a list.
pub fn summary(image: &ImageFacts, counted: Counted, minor: Minor) -> wire::ImageSummary {
    let count = i64::try_from(image.container_count).unwrap_or(i64::MAX);
    wire::ImageSummary {
        id: image.id.clone(),
        repo_tags: image.repo_tags.clone(),
        repo_digests: image.repo_digests.clone(),
        created: unix_seconds(image.created_at),
        size: image.size,
        shared_size: if counted.shared_size { image.shared_size } else { -1 },
        virtual_size: (minor < VIRTUAL_SIZE_END).then_some(image.size),
        labels: (!image.labels.is_empty()).then(|| image.labels.clone()),
        containers: if counted.containers { count } else { -1 },
        ..wire::ImageSummary::default()
    }
}

/// Shows an image.
pub fn inspect(image: ImageDetail, minor: Minor) -> wire::ImageInspect {
    let ImageDetail { facts, config, .. } = &image;
    let some = |words: &[String]| (!words.is_empty()).then(|| words.to_vec());
    let virtual_size = (minor < VIRTUAL_SIZE_END).then_some(facts.size);
    wire::ImageInspect {
        id: facts.id.clone(),
        repo_tags: facts.repo_tags.clone(),
        repo_digests: facts.repo_digests.clone(),
        comment: image.comment.clone(),
        created: time(facts.created_at).to_string(),
        author: image.author.clone(),
        config: wire::ContainerConfig {
            user: config.user.clone(),
            exposed_ports: set(config.exposed_ports.clone()),
            env: some(&config.env),
            cmd: some(&config.cmd),
            healthcheck: config.healthcheck.as_ref().map(spec::health_to_wire),
            volumes: set(config.volumes.clone()),
            working_dir: config.working_dir.clone(),
            entrypoint: some(&config.entrypoint),
            labels: (!config.labels.is_empty()).then(|| config.labels.clone()),
            stop_signal: config.stop_signal.clone(),
            shell: some(&config.shell),
            ..wire::ContainerConfig::default()
        },
        architecture: image.architecture.clone(),
        variant: image.variant.clone(),
        os: image.os.clone(),
        size: facts.size,
        virtual_size,
        graph_driver: wire::GraphDriver { data: Some(image.driver_data.clone()), name: image.driver.clone() },
        root_fs: wire::RootFs { kind: "layers".to_owned(), layers: image.layers.clone() },
        metadata: wire::ImageMetadata { last_tag_time: time(image.tagged_at) },
        ..wire::ImageInspect::default()
    }
}

/// Shows one step of the making of an image.
pub fn history(step: HistoryStep) -> wire::ImageHistory {
    wire::ImageHistory {
        id: step.id.unwrap_or_else(|| "<missing>".to_owned()),
        created: unix_seconds(step.created_at),
        created_by: step.created_by,
        tags: (!step.tags.is_empty()).then_some(step.tags),
        size: step.size,
        comment: step.comment,
    }
}

/// Shows what a removal did.
pub fn removal(removal: ImageRemoval) -> wire::ImageDeleted {
    match removal {
        ImageRemoval::Untagged(untagged) => wire::ImageDeleted { untagged, ..Default::default() },
        ImageRemoval::Deleted(deleted) => wire::ImageDeleted { deleted, ..Default::default() },
    }
}

/// Shows a volume; with its size if it was measured.
pub fn volume(volume: VolumeFacts, size: Option<i64>) -> wire::Volume {
    wire::Volume {
        created_at: time(volume.created_at).to_string(),
        driver: volume.driver,
        labels: (!volume.labels.is_empty()).then_some(volume.labels),
        mountpoint: volume.mountpoint,
        name: volume.name,
        options: (!volume.options.is_empty()).then_some(volume.options),
        scope: "local".to_owned(),
        usage_data: size.map(|size| wire::VolumeUsage {
            ref_count: i64::try_from(volume.used_by.len()).unwrap_or(i64::MAX),
            size,
        }),
    }
}
