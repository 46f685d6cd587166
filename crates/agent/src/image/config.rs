//! The configuration of an image: what a container of it runs unless told otherwise.
//!
//! Decides how the JSON is read: null and absent mean the same, one string is accepted where a list is meant (as old
//! builders wrote), and Docker's extensions that OCI does not have (`Healthcheck`, `Shell`) are kept. What follows
//! from it for a container is decided where containers are made.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::digest::Digest;
use super::platform::Platform;

/// What a container of the image runs unless told otherwise. Empty means unset throughout.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Config {
    /// The program and its first arguments.
    #[serde(deserialize_with = "one_or_many")]
    pub entrypoint: Vec<String>,
    /// Arguments behind the entrypoint, or the whole command without one.
    #[serde(deserialize_with = "one_or_many")]
    pub cmd: Vec<String>,
    /// `NAME=value` pairs in the order of the image.
    #[serde(deserialize_with = "or_default")]
    pub env: Vec<String>,
    /// `user`, `uid`, `user:group` or `uid:gid`, resolved inside the image.
    #[serde(deserialize_with = "or_default")]
    pub user: String,
    /// The directory the program starts in.
    #[serde(deserialize_with = "or_default")]
    pub working_dir: String,
    /// Labels of the image.
    #[serde(deserialize_with = "or_default")]
    pub labels: BTreeMap<String, String>,
    /// A signal's name or number.
    #[serde(deserialize_with = "or_default")]
    pub stop_signal: String,
    /// How to tell whether the container works.
    pub healthcheck: Option<Healthcheck>,
    /// Ports such as `6379/tcp`.
    #[serde(deserialize_with = "keys")]
    pub exposed_ports: BTreeSet<String>,
    /// Paths that get an anonymous volume.
    #[serde(deserialize_with = "keys")]
    pub volumes: BTreeSet<String>,
    /// The shell of `CMD-SHELL` health checks.
    #[serde(deserialize_with = "one_or_many")]
    pub shell: Vec<String>,
}

/// Docker's health check. A missing duration or count means Docker's default, not zero.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Healthcheck {
    /// `["NONE"]`, `["CMD", …]` or `["CMD-SHELL", …]`; empty inherits.
    #[serde(deserialize_with = "one_or_many")]
    pub test: Vec<String>,
    /// The pause between two probes.
    #[serde(deserialize_with = "nanoseconds")]
    pub interval: Option<Duration>,
    /// How long one probe may take.
    #[serde(deserialize_with = "nanoseconds")]
    pub timeout: Option<Duration>,
    /// The time after the start in which failures do not count.
    #[serde(deserialize_with = "nanoseconds")]
    pub start_period: Option<Duration>,
    /// The pause between two probes during that time.
    #[serde(deserialize_with = "nanoseconds")]
    pub start_interval: Option<Duration>,
    /// Failures in a row that make the container unhealthy.
    #[serde(deserialize_with = "count")]
    pub retries: Option<u32>,
}

/// The whole configuration document.
#[derive(Debug, Deserialize)]
pub(super) struct Document {
    #[serde(default, deserialize_with = "or_default")]
    pub config: Config,
    #[serde(default, deserialize_with = "or_default")]
    pub os: String,
    #[serde(default, deserialize_with = "or_default")]
    pub architecture: String,
    pub variant: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub created: String,
    pub rootfs: RootFs,
}

/// The layers by the digests of their uncompressed archives, bottom first.
#[derive(Debug, Deserialize)]
pub(super) struct RootFs {
    #[serde(default, deserialize_with = "or_default")]
    pub diff_ids: Vec<Digest>,
}

impl Document {
    pub fn parse(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// Returns what the image was built for. Hand-made images leave it out; they are taken to suit the host.
    pub fn platform(&self) -> Platform {
        let host = Platform::host();
        let or_host = |text: &str, host: String| if text.is_empty() { host } else { text.to_owned() };
        Platform {
            os: or_host(&self.os, host.os),
            architecture: or_host(&self.architecture, host.architecture),
            variant: self.variant.clone().filter(|variant| !variant.is_empty()),
        }
    }
}

/// Reads null as the default.
pub(in crate::image) fn or_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: Deserializer<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Option::deserialize(deserializer)? {
        None => Vec::new(),
        Some(OneOrMany::One(text)) => vec![text],
        Some(OneOrMany::Many(texts)) => texts,
    })
}

/// Reads a Go set, `{"6379/tcp": {}}`.
fn keys<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeSet<String>, D::Error> {
    let map: Option<BTreeMap<String, serde::de::IgnoredAny>> = Option::deserialize(deserializer)?;
    Ok(map.unwrap_or_default().into_keys().collect())
}

fn nanoseconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let nanos: Option<i64> = Option::deserialize(deserializer)?;
    Ok(nanos.and_then(|nanos| u64::try_from(nanos).ok()).filter(|nanos| *nanos > 0).map(Duration::from_nanos))
}

fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let count: Option<i64> = Option::deserialize(deserializer)?;
    Ok(count.and_then(|count| u32::try_from(count).ok()).filter(|count| *count > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_configuration_is_read() {
        let text = r#"{"architecture":"arm64","variant":"v8","os":"linux","created":"2024-01-01T00:00:00Z",
            "config":{"Entrypoint":["docker-entrypoint.sh"],"Cmd":["redis-server"],"Env":["PATH=/bin","A=b=c"],
              "User":"999:999","WorkingDir":"/data","Labels":{"a":"b"},"StopSignal":"SIGINT",
              "ExposedPorts":{"6379/tcp":{}},"Volumes":{"/data":{}},
              "Healthcheck":{"Test":["CMD","redis-cli","ping"],"Interval":5000000000,"Retries":3,"Timeout":0}},
            "rootfs":{"type":"layers","diff_ids":[]},"history":[{"empty_layer":true}]}"#;
        let document = Document::parse(text.as_bytes()).unwrap();
        assert_eq!(document.platform().to_string(), "linux/arm64/v8");
        let config = document.config;
        assert_eq!(config.entrypoint, ["docker-entrypoint.sh"]);
        assert_eq!(config.env, ["PATH=/bin", "A=b=c"]);
        assert_eq!(config.exposed_ports.iter().collect::<Vec<_>>(), ["6379/tcp"]);
        assert_eq!(config.stop_signal, "SIGINT");
        let health = config.healthcheck.unwrap();
        assert_eq!(health.interval, Some(Duration::from_secs(5)));
        assert_eq!((health.timeout, health.retries), (None, Some(3)));
    }

    #[test]
    fn nulls_and_single_strings_are_tolerated() {
        let text = r#"{"config":{"Entrypoint":null,"Cmd":"sh","Env":null,"Labels":null,"Volumes":null,
            "ExposedPorts":null,"Healthcheck":null,"WorkingDir":null,"OnBuild":null},
            "rootfs":{"type":"layers","diff_ids":null}}"#;
        let document = Document::parse(text.as_bytes()).unwrap();
        assert_eq!(document.config, Config { cmd: vec!["sh".to_owned()], ..Config::default() });
        assert_eq!(document.platform(), Platform::host());
        assert!(Document::parse(br#"{"rootfs":{}}"#).is_ok());
        assert!(Document::parse(b"{}").is_err());
    }
}
