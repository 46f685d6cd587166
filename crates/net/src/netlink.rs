//! Links, addresses and routes of one network namespace: a thin layer over `rtnetlink`.
//!
//! It says what Skep asks the kernel, in Skep's few words, bounds each answer in time, and turns every
//! failure into an [`io::Error`] that carries the kernel's number. A connection stays in the network
//! namespace of the thread that opened it, whatever thread drives it afterwards.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use futures_util::TryStreamExt;
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use rtnetlink::packet_core::{DefaultNla, NLM_F_ACK, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::address::{AddressAttribute, AddressMessage};
use rtnetlink::packet_route::link::{
    InfoKind, LinkAttribute, LinkExtentMask, LinkFlags, LinkInfo, LinkMessage, Prop,
};
use rtnetlink::packet_route::route::{RouteAddress, RouteAttribute, RouteHeader, RouteMessage};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::{Handle, RouteMessageBuilder};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use tokio::task::JoinHandle;

use crate::thread::on_thread;

/// The kernel answers in microseconds; only a lock held elsewhere (a module load, a mass deletion of
/// namespaces) delays it. Beyond this the caller is better served by an error.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// `IFLA_ALT_IFNAME`, which the library knows only inside a property list.
const ALT_IFNAME: u16 = 53;

/// A connection to the kernel's routing layer, bound to one network namespace.
#[derive(Debug)]
pub(crate) struct Netlink {
    handle: Handle,
    connection: JoinHandle<()>,
}

/// What Skep wants to know about an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub index: u32,
    pub name: String,
    /// Other names of the interface, each unique in its namespace like the first.
    pub alternative_names: Vec<String>,
    /// A free text somebody attached to the interface.
    pub alias: Option<String>,
    /// Such as `bridge` or `veth`; none for physical interfaces.
    pub kind: Option<InfoKind>,
    /// The index of the bridge it is a port of.
    pub controller: Option<u32>,
    pub up: bool,
    /// The largest packet it takes, in bytes.
    pub mtu: u32,
}

/// An IPv4 address of an interface, with the message to delete it by.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    pub link: u32,
    pub address: Ipv4Addr,
    pub prefix: u8,
    message: AddressMessage,
}

/// An IPv4 route; the default route has the prefix 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    pub destination: Ipv4Addr,
    pub prefix: u8,
    pub link: Option<u32>,
}

impl Drop for Netlink {
    fn drop(&mut self) {
        // The socket would pin its namespace until the connection noticed that its last handle is gone.
        self.connection.abort();
    }
}

impl Netlink {
    /// Connects to the network namespace of the calling thread; `runtime` drives the connection.
    pub(crate) fn open(runtime: &tokio::runtime::Handle) -> io::Result<Self> {
        let _entered = runtime.enter();
        let (connection, handle, _) = rtnetlink::new_connection()?;
        Ok(Self { handle, connection: runtime.spawn(connection) })
    }

    /// Finds an interface by any of its names.
    pub(crate) async fn link(&self, name: &str) -> io::Result<Option<Link>> {
        let mut request = self.handle.link().get().match_index(0);
        request.message_mut().attributes.push(alternative_name(name));
        found(bounded(request.execute().try_next()).await).map(|link| link.flatten().map(Link::from))
    }

    /// Lists all interfaces.
    pub(crate) async fn links(&self) -> io::Result<Vec<Link>> {
        let request = self.handle.link().get();
        let request = request.set_filter_mask(AddressFamily::Unspec, vec![LinkExtentMask::SkipStats]);
        let messages: Vec<_> = bounded(request.execute().try_collect()).await?;
        Ok(messages.into_iter().map(Link::from).collect())
    }

    /// Creates an interface.
    pub(crate) async fn add_link(&self, message: LinkMessage) -> io::Result<()> {
        bounded(self.handle.link().add(message).execute()).await
    }

    /// Changes what `message` mentions of an existing interface.
    pub(crate) async fn set_link(&self, message: LinkMessage) -> io::Result<()> {
        bounded(self.handle.link().set(message).execute()).await
    }

    /// Gives an interface a further unique name, of up to 127 bytes.
    pub(crate) async fn add_alternative_name(&self, link: u32, name: &str) -> io::Result<()> {
        bounded(self.handle.link().property_add(link).alt_ifname(&[name]).execute()).await
    }

    /// Lists all IPv4 addresses.
    pub(crate) async fn addresses(&self) -> io::Result<Vec<Address>> {
        let mut request = self.handle.address().get();
        request.message_mut().header.family = AddressFamily::Inet;
        let messages: Vec<_> = bounded(request.execute().try_collect()).await?;
        Ok(messages.into_iter().filter_map(Address::read).collect())
    }

    /// Gives an interface an address, unless it has exactly this one.
    pub(crate) async fn put_address(&self, link: u32, address: Ipv4Addr, prefix: u8) -> io::Result<()> {
        bounded(self.handle.address().add(link, IpAddr::V4(address), prefix).replace().execute()).await
    }

    /// Takes an address away from its interface.
    pub(crate) async fn delete_address(&self, address: Address) -> io::Result<()> {
        bounded(self.handle.address().del(address.message).execute()).await
    }

