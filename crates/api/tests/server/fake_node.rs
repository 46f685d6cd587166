//! What the fake daemon has on its node: one container that ended, no images.

use std::collections::BTreeMap;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt as _, StreamExt as _};
use skep_api::server::backend::{Containers, Credentials, Download, Execs, Images, Upload, Volumes};
use skep_api::server::facts::*;
use skep_model::template::{Platform, RegistryAuth};

use crate::fake::{DIGEST, Fake, NOW};

fn no() -> Fault {
    Fault::new(FaultClass::Unsupported, "the fake does not do that")
}

impl Containers for Fake {
    fn containers(&self) -> BoxFuture<'_, Vec<ContainerFacts>> {
        let row = ContainerFacts {
            id: "c".repeat(64),
            name: "web.1.x".into(),
            image: format!("redis:7@{DIGEST}"),
            state: ContainerState::Exited,
            exit_code: 137,
            created_at: NOW,
            ..Default::default()
        };
        async move { vec![row] }.boxed()
    }
    fn container<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<ContainerDetail, Fault>> {
        std::future::ready(Err(no())).boxed()
    }
    fn container_size<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<ContainerSize, Fault>> {
        std::future::ready(Err(no())).boxed()
    }
    fn container_logs(&self, _: &str, _: ContainerLogRequest) -> BoxStream<'static, Result<LogLine, Fault>> {
        stream::iter([Err(no())]).boxed()
    }
    fn attach<'a>(&'a self, _: &'a str, _: AttachRequest) -> BoxFuture<'a, Result<Session, Fault>> {
        std::future::ready(Err(no())).boxed()
    }
    fn resize<'a>(&'a self, _: &'a str, _: TerminalSize) -> BoxFuture<'a, Result<(), Fault>> {
        std::future::ready(Err(no())).boxed()
    }
    fn wait(&self, _: &str, _: WaitFor) -> BoxFuture<'static, Result<i32, Fault>> {
        std::future::ready(Err(no())).boxed()
    }
    fn stop<'a>(&'a self, _: &'a str, _: StopRequest) -> BoxFuture<'a, Result<bool, Fault>> {
        std::future::ready(Err(no())).boxed()
    }
    fn kill<'a>(&'a self, _: &'a str, _: i32) -> BoxFuture<'a, Result<(), Fault>> {
        std::future::ready(Err(no())).boxed()
    }
    fn remove_container<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<(), Fault>> {
        std::future::ready(Err(no())).boxed()
    }
    fn prune_containers(&self, _: PruneFilter) -> BoxFuture<'_, Result<Pruned<String>, Fault>> {
        std::future::ready(Err(no())).boxed()
    }
    fn usage<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<Usage>, Fault>> {
        std::future::ready(Err(no())).boxed()
    }
    fn top<'a>(&'a self, _: &'a str, _: &'a str) -> BoxFuture<'a, Result<Processes, Fault>> {
        std::future::ready(Err(no())).boxed()
    }
    fn path_changes<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Vec<PathChange>, Fault>> {
        std::future::ready(Err(no())).boxed()
    }
    fn path_stat<'a>(&'a self, _: &'a str, _: &'a str) -> BoxFuture<'a, Result<PathStat, Fault>> {
        std::future::ready(Err(no())).boxed()
    }
    fn read_archive<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
    ) -> BoxFuture<'a, Result<(PathStat, Download), Fault>> {
        std::future::ready(Err(no())).boxed()
    }
    fn write_archive<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: ArchiveOptions,
        _: Upload,
    ) -> BoxFuture<'a, Result<(), Fault>> {
        std::future::ready(Err(no())).boxed()
    }
}

