//! What the fake daemon has on its node: a container that ended, one that runs, an image, volumes.
//!
//! A command in the running container repeats its input once that has ended, complains on the other stream, and ends
//! with code 3. One named `missing` cannot be started.

use std::collections::BTreeMap;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt as _, StreamExt as _};
use skep_api::server::backend::{Containers, Credentials, Download, Execs, Images, Upload, Volumes, Waiting};
use skep_api::server::facts::*;
use skep_model::template::{Platform, RegistryAuth};

use crate::fake::{DIGEST, Fake, NOW};

fn no() -> Fault {
    Fault::new(FaultClass::Unsupported, "the fake does not do that")
}

/// Ids of the container that ended and of the one that runs.
pub const ENDED: &str = "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc";
pub const RUNS: &str = "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd";

/// What changes on the node.
#[derive(Default)]
pub struct Things {
    execs: BTreeMap<String, ExecFacts>,
    volumes: BTreeMap<String, VolumeFacts>,
    /// What was asked of containers, in order.
    pub asked: Vec<String>,
}

fn containers() -> Vec<ContainerFacts> {
    let ended = ContainerFacts {
        id: ENDED.into(),
        name: "web.1.x".into(),
        image: format!("redis:7@{DIGEST}"),
        state: ContainerState::Exited,
        exit_code: 137,
        created_at: NOW,
        ..Default::default()
    };
    let runs = ContainerFacts {
        id: RUNS.into(),
        name: "web.2.y".into(),
        command: vec!["sh".into(), "-c".into(), "sleep 9".into()],
        state: ContainerState::Running,
        exit_code: 0,
        health: Some(HealthState::Healthy),
        started_at: NOW,
        labels: BTreeMap::from([("com.docker.swarm.task.id".into(), "t".into())]),
        ports: vec![PortFacts {
            private: 80,
            protocol: "tcp".into(),
            public: Some(("0.0.0.0".into(), 8080)),
        }],
        ..ended.clone()
    };
    vec![runs, ended]
}

fn facts(id: &str) -> Result<ContainerFacts, Fault> {
    let found = containers().into_iter().find(|row| row.id == id);
    found.ok_or_else(|| Fault::new(FaultClass::NotFound, format!("No such container: {id}")))
}

fn ready<T: Send + 'static>(value: T) -> BoxFuture<'static, T> {
    std::future::ready(value).boxed()
}

/// A process that repeats its input when that has ended.
fn echo(exec: ExecFacts, done: impl FnOnce() + Send + 'static) -> Session {
    let (ours, theirs) = tokio::io::duplex(1024);
    let with_input = exec.spec.stdin;
    let output = stream::once(async move {
        let mut said = Vec::new();
        let mut ours = ours;
        if with_input {
            tokio::io::AsyncReadExt::read_to_end(&mut ours, &mut said).await.expect("a pipe");
        }
        done();
        let chunk = |stream, bytes: &[u8]| Ok(Chunk { stream, bytes: bytes.to_vec().into() });
        stream::iter([chunk(LogStream::Stdout, &said), chunk(LogStream::Stderr, b"oh\n")])
    });
    Session { output: output.flatten().boxed(), input: with_input.then(|| Box::pin(theirs) as _) }
}

impl Fake {
    fn note(&self, what: String) {
        self.node.lock().expect("nobody panics with it").asked.push(what);
    }

    fn exec_of(&self, id: &str) -> Result<ExecFacts, Fault> {
        let found = self.node.lock().expect("nobody panics with it").execs.get(id).cloned();
        found.ok_or_else(|| Fault::new(FaultClass::NotFound, format!("No such exec instance: {id}")))
    }
}

