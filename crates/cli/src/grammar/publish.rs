//! Published ports: `[PUBLISHED[-END]:]TARGET[-END][/protocol]`, or `target=…,published=…`.

use std::net::IpAddr;

use skep_api::wire::PortConfig;

use super::number::uint_in_base;
use super::{Invalid, csv, is_long_form, key_value, refuse};

/// Parses one `--publish` into its ports. A range gives several.
pub(crate) fn publish(text: &str) -> Result<Vec<PortConfig>, Invalid> {
    if is_long_form(text) { long(text).map(|port| vec![port]) } else { short(text) }
}

fn long(text: &str) -> Result<PortConfig, Invalid> {
    let mut port = PortConfig::default();
    for field in csv::record(text)? {
        let lower = field.to_lowercase();
        let Some((key, value)) = key_value(&lower).filter(|(key, _)| !key.is_empty()) else {
            return refuse!("invalid field: {field}");
        };
        match key {
            "protocol" => match value {
                "tcp" | "udp" | "sctp" => port.protocol = value.to_owned(),
                _ => return refuse!("invalid protocol value '{value}'"),
            },
            "mode" => match value {
                "ingress" | "host" => port.publish_mode = value.to_owned(),
                _ => {
                    return refuse!(
                        "invalid publish mode value ({value}): must be either 'ingress' or 'host'"
                    );
                }
            },
            "target" => port.target_port = number("target", value)?,
            "published" => port.published_port = number("published", value)?,
            _ => return refuse!("invalid field key: {key}"),
        }
    }
    if port.target_port == 0 {
        return refuse!("missing mandatory field 'target'");
    }
    if port.publish_mode.is_empty() {
        "ingress".clone_into(&mut port.publish_mode);
    }
    if port.protocol.is_empty() {
        "tcp".clone_into(&mut port.protocol);
    }
    Ok(port)
}

fn number(which: &str, text: &str) -> Result<u32, Invalid> {
    match uint_in_base(text, 10, 16) {
        Ok(value) => Ok(value as u32),
        Err(error) if error.to_string().ends_with("value out of range") => {
            refuse!("invalid {which} port ({text}): value must be an integer: value out of range")
        }
        Err(_) => refuse!("invalid {which} port ({text}): value must be an integer: invalid syntax"),
    }
}

fn short(text: &str) -> Result<Vec<PortConfig>, Invalid> {
    let (address, published, target) = split(text);
    let (target, protocol) = match target.split_once('/') {
        Some((target, protocol)) if !target.is_empty() && !protocol.is_empty() => {
            (target, protocol.to_lowercase())
        }
        Some((target, _)) => (target, "tcp".to_owned()),
        None => (target, "tcp".to_owned()),
    };
    if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
        return refuse!("invalid proto: {protocol}");
    }
    let address = address.trim_start_matches('[').trim_end_matches(']');
    if !address.is_empty() && address.parse::<IpAddr>().is_err() {
        return refuse!("invalid IP address: {address}");
    }
    if target.is_empty() {
        return refuse!("no port specified: {text}<empty>");
    }
    let Some((first, last)) = range(target) else {
        return refuse!("invalid containerPort: {target}");
    };
    let Some((first_published, last_published)) =
        (if published.is_empty() { Some((0, 0)) } else { range(published) })
    else {
        return refuse!("invalid hostPort: {published}");
    };
    let count = last - first;
    if !published.is_empty() && count != last_published - first_published && count != 0 {
        return refuse!("invalid ranges specified for container and host Ports: {target} and {published}");
    }
    if !address.is_empty() {
        return refuse!("hostip is not supported");
    }
    let port = |target_port, published_port| PortConfig {
        protocol: protocol.clone(),
        target_port,
        published_port,
        publish_mode: "ingress".to_owned(),
        ..PortConfig::default()
    };
    Ok(match (count, published.is_empty()) {
        (_, true) => (first..=last).map(|target| port(target, 0)).collect(),
        (0, false) => (first_published..=last_published).map(|published| port(first, published)).collect(),
        (_, false) => (first..=last).zip(first_published..).map(|(a, b)| port(a, b)).collect(),
    })
}

/// Splits into address, published part and target part, from the right.
fn split(text: &str) -> (&str, &str, &str) {
    let Some((rest, target)) = text.rsplit_once(':') else { return ("", "", text) };
    match rest.rsplit_once(':') {
        Some((address, published)) => (address, published, target),
        None => ("", rest, target),
    }
}

/// Parses `80` or `80-82`.
fn range(text: &str) -> Option<(u32, u32)> {
    let number = |text: &str| uint_in_base(text, 10, 16).ok().map(|value| value as u32);
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (number(first)?, number(last)?),
        None => (number(text)?, number(text)?),
    };
    (first <= last).then_some((first, last))
}
