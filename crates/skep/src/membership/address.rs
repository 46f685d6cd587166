//! At which address others reach this node. The rules and the wording are Docker's.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use skep_api::server::facts::NewSwarm;
use skep_model::request::{Refusal, RefusalClass};

const PORT_DEFAULT: u16 = 2377;

/// Where a manager is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Bare IP address.
    pub addr: String,
    pub port: u16,
}

impl Endpoint {
    /// Returns `address:port`, with brackets where they are needed.
    pub fn manager_addr(&self) -> String {
        match self.addr.contains(':') {
            true => format!("[{}]:{}", self.addr, self.port),
            false => format!("{}:{}", self.addr, self.port),
        }
    }
}

/// IPv4 addresses by interface, loopback and container bridges left out.
type Interfaces = BTreeMap<String, Vec<Ipv4Addr>>;

fn refuse<T>(text: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::new(RefusalClass::InvalidArgument, text))
}

/// Chooses the address to advertise: the one asked for, else that of the listener, else the only one
/// there is.
pub fn choose(new: &NewSwarm, bridge: &str) -> Result<Endpoint, Refusal> {
    choose_among(new, &interfaces(bridge)?)
}

fn choose_among(new: &NewSwarm, interfaces: &Interfaces) -> Result<Endpoint, Refusal> {
    let (listen, port) = split(&new.listen_addr)?;
    let listen = match listen {
        "" => return refuse(format!("invalid ListenAddr {:?}: invalid empty address", new.listen_addr)),
        listen => resolve(
            listen,
            interfaces,
            "listen address must be an IP address or network interface (with optional port number)",
        )?,
    };
    if !new.advertise_addr.is_empty() {
        let (host, advertised) = split(&new.advertise_addr)?;
        let text = "advertise address must be a non-zero IP address or network interface (with optional port number)";
        let addr = resolve(host, interfaces, text)?;
        if addr.is_unspecified() {
            return refuse(text);
        }
        return Ok(Endpoint { addr: addr.to_string(), port: advertised.or(port).unwrap_or(PORT_DEFAULT) });
    }
    let addr = match listen {
        listen if listen.is_unspecified() => IpAddr::V4(only_address(interfaces)?),
        listen => listen,
    };
    Ok(Endpoint { addr: addr.to_string(), port: port.unwrap_or(PORT_DEFAULT) })
}

/// Splits `host[:port]`.
fn split(text: &str) -> Result<(&str, Option<u16>), Refusal> {
    if text.parse::<IpAddr>().is_ok() {
        return Ok((text, None));
    }
    match text.rsplit_once(':') {
        None => Ok((text, None)),
        Some((host, port)) => match port.parse() {
            Ok(port) => Ok((host.trim_start_matches('[').trim_end_matches(']'), Some(port))),
            Err(_) => refuse(format!("invalid address {text:?}: the port must be a number below 65536")),
        },
    }
}

fn resolve(host: &str, interfaces: &Interfaces, otherwise: &str) -> Result<IpAddr, Refusal> {
    if let Ok(addr) = host.parse() {
        return Ok(addr);
    }
    match interfaces.get(host).map(Vec::as_slice) {
        Some([addr]) => Ok(IpAddr::V4(*addr)),
        Some([a, b, ..]) => refuse(format!("interface {host} has more than one IPv4 address ({a} and {b})")),
        _ => refuse(otherwise),
    }
}

fn only_address(interfaces: &Interfaces) -> Result<Ipv4Addr, Refusal> {
    let mut all = interfaces.iter().flat_map(|(name, addrs)| addrs.iter().map(move |addr| (name, addr)));
    match (all.next(), all.next()) {
        (None, _) => refuse("could not find the system's IP address"),
        (Some((_, addr)), None) => Ok(*addr),
        (Some((name, a)), Some((other, b))) if name == other => refuse(format!(
            "could not choose an IP address to advertise since this system has multiple addresses on interface \
             {name} ({a} and {b})"
        )),
        (Some((name, a)), Some((other, b))) => refuse(format!(
            "could not choose an IP address to advertise since this system has multiple addresses on different \
             interfaces ({a} on {name} and {b} on {other})"
        )),
    }
}

fn interfaces(bridge: &str) -> Result<Interfaces, Refusal> {
    let found = nix::ifaddrs::getifaddrs().map_err(|error| {
        Refusal::new(RefusalClass::Unknown, format!("cannot list this machine's network interfaces: {error}"))
    })?;
    let mut interfaces = Interfaces::new();
    for interface in found {
        let name = &interface.interface_name;
        let is_local = name == "lo" || name == bridge || name.starts_with("docker") || is_ours(name);
        let addr = interface.address.as_ref().and_then(|address| address.as_sockaddr_in());
        if let Some(addr) = addr.filter(|_| !is_local) {
            interfaces.entry(name.clone()).or_default().push(addr.ip());
        }
    }
    Ok(interfaces)
}

/// Returns whether the interface is a bridge of Skep's containers, this daemon's or another's.
fn is_ours(name: &str) -> bool {
    let alias = std::fs::read_to_string(format!("/sys/class/net/{name}/ifalias"));
    alias.is_ok_and(|alias| alias.contains("Skep"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(listen: &str, advertise: &str, interfaces: &[(&str, &str)]) -> Result<String, String> {
        let mut known = Interfaces::new();
        for (name, addr) in interfaces {
            known.entry((*name).to_owned()).or_default().push(addr.parse().unwrap());
        }
        let new = NewSwarm {
            listen_addr: listen.to_owned(),
            advertise_addr: advertise.to_owned(),
            ..NewSwarm::default()
        };
        choose_among(&new, &known).map(|endpoint| endpoint.manager_addr()).map_err(|refusal| refusal.message)
    }

    #[test]
    fn chooses_what_docker_chooses() {
        let one = [("eth0", "10.0.0.1")];
        let two = [("eth0", "10.0.0.1"), ("eth1", "10.1.0.1")];
        assert_eq!(chosen("0.0.0.0:2377", "", &one).unwrap(), "10.0.0.1:2377");
        assert_eq!(chosen("0.0.0.0:2400", "", &one).unwrap(), "10.0.0.1:2400");
        assert_eq!(chosen("0.0.0.0:2377", "eth1", &two).unwrap(), "10.1.0.1:2377");
        assert_eq!(chosen("0.0.0.0", "192.0.2.7:9", &two).unwrap(), "192.0.2.7:9");
        assert_eq!(chosen("127.0.0.1:2377", "", &two).unwrap(), "127.0.0.1:2377");
    }

    #[test]
    fn says_what_docker_says() {
        let text = chosen("0.0.0.0:2377", "", &[("eth0", "10.0.0.1"), ("eth1", "10.1.0.1")]).unwrap_err();
        assert!(text.starts_with("could not choose an IP address to advertise"), "{text}");
        assert!(text.ends_with("on different interfaces (10.0.0.1 on eth0 and 10.1.0.1 on eth1)"), "{text}");
        let text = chosen("0.0.0.0:2377", "", &[]).unwrap_err();
        assert_eq!(text, "could not find the system's IP address");
        let text = chosen("", "", &[]).unwrap_err();
        assert_eq!(text, "invalid ListenAddr \"\": invalid empty address");
        let text = chosen("0.0.0.0:2377", "0.0.0.0", &[]).unwrap_err();
        assert!(text.starts_with("advertise address must be a non-zero IP address"), "{text}");
        assert!(chosen("0.0.0.0:x", "", &[]).unwrap_err().contains("the port must be a number"));
    }
}