impl Containers for Fake {
    fn containers(&self) -> BoxFuture<'_, Vec<ContainerFacts>> {
        ready(containers())
    }
    fn container<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<ContainerDetail, Fault>> {
        ready(facts(id).map(|facts| ContainerDetail { facts, pid: 42, ..Default::default() }))
    }
    fn container_size<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<ContainerSize, Fault>> {
        ready(Ok(ContainerSize { writable: 10, root: 30 }))
    }
    fn container_logs(
        &self,
        _: &str,
        request: ContainerLogRequest,
    ) -> BoxStream<'static, Result<LogLine, Fault>> {
        let lines = stream::iter([crate::fake::line("said")]);
        match request.follow {
            true => lines.chain(stream::pending()).boxed(),
            false => lines.boxed(),
        }
    }
    fn attach<'a>(&'a self, _: &'a str, _: AttachRequest) -> BoxFuture<'a, Result<Session, Fault>> {
        std::future::ready(Err(no())).boxed()
    }
    fn resize<'a>(&'a self, _: &'a str, _: TerminalSize) -> BoxFuture<'a, Result<(), Fault>> {
        std::future::ready(Err(no())).boxed()
    }
    fn wait<'a>(&'a self, _: &'a str, condition: WaitFor) -> BoxFuture<'a, Result<Waiting, Fault>> {
        let waiting: Waiting = match condition {
            WaitFor::NotRunning => ready(Ok(137)),
            _ => std::future::pending().boxed(),
        };
        ready(Ok(waiting))
    }
    fn stop<'a>(&'a self, id: &'a str, request: StopRequest) -> BoxFuture<'a, Result<bool, Fault>> {
        self.note(format!("stop {:?} {:?}", request.signal, request.grace));
        ready(facts(id).map(|facts| facts.is_running()))
    }
    fn kill<'a>(&'a self, _: &'a str, signal: i32) -> BoxFuture<'a, Result<(), Fault>> {
        self.note(format!("kill {signal}"));
        ready(Ok(()))
    }
    fn remove_container<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), Fault>> {
        self.note(format!("remove {}", &id[..1]));
        ready(Ok(()))
    }
    fn usage<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Usage>, Fault>> {
        let usage = Usage { at: NOW, pids: 2, ..Default::default() };
        ready(facts(id).map(|facts| facts.is_running().then_some(usage)))
    }
    fn top<'a>(&'a self, _: &'a str, arguments: &'a str) -> BoxFuture<'a, Result<Processes, Fault>> {
        ready(Ok(Processes { titles: vec![arguments.into()], rows: vec![vec!["1".into()]] }))
    }
    fn path_changes<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Vec<PathChange>, Fault>> {
        ready(Ok(Vec::new()))
    }
    fn path_stat<'a>(&'a self, _: &'a str, path: &'a str) -> BoxFuture<'a, Result<PathStat, Fault>> {
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        ready(Ok(PathStat { name, size: 5, mode: 0o644, modified_at: NOW, link_target: String::new() }))
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
        path: &'a str,
        options: ArchiveOptions,
        archive: Upload,
    ) -> BoxFuture<'a, Result<(), Fault>> {
        async move {
            let parts: Vec<_> = archive.collect().await;
            let length: usize = parts.into_iter().map(|part| part.expect("a part").len()).sum();
            self.note(format!("put {path} {length} {}", options.keep_kinds));
            Ok(())
        }
        .boxed()
    }
}

impl Execs for Fake {
    fn exec_create<'a>(&'a self, id: &'a str, spec: ExecSpec) -> BoxFuture<'a, Result<String, Fault>> {
        let mut node = self.node.lock().expect("nobody panics with it");
        let exec_id = format!("{:064x}", node.execs.len() + 1);
        let facts = ExecFacts { id: exec_id.clone(), container_id: id.into(), spec, ..Default::default() };
        node.execs.insert(exec_id.clone(), facts);
        ready(Ok(exec_id))
    }
    fn exec_startable<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<ExecFacts, Fault>> {
        let ran = |facts: ExecFacts| match facts.exit_code {
            None => Ok(facts),
            Some(_) => {
                let text = format!("exec command {} has already run", facts.id);
                Err(Fault::new(FaultClass::Conflict, text))
            }
        };
        ready(self.exec_of(id).and_then(ran))
    }
    fn exec_start<'a>(
        &'a self,
        id: &'a str,
        _: Option<TerminalSize>,
    ) -> BoxFuture<'a, Result<Session, Fault>> {
        let node = self.node.clone();
        let owned = id.to_owned();
        let end = move |code| {
            let mut node = node.lock().expect("nobody panics with it");
            node.execs.get_mut(&owned).expect("a noted command").exit_code = Some(code);
        };
        let session = self.exec_of(id).and_then(|exec| match exec.spec.command[0].as_str() {
            "missing" => {
                end(127);
                Err(Fault::new(FaultClass::Invalid, "OCI runtime exec failed: no such file: unknown"))
            }
            _ => Ok(echo(exec, move || end(3))),
        });
        ready(session)
    }
    fn exec_start_detached<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), Fault>> {
        ready(self.exec_of(id).map(drop))
    }
    fn exec_resize<'a>(&'a self, id: &'a str, size: TerminalSize) -> BoxFuture<'a, Result<(), Fault>> {
        self.note(format!("resize {}x{}", size.height, size.width));
        ready(self.exec_of(id).map(drop))
    }
    fn exec<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<ExecFacts, Fault>> {
        ready(self.exec_of(id))
    }
}

