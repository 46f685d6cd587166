//! The content of a container's `/etc/hosts`: Docker's fixed lines, the extra hosts of the spec, and the
//! container's own name.
//!
//! Pure text. The agent writes the file; the runtime mounts it.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};

/// The lines every container starts with.
// Compat: byte for byte what dockerd 20.10 writes (libnetwork etchosts); test `docker_writes_this`.
const FIXED: &str = "127.0.0.1\tlocalhost\n\
    ::1\tlocalhost ip6-localhost ip6-loopback\n\
    fe00::0\tip6-localnet\n\
    ff00::0\tip6-mcastprefix\n\
    ff02::1\tip6-allnodes\n\
    ff02::2\tip6-allrouters\n";

/// One line of `/etc/hosts`: an address and the names that lead to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostsEntry {
    address: IpAddr,
    names: Vec<String>,
}

/// Why a text is not an entry for `/etc/hosts`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostsError {
    #[error("the extra host {text:?} is not an address followed by at least one name")]
    Malformed { text: String },
    #[error("the extra host {text:?} does not begin with an IP address")]
    Address { text: String },
}

impl HostsEntry {
    /// Reads `address name [alias…]`, the form of the file and of a service's `Hosts`.
    pub fn parse(text: &str) -> Result<Self, HostsError> {
        let malformed = || HostsError::Malformed { text: text.to_owned() };
        // A line break or a comment sign inside an entry would smuggle further lines into the file.
        if text.contains(|sign: char| (sign.is_control() && sign != '\t') || sign == '#') {
            return Err(malformed());
        }
        let mut words = text.split_whitespace();
        let address = words.next().ok_or_else(malformed)?;
        let address = address.parse().map_err(|_| HostsError::Address { text: text.to_owned() })?;
        let names: Vec<String> = words.map(str::to_owned).collect();
        if names.is_empty() {
            return Err(malformed());
        }
        Ok(Self { address, names })
    }
}

/// Renders the whole file for a container that has `address` and calls itself `hostname`.
pub fn render(address: Option<Ipv4Addr>, hostname: &str, extra: &[HostsEntry]) -> String {
    let mut text = FIXED.to_owned();
    for entry in extra {
        line(&mut text, entry.address, &entry.names.join(" "));
    }
    if let Some(address) = address
        && !hostname.is_empty()
    {
        // A qualified host name is followed by its first label, so that both resolve.
        match hostname.split_once('.') {
            Some((label, _)) => line(&mut text, address.into(), &format!("{hostname} {label}")),
            None => line(&mut text, address.into(), hostname),
        }
    }
    text
}

fn line(text: &mut String, address: IpAddr, names: &str) {
    writeln!(text, "{address}\t{names}").expect("writing to a string cannot fail");
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    const ADDRESS: Option<Ipv4Addr> = Some(Ipv4Addr::new(172, 17, 0, 2));

    #[test]
    fn docker_writes_this() {
        let extra = [
            HostsEntry::parse("192.0.2.7 db db.example").unwrap(),
            HostsEntry::parse("2001:db8::7\tcache").unwrap(),
        ];
        expect![[r#"
            127.0.0.1	localhost
            ::1	localhost ip6-localhost ip6-loopback
            fe00::0	ip6-localnet
            ff00::0	ip6-mcastprefix
            ff02::1	ip6-allnodes
            ff02::2	ip6-allrouters
            192.0.2.7	db db.example
            2001:db8::7	cache
            172.17.0.2	7c1a2b3c4d5e
        "#]]
        .assert_eq(&render(ADDRESS, "7c1a2b3c4d5e", &extra));
    }

    #[test]
    fn a_qualified_host_name_also_gets_its_label() {
        assert!(render(ADDRESS, "web.example.org", &[]).ends_with("172.17.0.2\tweb.example.org web\n"));
    }

    #[test]
    fn without_an_address_only_the_fixed_lines_remain() {
        assert_eq!(render(None, "web", &[]), FIXED);
        assert_eq!(render(ADDRESS, "", &[]), FIXED);
    }

    #[test]
    fn entries_that_would_break_the_file_are_refused() {
        for text in ["", "192.0.2.1", "192.0.2.1 a\n192.0.2.2 b", "192.0.2.1 #a"] {
            assert!(matches!(HostsEntry::parse(text), Err(HostsError::Malformed { .. })), "{text:?}");
        }
        assert_eq!(
            HostsEntry::parse("host-gateway db").unwrap_err().to_string(),
            "the extra host \"host-gateway db\" does not begin with an IP address"
        );
    }
}
