//! How a service is reached: the way its name resolves, and the ports that nodes open for it.

use serde::{Deserialize, Serialize};

/// The endpoint of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Endpoint {
    pub mode: EndpointMode,
    /// In the order given.
    pub ports: Vec<Port>,
}

impl Endpoint {
    /// Returns the ports that each task opens on its own node.
    pub fn host_ports(&self) -> impl Iterator<Item = &Port> {
        self.ports.iter().filter(|port| port.mode == PublishMode::Host)
    }
}

/// How clients of the service find its tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndpointMode {
    #[default]
    Vip,
    Dnsrr,
}

/// A published port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Port {
    pub name: String,
    pub protocol: Protocol,
    /// The port in the container.
    pub target: u16,
    /// The port of the node; 0: one is chosen.
    pub published: u16,
    pub mode: PublishMode,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Protocol {
    #[default]
    Tcp,
    Udp,
    Sctp,
}

/// Which nodes open a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PublishMode {
    /// All of them, for all tasks.
    #[default]
    Ingress,
    /// The node of each task, for that task alone.
    Host,
}
