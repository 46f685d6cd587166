//! Values of the flags that make a cluster: addresses, pools, signers within and outside.

use std::fmt;
use std::io::ErrorKind;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use skep_api::wire::ExternalCa;

use super::{Invalid, csv, invalid, key_value, refuse};

/// The cluster port.
const PORT: u16 = 2377;

/// Parses `[tcp://]host|interface[:port]` and fills the port in.
pub(crate) fn listen_address(text: &str) -> Result<String, Invalid> {
    let address = match text.split_once("://") {
        Some(("tcp", address)) => address,
        Some(_) => return refuse!("invalid proto, expected tcp: {text}"),
        None => text,
    };
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (address, ""),
    };
    let port = if port.is_empty() { PORT.to_string() } else { port.to_owned() };
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return refuse!("parse \"tcp://{address}\": invalid port \":{port}\" after host");
    }
    if port.parse::<u16>().is_err() || host.contains('/') || (host.contains(':') && !host.starts_with('[')) {
        return refuse!("invalid bind address format: {text}");
    }
    Ok(format!("{}:{port}", if host.is_empty() { "0.0.0.0" } else { host }))
}

/// Parses comma-separated address pools in CIDR form. An empty text names none.
pub(crate) fn subnets(text: &str) -> Result<Vec<String>, Invalid> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    text.split(',').map(|pool| subnet(pool.trim())).collect()
}

fn subnet(text: &str) -> Result<String, Invalid> {
    let parsed = text.split_once('/').and_then(|(address, length)| {
        let address: IpAddr = address.parse().ok()?;
        let length: u8 =
            length.parse().ok().filter(|length| *length <= if address.is_ipv4() { 32 } else { 128 })?;
        Some(format!("{}/{length}", masked(address, length)))
    });
    match parsed {
        Some(subnet) => Ok(subnet),
        None => refuse!("invalid string being converted to CIDR: {text}"),
    }
}

/// The first address of a network, as Go prints networks.
fn masked(address: IpAddr, length: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            IpAddr::V4((u32::from(address) & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
            IpAddr::V6((u128::from(address) & mask).into())
        }
    }
}

/// Parses `protocol=cfssl,url=…[,cacert=FILE][,k=v…]`; the certificate is read from its file.
pub(crate) fn external_ca(text: &str) -> Result<ExternalCa, Invalid> {
    let mut ca = ExternalCa::default();
    for field in csv::record(text)? {
        let Some((key, value)) = key_value(&field) else {
            return refuse!("invalid field '{field}' must be a key=value pair");
        };
        match key.to_lowercase().as_str() {
            "protocol" if value.eq_ignore_ascii_case("cfssl") => "cfssl".clone_into(&mut ca.protocol),
            "protocol" => return refuse!("unrecognized external CA protocol {value}"),
            "url" => value.clone_into(&mut ca.url),
            "cacert" => {
                let read = std::fs::read_to_string(value);
                ca.ca_cert =
                    read.map_err(|error| invalid!("unable to read CA cert for external CA: {error}"))?;
            }
            _ => {
                ca.options.insert(key.to_owned(), value.to_owned());
            }
        }
    }
    if ca.protocol.is_empty() {
        return refuse!("the external-ca option needs a protocol= parameter");
    }
    if ca.url.is_empty() {
        return refuse!("the external-ca option needs a url= parameter");
    }
    Ok(ca)
}

/// What stands in a PEM file. It may be a key, so its debug form hides it.
#[derive(Clone, Default)]
pub(crate) struct Pem(pub String);

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// Reads a file with at least one PEM block.
pub(crate) fn pem_file(path: &str) -> Result<Pem, Invalid> {
    let bytes = std::fs::read(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => invalid!("open {path}: no such file or directory"),
        ErrorKind::PermissionDenied => invalid!("open {path}: permission denied"),
        ErrorKind::IsADirectory => invalid!("read {path}: is a directory"),
        _ => invalid!("open {path}: {error}"),
    })?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    if has_pem_block(&text) { Ok(Pem(text)) } else { refuse!("file contents must be in PEM format") }
}

fn has_pem_block(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim_end);
    while let Some(line) = lines.next() {
        let Some(tag) = line.strip_prefix("-----BEGIN ").and_then(|tag| tag.strip_suffix("-----")) else {
            continue;
        };
        let end = format!("-----END {tag}-----");
        let block: Vec<&str> = lines.clone().take_while(|line| *line != end).collect();
        // Headers, which old keys have, stand before the data.
        let data: String = block.iter().filter(|line| !line.contains(": ")).copied().collect();
        if lines.clone().any(|line| line == end) && STANDARD.decode(&data).is_ok() {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pem_block_has_an_end_and_data() {
        assert!(has_pem_block("-----BEGIN X Y-----\nAAAA\n-----END X Y-----\n"));
        assert!(has_pem_block("about it\r\n-----BEGIN X-----\r\nAAAA\r\nAAA=\r\n-----END X-----"));
        assert!(has_pem_block("-----BEGIN X-----\nProc-Type: 4\n\nAAAA\n-----END X-----\n"));
        assert!(has_pem_block("-----BEGIN X-----\n-----BEGIN Y-----\nAAAA\n-----END Y-----\n"));
        for text in ["", "AAAA", "-----BEGIN X-----\nAAAA", "-----BEGIN X-----\nAAA!\n-----END X-----"] {
            assert!(!has_pem_block(text), "{text}");
        }
        assert!(!has_pem_block("-----BEGIN X-----\nAAAA\n-----END Y-----"));
    }
}
