//! Values of the repeatable flags that take one simple item each.

use std::net::IpAddr;

use skep_api::wire::{
    CredentialSpec, DiscreteResource, GenericResource, PlacementPreference, SpreadOver, Ulimit,
};

use super::{Invalid, key_value, refuse};
use crate::format::go_quote;

/// What Docker trims and refuses inside keys.
const WHITESPACE: [char; 2] = [' ', '\t'];

/// The limits that `--ulimit` knows.
const ULIMITS: [&str; 15] = [
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// Checks a label, `key` or `key=value`.
pub(crate) fn label(text: &str) -> Result<String, Invalid> {
    let key = text.split('=').next().unwrap_or_default().trim_start_matches(WHITESPACE);
    if key.is_empty() {
        return refuse!("invalid label '{text}': empty name");
    }
    if key.contains(WHITESPACE) {
        return refuse!("label '{key}' contains whitespaces");
    }
    Ok(text.to_owned())
}

/// Checks an environment variable, `K=V` or a bare `K` that is looked up later.
pub(crate) fn env(text: &str) -> Result<String, Invalid> {
    if text.split('=').next().is_none_or(str::is_empty) {
        return refuse!("invalid environment variable: {text}");
    }
    Ok(text.to_owned())
}

/// Splits a filter, `key=value`, with the key in lower case. An empty text filters nothing.
pub(crate) fn filter(text: &str) -> Result<Option<(String, String)>, Invalid> {
    if text.is_empty() {
        return Ok(None);
    }
    match key_value(text) {
        Some((key, value)) => Ok(Some((key.trim().to_lowercase(), value.trim().to_owned()))),
        None => refuse!("bad format of filter (expected name=value)"),
    }
}

/// Checks a host mapping, `name:ip` or `name=ip`, and returns it as `name:ip`.
pub(crate) fn host(text: &str) -> Result<String, Invalid> {
    let split = key_value(text).or_else(|| text.split_once(':'));
    let Some((name, address)) = split.filter(|(name, _)| !name.is_empty() && !name.contains(':')) else {
        return refuse!("bad format for add-host: {}", go_quote(text));
    };
    if address == "host-gateway" {
        return Ok(format!("{name}:{address}"));
    }
    let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address = bare.filter(|bare| !bare.is_empty()).unwrap_or(address);
    match ip_address(address) {
        Ok(_) => Ok(format!("{name}:{address}")),
        Err(_) => refuse!("invalid IP address in add-host: {}", go_quote(address)),
    }
}

/// Checks an IP address and returns its canonical form.
pub(crate) fn ip_address(text: &str) -> Result<String, Invalid> {
    match text.trim().parse::<IpAddr>() {
        Ok(address) => Ok(address.to_string()),
        Err(_) => refuse!("IP address is not correctly formatted: {text}"),
    }
}

/// Checks a search domain: `.` or a domain with at least one letter.
pub(crate) fn dns_search(text: &str) -> Result<String, Invalid> {
    let text = text.trim_matches(' ');
    if text == "." {
        return Ok(text.to_owned());
    }
    let domain = text.strip_suffix('.').unwrap_or(text);
    let is_part = |part: &str| {
        let inner = |c: char| c.is_ascii_alphanumeric() || c == '-';
        !part.is_empty() && part.chars().all(inner) && !part.starts_with('-') && !part.ends_with('-')
    };
    let has_letter = domain.contains(|c: char| c.is_ascii_alphabetic());
    if has_letter && domain.len() < 255 && domain.split('.').all(is_part) {
        return Ok(domain.to_owned());
    }
    refuse!("{text} is not a valid domain")
}

/// Parses a placement preference, `spread=<label>`.
pub(crate) fn placement_pref(text: &str) -> Result<PlacementPreference, Invalid> {
    match key_value(text) {
        Some(("spread", label)) => {
            Ok(PlacementPreference { spread: Some(SpreadOver { spread_descriptor: label.to_owned() }) })
        }
        None | Some(("", _)) => refuse!(r#"placement preference must be of the format "<strategy>=<arg>""#),
        Some((strategy, _)) => {
            refuse!("unsupported placement preference {strategy} (only spread is supported)")
        }
    }
}

/// Parses a resource limit, `name=soft[:hard]`, where -1 means unlimited.
pub(crate) fn ulimit(text: &str) -> Result<Ulimit, Invalid> {
    let Some((name, limits)) = key_value(text) else {
        return refuse!("invalid ulimit argument: {text}");
    };
    if !ULIMITS.contains(&name) {
        return refuse!("invalid ulimit type: {name}");
    }
    let number = |text: &str| match text.parse::<i64>() {
        Ok(value) => Ok(value),
        Err(_) => refuse!("strconv.ParseInt: parsing {}: invalid syntax", go_quote(text)),
    };
    let (soft, hard) = match limits.split(':').collect::<Vec<_>>()[..] {
        [soft] => (number(soft)?, number(soft)?),
        [soft, hard] => {
            let hard = number(hard)?;
            (number(soft)?, hard)
        }
        _ => {
            return refuse!(
                "too many limit value arguments - {limits}, can only have up to two, `soft[:hard]`"
            );
        }
    };
    let bound = "ulimit soft limit must be less than or equal to hard limit";
    match (soft, hard) {
        (_, -1) => {}
        (-1, _) => return refuse!("{bound}: soft: -1 (unlimited), hard: {hard}"),
        _ if soft > hard => return refuse!("{bound}: {soft} > {hard}"),
        _ => {}
    }
    Ok(Ulimit { name: name.to_owned(), hard, soft })
}

/// Parses `config://…`, `file://…`, `registry://…`, or nothing, which removes.
pub(crate) fn credential_spec(text: &str) -> Result<CredentialSpec, Invalid> {
    let mut spec = CredentialSpec::default();
    match text.split_once("://") {
        Some(("config", name)) => spec.config = name.to_owned(),
        Some(("file", name)) => spec.file = name.to_owned(),
        Some(("registry", name)) => spec.registry = name.to_owned(),
        _ if text.is_empty() => {}
        _ => {
            return refuse!(
                r#"invalid credential spec: value must be prefixed with "config://", "file://", or "registry://""#
            );
        }
    }
    Ok(spec)
}

/// Checks that a generic resource is written as `name=value`; the value is read by [`generic_resources`].
pub(crate) fn generic_resource(text: &str) -> Result<String, Invalid> {
    if !text.contains('=') {
        return refuse!("invalid generic-resource format `{text}` expected `name=value`");
    }
    Ok(text.to_owned())
}

/// Parses counted resources. Named ones exist only on nodes.
pub(crate) fn generic_resources(texts: &[String]) -> Result<Vec<GenericResource>, Invalid> {
    let wrong = "invalid generic resource specification: could not parse GenericResource";
    let mut resources: Vec<GenericResource> = Vec::new();
    for text in texts {
        let [kind, value] = text.split('=').map(str::trim).collect::<Vec<_>>()[..] else {
            return refuse!("{wrong}: incorrect term {text}, missing '=' or malformed expression");
        };
        match value.parse::<i64>() {
            Ok(value) if value < 0 => return refuse!("{wrong}: cannot ask for negative resource {kind}"),
            Ok(value) => {
                let discrete = DiscreteResource { kind: kind.to_owned(), value };
                resources
                    .push(GenericResource { discrete_resource_spec: Some(discrete), ..Default::default() });
            }
            Err(_) => {
                return refuse!(
                    "invalid generic-resource request `{kind}={value}`, Named Generic Resources is not supported for service create or update"
                );
            }
        }
    }
    Ok(resources)
}