    /// Lists the IPv4 routes of the main table.
    pub(crate) async fn routes(&self) -> io::Result<Vec<Route>> {
        let request = self.handle.route().get(RouteMessageBuilder::<Ipv4Addr>::new().build());
        let messages: Vec<_> = bounded(request.execute().try_collect()).await?;
        Ok(messages.iter().filter_map(Route::read).collect())
    }

    /// Sets the default route.
    pub(crate) async fn put_default_route(&self, link: u32, gateway: Ipv4Addr) -> io::Result<()> {
        let route = RouteMessageBuilder::<Ipv4Addr>::new().gateway(gateway).output_interface(link).build();
        bounded(self.handle.route().add(route).replace().execute()).await
    }
}

/// Deletes an interface of the calling thread's network namespace; one that is gone is a success.
///
/// The kernel lets the sender wait some 20 ms, until no processor can still use the interface. On a
/// shared connection that would hold up everybody else's requests, and the Tokio worker that sends them,
/// so the deletion has a thread and a socket of its own.
pub(crate) async fn delete_link(index: u32) -> io::Result<()> {
    on_thread("link-delete", move || found(delete_and_wait(index)).map(drop)).await?
}

fn delete_and_wait(index: u32) -> io::Result<()> {
    let mut message = LinkMessage::default();
    message.header.index = index;
    let mut request = NetlinkMessage::from(RouteNetlinkMessage::DelLink(message));
    request.header.flags = NLM_F_REQUEST | NLM_F_ACK;
    request.finalize();
    let mut bytes = vec![0; request.buffer_len()];
    request.serialize(&mut bytes);

    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    set_socket_timeout(&socket, Timeout::Recv, Some(ANSWER_WITHIN))?;
    socket.send(&bytes, 0)?;
    let (answer, _) = socket.recv_from_full()?;
    match NetlinkMessage::<RouteNetlinkMessage>::deserialize(&answer).map_err(io::Error::other)?.payload {
        // A verdict without a code is the acknowledgement.
        NetlinkPayload::Error(verdict) if verdict.code.is_some() => Err(verdict.to_io()),
        NetlinkPayload::Error(_) => Ok(()),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "the kernel answered with no verdict")),
    }
}

/// Waits for the kernel's answer, but not for ever.
async fn bounded<T>(answer: impl Future<Output = Result<T, rtnetlink::Error>>) -> io::Result<T> {
    match tokio::time::timeout(ANSWER_WITHIN, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(rtnetlink::Error::NetlinkError(message))) => Err(message.to_io()),
        Ok(Err(other)) => Err(io::Error::other(other)),
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the kernel did not answer in 10 s")),
    }
}

/// Turns "no such device" into none.
fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NODEV.raw_os_error()) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The attribute by which the kernel looks an interface up under its first name or any other.
fn alternative_name(name: &str) -> LinkAttribute {
    let mut value = name.as_bytes().to_vec();
    value.push(0);
    LinkAttribute::Other(DefaultNla::new(ALT_IFNAME, value))
}

impl From<LinkMessage> for Link {
    fn from(message: LinkMessage) -> Self {
        let mut link = Self {
            index: message.header.index,
            name: String::new(),
            alternative_names: Vec::new(),
            alias: None,
            kind: None,
            controller: None,
            up: message.header.flags.contains(LinkFlags::Up),
            mtu: 0,
        };
        for attribute in message.attributes {
            match attribute {
                LinkAttribute::IfName(name) => link.name = name,
                LinkAttribute::Mtu(mtu) => link.mtu = mtu,
                LinkAttribute::IfAlias(alias) => link.alias = Some(alias),
                LinkAttribute::Controller(index) => link.controller = Some(index),
                LinkAttribute::PropList(properties) => {
                    link.alternative_names.extend(properties.into_iter().filter_map(
                        |property| match property {
                            Prop::AltIfName(name) => Some(name),
                            _ => None,
                        },
                    ));
                }
                LinkAttribute::LinkInfo(infos) => {
                    link.kind = infos.into_iter().find_map(|info| match info {
                        LinkInfo::Kind(kind) => Some(kind),
                        _ => None,
                    });
                }
                _ => {}
            }
        }
        link
    }
}

impl Address {
    fn read(message: AddressMessage) -> Option<Self> {
        // On a point-to-point link the plain address is the peer's; the local one is the interface's own.
        let local = message.attributes.iter().find_map(|attribute| match attribute {
            AddressAttribute::Local(IpAddr::V4(address)) => Some(*address),
            _ => None,
        });
        Some(Self { link: message.header.index, address: local?, prefix: message.header.prefix_len, message })
    }
}

impl Route {
    fn read(message: &RouteMessage) -> Option<Self> {
        if message.header.table != RouteHeader::RT_TABLE_MAIN {
            return None;
        }
        let mut destination = Ipv4Addr::UNSPECIFIED;
        let mut link = None;
        for attribute in &message.attributes {
            match attribute {
                RouteAttribute::Destination(RouteAddress::Inet(address)) => destination = *address,
                RouteAttribute::Oif(index) => link = Some(*index),
                _ => {}
            }
        }
        Some(Self { destination, prefix: message.header.destination_prefix_length, link })
    }
}
