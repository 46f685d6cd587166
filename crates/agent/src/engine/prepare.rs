//! The long way from an assigned task to a created container: image, address, files, container.
//!
//! Whatever a failed attempt began is undone before it answers, so the next one starts from nothing.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use skep_model::Task;
use skep_model::template::Healthcheck;
use skep_net::hosts::{self, HostsEntry};
use skep_net::resolv;
use skep_runtime::EtcFiles;
use tokio_util::sync::CancellationToken;

use super::life::Life;
use super::{Engine, EngineError, Happened, Known, What, chain, mounts, timestamp};
use crate::container::{self, Prepared, SpecError};
use crate::credentials;
use crate::image::{self, Platform, Reference};
use crate::record::ContainerRecord;

/// Docker's word for the node itself in an extra line of /etc/hosts.
const HOST_GATEWAY: &str = "host-gateway";

/// What the worker needs to know of a prepared container.
#[derive(Debug)]
pub struct Ready {
    pub container_id: String,
    pub image_health: Option<Healthcheck>,
}

/// Why a task could not be prepared: a sentence for the user, and whether trying again may help.
#[derive(Debug)]
pub struct PrepareFailure {
    pub reason: String,
    pub retryable: bool,
}

impl PrepareFailure {
    pub(super) fn fatal(error: &dyn std::error::Error) -> Self {
        PrepareFailure { reason: chain(error), retryable: false }
    }

    fn retryable(error: &dyn std::error::Error) -> Self {
        PrepareFailure { reason: chain(error), retryable: true }
    }
}

impl From<SpecError> for PrepareFailure {
    fn from(error: SpecError) -> Self {
        PrepareFailure::fatal(&error)
    }
}

impl Engine {
    /// Brings the task to the point where only its start is missing.
    ///
    /// `cancel` ends the wait for the image. What comes after it is short and runs to its end, so that
    /// nothing is left half made.
    pub async fn prepare(&self, task: &Task, cancel: &CancellationToken) -> Result<Ready, PrepareFailure> {
        let cancelled = || PrepareFailure { reason: "preparation cancelled".to_owned(), retryable: false };
        let image = tokio::select! {
            image = self.pull(task) => image?,
            () = cancel.cancelled() => return Err(cancelled()),
        };
        // Which images of a service are recent; without it they would only be collected too early.
        if let Err(error) = self.images.note_use(task.service_id.to_string(), image.id).await {
            tracing::warn!(task.id = %task.id, error = %chain(&error), "the use of an image is not noted");
        }
        let platform = crate::describe::platform();
        let task = &container::expanded(task, &crate::describe::hostname(), &platform)?;
        let _turn = self.preparations.acquire().await.expect("the semaphore is never closed");
        check_bind_sources(task)?;
        let address = self.pool().lease().map_err(|error| PrepareFailure::retryable(&error))?;
        let record = Arc::new(ContainerRecord {
            task_id: task.id,
            container_id: container::id(task.id),
            name: task.name(),
            address: Some(address),
            ports: Vec::new(),
            image: task.spec.container.image.clone(),
            image_id: image.id.to_string(),
            image_health: container::image_health(&image.config),
            stop_signal: image.config.stop_signal.clone(),
            labels: container::labels(task, &image.config),
            command: container::command(&task.spec.container, &image.config),
            created_at: task.meta.created_at,
            mounts: mounts::records(&task.spec.container, &image, &container::id(task.id)),
            log_driver: task.spec.log.as_ref().map(|log| log.name.clone()).unwrap_or_default(),
        });
        match self.create(task, &image, &record).await {
            Ok(handle) => {
                let life = Arc::new(Mutex::new(Life { address: record.address, ..Life::default() }));
                let known = Known { handle, record: record.clone(), life };
                self.set_known(task.id, Some(known));
                self.events.tell(Happened::Created, &record, timestamp(SystemTime::now()));
                Ok(Ready {
                    container_id: record.container_id.clone(),
                    image_health: record.image_health.clone(),
                })
            }
            Err(failure) => {
                self.undo(task, &record).await;
                Err(failure)
            }
        }
    }

