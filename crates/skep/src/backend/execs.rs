//! Commands that users run in containers.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use skep_agent::containers;
use skep_api::server::backend::Execs;
use skep_api::server::facts::{ExecFacts, ExecSpec, Fault, Session, TerminalSize};

use super::Daemon;
use super::containers::{fault, session, terminal_size};

impl Execs for Daemon {
    fn exec_create<'a>(
        &'a self,
        container_id: &'a str,
        spec: ExecSpec,
    ) -> BoxFuture<'a, Result<String, Fault>> {
        let ExecSpec {
            command,
            env,
            working_dir,
            user,
            privileged,
            tty,
            size,
            stdin,
            stdout,
            stderr,
            // The client itself looks for them in what is typed.
            detach_keys: _,
        } = spec;
        let spec = containers::ExecSpec {
            command,
            env,
            working_dir,
            user,
            privileged,
            tty,
            size: size.map(terminal_size),
            stdin,
            stdout,
            stderr,
        };
        std::future::ready(self.containers.exec_create(container_id, spec).map_err(fault)).boxed()
    }

    fn exec_startable<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<ExecFacts, Fault>> {
        let checked = self.containers.exec_check(id).and_then(|()| self.containers.exec(id));
        std::future::ready(checked.map(facts).map_err(fault)).boxed()
    }

    fn exec_start<'a>(
        &'a self,
        id: &'a str,
        size: Option<TerminalSize>,
    ) -> BoxFuture<'a, Result<Session, Fault>> {
        async move {
            let started = self.containers.exec_start(id, size.map(terminal_size)).await;
            started.map(session).map_err(fault)
        }
        .boxed()
    }

    fn exec_start_detached<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), Fault>> {
        async move { self.containers.exec_start_detached(id).await.map_err(fault) }.boxed()
    }

    fn exec_resize<'a>(&'a self, id: &'a str, size: TerminalSize) -> BoxFuture<'a, Result<(), Fault>> {
        async move { self.containers.exec_resize(id, terminal_size(size)).await.map_err(fault) }.boxed()
    }

    fn exec<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<ExecFacts, Fault>> {
        std::future::ready(self.containers.exec(id).map(facts).map_err(fault)).boxed()
    }
}

fn facts(exec: containers::ExecView) -> ExecFacts {
    let containers::ExecSpec {
        command,
        env,
        working_dir,
        user,
        privileged,
        tty,
        size,
        stdin,
        stdout,
        stderr,
    } = exec.spec;
    let size = size.map(|size| TerminalSize { height: size.rows, width: size.columns });
    ExecFacts {
        id: exec.id,
        container_id: exec.container_id,
        spec: ExecSpec {
            command,
            env,
            working_dir,
            user,
            privileged,
            tty,
            size,
            stdin,
            stdout,
            stderr,
            detach_keys: String::new(),
        },
        running: exec.running,
        exit_code: exec.exit_code,
        pid: exec.pid,
    }
}
