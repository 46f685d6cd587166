//! The network of one node: its bridge, its nftables table, and the attachments of its tasks.
//!
//! ```text
//!   task's namespace            host's namespace
//!   eth0 172.31.0.5 ── veth ── skac1f0005 ─┐
//!   eth0 172.31.0.6 ── veth ── skac1f0006 ─┴─ skep0 172.31.0.1 ── masquerade ── the outside
//! ```
//!
//! Everything is kernel state that outlives this process: an agent that is killed or replaced disturbs
//! no traffic, opens the host again and finds the attachments. Which address a task gets is not decided
//! here but in [`crate::addresses`].

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{StreamExt, stream};

use crate::bridge;
use crate::config::{Config, validate_id};
use crate::error::{Doing, NetError, Removal, chain};
use crate::mac::Mac;
use crate::netlink::Netlink;
use crate::netns::{Inside, Namespaces};
use crate::nft::connections;
use crate::nft::neighbours;
use crate::nft::ruleset::{Holder, Ruleset};
use crate::port::{self, Port};
use crate::publish::{Book, Published};
use crate::sysctl;
use crate::thread::on_thread;

/// Each detach has a thread that mostly waits; together they share the kernel's waiting times.
const DETACHES_AT_ONCE_MAX: usize = 16;

/// The data plane of one node. Needs a Tokio runtime with I/O and time; works in the network namespace of the
/// thread that opened it, and is meant for a process whose threads all share one.
#[derive(Debug)]
pub struct Host {
    config: Config,
    netlink: Netlink,
    namespaces: Namespaces,
    busy: Busy,
    /// Held while the rules are written, so that they are always those of the last change.
    book: tokio::sync::Mutex<Book>,
}

/// A task's network, ready for a container to join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// The file to join the network namespace by.
    pub netns: PathBuf,
    /// The task's address.
    pub address: Ipv4Addr,
    /// The prefix length of its subnet.
    pub prefix: u8,
    /// Its default route.
    pub gateway: Ipv4Addr,
    /// The hardware address of its `eth0`.
    pub mac: Mac,
    /// The name of the pair's other end, on the host.
    pub host_interface: String,
}

/// What the kernel holds for an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub id: String,
    /// None if only a namespace is left, because an attach or detach was cut short.
    pub address: Option<Ipv4Addr>,
}

impl Host {
    /// Makes the node's network ready, creating what is missing and repairing what differs.
    pub async fn open(config: Config) -> Result<Self, NetError> {
        config.validate()?;
        let runtime = tokio::runtime::Handle::current();
        let netlink = Netlink::open(&runtime).doing("open netlink for", "the host")?;
        let namespaces = ensure(&netlink, &config, Vec::new()).await?;
        port::sweep(&netlink, &config.bridge).await?;
        let book = tokio::sync::Mutex::default();
        Ok(Self { config, netlink, namespaces, busy: Busy::default(), book })
    }

    /// Opens ports of this host for `id`, in place of those it had; returns them with the numbers that were chosen for 0.
    /// A port that somebody has is an error, and none is open then.
    pub async fn publish(&self, id: &str, wishes: &[Published]) -> Result<Vec<Published>, NetError> {
        validate_id(id)?;
        let mut book = self.book.lock().await;
        let published = book.reserve(id, wishes)?;
        if let Err(error) = self.load(&book).await {
            book.forget(id);
            return Err(error);
        }
        Ok(published)
    }

    /// Closes the ports of `id`.
    pub async fn unpublish(&self, id: &str) -> Result<(), NetError> {
        let mut book = self.book.lock().await;
        let closed = book.forget(id);
        let Some(Published { address, .. }) = closed.first().copied() else { return Ok(()) };
        self.load(&book).await?;
        // After the rules, or a packet in between would be remembered again.
        let forgotten = on_thread("net-forget", move || connections::forget(address)).await;
        forgotten.doing("forget the connections of", address)?.doing("forget the connections of", address)
    }

    async fn load(&self, book: &Book) -> Result<(), NetError> {
        let (config, published) = (self.config.clone(), book.list());
        on_thread("net-publish", move || load(&config, &published))
            .await
            .doing("publish ports of", "the host")?
    }

    /// Repairs what somebody else changed: the bridge, IP forwarding, the rules here and in other
    /// firewalls. It may be called at any time and disturbs no running traffic; when all is well it costs
    /// a few milliseconds. A bridge that had to be made anew gets its ports back by [`Host::attach`].
    pub async fn repair(&self) -> Result<(), NetError> {
        let book = self.book.lock().await;
        ensure(&self.netlink, &self.config, book.list()).await.map(drop)
    }

    /// Gives `id` a network namespace in which `eth0` has `address`. The same id and address again find
    /// what is there, repair it where needed, and return the same. A failed attach leaves nothing behind
    /// that it made.
    pub async fn attach(&self, id: &str, address: Ipv4Addr) -> Result<Attachment, NetError> {
        validate_id(id)?;
        let subnet = self.config.subnet;
        if !subnet.assignable(address) {
            return Err(NetError::NotAssignable { address, subnet });
        }
        let held = self.busy.hold(id)?;
        let inside = self.namespaces.enter(id, Arc::clone(&held)).await?;
        let port = Port { id, address };
        if let Err(error) = port.ensure(&self.netlink, &inside, &self.config).await {
            self.abandon(id, inside, held).await;
            return Err(error);
        }
        Ok(Attachment {
            netns: self.namespaces.path(id),
            address,
            prefix: subnet.prefix(),
            gateway: subnet.gateway(),
            mac: Mac::of(address),
            host_interface: port.interface(),
        })
    }

