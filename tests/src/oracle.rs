//! dockerd 20.10 inside a sandbox: what Skep is measured against and compared with.
//!
//! Debian's own package with its defaults: containerd as its child, runc, overlay2, its bridge and iptables.
//! Only its folders and its socket are the sandbox's.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::docker::Docker;
use crate::engine::Engine;
use crate::sandbox::{Inmate, Program, Sandbox};
use crate::wait::Look;

/// Longest time from the start of dockerd to its first answer; it starts containerd first.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A running dockerd; it ends with its sandbox.
#[derive(Debug)]
pub struct Oracle {
    socket: PathBuf,
    program: Program,
}

impl Oracle {
    /// Starts dockerd as a swarm of one, and returns a connection to it.
    pub fn start(sandbox: &Sandbox) -> Result<(Self, Engine)> {
        let (oracle, mut engine) = Self::start_alone(sandbox)?;
        engine.swarm_init()?;
        Ok((oracle, engine))
    }

    /// Starts dockerd that is no swarm yet.
    pub fn start_alone(sandbox: &Sandbox) -> Result<(Self, Engine)> {
        let folder = sandbox.folder();
        // dockerd writes its identity there whatever it is told; the machine's own must not be touched.
        let hide = ["-t", "tmpfs", "tmpfs", "/etc/docker"];
        sandbox.run("mount", &hide, START_LIMIT)?.success().context("cannot hide /etc/docker")?;
        let socket = folder.join("docker.sock");
        let arguments = [
            format!("--data-root={}", folder.join("docker").display()),
            format!("--exec-root={}", folder.join("docker-run").display()),
            format!("--host=unix://{}", socket.display()),
            format!("--pidfile={}", folder.join("docker.pid").display()),
            format!("--cgroup-parent=/{}", sandbox.name()),
        ];
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut program = sandbox
            .spawn("dockerd", "dockerd", &arguments)
            .context("is docker.io installed? run `make bench`")?;
        let engine = program.wait_ready(START_LIMIT, || {
            let mut engine = Engine::connect(&socket)?;
            Ok(match engine.ping() {
                Ok(()) => Look::Done(engine),
                Err(error) => Look::NotYet(format!("{error:#}")),
            })
        })?;
        Ok((Self { socket, program }, engine))
    }

    /// Returns docker's client, bound to dockerd.
    pub fn docker(&self, sandbox: &Sandbox) -> Result<Docker> {
        Docker::new(sandbox, &self.socket)
    }

    /// Returns the path of the API's socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Returns dockerd's process id, as seen from outside.
    pub fn id(&self) -> u32 {
        self.program.id()
    }

    /// Lists dockerd and containerd.
    pub fn daemons(sandbox: &Sandbox) -> Result<Vec<Inmate>> {
        let is_daemon = |inmate: &Inmate| matches!(inmate.program(), "dockerd" | "containerd");
        Ok(sandbox.inmates()?.into_iter().filter(is_daemon).collect())
    }

    /// Lists containerd's shims: one process for each container.
    pub fn shims(sandbox: &Sandbox) -> Result<Vec<Inmate>> {
        let is_shim = |inmate: &Inmate| inmate.program().starts_with("containerd-shim");
        Ok(sandbox.inmates()?.into_iter().filter(is_shim).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::busybox;
    use crate::registry::Registry;
    use serde_json::json;

    /// Not run by default: it needs docker.io, which only `make bench` installs.
    #[test]
    #[ignore = "needs dockerd: run `make bench` first, then with --ignored"]
    fn a_service_runs() {
        let sandbox = Sandbox::new().unwrap();
        let registry = Registry::start(&sandbox).unwrap();
        let image = registry.push(&sandbox, &busybox().unwrap()).unwrap();
        let (_oracle, mut engine) = Oracle::start(&sandbox).unwrap();
        let spec = json!({
            "Name": "a", "Mode": {"Replicated": {"Replicas": 2}},
            "TaskTemplate": {"ContainerSpec": {"Image": image, "Command": ["sleep", "600"]}},
        });
        let id = engine.create_service(&spec).unwrap();
        let tasks = engine.wait_running(&id, 2, Duration::from_secs(60), |_| true).unwrap();
        assert!(sandbox.address_of(tasks[0].process).unwrap().starts_with("172."));
        assert_eq!(Oracle::daemons(&sandbox).unwrap().len(), 2);
        assert_eq!(Oracle::shims(&sandbox).unwrap().len(), 2);
        engine.remove_service(&id).unwrap();
    }
}
