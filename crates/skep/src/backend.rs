//! What the API server asks, answered by the parts of the daemon.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt};
use skep_agent::{Engine, LogQuery, LogSource, chain, image};
use skep_api::server::backend::{Backend, View};
use skep_api::server::facts::{
    Changed, ContainerFacts, Distribution, HostFacts, ImageFacts, ImagePlatform, LocalNode, LogFault,
    LogLine, LogRequest, LogStream, NewSwarm, RegistryFault,
};
use skep_model::request::{Refusal, RefusalClass, Reply, Request, Rotation};
use skep_model::template::{Platform, RegistryAuth};
use skep_model::{NodeId, TaskId, Timestamp};
use tokio::sync::broadcast;

use crate::daemon::options::Settings;
use crate::membership::Membership;
use crate::view::StoreView;
use crate::{authority, host};

/// The daemon behind the API.
pub struct Daemon {
    pub engine_id: String,
    pub settings: Settings,
    pub engine: Arc<Engine>,
    pub membership: Membership,
    pub changes: broadcast::Sender<Changed>,
}

impl Daemon {
    /// Resolves when the task is over or forgotten, or this node is in no cluster.
    fn task_over(&self, id: TaskId) -> BoxFuture<'static, ()> {
        let manager = self.membership.manager();
        async move {
            if let Ok(manager) = manager {
                manager.await_state(|store| store.task(id).is_none_or(|task| task.is_over())).await;
            }
        }
        .boxed()
    }
}

impl Backend for Daemon {
    fn view(&self) -> BoxFuture<'_, Result<Arc<dyn View>, Refusal>> {
        async {
            let published = self.membership.manager()?.view().await?;
            let node_id = self.membership.local_node().id;
            Ok(Arc::new(StoreView { published, node_id }) as Arc<dyn View>)
        }
        .boxed()
    }

    fn request(&self, request: Request) -> BoxFuture<'_, Result<Reply, Refusal>> {
        async move { self.membership.manager()?.request(request).await }.boxed()
    }

    fn changes(&self) -> broadcast::Receiver<Changed> {
        self.changes.subscribe()
    }

    fn local_node(&self) -> LocalNode {
        self.membership.local_node()
    }

    fn host(&self) -> BoxFuture<'_, HostFacts> {
        host::facts(&self.engine_id, &self.settings, &self.engine).boxed()
    }

    fn init_swarm(&self, new: NewSwarm) -> BoxFuture<'_, Result<NodeId, Refusal>> {
        self.membership.init(new).boxed()
    }

    fn leave_swarm(&self, force: bool) -> BoxFuture<'_, Result<(), Refusal>> {
        self.membership.leave(force).boxed()
    }

    fn draw_tokens(&self, worker: bool, manager: bool) -> Result<Rotation, Refusal> {
        let published = self.membership.manager()?.local_view();
        let Some(cluster) = published.store.cluster() else {
            return Err(Refusal::new(
                RefusalClass::Unavailable,
                "the cluster is being initialised; try again",
            ));
        };
        let draw = || authority::token(&cluster.authority.certificate_pem);
        Ok(Rotation { worker_token: worker.then(draw), manager_token: manager.then(draw) })
    }

    fn distribution(
        &self,
        image: String,
        auth: Option<RegistryAuth>,
    ) -> BoxFuture<'_, Result<Distribution, RegistryFault>> {
        async move {
            let reference: image::Reference = image.parse().map_err(|error: image::ReferenceError| {
                RegistryFault { status: 400, message: chain(&error) }
            })?;
            let auth = auth.as_ref().and_then(skep_agent::credentials);
            let found = self.engine.images().distribution(&reference, auth.as_ref()).await;
            let found = found.map_err(|error| registry_fault(&error))?;
            Ok(Distribution {
                media_type: found.descriptor.media_type.clone(),
                digest: found.descriptor.digest.to_string(),
                size: i64::try_from(found.descriptor.size).unwrap_or(i64::MAX),
                platforms: found.platforms.into_iter().map(image_platform).collect(),
            })
        }
        .boxed()
    }

    fn logs(&self, request: LogRequest) -> BoxStream<'static, Result<LogLine, LogFault>> {
        let follow = request.follow.then(|| self.task_over(request.task_id));
        let query = LogQuery {
            tail: request.tail,
            since: request.since,
            stdout: request.stdout,
            stderr: request.stderr,
            follow,
        };
        let records = self.engine.clone().logs(request.task_id, query);
        records
            .map(|record| match record {
                Ok(record) => Ok(LogLine {
                    stream: match record.source {
                        LogSource::Stdout => LogStream::Stdout,
                        LogSource::Stderr => LogStream::Stderr,
                    },
                    at: record.at,
                    line: record.line,
                }),
                Err(error) => Err(LogFault { message: chain(&error) }),
            })
            .boxed()
    }

    fn containers(&self) -> BoxFuture<'_, Vec<ContainerFacts>> {
        let mut containers: Vec<_> = self.engine.containers().iter().map(container_facts).collect();
        containers.sort_by_key(|container| std::cmp::Reverse(container.created_at));
        std::future::ready(containers).boxed()
    }

    fn images(&self) -> BoxFuture<'_, Vec<ImageFacts>> {
        async {
            let images = self.engine.images().list().await.unwrap_or_else(|error| {
                tracing::warn!(error = %chain(&error), "the images cannot be listed");
                Vec::new()
            });
            let mut images: Vec<_> = images.into_iter().map(image_facts).collect();
            images.sort_by_key(|image| std::cmp::Reverse(image.created_at));
            images
        }
        .boxed()
    }
}

fn image_platform(platform: image::Platform) -> ImagePlatform {
    ImagePlatform {
        platform: Platform { architecture: platform.architecture, os: platform.os },
        variant: platform.variant.unwrap_or_default(),
    }
}

/// Returns what dockerd answers for the same failure.
fn registry_fault(error: &image::PullError) -> RegistryFault {
    use image::PullError;
    let status = match error {
        PullError::InvalidReference(_) => 400,
        PullError::NotFound { .. } => 404,
        PullError::Unauthorized { .. } => 401,
        PullError::Denied { .. } => 403,
        _ => 500,
    };
    RegistryFault { status, message: chain(error) }
}

fn container_facts(container: &skep_agent::ContainerView) -> ContainerFacts {
    let record = &container.record;
    let state = match (&container.ended, container.started_at) {
        (Some(_), _) => "exited",
        (None, Some(_)) => "running",
        (None, None) => "created",
    };
    ContainerFacts {
        id: record.container_id.clone(),
        name: record.name.clone(),
        image: record.image.clone(),
        image_id: record.image_id.clone(),
        command: record.command.join(" "),
        created_at: record.created_at,
        labels: record.labels.clone(),
        state: state.to_owned(),
        health: String::new(),
        started_at: container.started_at.unwrap_or_default(),
        finished_at: container.ended.as_ref().map_or(Timestamp::default(), |(_, at)| *at),
        exit_code: container.ended.as_ref().map_or(0, |(exit, _)| exit.code),
    }
}

fn image_facts(image: image::Image) -> ImageFacts {
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
    }
}
