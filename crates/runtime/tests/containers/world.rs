//! A runtime in a temporary directory with a busybox image, taken away whatever happens.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use skep_runtime::logs::{Query, Reader, Record};
use skep_runtime::{Container, Exec, ExecExit, ExecLimits, Exit, Handle, Options, Process, Rootfs, Runtime};

static COUNT: AtomicU32 = AtomicU32::new(0);

/// Longest life of anything in these tests.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub struct World {
    pub directory: tempfile::TempDir,
    pub options: Options,
    pub runtime: Runtime,
}

impl World {
    pub fn new() -> World {
        World::with(crate::RUNTIME)
    }

    pub fn with(oci_runtime: Option<&str>) -> World {
        let directory = tempfile::Builder::new().prefix("skep-runtime-").tempdir().expect("a directory");
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let options = Options {
            exec_root: directory.path().join("exec"),
            data_root: directory.path().join("data"),
            cgroup_parent: format!("/skep-test-{}-{number}", std::process::id()),
            oci_runtime: oci_runtime.map(PathBuf::from),
            shim_binary: Some(env!("CARGO_BIN_EXE_skep-runtime-testbed").into()),
        };
        make_image(&directory.path().join("image"));
        let runtime = Runtime::open(options.clone()).expect("a runtime");
        World { directory, options, runtime }
    }

    /// Returns a path in the world's directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Returns a container that runs `args` in the busybox image.
    pub fn container(&self, args: &[&str]) -> Container {
        Container {
            id: new_id(),
            rootfs: Rootfs { layers: vec![self.path("image")], read_only: false },
            process: Process { args: args.iter().map(|a| (*a).to_owned()).collect(), ..Process::default() },
            ..Container::default()
        }
    }

    pub fn shell(&self, script: &str) -> Container {
        self.container(&["sh", "-c", script])
    }

    /// Creates and starts.
    pub async fn start(&self, container: &Container) -> Handle {
        let handle = self.runtime.create(container).await.expect("created");
        handle.start().await.expect("started");
        handle
    }

    /// Runs to the end; returns the exit and the output of both streams.
    pub async fn run(&self, container: &Container) -> (Exit, String) {
        let handle = self.start(container).await;
        let exit = tokio::time::timeout(PATIENCE, handle.wait()).await.expect("an end");
        let text = text(&records(&handle, Query::default()).await);
        handle.delete().await.expect("deleted");
        (exit, text)
    }

    /// Runs a script to a successful end and returns its output.
    pub async fn output(&self, container: &Container) -> String {
        let (exit, text) = self.run(container).await;
        assert_eq!(exit.code, 0, "{text}");
        text
    }

    /// Opens the runtime again, as a new daemon would.
    pub fn reopen(&mut self) {
        self.runtime = Runtime::open(self.options.clone()).expect("a runtime");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let runtime = self.runtime.clone();
        let purge = std::thread::spawn(move || {
            let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("tokio");
            tokio.block_on(runtime.purge())
        });
        let purged = purge.join().expect("no panic in purge");
        if !std::thread::panicking() {
            purged.expect("purged");
        }
    }
}

pub fn new_id() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let tail = format!("{:08x}{:08x}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    format!("{tail:0>64}")
}

pub async fn records(handle: &Handle, query: Query) -> Vec<Record> {
    let mut reader = Reader::open(handle.log_path(), query).await.expect("a log");
    let mut records = Vec::new();
    while let Some(record) = reader.next().await.expect("a record") {
        records.push(record);
    }
    records
}

pub fn text(records: &[Record]) -> String {
    records.iter().map(|record| record.line.as_str()).collect()
}

pub async fn exec(handle: &Handle, args: &[&str]) -> ExecExit {
    let exec = Exec { args: args.iter().map(|a| (*a).to_owned()).collect(), ..Exec::default() };
    handle.exec(&exec, LIMITS).await.expect("executed")
}

pub const LIMITS: ExecLimits = ExecLimits { timeout: PATIENCE, output_bytes_max: 4096 };

/// Waits until the container has printed `text`.
pub async fn printed(handle: &Handle, text: &str) {
    let (_running, ended) = tokio::sync::watch::channel(false);
    let query = Query { follow: Some(ended), ..Query::default() };
    let mut reader = Reader::open(handle.log_path(), query).await.expect("a log");
    let search = async {
        while let Some(record) = reader.next().await.expect("a record") {
            if record.line.contains(text) {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, search).await.expect("the text in time");
}

fn make_image(root: &Path) {
    for directory in ["bin", "etc", "tmp", "root", "home/app"] {
        fs::create_dir_all(root.join(directory)).expect("a directory");
    }
    fs::copy("/bin/busybox", root.join("bin/busybox")).expect("busybox-static is installed");
    let applets =
        std::process::Command::new("/bin/busybox").arg("--list").output().expect("a list of applets");
    for applet in String::from_utf8_lossy(&applets.stdout).lines().filter(|name| *name != "busybox") {
        symlink("busybox", root.join("bin").join(applet)).expect("a link");
    }
    let passwd = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001:app:/home/app:/bin/sh\n";
    fs::write(root.join("etc/passwd"), passwd).expect("written");
    fs::write(root.join("etc/group"), "root:x:0:\napp:x:1001:\nlogs:x:50:app\n").expect("written");
}
