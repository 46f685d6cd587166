//! How people name images: `redis`, `redis:7`, `registry.example:5000/team/app:1@sha256:…`.
//!
//! Decides what a valid name is and which registry, repository, tag and digest it means, by Docker's rules: a first
//! component is a registry only if it looks like a host; anything else is Docker Hub's, and a Hub name of one
//! component belongs to `library/`. The parser is written by hand because the one in `oci-spec` compiles a regular
//! expression of several megabytes, lets Unicode into tags and takes 64 hexadecimal digits for a name.

use std::fmt;
use std::str::FromStr;

use super::digest::{Digest, DigestError};

const HUB: &str = "docker.io";
const HUB_LEGACY: &str = "index.docker.io";
const HUB_LIBRARY: &str = "library/";
const DEFAULT_TAG: &str = "latest";
/// Docker's bound on the repository path, in bytes.
const REPOSITORY_LEN_MAX: usize = 255;
/// Docker's bound on a tag, in bytes.
const TAG_LEN_MAX: usize = 128;

/// The name of an image in a registry, normalised: registry and repository are always known, and there is a tag, a
/// digest or both. With both the digest decides which content is meant.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Why a text is not an image reference. `Display` is Docker's sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// The grammar does not allow it.
    #[error("invalid reference format")]
    Format,
    /// Repository names have no capitals; the most common mistake gets its own sentence.
    #[error("invalid reference format: repository name ({name}) must be lowercase")]
    Uppercase {
        /// The repository as typed.
        name: String,
    },
    /// Such a name cannot be told from an image id.
    #[error("invalid repository name ({name}), cannot specify 64-byte hexadecimal strings")]
    LooksLikeId {
        /// The name as typed.
        name: String,
    },
    /// Longer than 255 bytes.
    #[error("repository name must not be more than {REPOSITORY_LEN_MAX} characters")]
    TooLong,
    /// The part after `@` is not a sha256 digest.
    #[error("invalid reference format")]
    Digest(#[source] DigestError),
}

impl Reference {
    /// Returns the registry's host and port as written, `docker.io` for Docker Hub.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// Returns the path inside the registry, such as `library/redis`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// Returns the tag; a reference without a digest always has one.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// Returns the digest that pins the content, if there is one.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// Returns registry and repository, `docker.io/library/redis`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// Returns the name as people type it: `redis` for `docker.io/library/redis`.
    pub fn familiar_name(&self) -> String {
        match self.registry.as_str() {
            HUB => match self.repository.strip_prefix(HUB_LIBRARY) {
                // `library/a/b` keeps its prefix: without it, it would read as the repository `a/b`.
                Some(short) if !short.contains('/') => short.to_owned(),
                _ => self.repository.clone(),
            },
            _ => self.name(),
        }
    }

    /// Returns the reference as people type it: `redis:7` or `redis:7@sha256:…`.
    pub fn familiar(&self) -> String {
        render(self.familiar_name(), self.tag(), self.digest)
    }

    /// Returns the same repository pinned to `digest`, without a tag.
    pub fn at_digest(&self, digest: Digest) -> Reference {
        Reference { tag: None, digest: Some(digest), ..self.clone() }
    }

    /// Returns another tag of the same repository.
    pub fn at_tag(&self, tag: &str) -> Result<Reference, ReferenceError> {
        check_tag(tag)?;
        Ok(Reference { tag: Some(tag.to_owned()), digest: None, ..self.clone() })
    }

    /// Returns what a registry is asked for: the digest if there is one, else the tag.
    pub(super) fn selector(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.clone(),
            (None, None) => DEFAULT_TAG.to_owned(),
        }
    }

    /// Returns the form under which the local index knows the content: by digest if there is one, else by tag.
    pub(super) fn key(&self) -> Reference {
        match self.digest {
            Some(digest) => self.at_digest(digest),
            None => self.clone(),
        }
    }
}

fn render(name: String, tag: Option<&str>, digest: Option<Digest>) -> String {
    let tag = tag.map(|tag| format!(":{tag}")).unwrap_or_default();
    let digest = digest.map(|digest| format!("@{digest}")).unwrap_or_default();
    name + &tag + &digest
}

impl fmt::Display for Reference {
    /// Writes the normalised form, `docker.io/library/redis:7@sha256:…`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&render(self.name(), self.tag(), self.digest))
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse().map_err(ReferenceError::Digest)?)),
            None => (text, None),
        };
        let (name, tag) = split_tag(rest);
        if Digest::from_hex(name).is_ok() {
            return Err(ReferenceError::LooksLikeId { name: name.to_owned() });
        }
        let (registry, repository) = split_registry(name);
        check_registry(registry)?;
        check_repository(&repository)?;
        if let Some(tag) = tag {
            check_tag(tag)?;
        }
        let tag = match (tag, digest) {
            (None, None) => Some(DEFAULT_TAG),
            (tag, _) => tag,
        };
        Ok(Reference { registry: registry.to_owned(), repository, tag: tag.map(str::to_owned), digest })
    }
}

/// A colon starts a tag only behind the last slash; before it, it belongs to a port.
fn split_tag(text: &str) -> (&str, Option<&str>) {
    let last = text.rfind('/').map_or(0, |slash| slash + 1);
    match text[last..].split_once(':') {
        Some((_, tag)) => (&text[..text.len() - tag.len() - 1], Some(tag)),
        None => (text, None),
    }
}

fn split_registry(name: &str) -> (&str, String) {
    let (registry, path) = match name.split_once('/') {
        Some((first, path)) if is_host(first) => (first, path),
        _ => (HUB, name),
    };
    let registry = if registry == HUB_LEGACY { HUB } else { registry };
    let in_library = registry == HUB && !path.contains('/') && !path.is_empty();
    (registry, if in_library { format!("{HUB_LIBRARY}{path}") } else { path.to_owned() })
}

