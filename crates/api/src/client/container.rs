//! Calls about the containers of a node, and as much of the answers as a client shows.

use std::collections::BTreeMap;

use bytes::Bytes;
use hyper::Method;
use serde::Deserialize;
use serde_json::Value;

use super::call::{Call, object};
use super::hijack::Hijacked;
use super::messages::Messages;
use super::{Client, ClientError, Filters};

/// One row of the list of containers.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ContainerSummary {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Each begins with a slash.
    pub names: Vec<String>,
    /// The reference it was created from.
    pub image: String,
    /// The digest of its configuration.
    #[serde(rename = "ImageID")]
    pub image_id: String,
    /// The whole command line.
    pub command: String,
    /// Unix seconds.
    pub created: i64,
    /// What is published or exposed.
    pub ports: Vec<Port>,
    /// Bytes of the writable layer, if they were asked for.
    pub size_rw: i64,
    /// Bytes of all layers, if they were asked for.
    pub size_root_fs: i64,
    /// Docker's `Labels`.
    pub labels: BTreeMap<String, String>,
    /// `running`, `exited`…
    pub state: String,
    /// `Up 5 minutes (healthy)`.
    pub status: String,
    /// Docker's `NetworkSettings`.
    pub network_settings: Networks,
    /// Docker's `Mounts`.
    pub mounts: Vec<MountPoint>,
}

/// A published or exposed port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Port {
    /// Where it is published; empty if it is only exposed.
    #[serde(rename = "IP")]
    pub ip: String,
    /// In the container.
    pub private_port: u16,
    /// On the host; 0 if it is only exposed.
    pub public_port: u16,
    /// `tcp`, `udp` or `sctp`.
    #[serde(rename = "Type")]
    pub protocol: String,
}

/// The networks of a container, by name.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Networks {
    /// What is known of each.
    pub networks: BTreeMap<String, Value>,
}

/// A mount of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct MountPoint {
    /// The volume, if it is one.
    pub name: String,
    /// The directory of the host.
    pub source: String,
    /// The driver of the volume, if it is one.
    pub driver: String,
}

/// As much of a container as commands need before they talk to it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ContainerDetails {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Begins with a slash.
    pub name: String,
    /// Docker's `State`.
    pub state: ContainerState,
    /// Docker's `Config`.
    pub config: ContainerConfig,
    /// Docker's `NetworkSettings`.
    pub network_settings: PortBindings,
}

/// Docker's `State`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ContainerState {
    /// Docker's `Running`.
    pub running: bool,
    /// Docker's `Paused`.
    pub paused: bool,
    /// Docker's `Restarting`.
    pub restarting: bool,
}

/// Docker's `Config`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ContainerConfig {
    /// It runs on a terminal.
    pub tty: bool,
    /// It reads its input.
    pub open_stdin: bool,
}

/// Published ports, by `80/tcp`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct PortBindings {
    /// Empty where a port is only exposed.
    pub ports: BTreeMap<String, Vec<PortBinding>>,
}

/// Where a port is published.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct PortBinding {
    /// An address of the host.
    pub host_ip: String,
    /// A port of the host.
    pub host_port: String,
}

/// How a container ended.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct WaitAnswer {
    /// The exit code.
    pub status_code: i64,
    /// Why waiting failed.
    pub error: Option<WaitError>,
}

/// Why waiting failed.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct WaitError {
    /// The daemon's sentence.
    pub message: String,
}

/// The processes of a container, as `ps` lists them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Processes {
    /// The headings.
    pub titles: Vec<String>,
    /// A row to each process.
    pub processes: Vec<Vec<String>>,
}

/// A path that differs from the image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Change {
    /// Absolute, in the container.
    pub path: String,
    /// 0 changed, 1 added, 2 deleted.
    pub kind: u8,
}

/// Which containers are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerQuery {
    /// Those that do not run as well.
    pub all: bool,
    /// Only so many, the newest.
    pub limit: Option<u64>,
    /// Measures their files, which takes time.
    pub size: bool,
    /// Conditions.
    pub filters: Filters,
}

/// What `attach` connects to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttachOptions {
    /// Connects the input.
    pub stdin: bool,
    /// Keys at which the daemon lets go, if they are not its default ones.
    pub detach_keys: String,
}

/// Width and height of a terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TerminalSize {
    /// Lines.
    pub rows: u16,
    /// Characters to a line.
    pub columns: u16,
}

/// What a `prune` of containers, images, volumes or the build cache freed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Pruned {
    /// Docker's `ContainersDeleted`.
    pub containers_deleted: Vec<String>,
    /// Docker's `NetworksDeleted`.
    pub networks_deleted: Vec<String>,
    /// Docker's `VolumesDeleted`.
    pub volumes_deleted: Vec<String>,
    /// Docker's `ImagesDeleted`.
    pub images_deleted: Vec<super::ImageRemoved>,
    /// Docker's `CachesDeleted`.
    pub caches_deleted: Vec<String>,
    /// Bytes.
    pub space_reclaimed: u64,
}

