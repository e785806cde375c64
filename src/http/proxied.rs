//! Connections through a plain TCP balancer: from a trusted proxy, a PROXY protocol header may come
//! before the first request and name the client (versions 1 and 2, `haproxy`
//! `doc/proxy-protocol.txt`).
//!
//! The header is removed as the first bytes are read, so that accepting does not wait for it; no
//! HTTP request begins like it. From any other peer it is not a valid request. The data after it is
//! the client's, so headers of its requests are believed only if the client is a trusted proxy
//! itself.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use axum::http::HeaderMap;
use axum::serve::Listener;
use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::forwarded::{self, Client};

/// The start of a header of version 2.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The start of a header of version 1.
const WORD: &[u8; 6] = b"PROXY ";
/// The longest header of version 1, with its end of line.
const LONGEST_LINE: usize = 107;
/// The longest accepted header of version 2: addresses have 36 bytes, the additions of balancers
/// stay under 1 KiB.
const LONGEST: usize = 4096;

/// A listener with connections that trusted proxies may pass on.
pub struct Proxied<L> {
    pub listener: L,
    pub trusted: Arc<[IpNet]>,
}

impl<L: Listener<Addr = SocketAddr>> Listener for Proxied<L> {
    type Io = Announced<L::Io>;
    type Addr = Peer;

    async fn accept(&mut self) -> (Self::Io, Peer) {
        let (stream, address) = self.listener.accept().await;
        let peer = Peer::new(address.ip(), &self.trusted);
        // Other peers do not pay for the state of a proxy.
        let told = peer.proxy.as_ref().map(|proxy| Arc::clone(&proxy.told));
        let state = if told.is_some() { State::Reading(Vec::new()) } else { State::Through };
        (Announced { stream, state, told }, peer)
    }

    fn local_addr(&self) -> io::Result<Peer> {
        self.listener.local_addr().map(|address| Peer::new(address.ip(), &self.trusted))
    }
}

/// The other end of a connection, and the clients that it may speak for.
pub struct Peer {
    address: IpAddr,
    /// Its state if it is a trusted proxy.
    proxy: Option<Proxy>,
}

/// A trusted proxy at the other end of a connection.
struct Proxy {
    told: Arc<OnceLock<Told>>,
    trusted: Arc<[IpNet]>,
}

impl Peer {
    fn new(address: IpAddr, trusted: &Arc<[IpNet]>) -> Self {
        let address = address.to_canonical();
        let proxy = forwarded::is_trusted(address, trusted)
            .then(|| Proxy { told: Arc::default(), trusted: Arc::clone(trusted) });
        Self { address, proxy }
    }

    /// Finds the client of a request with these headers.
    pub fn client(&self, headers: &HeaderMap) -> Client {
        let Some(Proxy { told, trusted }) = &self.proxy else { return Client::At(self.address) };
        match told.get() {
            None => forwarded::client(self.address, headers, trusted),
            Some(Told::For(address)) => forwarded::client(*address, headers, trusted),
            Some(Told::Nobody) => Client::Behind(self.address),
        }
    }
}

/// The contents of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// The connection belongs to this machine.
    For(IpAddr),
    /// The proxy asks for itself, or does not know its client.
    Nobody,
}

/// The kind of the first bytes of a connection.
#[derive(Debug, PartialEq, Eq)]
enum First {
    /// Possibly a header: more bytes will decide.
    Unfinished,
    /// A header of so many bytes.
    Header(usize, Told),
    /// Not a header.
    Request,
    /// A broken header.
    Broken,
}

fn first(bytes: &[u8]) -> First {
    let begins = |with: &[u8]| bytes.iter().zip(with).all(|(byte, with)| byte == with);
    if begins(SIGNATURE) {
        binary(bytes)
    } else if begins(WORD) {
        line(bytes)
    } else {
        First::Request
    }
}

