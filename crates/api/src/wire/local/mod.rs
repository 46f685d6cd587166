//! Objects of one node: containers, commands in them, images, volumes.
//!
//! As in the rest of `wire`: Go's field order, Go's omissions, words kept as text. Fields are named as Docker names them,
//! and Docker's reference says what they mean; what is said here is where we differ.

mod container;
mod host_config;
mod image;
mod stats;
mod volume;

pub use container::{
    ContainerConfig, ContainerHealth, ContainerInspect, ContainerState, ContainerSummary, EndpointSettings,
    ExecConfig, ExecCreated, ExecInspect, ExecProcess, ExecStart, GraphDriver, HealthProbe, MountPoint,
    NetworkSettings, PathChange, Port, PortBinding, SummaryHostConfig, SummaryNetworks, Top, WaitAnswer,
    WaitError,
};
pub use host_config::{HostConfig, HostMount, HostRestartPolicy, LogConfig};
pub use image::{
    AuthAnswer, AuthConfig, ImageDeleted, ImageHistory, ImageInspect, ImageMetadata, ImageSummary,
    ImagesPruned, ProgressDetail, ProgressError, ProgressMessage, RootFs,
};
pub use stats::{
    BlkioEntry, BlkioStats, CpuStats, CpuUsage, MemoryStats, NetworkStats, PidsStats, Stats, ThrottlingData,
};
pub use volume::{DiskUsage, Volume, VolumeCreate, VolumeList, VolumeUsage, VolumesPruned};
