//! Which of an image's variants a node runs.
//!
//! Decides whether a variant fits a platform and which of several fits best. A CPU of a newer generation runs what
//! was built for an older one of the same architecture (`arm/v7` runs `arm/v6`), never the reverse; the newest that
//! fits wins.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An operating system and CPU, in Go's names: `linux`, `amd64`, and for some CPUs a generation such as `v7`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Platform {
    /// The operating system, `linux` everywhere Skep runs.
    pub os: String,
    /// The CPU architecture.
    pub architecture: String,
    /// The generation of the architecture, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl Platform {
    /// Returns the platform this binary was built for.
    pub fn host() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "x86" => "386",
            "aarch64" => "arm64",
            "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
            "powerpc64" => "ppc64",
            "loongarch64" => "loong64",
            other => other,
        };
        Self { os: "linux".to_owned(), architecture: architecture.to_owned(), variant: None }
    }

    /// Returns how well `offered` suits this platform: `None` if it does not run here, else higher is better.
    pub(super) fn suits(&self, offered: &Platform) -> Option<u32> {
        if self.os != offered.os || self.architecture != offered.architecture {
            return None;
        }
        let generation = offered.generation()?;
        (generation <= self.generation()?).then_some(generation)
    }

    /// A missing variant means the one that images of that architecture are usually built for.
    fn generation(&self) -> Option<u32> {
        match (self.variant.as_deref(), self.architecture.as_str()) {
            (None | Some(""), "arm") => Some(7),
            (None | Some(""), "arm64") => Some(8),
            (None | Some(""), "amd64") => Some(1),
            (None | Some(""), _) => Some(0),
            (Some(variant), _) => variant.strip_prefix('v')?.split('.').next()?.parse().ok(),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant
            .iter()
            .filter(|variant| !variant.is_empty())
            .try_for_each(|variant| write!(f, "/{variant}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(text: &str) -> Platform {
        let mut parts = text.split('/').map(str::to_owned);
        Platform { os: parts.next().unwrap(), architecture: parts.next().unwrap(), variant: parts.next() }
    }

    #[test]
    fn the_newest_generation_that_runs_wins() {
        let suits = |wanted: &str, offered: &str| platform(wanted).suits(&platform(offered));
        assert_eq!(suits("linux/amd64", "linux/amd64"), Some(1));
        assert_eq!(suits("linux/amd64", "linux/amd64/v3"), None);
        assert_eq!(suits("linux/arm64", "linux/arm64/v8"), Some(8));
        assert_eq!(suits("linux/arm/v7", "linux/arm/v6"), Some(6));
        assert_eq!(suits("linux/arm/v6", "linux/arm/v7"), None);
        assert!(suits("linux/arm/v7", "linux/arm/v7") > suits("linux/arm/v7", "linux/arm/v5"));
        assert_eq!(suits("linux/amd64", "windows/amd64"), None);
        assert_eq!(suits("linux/amd64", "linux/arm64"), None);
        assert_eq!(suits("linux/s390x", "linux/s390x"), Some(0));
        assert_eq!(platform("linux/arm64/v8").to_string(), "linux/arm64/v8");
    }
}
