//! `os[/arch[/variant]]`, with what is not named filled in for this machine.

use skep_api::platform::{Here, Platform, parse};

use super::Invalid;

/// Parses a platform.
pub(crate) fn platform(text: &str) -> Result<Platform, Invalid> {
    parse(text, Here { os: go_os(), architecture: go_arch() }).map_err(Invalid::new)
}

/// The architecture of this program in Go's words, which everything else in this ecosystem uses.
pub(crate) fn go_arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// The same for the system.
pub(crate) fn go_os() -> &'static str {
    match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Daemon, docker, json};

    /// What docker's client sends, or says, is what we send, or say.
    #[tokio::test]
    async fn platforms_are_read_as_docker_reads_them() {
        let daemon = Daemon::start(|_, _| json(404, r#"{"message":"nobody"}"#));
        let host = daemon.host();
        let env = [("DOCKER_HOST", host.as_str()), ("HOME", "/nonexistent")];
        for platform in [
            "linux",
            "LINUX",
            "windows",
            "macos",
            "darwin/arm64",
            "amd64",
            "x86_64",
            "X86-64",
            "i386",
            "aarch64",
            "arm",
            "armhf",
            "armel",
            "riscv64",
            "foo",
            "all",
            "foo/bar",
            "linux/amd64",
            "Linux/AMD64/V1",
            "linux/amd64/v2",
            "linux/arm64",
            "linux/arm64/v8",
            "linux/arm64/8",
            "linux/arm64/v9.0",
            "linux/arm",
            "linux/arm/v7",
            "linux/arm/6",
            "linux/arm/5",
            "linux/arm/8",
            "linux/armhf/v5",
            "linux/i386/x",
            "windows(10.0.17763)/amd64",
            "windows()",
            "windows(10.0)",
            "a/b/c/d",
            "a/b/c/d/e",
            "linux/",
            "/amd64",
            "/",
            "li nux",
            "linux/a b",
            "linux/$",
            "linux*",
            "linux(10",
            "linux)10(",
            "linux(a b)",
            "linux.x",
            "linux/x.y",
            "linux/amd64/",
            "ü",
        ] {
            for command in ["image history", "image inspect", "image save"] {
                let line = format!("{command} --platform={platform}");
                let words =
                    [&command.split(' ').collect::<Vec<_>>()[..], &["--platform", platform, "x"]].concat();
                let Some(theirs) = docker(&words, &env).await else {
                    eprintln!("skipped: no docker client 28.2 here");
                    return;
                };
                let (theirs, they_asked) = (theirs.nameless(), daemon.requests());
                let (ours, we_asked) = (daemon.skep(&words).await.nameless(), daemon.requests());
                assert_eq!((ours, we_asked), (theirs, they_asked), "{line}");
            }
        }
    }
}
