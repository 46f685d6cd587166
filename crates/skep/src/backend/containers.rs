//! Containers of this node and the commands that users run in them.

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt};
use skep_agent::ContainerView;
use skep_api::server::backend::{Containers, Download, Execs, Upload, Waiting};
use skep_api::server::facts::{
    ArchiveOptions, AttachRequest, ContainerDetail, ContainerFacts, ContainerLogRequest, ContainerSize,
    ContainerState, ExecFacts, ExecSpec, Fault, LogLine, PathChange, PathStat, Processes, Session,
    StopRequest, TerminalSize, Usage, WaitFor,
};
use skep_model::Timestamp;

use super::{Daemon, later};

impl Containers for Daemon {
    fn containers(&self) -> BoxFuture<'_, Vec<ContainerFacts>> {
        let mut containers: Vec<_> = self.engine.containers().iter().map(facts).collect();
        containers.sort_by_key(|container| std::cmp::Reverse(container.created_at));
        std::future::ready(containers).boxed()
    }
    fn container<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<ContainerDetail, Fault>> {
        std::future::ready(Err(later("inspecting containers"))).boxed()
    }
    fn container_size<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<ContainerSize, Fault>> {
        std::future::ready(Err(later("measuring containers"))).boxed()
    }
    fn container_logs(&self, _: &str, _: ContainerLogRequest) -> BoxStream<'static, Result<LogLine, Fault>> {
        stream::iter([Err(later("reading logs of containers"))]).boxed()
    }
    fn attach<'a>(&'a self, _: &'a str, _: AttachRequest) -> BoxFuture<'a, Result<Session, Fault>> {
        std::future::ready(Err(later("attaching"))).boxed()
    }
    fn resize<'a>(&'a self, _: &'a str, _: TerminalSize) -> BoxFuture<'a, Result<(), Fault>> {
        std::future::ready(Err(later("resizing terminals"))).boxed()
    }
    fn wait<'a>(&'a self, _: &'a str, _: WaitFor) -> BoxFuture<'a, Result<Waiting, Fault>> {
        std::future::ready(Err(later("waiting for containers"))).boxed()
    }
    fn stop<'a>(&'a self, _: &'a str, _: StopRequest) -> BoxFuture<'a, Result<bool, Fault>> {
        std::future::ready(Err(later("stopping containers"))).boxed()
    }
    fn kill<'a>(&'a self, _: &'a str, _: i32) -> BoxFuture<'a, Result<(), Fault>> {
        std::future::ready(Err(later("signalling containers"))).boxed()
    }
    fn remove_container<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<(), Fault>> {
        std::future::ready(Err(later("removing containers"))).boxed()
    }
    fn usage<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<Usage>, Fault>> {
        std::future::ready(Err(later("measuring containers"))).boxed()
    }
    fn top<'a>(&'a self, _: &'a str, _: &'a str) -> BoxFuture<'a, Result<Processes, Fault>> {
        std::future::ready(Err(later("listing processes"))).boxed()
    }
    fn path_changes<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Vec<PathChange>, Fault>> {
        std::future::ready(Err(later("listing changed files"))).boxed()
    }
    fn path_stat<'a>(&'a self, _: &'a str, _: &'a str) -> BoxFuture<'a, Result<PathStat, Fault>> {
        std::future::ready(Err(later("copying files"))).boxed()
    }
    fn read_archive<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
    ) -> BoxFuture<'a, Result<(PathStat, Download), Fault>> {
        std::future::ready(Err(later("copying files"))).boxed()
    }
    fn write_archive<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: ArchiveOptions,
        _: Upload,
    ) -> BoxFuture<'a, Result<(), Fault>> {
        std::future::ready(Err(later("copying files"))).boxed()
    }
}

impl Execs for Daemon {
    fn exec_create<'a>(&'a self, _: &'a str, _: ExecSpec) -> BoxFuture<'a, Result<String, Fault>> {
        std::future::ready(Err(later("exec"))).boxed()
    }
    fn exec_startable<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<ExecFacts, Fault>> {
        std::future::ready(Err(later("exec"))).boxed()
    }

    fn exec_start<'a>(
        &'a self,
        _: &'a str,
        _: Option<TerminalSize>,
    ) -> BoxFuture<'a, Result<Session, Fault>> {
        std::future::ready(Err(later("exec"))).boxed()
    }
    fn exec_start_detached<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<(), Fault>> {
        std::future::ready(Err(later("exec"))).boxed()
    }
    fn exec_resize<'a>(&'a self, _: &'a str, _: TerminalSize) -> BoxFuture<'a, Result<(), Fault>> {
        std::future::ready(Err(later("exec"))).boxed()
    }
    fn exec<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<ExecFacts, Fault>> {
        std::future::ready(Err(later("exec"))).boxed()
    }
}

fn facts(container: &ContainerView) -> ContainerFacts {
    let record = &container.record;
    let state = match (&container.ended, container.started_at) {
        (Some(_), _) => ContainerState::Exited,
        (None, Some(_)) => ContainerState::Running,
        (None, None) => ContainerState::Created,
    };
    ContainerFacts {
        id: record.container_id.clone(),
        name: record.name.clone(),
        image: record.image.clone(),
        image_id: record.image_id.clone(),
        command: record.command.clone(),
        created_at: record.created_at,
        labels: record.labels.clone(),
        state,
        started_at: container.started_at.unwrap_or_default(),
        finished_at: container.ended.as_ref().map_or(Timestamp::default(), |(_, at)| *at),
        exit_code: container.ended.as_ref().map_or(0, |(exit, _)| exit.code),
        ..ContainerFacts::default()
    }
}