fn is_host(first: &str) -> bool {
    first == "localhost" || first.contains(['.', ':']) || first.contains(|c: char| c.is_ascii_uppercase())
}

fn check_registry(registry: &str) -> Result<(), ReferenceError> {
    let (host, port) = match registry.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => {
            address.parse::<std::net::Ipv6Addr>().map_err(|_| ReferenceError::Format)?;
            (None, port)
        }
        None => {
            let end = registry.find(':').unwrap_or(registry.len());
            (Some(&registry[..end]), &registry[end..])
        }
    };
    let host_ok = host.is_none_or(|host| host.split('.').all(is_host_label));
    let port_ok = port.is_empty()
        || port.strip_prefix(':').is_some_and(|port| {
            port.bytes().all(|digit| digit.is_ascii_digit()) && port.parse::<u16>().is_ok()
        });
    if host_ok && port_ok { Ok(()) } else { Err(ReferenceError::Format) }
}

fn is_host_label(label: &str) -> bool {
    !label.is_empty()
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn check_repository(repository: &str) -> Result<(), ReferenceError> {
    if repository.len() > REPOSITORY_LEN_MAX {
        return Err(ReferenceError::TooLong);
    }
    if repository.split('/').all(is_path_component) {
        return Ok(());
    }
    let lower = repository.to_ascii_lowercase();
    if lower != repository && lower.split('/').all(is_path_component) {
        return Err(ReferenceError::Uppercase { name: repository.to_owned() });
    }
    Err(ReferenceError::Format)
}

/// Lower-case letters and digits, joined by `.`, `_`, `__` or any number of `-`.
fn is_path_component(component: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = component.as_bytes();
    let (Some(&first), Some(&last)) = (bytes.first(), bytes.last()) else { return false };
    if !is_word(first) || !is_word(last) {
        return false;
    }
    let mut separators = bytes.split(|&byte| is_word(byte)).filter(|run| !run.is_empty());
    separators.all(|run| run == b"." || run == b"_" || run == b"__" || run.iter().all(|&byte| byte == b'-'))
}

fn check_tag(tag: &str) -> Result<(), ReferenceError> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let first_ok = tag.bytes().next().is_some_and(is_word);
    let rest_ok = tag.bytes().all(|byte| is_word(byte) || byte == b'.' || byte == b'-');
    if first_ok && rest_ok && tag.len() <= TAG_LEN_MAX { Ok(()) } else { Err(ReferenceError::Format) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[track_caller]
    fn parsed(text: &str) -> Reference {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn short_names_belong_to_the_hub() {
        for (text, full, familiar) in [
            ("redis", "docker.io/library/redis:latest", "redis:latest"),
            ("redis:7", "docker.io/library/redis:7", "redis:7"),
            ("docker.io/redis:7", "docker.io/library/redis:7", "redis:7"),
            ("index.docker.io/library/redis", "docker.io/library/redis:latest", "redis:latest"),
            ("team/app", "docker.io/team/app:latest", "team/app:latest"),
            ("docker.io/library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest"),
            ("localhost/app:1", "localhost/app:1", "localhost/app:1"),
            ("localhost:5000/app", "localhost:5000/app:latest", "localhost:5000/app:latest"),
            (
                "r.example:5000/a/b__c-d.e:T_1",
                "r.example:5000/a/b__c-d.e:T_1",
                "r.example:5000/a/b__c-d.e:T_1",
            ),
            ("[::1]:5000/app:1", "[::1]:5000/app:1", "[::1]:5000/app:1"),
            ("Host/app", "Host/app:latest", "Host/app:latest"),
            ("test.com:5000", "docker.io/library/test.com:5000", "test.com:5000"),
        ] {
            let reference = parsed(text);
            assert_eq!(reference.to_string(), full, "{text}");
            assert_eq!(reference.familiar(), familiar, "{text}");
            assert_eq!(parsed(full), reference, "{text}");
            assert_eq!(parsed(familiar), reference, "{text}");
        }
    }

    #[test]
    fn a_digest_wins_over_a_tag() {
        let both = parsed(&format!("redis:7@{DIGEST}"));
        assert_eq!(both.familiar(), format!("redis:7@{DIGEST}"));
        assert_eq!(both.selector(), DIGEST);
        assert_eq!(both.key().familiar(), format!("redis@{DIGEST}"));
        let only = parsed(&format!("redis@{DIGEST}"));
        assert_eq!(only.tag(), None);
    }

    #[test]
    fn what_docker_refuses_is_refused_in_its_words() {
        let said = |text: &str| text.parse::<Reference>().unwrap_err().to_string();
        for text in [
            "",
            ":7",
            "@x",
            "redis:",
            "redis:7:8",
            "a//b",
            "/a",
            "a/",
            "-a",
            "a..b",
            "a___b",
            "redis:é",
            "redis:-1",
            "redis@sha256:00",
            "redis@sha512:00",
            "ex ample/app",
            "r.example:99999/app",
            "r.example:/../app",
            "../redis",
            "r.example/..",
            "[::1/app",
            "a b",
            "-.example/app",
        ] {
            assert_eq!(said(text), "invalid reference format", "{text}");
        }
        assert_eq!(
            said("Redis"),
            "invalid reference format: repository name (library/Redis) must be lowercase"
        );
        assert!(said(&DIGEST[7..]).contains("64-byte hexadecimal"));
        assert!(said(&"a".repeat(256)).contains("255"));
        assert!(format!("redis:{}", "t".repeat(128)).parse::<Reference>().is_ok());
        assert!(format!("redis:{}", "t".repeat(129)).parse::<Reference>().is_err());
    }
}
