//! `os[(version)][/arch[/variant]]`, as containerd reads it for docker's client and for its daemon.

use serde::Serialize;

/// What a word alone may be, if it is no architecture.
const SYSTEMS: [&str; 17] = [
    "aix",
    "android",
    "darwin",
    "dragonfly",
    "freebsd",
    "hurd",
    "illumos",
    "ios",
    "js",
    "linux",
    "nacl",
    "netbsd",
    "openbsd",
    "plan9",
    "solaris",
    "windows",
    "zos",
];

/// What a word alone may be, if it is no system.
const ARCHITECTURES: [&str; 24] = [
    "386",
    "amd64",
    "amd64p32",
    "arm",
    "arm64",
    "arm64be",
    "armbe",
    "loong64",
    "mips",
    "mips64",
    "mips64le",
    "mips64p32",
    "mips64p32le",
    "mipsle",
    "ppc",
    "ppc64",
    "ppc64le",
    "riscv",
    "riscv64",
    "s390",
    "s390x",
    "sparc",
    "sparc64",
    "wasm",
];

/// A platform, in the form in which the API has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Platform {
    /// OCI's `architecture`, in Go's words.
    pub architecture: String,
    /// OCI's `os`.
    pub os: String,
    /// OCI's `os.version`; empty if it was not named.
    #[serde(rename = "os.version", skip_serializing_if = "str::is_empty")]
    pub os_version: String,
    /// OCI's `variant`; empty if it was not named and is the usual one.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub variant: String,
}

/// Where a platform is read: what fills in for the half that one word leaves open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Here<'a> {
    /// In Go's words.
    pub os: &'a str,
    /// In Go's words.
    pub architecture: &'a str,
}

/// Parses a platform; the refusal is containerd's sentence. That nobody has such a platform is found out later, unless it is
/// one word.
pub fn parse(text: &str, here: Here<'_>) -> Result<Platform, String> {
    if text.contains('*') {
        return Err(format!("{text:?}: wildcards not yet supported: invalid argument"));
    }
    let parts: Vec<&str> = text.splitn(4, '/').collect();
    let Some((os, version)) = system(parts[0]) else {
        return Err(format!(
            "{:?} is an invalid OS component of {text:?}: OSAndVersion specifier component must match {:?}: invalid argument",
            parts[0], r"^([A-Za-z0-9_-]+)(?:\(([A-Za-z0-9_.-]*)\))?$"
        ));
    };
    if let Some(part) = parts[1..].iter().find(|part| !is_word(part, ".")) {
        return Err(format!(
            "{part:?} is an invalid component of {text:?}: platform specifier component must match {:?}: invalid argument",
            "^[A-Za-z0-9_.-]+$"
        ));
    }
    let os = match os.to_lowercase().as_str() {
        "macos" => "darwin".to_owned(),
        known => known.to_owned(),
    };
    let made = |(architecture, variant): (String, String), os: String| Platform {
        architecture,
        os,
        os_version: version.to_owned(),
        variant,
    };
    match &parts[..] {
        [_] if SYSTEMS.contains(&os.as_str()) => Ok(made((here.architecture.to_owned(), String::new()), os)),
        [word] => match usual(architecture(word, "")) {
            known if ARCHITECTURES.contains(&known.0.as_str()) => Ok(made(known, here.os.to_owned())),
            _ => Err(format!("{text:?}: unknown operating system or architecture: invalid argument")),
        },
        [_, word] => Ok(made(usual(architecture(word, "")), os)),
        [_, word, variant] => {
            let (architecture, mut variant) = architecture(word, variant);
            if architecture == "arm64" && variant.is_empty() {
                "v8".clone_into(&mut variant);
            }
            Ok(made((architecture, variant), os))
        }
        _ => Err(format!("{text:?}: cannot parse platform specifier: invalid argument")),
    }
}

/// Splits `os(version)`.
fn system(text: &str) -> Option<(&str, &str)> {
    let (os, version) = match text.split_once('(') {
        None => (text, ""),
        Some((os, rest)) => (os, rest.strip_suffix(')')?),
    };
    (is_word(os, "") && (version.is_empty() || is_word(version, "."))).then_some((os, version))
}

fn is_word(text: &str, also: &str) -> bool {
    let is_fit =
        |letter: char| letter.is_ascii_alphanumeric() || "_-".contains(letter) || also.contains(letter);
    !text.is_empty() && text.chars().all(is_fit)
}

/// The seventh version of arm is the usual one, which is not named where no variant was.
fn usual((architecture, variant): (String, String)) -> (String, String) {
    let is_usual = architecture == "arm" && variant == "v7";
    (architecture, if is_usual { String::new() } else { variant })
}

/// The architecture and its variant under the names that images have for them.
fn architecture(word: &str, variant: &str) -> (String, String) {
    let (word, variant) = (word.to_lowercase(), variant.to_lowercase());
    let (word, variant) = match (word.as_str(), variant.as_str()) {
        ("i386", _) => ("386", ""),
        ("x86_64" | "x86-64" | "amd64", "v1") => ("amd64", ""),
        ("x86_64" | "x86-64" | "amd64", other) => ("amd64", other),
        ("aarch64" | "arm64", "8" | "v8" | "v8.0") => ("arm64", ""),
        ("aarch64" | "arm64", "9" | "9.0" | "v9.0") => ("arm64", "v9"),
        ("aarch64" | "arm64", other) => ("arm64", other),
        ("armhf", _) => ("arm", "v7"),
        ("armel", _) => ("arm", "v6"),
        ("arm", "" | "7") => ("arm", "v7"),
        ("arm", "5") => ("arm", "v5"),
        ("arm", "6") => ("arm", "v6"),
        ("arm", "8") => ("arm", "v8"),
        other => other,
    };
    (word.to_owned(), variant.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read on a machine of arm64, or the refusal's last part. `cli` holds all of it against docker's client.
    fn read(text: &str) -> String {
        match parse(text, Here { os: "linux", architecture: "arm64" }) {
            Ok(platform) => {
                let Platform { architecture, os, os_version, variant } = platform;
                format!("{os} {os_version} {architecture} {variant}")
            }
            Err(error) => error.rsplit(": ").nth(1).expect("a sentence in parts").to_owned(),
        }
    }

    #[test]
    fn a_word_alone_is_a_system_or_an_architecture() {
        assert_eq!(read("windows(10.0)"), "windows 10.0 arm64 ");
        assert_eq!(read("x86_64"), "linux  amd64 ");
        assert_eq!(read("armel"), "linux  arm v6");
        assert_eq!(read("macos/aarch64/9"), "darwin  arm64 v9");
        assert_eq!(read("linux/arm64/8"), "linux  arm64 v8");
        assert_eq!(read("linux/arm"), "linux  arm ");
        assert_eq!(read("a/b"), "a  b ");
        assert_eq!(read("foo"), "unknown operating system or architecture");
        assert_eq!(read("a/b/c/d"), "cannot parse platform specifier");
        assert_eq!(read("linux*"), "wildcards not yet supported");
    }
}
