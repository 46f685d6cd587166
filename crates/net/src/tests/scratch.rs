//! A machine of its own for one test: private network and mount namespaces, gone with the test's thread.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rtnetlink::packet_route::link::{InfoData, InfoKind, InfoVeth};
use rtnetlink::{LinkMessageBuilder, LinkUnspec, LinkVeth};
use rustix::mount::{MountFlags, MountPropagationFlags};
use rustix::thread::UnshareFlags;

use crate::netlink::Netlink;
use crate::netns::{self, Inside};
use crate::thread::on_thread;
use crate::{Config, Host};

/// Covered by a private tmpfs in each test.
const PRIVATE_DIRECTORY: &str = "/mnt";
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs a test on a machine of its own.
pub(super) fn on_scratch_machine<F: Future<Output = ()>>(test: impl FnOnce() -> F + Send + 'static) {
    let thread = std::thread::spawn(move || {
        // SAFETY: the file descriptor table stays shared; only this thread's and its children's view of
        // the network and of the mounts changes, and the thread ends with the test.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET | UnshareFlags::NEWNS) }
            .expect("these tests need root");
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        rustix::mount::mount_change("/", private).unwrap();
        rustix::mount::mount("tmpfs", PRIVATE_DIRECTORY, "tmpfs", MountFlags::empty(), None).unwrap();
        // As in production, several workers; they start in this thread's namespaces.
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(test());
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

pub(super) fn config() -> Config {
    Config::new("172.31.0.1/16".parse().unwrap(), Path::new(PRIVATE_DIRECTORY).join("skep/netns"))
}

pub(super) async fn host() -> Host {
    Host::open(config()).await.unwrap()
}

pub(super) fn ip(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

/// Runs a command on the scratch machine and returns what it prints.
pub(super) fn run(command: &str) -> String {
    let mut words = command.split_whitespace();
    let program = words.next().unwrap();
    let output = Command::new(program).args(words).output().unwrap_or_else(|e| panic!("{program}: {e}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

pub(super) fn open_netlink() -> Netlink {
    Netlink::open(&tokio::runtime::Handle::current()).unwrap()
}

/// Runs blocking code in the network namespace mounted on `path`.
pub(super) async fn within<T: Send + 'static>(path: &Path, work: impl FnOnce() -> T + Send + 'static) -> T {
    let file = std::fs::File::open(path).unwrap();
    on_thread("test-within", move || {
        netns::move_into(file).unwrap();
        work()
    })
    .await
    .unwrap()
}

/// Another machine, at 192.0.2.2, wired to the scratch machine, which is 192.0.2.1. It has no route back
/// to any container.
pub(super) struct Outside {
    _namespace: Inside,
    path: PathBuf,
}

impl Outside {
    pub(super) async fn new() -> Self {
        let namespace = netns::scratch().await.unwrap();
        let netlink = open_netlink();
        let peer = LinkMessageBuilder::<LinkUnspec>::new().name("wire").setns_by_fd(namespace.number());
        let pair = LinkMessageBuilder::<LinkVeth>::new_with_info_kind(InfoKind::Veth)
            .name("outside")
            .set_info_data(InfoData::Veth(InfoVeth::Peer(peer.build())))
            .up();
        netlink.add_link(pair.build()).await.unwrap();
        for (side, name, address) in
            [(&netlink, "outside", "192.0.2.1"), (&namespace.netlink, "wire", "192.0.2.2")]
        {
            let link = side.link(name).await.unwrap().unwrap();
            side.set_link(LinkUnspec::new_with_index(link.index).up().build()).await.unwrap();
            side.put_address(link.index, ip(address), 24).await.unwrap();
        }
        let path = format!("/proc/self/fd/{}", namespace.number()).into();
        Self { _namespace: namespace, path }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// A server that tells each caller the address it saw.
pub(super) async fn serve(namespace: &Path, address: Ipv4Addr) -> SocketAddr {
    let listener = within(namespace, move || TcpListener::bind((address, 0)).unwrap()).await;
    let bound = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        // Until the test process ends; the socket holds a namespace nobody else sees.
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let peer = stream.peer_addr().unwrap().ip();
            // A caller that gave up is the test's business, not the server's.
            drop(writeln!(stream, "{peer}"));
        }
    });
    bound
}

/// Calls such a server; returns the address it saw, or none if it cannot be reached in time.
pub(super) async fn call(namespace: &Path, server: SocketAddr, patience: Duration) -> Option<String> {
    within(namespace, move || {
        let mut stream = TcpStream::connect_timeout(&server, patience).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut seen = String::new();
        stream.read_to_string(&mut seen).ok()?;
        Some(seen.trim_end().to_owned())
    })
    .await
}
