//! The grammar of image references: `[host[:port]/]path[:tag][@digest]`, after the OCI distribution
//! specification and Docker's own rules. Normalisation and lookup are the image store's business.

/// Longest name part of a reference, in characters.
const NAME_LENGTH_MAX: usize = 255;

/// Returns whether `text` is a reference that Docker accepts.
pub fn is_valid(text: &str) -> bool {
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (text, None),
    };
    let (name, tag) = split_tag(rest);
    is_name(name) && tag.is_none_or(is_tag) && digest.is_none_or(is_digest)
}

/// Returns what stands before the tag and the digest: the repository, as it is written.
pub fn name(text: &str) -> &str {
    split_tag(text.split('@').next().unwrap_or(text)).0
}

/// Returns whether there is neither a tag nor a digest: a repository, and no image of it, is named.
pub fn is_name_only(text: &str) -> bool {
    name(text) == text
}

/// Splits off the tag: what follows the last colon behind the last slash.
fn split_tag(text: &str) -> (&str, Option<&str>) {
    let last_part = text.rfind('/').map_or(0, |slash| slash + 1);
    match text[last_part..].rfind(':') {
        Some(colon) => (&text[..last_part + colon], Some(&text[last_part + colon + 1..])),
        None => (text, None),
    }
}

fn is_name(name: &str) -> bool {
    let (host, path) = match name.split_once('/') {
        Some((first, rest)) if looks_like_host(first) => (Some(first), rest),
        _ => (None, name),
    };
    name.len() <= NAME_LENGTH_MAX && host.is_none_or(is_host) && path.split('/').all(is_component)
}

fn looks_like_host(part: &str) -> bool {
    part.contains(['.', ':']) || part == "localhost" || part.bytes().any(|byte| byte.is_ascii_uppercase())
}

fn is_host(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (host, None),
    };
    let is_label = |label: &str| {
        let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
        edge(label.bytes().next())
            && edge(label.bytes().next_back())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let is_ip6 = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).is_some_and(|name| {
        name.contains(':') && name.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':')
    });
    (is_ip6 || name.split('.').all(is_label))
        && port.is_none_or(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A path component: lower-case alphanumerics with `.`, `_`, `__` or dashes between them.
fn is_component(part: &str) -> bool {
    let mut separator = String::new();
    let mut seen = false;
    for character in part.chars() {
        if character.is_ascii_lowercase() || character.is_ascii_digit() {
            let between = matches!(separator.as_str(), "" | "." | "_" | "__")
                || separator.bytes().all(|byte| byte == b'-');
            if !between || (!seen && !separator.is_empty()) {
                return false;
            }
            separator.clear();
            seen = true;
        } else if matches!(character, '.' | '_' | '-') {
            separator.push(character);
        } else {
            return false;
        }
    }
    seen && separator.is_empty()
}

fn is_tag(tag: &str) -> bool {
    (1..=128).contains(&tag.len())
        && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
        && !tag.starts_with(['.', '-'])
}

fn is_digest(digest: &str) -> bool {
    let Some((algorithm, hex)) = digest.split_once(':') else { return false };
    let hex_length = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => return false,
    };
    hex.len() == hex_length && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::{is_name_only, is_valid, name};

    #[test]
    fn a_repository_is_told_from_its_images() {
        for one in ["redis:7", "redis@sha256:00", "redis:7@sha256:00"] {
            assert!(!is_name_only(one), "{one}");
            assert_eq!(name(one), "redis", "{one}");
        }
        assert_eq!(name("host:5000/redis:7"), "host:5000/redis");
        for all in ["redis", "host:5000/redis"] {
            assert!(is_name_only(all), "{all}");
        }
    }

    #[test]
    fn accepts_what_docker_accepts() {
        let digest = format!("sha256:{}", "0af9".repeat(16));
        for text in [
            "redis",
            "redis:7",
            "library/redis",
            "localhost/redis",
            "localhost:5000/team/app:1.2",
            "registry.example/a-b/c__d.e:V_1.2-x",
            "[::1]:5000/a",
            "127.0.0.1:5000/redis:6.2.14",
            &format!("redis@{digest}"),
            &format!("localhost:5000/redis:7@{digest}"),
        ] {
            assert!(is_valid(text), "{text}");
        }
    }

    #[test]
    fn refuses_what_docker_refuses() {
        for text in [
            "",
            ":7",
            "redis:",
            "Redis",
            "-redis",
            "redis-",
            "a..b",
            "a___b",
            "redis:bad tag",
            "redis@sha256:12",
            "redis@md5:0123",
            "a//b",
            "/a",
            "redis:.7",
            "host:port/redis",
            "redis@",
            "red is",
        ] {
            assert!(!is_valid(text), "{text}");
        }
    }
}