impl Images for Fake {
    fn images(&self) -> BoxFuture<'_, Result<Vec<ImageFacts>, Fault>> {
        ready(Ok(vec![image()]))
    }
    fn image<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, Result<ImageDetail, Fault>> {
        ready(match reference {
            "redis:7" => Ok(ImageDetail { facts: image(), os: "linux".into(), ..Default::default() }),
            other => Err(Fault::new(FaultClass::NotFound, format!("No such image: {other}"))),
        })
    }
    fn layers_size(&self) -> BoxFuture<'_, Result<i64, Fault>> {
        async move { Ok(0) }.boxed()
    }
    fn image_history<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Vec<HistoryStep>, Fault>> {
        std::future::ready(Err(no())).boxed()
    }
    fn pull(&self, request: PullRequest) -> BoxStream<'static, Result<PullStep, Fault>> {
        let began = Ok(PullStep::Began { repository: "redis".into(), tag: "7".into() });
        let layer = |state| Ok(PullStep::Layer { id: "0123456789ab".into(), state });
        let broken = Err(Fault::new(FaultClass::Failed, "the line went dead"));
        let absent = "manifest for absent:7 not found: manifest unknown: manifest unknown";
        match request.reference.as_str() {
            "absent:7" => stream::iter(vec![Err(Fault::new(FaultClass::NotFound, absent))]).boxed(),
            "broken:7" => stream::iter(vec![began, broken]).boxed(),
            reference => stream::iter(vec![
                began,
                layer(LayerState::Pulling),
                layer(LayerState::Complete),
                Ok(PullStep::Resolved { digest: DIGEST.into() }),
                Ok(PullStep::Ended { is_new: true, reference: reference.into() }),
            ])
            .boxed(),
        }
    }
    fn tag_image<'a>(&'a self, source: &'a str, target: &'a str) -> BoxFuture<'a, Result<(), Fault>> {
        self.note(format!("tag {source} {target}"));
        ready(Ok(()))
    }
    fn remove_image<'a>(
        &'a self,
        reference: &'a str,
        force: bool,
    ) -> BoxFuture<'a, Result<Vec<ImageRemoval>, Fault>> {
        let untagged = ImageRemoval::Untagged(reference.into());
        ready(match force {
            true => Ok(vec![untagged, ImageRemoval::Deleted(DIGEST.into())]),
            false => Err(Fault::new(FaultClass::Conflict, "conflict: unable to remove")),
        })
    }
    fn prune_images(&self, _: PruneFilter) -> BoxFuture<'_, Result<Pruned<ImageRemoval>, Fault>> {
        std::future::ready(Err(no())).boxed()
    }
    fn load_images(&self, archive: Upload) -> BoxStream<'static, Result<LoadStep, Fault>> {
        let loaded = async move {
            let parts = archive.collect::<Vec<_>>().await;
            Ok(LoadStep::Loaded { reference: Some(format!("redis:{}", parts.len())), id: DIGEST.into() })
        };
        stream::once(loaded).boxed()
    }
    fn save_images(&self, references: Vec<String>) -> BoxFuture<'_, Result<Download, Fault>> {
        let part = Ok(references.join(",").into());
        ready(Ok(stream::iter([part]).boxed()))
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
    fn login(&self, credentials: Credentials) -> BoxFuture<'_, Result<String, Fault>> {
        ready(match credentials.password.as_str() {
            "right" => Ok(String::new()),
            _ => Err(Fault::new(FaultClass::Unauthorized, "unauthorized: incorrect username or password")),
        })
    }
}

fn image() -> ImageFacts {
    ImageFacts {
        id: DIGEST.into(),
        repo_tags: vec!["redis:7".into()],
        created_at: NOW,
        size: 1000,
        ..Default::default()
    }
}

fn no_volume(name: &str) -> Fault {
    Fault::new(FaultClass::NotFound, format!("get {name}: no such volume"))
}

impl Volumes for Fake {
    fn volumes(&self) -> BoxFuture<'_, Result<Vec<VolumeFacts>, Fault>> {
        let node = self.node.lock().expect("nobody panics with it");
        ready(Ok(node.volumes.values().cloned().collect()))
    }
    fn volume<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<VolumeFacts, Fault>> {
        let node = self.node.lock().expect("nobody panics with it");
        ready(node.volumes.get(name).cloned().ok_or_else(|| no_volume(name)))
    }
    fn create_volume(&self, new: NewVolume) -> BoxFuture<'_, Result<VolumeFacts, Fault>> {
        let NewVolume { name, options, labels, .. } = new;
        let made = VolumeFacts {
            mountpoint: format!("/v/{name}"),
            driver: "local".into(),
            created_at: NOW,
            name,
            options,
            labels,
            ..Default::default()
        };
        let mut node = self.node.lock().expect("nobody panics with it");
        node.volumes.insert(made.name.clone(), made.clone());
        ready(Ok(made))
    }
    fn remove_volume<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), Fault>> {
        let mut node = self.node.lock().expect("nobody panics with it");
        ready(node.volumes.remove(name).map(drop).ok_or_else(|| no_volume(name)))
    }
    fn prune_volumes(&self, filter: PruneFilter) -> BoxFuture<'_, Result<Pruned<String>, Fault>> {
        let node = self.node.lock().expect("nobody panics with it");
        let taken =
            node.volumes.values().filter(|row| filter.all && filter.takes(&row.labels, row.created_at));
        ready(Ok(Pruned { removed: taken.map(|row| row.name.clone()).collect(), reclaimed: 7 }))
    }
    fn volume_sizes(&self) -> BoxFuture<'_, Result<BTreeMap<String, i64>, Fault>> {
        let node = self.node.lock().expect("nobody panics with it");
        ready(Ok(node.volumes.keys().map(|name| (name.clone(), 7)).collect()))
    }
}