pub(super) fn path(reference: &str, rest: &str) -> Result<String, ClientError> {
    object("containers", "container", reference, rest)
}

impl Client {
    /// Lists containers.
    pub async fn containers(&self, query: &ContainerQuery) -> Result<Vec<ContainerSummary>, ClientError> {
        let call = Call::get("/containers/json")
            .flag("all", query.all)
            .query("limit", query.limit.map(|limit| limit.to_string()).unwrap_or_default())
            .flag("size", query.size)
            .query("filters", query.filters.render());
        self.json(call).await
    }

    /// Looks a container up by id, name or id prefix.
    pub async fn container(&self, reference: &str) -> Result<ContainerDetails, ClientError> {
        self.json(Call::get(path(reference, "/json")?)).await
    }

    /// Everything the daemon knows of a container, as it wrote it.
    pub async fn inspect_container(&self, reference: &str, size: bool) -> Result<Bytes, ClientError> {
        self.bytes(Call::get(path(reference, "/json")?).flag("size", size)).await
    }

    /// Connects to the streams of a container.
    pub async fn attach(&self, reference: &str, options: &AttachOptions) -> Result<Hijacked, ClientError> {
        let call = Call::new(Method::POST, path(reference, "/attach")?)
            .query("detachKeys", &options.detach_keys)
            .flag("stderr", true)
            .flag("stdin", options.stdin)
            .flag("stdout", true)
            .flag("stream", true);
        self.hijack(call).await
    }

    /// Tells the terminal of a container its size.
    pub async fn resize_container(&self, reference: &str, size: TerminalSize) -> Result<(), ClientError> {
        self.done(resize(path(reference, "/resize")?, size)).await
    }

    /// Waits until a container stops, or, with `is_next`, until it stops the next time.
    pub async fn wait_container(&self, reference: &str, is_next: bool) -> Result<WaitAnswer, ClientError> {
        let call = Call::new(Method::POST, path(reference, "/wait")?);
        let call = call.query("condition", if is_next { "next-exit" } else { "" });
        self.json(call.patient()).await
    }

    /// Sends a signal; the daemon's default is KILL.
    pub async fn kill_container(&self, reference: &str, signal: &str) -> Result<(), ClientError> {
        self.done(Call::new(Method::POST, path(reference, "/kill")?).query("signal", signal)).await
    }

    /// Stops a container, by a signal of choice and within so many seconds.
    pub async fn stop_container(
        &self,
        reference: &str,
        signal: &str,
        seconds: Option<i64>,
    ) -> Result<(), ClientError> {
        let call = Call::new(Method::POST, path(reference, "/stop")?)
            .query("signal", signal)
            .query("t", seconds.map(|seconds| seconds.to_string()).unwrap_or_default());
        self.done(call.patient()).await
    }

    /// Removes a container, perhaps although it runs, perhaps with its anonymous volumes.
    pub async fn remove_container(
        &self,
        reference: &str,
        force: bool,
        volumes: bool,
    ) -> Result<(), ClientError> {
        let call = Call::new(Method::DELETE, path(reference, "")?).flag("force", force).flag("v", volumes);
        self.done(call).await
    }

    /// Removes containers that do not run.
    pub async fn prune_containers(&self, filters: &Filters) -> Result<Pruned, ClientError> {
        let call = Call::new(Method::POST, "/containers/prune").query("filters", filters.render());
        self.json(call.patient()).await
    }

    /// Lists the processes of a container with options for `ps`.
    pub async fn top(&self, reference: &str, options: &str) -> Result<Processes, ClientError> {
        self.json(Call::get(path(reference, "/top")?).query("ps_args", options)).await
    }

    /// Lists the paths that differ from the image.
    pub async fn changes(&self, reference: &str) -> Result<Vec<Change>, ClientError> {
        let changes: Option<Vec<Change>> = self.json(Call::get(path(reference, "/changes")?)).await?;
        Ok(changes.unwrap_or_default())
    }

    /// Samples the use of resources: for ever, or once.
    pub async fn stats(
        &self,
        reference: &str,
        stream: bool,
    ) -> Result<Messages<super::StatsSample>, ClientError> {
        let path = path(reference, "/stats")?;
        let call = Call::get(path.clone()).query("stream", if stream { "1" } else { "0" });
        Ok(Messages::new(path, self.stream(call).await?))
    }
}

pub(super) fn resize(path: String, size: TerminalSize) -> Call {
    let call = Call::new(Method::POST, path);
    call.query("h", size.rows.to_string()).query("w", size.columns.to_string())
}
