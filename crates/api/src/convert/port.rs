//! Published ports, with Swarm's words for protocols and modes.

use skep_model::endpoint::{Port, Protocol, PublishMode};
use skep_model::request::{Refusal, RefusalClass};

use super::{Unconverted, argument, invalid, unsupported};
use crate::wire;

/// Converts a port of a specification.
pub fn to_model(given: wire::PortConfig) -> Result<Port, Unconverted> {
    let number = |number: u32, what: &str| {
        let refusal =
            || argument(format!("EndpointSpec: the {what} port {number} is not between 1 and 65535"));
        u16::try_from(number).map_err(|_| refusal())
    };
    let target = number(given.target_port, "target")?;
    if target == 0 {
        return Err(argument("EndpointSpec: a published port must name its target port"));
    }
    Ok(Port {
        name: given.name,
        protocol: match given.protocol.to_ascii_lowercase().as_str() {
            "" | "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            "sctp" => return Err(unsupported("--publish protocol=sctp")),
            other => return Err(invalid(format!("invalid protocol value: {other:?}"))),
        },
        target,
        published: number(given.published_port, "published")?,
        mode: match given.publish_mode.to_ascii_lowercase().as_str() {
            "host" => PublishMode::Host,
            "" | "ingress" => {
                let text = "skep: --publish in ingress mode is not supported yet; use mode=host";
                return Err(Unconverted::Refused(Refusal::new(RefusalClass::Unimplemented, text)));
            }
            other => return Err(invalid(format!("invalid publish mode value: {other:?}"))),
        },
    })
}

/// Shows a port; protocol and mode are always named, as in Docker.
pub fn to_wire(port: &Port) -> wire::PortConfig {
    wire::PortConfig {
        name: port.name.clone(),
        protocol: match port.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Sctp => "sctp",
        }
        .to_owned(),
        target_port: u32::from(port.target),
        published_port: u32::from(port.published),
        publish_mode: match port.mode {
            PublishMode::Ingress => "ingress",
            PublishMode::Host => "host",
        }
        .to_owned(),
    }
}
