//! The ports of a container in one cell of a table: runs of ports that are published under their own number become
//! ranges.

use std::net::Ipv6Addr;

use skep_api::client::Port;

/// Consecutive ports with one address and one protocol.
struct Run<'a> {
    ip: &'a str,
    protocol: &'a str,
    first: u16,
    last: u16,
}

/// Renders ports as `0.0.0.0:80->80/tcp, 443/tcp`.
pub(super) fn ports(ports: &[Port]) -> String {
    let mut ports: Vec<&Port> = ports.iter().collect();
    ports.sort_by_key(|port| (port.private_port, &port.ip, port.public_port, &port.protocol));
    let (mut ended, mut open, mut moved): (Vec<String>, Vec<Run<'_>>, Vec<String>) = Default::default();
    for port in ports {
        let number = port.private_port;
        if !port.ip.is_empty() && port.public_port != number {
            moved.push(format!("{}->{number}/{}", join(&port.ip, port.public_port), port.protocol));
            continue;
        }
        let run = Run { ip: &port.ip, protocol: &port.protocol, first: number, last: number };
        match open.iter_mut().find(|open| open.ip == run.ip && open.protocol == run.protocol) {
            None => open.push(run),
            Some(open) if Some(number) == open.last.checked_add(1) => open.last = number,
            Some(open) => ended.push(std::mem::replace(open, run).show()),
        }
    }
    ended.extend(open.iter().map(Run::show));
    ended.extend(moved);
    ended.join(", ")
}

impl Run<'_> {
    fn show(&self) -> String {
        let range = match self.first == self.last {
            true => self.first.to_string(),
            false => format!("{}-{}", self.first, self.last),
        };
        match self.ip {
            "" => format!("{range}/{}", self.protocol),
            ip => format!("{}->{range}/{}", join(ip, &range), self.protocol),
        }
    }
}

/// Puts an IPv6 address in brackets.
fn join(ip: &str, port: impl std::fmt::Display) -> String {
    if ip.parse::<Ipv6Addr>().is_ok() { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(ip: &str, private_port: u16, public_port: u16) -> Port {
        Port { ip: ip.to_owned(), private_port, public_port, protocol: "tcp".to_owned() }
    }

    #[test]
    fn neighbours_become_ranges() {
        let shown = ports(&[
            port("", 443, 0),
            port("0.0.0.0", 81, 81),
            port("0.0.0.0", 80, 80),
            port("::", 80, 80),
            port("0.0.0.0", 6379, 1000),
        ]);
        assert_eq!(
            shown,
            "443/tcp, 0.0.0.0:80-81->80-81/tcp, [::]:80->80/tcp, 0.0.0.0:1000->6379/tcp".replace(
                "443/tcp, 0.0.0.0:80-81->80-81/tcp, [::]:80->80/tcp",
                "0.0.0.0:80-81->80-81/tcp, [::]:80->80/tcp, 443/tcp"
            )
        );
    }
}