    /// Takes the network of `id` away, as far as it is there. Goes on past failures and reports them
    /// together.
    pub async fn detach(&self, id: &str) -> Result<(), NetError> {
        validate_id(id)?;
        let held = self.busy.hold(id)?;
        self.take_apart(id, held).await
    }

    /// Lists every id that has a namespace or a port, in order: what to adopt after a restart, and what
    /// to collect if no task claims it. An attach or detach under way at the same time may show or not.
    pub async fn attachments(&self) -> Result<Vec<Found>, NetError> {
        let namespaces = self.namespaces.clone();
        let files =
            on_thread("netns-list", move || namespaces.list()).await.doing("list", "namespaces")??;
        let mut found: BTreeMap<String, Option<Ipv4Addr>> = files.into_iter().map(|id| (id, None)).collect();
        for (id, address) in port::list(&self.netlink, &self.config.bridge).await? {
            found.insert(id, Some(address));
        }
        Ok(found.into_iter().map(|(id, address)| Found { id, address }).collect())
    }

    /// Removes everything this host owns: attachments, bridge, table, directory. IP forwarding stays on,
    /// since others may rely on it by then.
    pub async fn purge(&self) -> Result<(), NetError> {
        let mut removal = Removal::of(format!("the network behind {}", self.config.bridge));
        let found = removal.note(self.attachments().await).unwrap_or_default();
        let mut detached =
            stream::iter(&found).map(|found| self.detach(&found.id)).buffer_unordered(DETACHES_AT_ONCE_MAX);
        while let Some(result) = detached.next().await {
            removal.note(result);
        }
        removal.note(bridge::remove(&self.netlink, &self.config).await);
        let (config, namespaces) = (self.config.clone(), self.namespaces.clone());
        let rest = on_thread("net-purge", move || (unload(&config), namespaces.close()));
        if let Some((table, directory)) = removal.note(rest.await.doing("purge", "the host")) {
            removal.note(table);
            removal.note(directory);
        }
        removal.finish()
    }

    /// The settings it was opened with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Undoes a failed attach, if the namespace was made by it.
    async fn abandon(&self, id: &str, inside: Inside, held: Arc<Held>) {
        if !inside.created {
            return;
        }
        drop(inside);
        if let Err(error) = self.take_apart(id, held).await {
            tracing::warn!(
                attachment.id = id,
                error = chain(&error),
                "a failed attach left something behind"
            );
        }
    }

    async fn take_apart(&self, id: &str, held: Arc<Held>) -> Result<(), NetError> {
        let mut removal = Removal::of(format!("the network of {id}"));
        // The pair first, so that the address is free even while a process still holds the namespace.
        removal.note(port::remove(&self.netlink, id).await);
        let (namespaces, name) = (self.namespaces.clone(), id.to_owned());
        let removed = on_thread("netns-remove", move || {
            let _held = held;
            namespaces.remove(&name)
        });
        removal.note(removed.await.doing("remove the network namespace of", id).flatten());
        removal.finish()
    }
}

/// Makes everything be there that is not an attachment.
async fn ensure(
    netlink: &Netlink,
    config: &Config,
    published: Vec<Published>,
) -> Result<Namespaces, NetError> {
    bridge::ensure(netlink, config).await?;
    let config = config.clone();
    let blocking = move || {
        sysctl::set("ipv4/ip_forward", "1")?;
        load(&config, &published)?;
        Namespaces::open(&config.netns_dir)
    };
    on_thread("net-ensure", blocking).await.doing("prepare", "the host")?
}

fn load(config: &Config, published: &[Published]) -> Result<(), NetError> {
    let Config { bridge, table, .. } = config;
    let ruleset = Ruleset::publishing(config, published);
    if let Holder::Other(holder) = ruleset.holder().doing("read the nftables table", table)? {
        return Err(NetError::TableTaken { table: table.clone(), holder });
    }
    ruleset.load().map_err(|refused| refused.naming("load the nftables table", table))?;
    if !published.is_empty() {
        // After the rule that keeps the bridge away from 127.0.0.1: without this, it would not lead there either.
        sysctl::set(&format!("ipv4/conf/{bridge}/route_localnet"), "1")?;
    }
    let chains = neighbours::open_for(bridge, table);
    let chains = chains.map_err(|refused| refused.naming("let other firewalls pass the bridge", bridge))?;
    tracing::debug!(net.bridge = bridge, net.foreign_chains = chains, "packet rules are loaded");
    Ok(())
}

fn unload(config: &Config) -> Result<(), NetError> {
    let Config { bridge, table, .. } = config;
    let closed = neighbours::close_for(bridge, table);
    closed.map_err(|refused| refused.naming("leave other firewalls with the bridge", bridge))?;
    let ruleset = Ruleset::new(config);
    match ruleset.holder().doing("read the nftables table", table)? {
        Holder::Us => ruleset.unload().map_err(|refused| refused.naming("remove the nftables table", table)),
        Holder::Nobody | Holder::Other(_) => Ok(()),
    }
}

/// The ids somebody works on at this moment.
#[derive(Debug, Clone, Default)]
struct Busy(Arc<Mutex<BTreeSet<String>>>);

/// The right to work on an id, until its last copy is dropped. Threads that do the work hold one, so a
/// caller who stops waiting does not let the next one in too early.
#[derive(Debug)]
struct Held {
    busy: Busy,
    id: String,
}

impl Busy {
    fn hold(&self, id: &str) -> Result<Arc<Held>, NetError> {
        let fresh = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned());
        if fresh {
            Ok(Arc::new(Held { busy: self.clone(), id: id.to_owned() }))
        } else {
            Err(NetError::Busy { id: id.to_owned() })
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.busy.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}
