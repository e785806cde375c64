//! Where the api listens, and why a listener cannot be.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// Why a listener cannot be.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another process has the port.
    #[error(
        "cannot listen on {address}: the port is in use; `ss -ltnp sport = :{}` says by whom, and --listen or --api takes \
         another", address.port()
    )]
    InUse { address: SocketAddr },
    /// No interface has the address.
    #[error("cannot listen on {address}: this host has no such address; `ip address` lists those it has")]
    NotHere { address: SocketAddr },
    /// Ports below 1024 are the administrator's.
    #[error("cannot listen on {address}: ports below 1024 need the capability CAP_NET_BIND_SERVICE; take a higher one")]
    Denied { address: SocketAddr },
    /// The kernel refuses for another reason.
    #[error("cannot listen on {address}")]
    Tcp { address: SocketAddr, source: io::Error },
    /// The api has no authentication, so only this host may reach it.
    #[error(
        "the api cannot listen on {address}: it has no authentication yet, so it takes a unix socket or a loopback \
         address such as 127.0.0.1:{}", address.port()
    )]
    NotLoopback { address: SocketAddr },
    /// A server answers on the socket.
    #[error("another server listens on the socket {}: `ss -lxp` says which; stop it, or take another with --api", path.display())]
    SocketInUse { path: PathBuf },
    /// Something else has the socket's name.
    #[error("{} is no socket and is left alone: remove it, or take another path with --api", path.display())]
    NotASocket { path: PathBuf },
    /// The socket cannot be made.
    #[error("cannot make the socket {}: its folder must exist and be ours, and the path have under 104 bytes", path.display())]
    Socket { path: PathBuf, source: io::Error },
}

/// Where the api listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiAddress {
    Unix(PathBuf),
    /// A loopback address.
    Tcp(SocketAddr),
}

/// A text that is no [`ApiAddress`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither unix:PATH nor an address and port such as 127.0.0.1:8271")]
pub struct NotAnAddress(String);

impl FromStr for ApiAddress {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let path = text.strip_prefix("unix:").or_else(|| text.starts_with('/').then_some(text));
        match path {
            Some("") => Err(NotAnAddress(text.into())),
            Some(path) => Ok(Self::Unix(path.into())),
            None => text.parse().map(Self::Tcp).map_err(|_| NotAnAddress(text.into())),
        }
    }
}

impl fmt::Display for ApiAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(address) => write!(f, "{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_addresses_read_and_print() {
        for (text, printed) in
            [("unix:/run/m.sock", "unix:/run/m.sock"), ("/run/m.sock", "unix:/run/m.sock"), ("[::1]:1", "[::1]:1")]
        {
            assert_eq!(text.parse::<ApiAddress>().unwrap().to_string(), printed);
        }
        for text in ["", "unix:", "localhost:80", "8271", "run/m.sock"] {
            let error = text.parse::<ApiAddress>().unwrap_err().to_string();
            assert!(error.contains("is neither unix:PATH nor"), "{text}: {error}");
        }
    }
}