/// Parses `PROXY TCP4 192.0.2.7 10.0.0.1 50000 8270`.
fn line(bytes: &[u8]) -> First {
    let Some(end) = bytes.windows(2).take(LONGEST_LINE - 1).position(|pair| pair == b"\r\n") else {
        return if bytes.len() < LONGEST_LINE { First::Unfinished } else { First::Broken };
    };
    let Ok(text) = std::str::from_utf8(&bytes[..end]) else { return First::Broken };
    let words: Vec<&str> = text.split(' ').collect();
    let told = match *words {
        ["PROXY", "UNKNOWN", ..] => Some(Told::Nobody),
        ["PROXY", "TCP4", from, _, _, _] => from.parse().ok().map(|from: Ipv4Addr| Told::For(from.into())),
        ["PROXY", "TCP6", from, _, _, _] => from.parse().ok().map(|from: Ipv6Addr| Told::For(from.to_canonical())),
        _ => None,
    };
    told.map_or(First::Broken, |told| First::Header(end + 2, told))
}

/// Parses a signature, a version with a command, a family with a protocol, a length, and the two
/// addresses.
fn binary(bytes: &[u8]) -> First {
    let Some((head, rest)) = bytes.split_first_chunk::<16>() else { return First::Unfinished };
    let (command, family) = (head[12], head[13]);
    let length = usize::from(u16::from_be_bytes([head[14], head[15]]));
    if 16 + length > LONGEST {
        return First::Broken;
    }

    let Some(body) = rest.get(..length) else { return First::Unfinished };
    let told = match (command, family) {
        (0x20, _) | (0x21, 0x00 | 0x31 | 0x32) => Some(Told::Nobody),
        (0x21, 0x11 | 0x12) if length >= 12 => {
            body.first_chunk::<4>().map(|from| Told::For(Ipv4Addr::from(*from).into()))
        }
        (0x21, 0x21 | 0x22) if length >= 36 => {
            body.first_chunk::<16>().map(|from| Told::For(Ipv6Addr::from(*from).to_canonical()))
        }
        _ => None,
    };

    told.map_or(First::Broken, |told| First::Header(16 + length, told))
}

/// A stream without its optional header.
pub struct Announced<S> {
    stream: S,
    state: State,
    /// Receives a trusted proxy's header.
    told: Option<Arc<OnceLock<Told>>>,
}

enum State {
    /// The bytes so far may be the start of a header.
    Reading(Vec<u8>),
    /// The bytes after the header, or all of them if there is none.
    Left(Vec<u8>),
    Through,
}

impl<S: AsyncRead + Unpin> Announced<S> {
    /// Reads until the start of the first request is known.
    fn poll_first(&mut self, cx: &mut Context<'_>, mut bytes: Vec<u8>) -> Poll<io::Result<()>> {
        loop {
            let mut more = [0; 512];
            let mut read = ReadBuf::new(&mut more);
            match Pin::new(&mut self.stream).poll_read(cx, &mut read) {
                Poll::Ready(read) => read?,
                Poll::Pending => {
                    self.state = State::Reading(bytes);
                    return Poll::Pending;
                }
            }
            let is_over = read.filled().is_empty();
            bytes.extend_from_slice(read.filled());
            match first(&bytes) {
                First::Unfinished if !is_over => continue,
                First::Unfinished | First::Request => {}
                First::Header(length, told) => {
                    bytes.drain(..length);
                    // It is set only here, and this state is never entered again.
                    let _ = self.told.as_ref().map(|proxy| proxy.set(told));
                }
                First::Broken => return Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
            }
            self.state = State::Left(bytes);
            return Poll::Ready(Ok(()));
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Announced<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let State::Reading(bytes) = &mut self.state {
            let bytes = std::mem::take(bytes);
            ready!(self.poll_first(cx, bytes))?;
        }

        if let State::Left(bytes) = &mut self.state {
            let taken = bytes.len().min(buf.remaining());
            buf.put_slice(&bytes[..taken]);
            bytes.drain(..taken);
            if bytes.is_empty() {
                self.state = State::Through;
            }
            if taken > 0 {
                return Poll::Ready(Ok(()));
            }
        }

        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Announced<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