impl Execs for Fake {
    fn exec_create<'a>(&'a self, _: &'a str, _: ExecSpec) -> BoxFuture<'a, Result<String, Fault>> {
        std::future::ready(Err(no())).boxed()
    }
    fn exec_start<'a>(
        &'a self,
        _: &'a str,
        _: Option<TerminalSize>,
    ) -> BoxFuture<'a, Result<Session, Fault>> {
        std::future::ready(Err(no())).boxed()
    }
    fn exec_start_detached<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<(), Fault>> {
        std::future::ready(Err(no())).boxed()
    }
    fn exec_resize<'a>(&'a self, _: &'a str, _: TerminalSize) -> BoxFuture<'a, Result<(), Fault>> {
        std::future::ready(Err(no())).boxed()
    }
    fn exec<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<ExecFacts, Fault>> {
        std::future::ready(Err(no())).boxed()
    }
}

impl Images for Fake {
    fn images(&self) -> BoxFuture<'_, Result<Vec<ImageFacts>, Fault>> {
        async move { Ok(Vec::new()) }.boxed()
    }
    fn image<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<ImageDetail, Fault>> {
        std::future::ready(Err(no())).boxed()
    }
    fn image_history<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Vec<HistoryStep>, Fault>> {
        std::future::ready(Err(no())).boxed()
    }
    fn pull(&self, _: PullRequest) -> BoxStream<'static, Result<PullStep, Fault>> {
        stream::iter([Err(no())]).boxed()
    }
    fn tag_image<'a>(&'a self, _: &'a str, _: &'a str) -> BoxFuture<'a, Result<(), Fault>> {
        std::future::ready(Err(no())).boxed()
    }
    fn remove_image<'a>(&'a self, _: &'a str, _: bool) -> BoxFuture<'a, Result<Vec<ImageRemoval>, Fault>> {
        std::future::ready(Err(no())).boxed()
    }
    fn prune_images(&self, _: PruneFilter) -> BoxFuture<'_, Result<Pruned<ImageRemoval>, Fault>> {
        std::future::ready(Err(no())).boxed()
    }
    fn load_images(&self, _: Upload) -> BoxStream<'static, Result<LoadStep, Fault>> {
        stream::iter([Err(no())]).boxed()
    }
    fn save_images(&self, _: Vec<String>) -> BoxFuture<'_, Result<Download, Fault>> {
        std::future::ready(Err(no())).boxed()
    }
    fn distribution(
        &self,
        image: String,
        _: Option<RegistryAuth>,
    ) -> BoxFuture<'_, Result<Distribution, Fault>> {
        async move {
            if image.contains("missing") {
                return Err(Fault::new(FaultClass::NotFound, "manifest unknown: manifest unknown"));
            }
            let platform = Platform { architecture: "amd64".into(), os: "linux".into() };
            Ok(Distribution {
                media_type: "application/vnd.oci.image.index.v1+json".into(),
                digest: DIGEST.into(),
                size: 1609,
                platforms: vec![ImagePlatform { platform, variant: String::new() }],
            })
        }
        .boxed()
    }
    fn login(&self, _: Credentials) -> BoxFuture<'_, Result<String, Fault>> {
        std::future::ready(Err(no())).boxed()
    }
}

impl Volumes for Fake {
    fn volumes(&self) -> BoxFuture<'_, Result<Vec<VolumeFacts>, Fault>> {
        std::future::ready(Ok(Vec::new())).boxed()
    }
    fn volume<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<VolumeFacts, Fault>> {
        std::future::ready(Err(no())).boxed()
    }
    fn create_volume(&self, _: NewVolume) -> BoxFuture<'_, Result<VolumeFacts, Fault>> {
        std::future::ready(Err(no())).boxed()
    }
    fn remove_volume<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<(), Fault>> {
        std::future::ready(Err(no())).boxed()
    }
    fn prune_volumes(&self, _: PruneFilter) -> BoxFuture<'_, Result<Pruned<String>, Fault>> {
        std::future::ready(Err(no())).boxed()
    }
    fn volume_sizes(&self) -> BoxFuture<'_, Result<BTreeMap<String, i64>, Fault>> {
        std::future::ready(Ok(BTreeMap::new())).boxed()
    }
}
