//! Differences from dockerd 20.10 that are meant, each with its reason. One that no answer shows any more is an error,
//! so that the list stays short.

/// One difference, or the same one in several answers.
#[derive(Debug, Clone, Copy)]
pub struct Meant {
    /// Name of a question; with a star at its end, of all that begin so.
    pub question: &'static str,
    /// A JSON pointer without positions, `type` for the type of the answer.
    pub at: &'static str,
    pub reason: &'static str,
}

impl Meant {
    /// Tells whether this is about a difference.
    pub fn covers(&self, question: &str, at: &str) -> bool {
        let is_asked = match self.question.strip_suffix('*') {
            Some(beginning) => question.starts_with(beginning),
            None => self.question == question,
        };
        is_asked && self.at == at
    }
}

const GONE: &str = "later versions of Docker have no such key";
const NEW: &str = "later versions of Docker have this key";

const fn meant(question: &'static str, at: &'static str, reason: &'static str) -> Meant {
    Meant { question, at, reason }
}

/// All of them.
pub const MEANT: [Meant; 28] = [
    meant("version", "/BuildTime", "a build says nothing of its time, so that it can be repeated"),
    meant("info", "/BridgeNfIptables", GONE),
    meant("info", "/BridgeNfIp6tables", GONE),
    meant("info", "/CDISpecDirs", NEW),
    meant("info", "/ContainerdCommit/Expected", GONE),
    meant("info", "/InitCommit/Expected", GONE),
    meant("info", "/RuncCommit/Expected", GONE),
    meant("info", "/KernelMemory", GONE),
    meant("info", "/KernelMemoryTCP", GONE),
    meant("info", "/RegistryConfig/AllowNondistributableArtifactsCIDRs", GONE),
    meant("info", "/RegistryConfig/AllowNondistributableArtifactsHostnames", GONE),
    meant("service*", "/Spec/EndpointSpec", "Traefik switches on the mode, so it is always said"),
    meant("service*", "/Endpoint/Spec/Mode", "Traefik switches on the mode, so it is always said"),
    meant("task*", "/Volumes", NEW),
    meant("container*", "/HostConfig/KernelMemory", GONE),
    meant("container*", "/HostConfig/KernelMemoryTCP", GONE),
    meant("container-stats*", "/cpu_stats/cpu_usage/percpu_usage", "cgroup v2 does not count each processor"),
    meant(
        "container-stats",
        "/precpu_stats/cpu_usage/percpu_usage",
        "cgroup v2 does not count each processor",
    ),
    meant("container-changes", "/", "a mount point is no change of the image"),
    meant("container-logs", "type", "later versions of Docker name the type of the stream"),
    meant(
        "image",
        "/Container",
        "nothing is built here, so no image comes from a container; gone in later versions",
    ),
    meant(
        "image",
        "/ContainerConfig",
        "nothing is built here, so no image comes from a container; gone in later versions",
    ),
    meant("distribution", "/Platforms", "dockerd 20.10 reads no platform from an OCI manifest"),
    meant("volume-create-unnamed", "/Labels", "anonymous volumes are marked, as in later versions"),
    meant(
        "volumes",
        "/Volumes/*/com.docker.volume.anonymous",
        "anonymous volumes are marked, as in later versions",
    ),
    meant("networks", "/EnableIPv4", NEW),
    meant("networks", "/Containers", "there is no ingress network yet"),
    meant("networks", "/Labels", "there is no ingress network yet"),
];
