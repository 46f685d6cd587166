//! The content of a container's `/etc/resolv.conf`, computed from the host's and the service's DNS options.
//!
//! A name server on the host's own loopback is dropped, because inside the container's network namespace
//! nobody listens there; IPv6 servers are dropped as well, because containers have no IPv6 route. If
//! nothing is left, Docker's fallback servers are used. Pure text: the agent reads and writes the files.

use std::fmt::Write;
use std::net::IpAddr;

/// Where systemd-resolved keeps the real upstream servers, when `/etc/resolv.conf` only names its stub.
pub const SYSTEMD_UPSTREAM: &str = "/run/systemd/resolve/resolv.conf";

/// The stub address of systemd-resolved.
const SYSTEMD_STUB: &str = "127.0.0.53";

/// The servers used when the host names none that a container can reach.
// Compat: dockerd falls back to these (libnetwork resolvconf); test `fallback_when_nothing_is_reachable`.
const FALLBACK: [&str; 2] = ["8.8.8.8", "8.8.4.4"];

/// The `--dns`, `--dns-search` and `--dns-option` values of a service; an empty list means "as the host".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DnsOptions {
    /// Servers that replace the host's. Given by the user, so they are kept even if they are loopback.
    pub servers: Vec<IpAddr>,
    /// Search domains that replace the host's; a single `.` means none at all.
    pub search: Vec<String>,
    /// Resolver options that replace the host's, such as `ndots:2`.
    pub options: Vec<String>,
}

/// Tells whether the host's `/etc/resolv.conf` only points at systemd-resolved, so that
/// [`SYSTEMD_UPSTREAM`] must be read in its place.
pub fn only_names_systemd_stub(host: &str) -> bool {
    Parsed::read(host).servers == [SYSTEMD_STUB]
}

/// Renders the container's file from the host's text and the service's options.
pub fn render(host: &str, wanted: &DnsOptions) -> String {
    let host = Parsed::read(host);
    let mut text = String::new();
    for server in servers(&host, &wanted.servers) {
        line(&mut text, "nameserver", &server);
    }
    let search = if wanted.search.is_empty() { host.search } else { owned(&wanted.search) };
    if !search.is_empty() && search != ["."] {
        line(&mut text, "search", &search.join(" "));
    }
    let options = if wanted.options.is_empty() { host.options } else { owned(&wanted.options) };
    if !options.is_empty() {
        line(&mut text, "options", &options.join(" "));
    }
    text
}

fn servers(host: &Parsed<'_>, wanted: &[IpAddr]) -> Vec<String> {
    if !wanted.is_empty() {
        return wanted.iter().map(IpAddr::to_string).collect();
    }
    let reachable: Vec<String> =
        host.servers.iter().filter(|server| reachable(server)).map(|server| (*server).to_owned()).collect();
    if reachable.is_empty() { FALLBACK.map(str::to_owned).to_vec() } else { reachable }
}

/// Tells whether a container can talk to this server of the host: IPv4, and not the host's loopback.
fn reachable(server: &str) -> bool {
    matches!(server.parse(), Ok(IpAddr::V4(address)) if !address.is_loopback() && !address.is_unspecified())
}

fn owned(values: &[String]) -> Vec<&str> {
    values.iter().map(String::as_str).collect()
}

fn line(text: &mut String, keyword: &str, value: &str) {
    writeln!(text, "{keyword} {value}").expect("writing to a string cannot fail");
}

/// The parts of a `resolv.conf` that a container inherits.
struct Parsed<'a> {
    servers: Vec<&'a str>,
    search: Vec<&'a str>,
    options: Vec<&'a str>,
}

impl<'a> Parsed<'a> {
    /// Reads as the resolver does: unknown lines are skipped, the last `search` or `domain` counts, and
    /// options add up.
    fn read(text: &'a str) -> Self {
        let mut parsed = Self { servers: Vec::new(), search: Vec::new(), options: Vec::new() };
        for line in text.lines() {
            let line = line.split(['#', ';']).next().unwrap_or_default();
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => parsed.servers.extend(words.next()),
                Some("search" | "domain") => parsed.search = words.collect(),
                Some("options") => parsed.options.extend(words),
                _ => {}
            }
        }
        parsed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "# made by hand\n\
        domain ignored.example\n\
        nameserver 127.0.0.1\n\
        nameserver 192.0.2.53 # office\n\
        nameserver ::1\n\
        nameserver fe80::1%eth0\n\
        nameserver 192.0.2.54\n\
        search corp.example example\n\
        sortlist 130.155.160.0\n\
        options edns0\n\
        options timeout:1\n";

    #[test]
    fn loopback_and_ipv6_servers_of_the_host_are_dropped() {
        assert_eq!(
            render(HOST, &DnsOptions::default()),
            "nameserver 192.0.2.53\nnameserver 192.0.2.54\nsearch corp.example example\noptions edns0 timeout:1\n"
        );
    }

    #[test]
    fn fallback_when_nothing_is_reachable() {
        for host in ["", "nameserver 127.0.0.53\n", "nameserver 0.0.0.0\nnameserver ::1\n"] {
            assert_eq!(render(host, &DnsOptions::default()), "nameserver 8.8.8.8\nnameserver 8.8.4.4\n");
        }
    }

    #[test]
    fn each_option_overrides_only_its_own_part() {
        let wanted = DnsOptions { servers: vec![IpAddr::from([127, 0, 0, 1])], ..DnsOptions::default() };
        assert_eq!(
            render(HOST, &wanted),
            "nameserver 127.0.0.1\nsearch corp.example example\noptions edns0 timeout:1\n"
        );
        let wanted = DnsOptions {
            search: vec!["a.example".into(), "b.example".into()],
            options: vec!["ndots:2".into()],
            ..DnsOptions::default()
        };
        assert_eq!(
            render(HOST, &wanted),
            "nameserver 192.0.2.53\nnameserver 192.0.2.54\nsearch a.example b.example\noptions ndots:2\n"
        );
    }

    #[test]
    fn a_single_dot_means_no_search_domain() {
        let wanted = DnsOptions { search: vec![".".into()], ..DnsOptions::default() };
        assert!(!render(HOST, &wanted).contains("search"));
    }

    #[test]
    fn the_systemd_stub_is_recognised_only_when_alone() {
        assert!(only_names_systemd_stub("nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch .\n"));
        assert!(!only_names_systemd_stub("nameserver 127.0.0.53\nnameserver 192.0.2.1\n"));
        assert!(!only_names_systemd_stub(""));
    }
}
