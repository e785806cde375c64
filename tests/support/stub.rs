//! A small web server of canned answers: the image server of a virtual machine, and whatever else a test must stand in for.
//!
//! It listens on loopback, or inside of a network namespace, keeps a connection open as iPXE likes it, and remembers each request.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Holds one request as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// As long as its Content-Length says.
    pub body: Vec<u8>,
}

/// Holds one answer to give.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The body; HEAD gets its length alone.
    pub body: Arc<[u8]>,
}

impl Reply {
    /// Makes a 200 of `body`.
    pub fn ok(body: impl Into<Arc<[u8]>>) -> Self {
        Reply { status: 200, body: body.into() }
    }

    /// Makes a 404.
    pub fn not_found() -> Self {
        Reply { status: 404, body: Arc::from(&b"not here\n"[..]) }
    }
}

type Answers = dyn Fn(&Seen) -> Reply + Send + Sync;

/// Serves until dropped.
pub struct Stub {
    addr: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    stopped: Arc<AtomicBool>,
}

impl Stub {
    /// Serves what `answers` says.
    pub fn start(answers: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Stub {
        Stub::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), answers)
    }

    /// Serves what `answers` says at an address of a network namespace, where every port is free.
    pub fn start_at(addr: SocketAddr, answers: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Stub {
        let listener = TcpListener::bind(addr).expect("the address is ours, and the port is free");
        let addr = listener.local_addr().expect("a bound socket has an address");
        let (seen, stopped) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let (log, stop, answers) = (Arc::clone(&seen), Arc::clone(&stopped), Arc::new(answers));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let (log, answers) = (Arc::clone(&log), Arc::clone(&answers));
                // A peer that goes away mid-way is no concern of the test's.
                thread::spawn(move || stream.and_then(|stream| converse(stream, &log, &*answers)));
            }
        });
        Stub { addr, seen, stopped }
    }

    /// Serves `files` by path, and 404 for the rest.
    pub fn files<const N: usize>(files: [(&str, Vec<u8>); N]) -> Stub {
        Stub::files_at(SocketAddr::from(([127, 0, 0, 1], 0)), files)
    }

    /// Serves `files` as [`Stub::files`] does, at an address as [`Stub::start_at`] does.
    pub fn files_at<const N: usize>(addr: SocketAddr, files: [(&str, Vec<u8>); N]) -> Stub {
        let files: BTreeMap<String, Arc<[u8]>> =
            files.into_iter().map(|(path, body)| (path.to_owned(), Arc::from(body))).collect();
        Stub::start_at(addr, move |seen| {
            let path = seen.target.split('?').next().unwrap_or_default();
            files.get(path).map_or_else(Reply::not_found, |body| Reply::ok(Arc::clone(body)))
        })
    }

    /// Returns where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns the URL of `path` as this machine sees it.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// Returns all requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no thread panics with the lock").clone()
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        // Wakes the thread that waits for a connection.
        let _ = TcpStream::connect(self.addr);
    }
}

fn converse(mut stream: TcpStream, log: &Mutex<Vec<Seen>>, answers: &Answers) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    while let Some(seen) = read(&mut reader)? {
        let reply = answers(&seen);
        let (close, head_only) = (wants_close(&seen), seen.method == "HEAD");
        log.lock().expect("no thread panics with the lock").push(seen);
        let connection = if close { "close" } else { "keep-alive" };
        let head = format!(
            "HTTP/1.1 {} Canned\r\nContent-Length: {}\r\nConnection: {connection}\r\n\r\n",
            reply.status,
            reply.body.len()
        );
        stream.write_all(head.as_bytes())?;
        if !head_only {
            stream.write_all(&reply.body)?;
        }
        if close {
            break;
        }
    }
    Ok(())
}

fn wants_close(seen: &Seen) -> bool {
    seen.headers.iter().any(|(name, value)| name == "connection" && value.eq_ignore_ascii_case("close"))
}

fn read(reader: &mut impl BufRead) -> io::Result<Option<Seen>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(None) };
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            let length = headers.iter().find(|(name, _): &&(String, String)| name == "content-length");
            let mut body = vec![0; length.and_then(|(_, value)| value.parse().ok()).unwrap_or_default()];
            reader.read_exact(&mut body)?;
            return Ok(Some(Seen { method, target, headers, body }));
        }
        if let Some((name, value)) = line.split_once(':') {
            headers.push((name.to_lowercase(), value.trim().to_owned()));
        }
    }
}
