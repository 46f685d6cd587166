//! Listeners: unix sockets for their owner and a group, and TCP with or without TLS. Serving them is in `serve`.

mod serve;
pub mod tls;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use tokio::net::{TcpListener, UnixListener, UnixStream};

pub(super) use serve::serve;

/// Whoever may open the socket rules the machine: its owner and its group only.
const SOCKET_MODE: u32 = 0o660;

/// Where to listen, as `-H` gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    Unix(PathBuf),
    /// `host:port`; whether with TLS is said by [`Access`].
    Tcp(String),
}

impl FromStr for Address {
    type Err = ListenError;
    fn from_str(text: &str) -> Result<Self, ListenError> {
        let unix = text.strip_prefix("unix://").filter(|path| path.starts_with('/'));
        let tcp = text
            .strip_prefix("tcp://")
            .filter(|address| address.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()));
        match (unix, tcp) {
            (Some(path), _) => Ok(Address::Unix(path.into())),
            (_, Some(address)) => Ok(Address::Tcp(address.trim_end_matches('/').to_owned())),
            _ => Err(ListenError::Parse { text: text.to_owned() }),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Unix(path) => write!(f, "unix://{}", path.display()),
            Address::Tcp(address) => write!(f, "tcp://{address}"),
        }
    }
}

/// Who may reach what listens.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// Group of unix sockets, by number; `None`: the daemon's own.
    pub group: Option<u32>,
    /// What TCP is wrapped in; `None`: nothing.
    pub tls: Option<Arc<rustls::ServerConfig>>,
}

/// Why a listener cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error("invalid host {text:?}: want unix:///path or tcp://address:port")]
    Parse { text: String },
    #[error("another daemon listens on {0}")]
    Taken(Address),
    #[error("{} exists and is not a socket", .0.display())]
    NotASocket(PathBuf),
    #[error("cannot listen on {address}")]
    Bind {
        address: Address,
        #[source]
        source: io::Error,
    },
}

/// A bound listener.
pub struct Listener {
    address: Address,
    kind: Kind,
}

enum Kind {
    Unix(UnixListener),
    Tcp(TcpListener),
    Tls(TcpListener, tokio_rustls::TlsAcceptor),
}

impl Listener {
    /// Binds an address. A socket file that nobody serves any more is replaced.
    pub async fn bind(address: &Address, access: &Access) -> Result<Listener, ListenError> {
        let failed = |source| ListenError::Bind { address: address.clone(), source };
        let kind = match address {
            Address::Unix(path) => {
                clear_stale(path, address).await?;
                Kind::Unix(bind_unix(path, access.group).map_err(failed)?)
            }
            Address::Tcp(host) => {
                let tcp = TcpListener::bind(host).await.map_err(failed)?;
                match &access.tls {
                    Some(config) => Kind::Tls(tcp, config.clone().into()),
                    None => Kind::Tcp(tcp),
                }
            }
        };
        Ok(Listener { address: address.clone(), kind })
    }

    /// Returns the address bound: for TCP with the port that was chosen.
    pub fn address(&self) -> Address {
        match &self.kind {
            Kind::Unix(_) => self.address.clone(),
            Kind::Tcp(tcp) | Kind::Tls(tcp, _) => tcp
                .local_addr()
                .map_or_else(|_| self.address.clone(), |at: SocketAddr| Address::Tcp(at.to_string())),
        }
    }
}

async fn clear_stale(path: &Path, address: &Address) -> Result<(), ListenError> {
    let failed = |source| ListenError::Bind { address: address.clone(), source };
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => Err(ListenError::NotASocket(path.to_owned())),
        Ok(_) if UnixStream::connect(path).await.is_ok() => Err(ListenError::Taken(address.clone())),
        Ok(_) => std::fs::remove_file(path).map_err(failed),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(error)),
    }
}

fn bind_unix(path: &Path, group: Option<u32>) -> io::Result<UnixListener> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let listener = UnixListener::bind(path)?;
    // The group first: until the mode says otherwise only root may connect.
    if group.is_some() {
        std::os::unix::fs::chown(path, None, group)?;
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(SOCKET_MODE))?;
    Ok(listener)
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Address::Unix(path) = &self.address
            && let Err(error) = std::fs::remove_file(path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %path.display(), %error, "the socket file stays behind");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_what_docker_takes() {
        assert_eq!("unix:///run/skep.sock".parse().ok(), Some(Address::Unix("/run/skep.sock".into())));
        assert_eq!("tcp://127.0.0.1:2375".parse().ok(), Some(Address::Tcp("127.0.0.1:2375".into())));
        for text in ["", "unix://run", "tcp://host", "fd://", "/run/skep.sock", "tcp://h:p"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn a_socket_is_replaced_only_when_nobody_serves_it() {
        let folder = std::env::temp_dir().join(format!("skep-listen-{}", std::process::id()));
        let address = Address::Unix(folder.join("deep/a.sock"));
        let first = Listener::bind(&address, &Access::default()).await.expect("the first");
        assert!(matches!(Listener::bind(&address, &Access::default()).await, Err(ListenError::Taken(_))));
        std::mem::drop(first);
        // A socket file without a server, as a killed daemon leaves it.
        let path = folder.join("deep/a.sock");
        std::mem::drop(std::os::unix::net::UnixListener::bind(&path).expect("a stale socket"));
        let second = Listener::bind(&address, &Access::default()).await.expect("the second");
        assert_eq!(std::fs::metadata(&path).expect("the socket").permissions().mode() & 0o777, SOCKET_MODE);
        drop(second);
        assert!(!path.exists());
        std::fs::remove_dir_all(&folder).expect("the folder is removed");
    }
}