    async fn pull(&self, task: &Task) -> Result<image::Image, PrepareFailure> {
        let name = &task.spec.container.image;
        let reference: Reference = name.parse().map_err(|error| PrepareFailure::fatal(&error))?;
        let platform = Platform::host();
        if let Some(image) =
            self.images.pinned(&reference, &platform).await.map_err(|error| not_pulled(&error))?
        {
            return Ok(image);
        }
        let auth = task.spec.registry_auth.as_ref().and_then(credentials::read);
        let error = match self.images.fetch(&reference, auth.as_ref(), &platform).await {
            Ok(image) => {
                let labels = image.config.labels.clone();
                self.tell_of(What::ImagePulled { reference, labels });
                return Ok(image);
            }
            Err(error) => error,
        };
        // A registry that does not answer, or never heard of it, keeps no task from an image that is here already.
        if (error.is_retryable() || matches!(error, image::PullError::NotFound { .. }))
            && let Ok(Some(image)) = self.images.find(&reference).await
        {
            tracing::warn!(image = name, error = %chain(&error), "the registry does not have it; the local image is used");
            return Ok(image);
        }
        Err(not_pulled(&error))
    }

    async fn create(
        &self,
        task: &Task,
        image: &image::Image,
        record: &ContainerRecord,
    ) -> Result<skep_runtime::Handle, PrepareFailure> {
        self.records.put_container(record).await.map_err(|error| PrepareFailure::retryable(&error))?;
        let address = record.address.expect("set by the caller");
        let network = self.network.attach(&task.id.to_string(), address).await;
        let netns = network.map_err(|error| PrepareFailure::retryable(&error))?.netns;
        let etc = self.write_files(task, address)?;
        let mounts::Prepared { mounts, held } =
            self.prepare_mounts(&task.spec.container, image, &record.container_id).await?;
        let prepared = Prepared { layers: image.layers.clone(), netns, etc, mounts };
        let container = container::describe(task, &image.config, &record.image_id, prepared)?;
        let created = self.runtime.create(&container).await;
        drop(held);
        created.map_err(|error| PrepareFailure { reason: chain(&error), retryable: !error.is_fatal() })
    }

    /// Writes the container's own files under /etc.
    fn write_files(&self, task: &Task, address: std::net::Ipv4Addr) -> Result<EtcFiles, PrepareFailure> {
        let dir = self.task_dir(task.id);
        let hostname = container::hostname(task);
        let spec = &task.spec.container;
        let gateway = self.config.subnet.gateway().to_string();
        let entry = |line: &String| HostsEntry::parse(&line.replacen(HOST_GATEWAY, &gateway, 1));
        let extra: Result<Vec<HostsEntry>, _> = spec.hosts.iter().map(entry).collect();
        let extra = extra.map_err(|error| PrepareFailure::fatal(&error))?;
        let wanted = container::dns_options(spec)?;
        let write = |name: &str, text: String| -> Result<Option<PathBuf>, PrepareFailure> {
            let path = dir.join(name);
            std::fs::create_dir_all(&dir).and_then(|()| std::fs::write(&path, text)).map_err(|source| {
                PrepareFailure::retryable(&EngineError::Write { path: path.clone(), source })
            })?;
            Ok(Some(path))
        };
        Ok(EtcFiles {
            resolv_conf: write("resolv.conf", resolv::render(&host_resolv_conf(), &wanted))?,
            hosts: write("hosts", hosts::render(Some(address), &hostname, &extra))?,
            hostname: write("hostname", format!("{hostname}\n"))?,
        })
    }

    /// Releases what a failed preparation holds. What cannot be released now is found at the next start.
    async fn undo(&self, task: &Task, record: &ContainerRecord) {
        let released = self.release(task.id, record.address).await;
        let volumes = self.release_volumes(&record.container_id).await;
        let forgotten = self.records.delete_container(task.id).await.map_err(EngineError::from);
        let removed = super::remove_dir(&self.task_dir(task.id));
        for error in [released, volumes, forgotten, removed].into_iter().filter_map(Result::err) {
            tracing::warn!(task.id = %task.id, error = %chain(&error), "a failed preparation left something behind");
        }
    }
}

fn host_resolv_conf() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let text = read("/etc/resolv.conf");
    if resolv::only_names_systemd_stub(&text) { read(resolv::SYSTEMD_UPSTREAM) } else { text }
}

/// Makes the missing sources that may be made, and refuses the task if another is missing.
fn check_bind_sources(task: &Task) -> Result<(), PrepareFailure> {
    for (source, may_create) in container::bind_sources(&task.spec.container) {
        if !source.is_absolute() {
            return Err(SpecError::RelativeSource(source.display().to_string()).into());
        }
        if source.exists() {
            continue;
        }
        if !may_create {
            return Err(SpecError::NoSource(source.display().to_string()).into());
        }
        std::fs::create_dir_all(&source).map_err(|error| {
            PrepareFailure::fatal(&EngineError::Directory { path: source, source: error })
        })?;
    }
    Ok(())
}

fn not_pulled(error: &image::PullError) -> PrepareFailure {
    PrepareFailure { reason: chain(error), retryable: error.is_retryable() }
}
