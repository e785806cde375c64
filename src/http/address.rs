//! The errors of creating a listener.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a listener cannot be created.
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
    /// Ports below 1024 are reserved for the administrator.
    #[error("cannot listen on {address}: ports below 1024 need the capability CAP_NET_BIND_SERVICE; take a higher one")]
    Denied { address: SocketAddr },
    /// The kernel refuses for another reason.
    #[error("cannot listen on {address}")]
    Tcp { address: SocketAddr, source: io::Error },
    /// The API has no authentication, so only this host may reach it.
    #[error(
        "the api cannot listen on {address}: it has no authentication yet, so it takes a unix socket or a loopback \
         address such as 127.0.0.1:{}", address.port()
    )]
    NotLoopback { address: SocketAddr },
    /// A server answers on the socket.
    #[error("another server listens on the socket {}: `ss -lxp` says which; stop it, or take another with --api", path.display())]
    SocketInUse { path: PathBuf },
    /// The socket would be on a read-only file system.
    #[error("cannot make the socket {}: its file system is read-only; take another path with --api", path.display())]
    ReadOnly { path: PathBuf },
    /// Something else has the socket's name.
    #[error("{} is no socket and is left alone: remove it, or take another path with --api", path.display())]
    NotASocket { path: PathBuf },
    /// The socket cannot be created.
    #[error("cannot make the socket {}: its folder must exist and be ours, and the path have under 104 bytes", path.display())]
    Socket { path: PathBuf, source: io::Error },
}
