//! A plain TCP balancer, as sites put before replicas: connections in turn to the backends, to the next one where a backend
//! takes none. It knows nothing of HTTP, tries nothing again once a connection stands, and asks nobody for their health.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// Holds a balancer that runs until it is dropped.
pub struct Balancer {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
}

impl Balancer {
    /// Starts one before some backends.
    pub fn before(backends: Vec<SocketAddr>) -> Balancer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, turn) = (Arc::clone(&stop), AtomicUsize::new(0));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let first = turn.fetch_add(1, Ordering::SeqCst);
                let backends = backends.clone();
                thread::spawn(move || {
                    let mut order = (0..backends.len()).map(|at| backends[(first + at) % backends.len()]);
                    let backend = order.find_map(|to| TcpStream::connect_timeout(&to, Duration::from_secs(2)).ok());
                    if let Some(backend) = backend {
                        join(client, backend);
                    }
                });
            }
        });
        Balancer { address, stop }
    }

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // It looks when somebody comes.
        let _ = TcpStream::connect(self.address);
    }
}

/// Copies both ways; the end or the failure of either side is the other's too.
fn join(client: TcpStream, backend: TcpStream) {
    let clone = |stream: &TcpStream| stream.try_clone().expect("a socket can be shared");
    let (from, to) = (clone(&client), clone(&backend));
    let up = thread::spawn(move || copy(from, to));
    copy(backend, client);
    let _ = up.join();
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    let copied = (|| -> io::Result<()> {
        let mut buffer = [0; 16 * 1024];
        loop {
            match from.read(&mut buffer)? {
                0 => return Ok(()),
                read => to.write_all(&buffer[..read])?,
            }
        }
    })();
    let _ = to.shutdown(Shutdown::Write);
    if copied.is_err() {
        let _ = (to.shutdown(Shutdown::Both), from.shutdown(Shutdown::Both));
    }
}
