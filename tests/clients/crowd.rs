//! A crowd of connections in processes of their own: one process may open fewer files than a crowd has.
//!
//! The test binary runs itself again for [`member`], which opens its share and holds it until its input ends.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const SHARE: &str = "MUSTER_TEST_CROWD";

/// The most connections of one process.
const MOST: usize = 5_000;

/// Connections that are held, each after it sent the same bytes.
pub struct Crowd {
    members: Vec<Child>,
}

impl Crowd {
    /// Opens connections, sends `bytes` on each, and with `read` takes one answer; returns once all are open.
    pub fn gather(server: SocketAddr, count: usize, bytes: &str, read: bool) -> Crowd {
        let own = std::env::current_exe().expect("a process knows its program");
        let shares = (0..count.div_ceil(MOST)).map(|number| (number, MOST.min(count - number * MOST)));
        let mut members: Vec<Child> = shares
            .map(|(number, share)| {
                let mut member = Command::new(&own);
                member.args(["crowd::member", "--exact", "--include-ignored", "--nocapture"]);
                member.env(SHARE, format!("{server} {share} {number} {read}"));
                let mut member = member.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
                let stdin = member.stdin.as_mut().expect("it is piped");
                stdin.write_all(format!("{}\n{bytes}", bytes.len()).as_bytes()).expect("it reads");
                member
            })
            .collect();
        for member in &mut members {
            let mut lines = BufReader::new(member.stdout.as_mut().expect("it is piped")).lines();
            assert!(
                lines.any(|line| line.is_ok_and(|line| line.ends_with("all open"))),
                "a member of the crowd failed"
            );
        }
        Crowd { members }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for member in &mut self.members {
            drop(member.stdin.take());
            let _ = member.kill();
            let _ = member.wait();
        }
    }
}

/// Connects from an address of loopback's own net, so that a crowd does not run out of ports.
pub fn connect_from(own: [u8; 4], server: SocketAddr) -> io::Result<TcpStream> {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    bind(&socket, &SocketAddr::from((own, 0)))?;
    connect(&socket, &server)?;
    Ok(TcpStream::from(socket))
}

/// Raises the soft limit of open files to the hard one.
pub fn allow_open_files() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).expect("it may be raised");
}

#[test]
#[ignore = "a part of other tests, which start it"]
fn member() {
    let Ok(share) = std::env::var(SHARE) else { return };
    let [server, count, number, read] = share.split(' ').collect::<Vec<_>>()[..] else { panic!("{share}") };
    let (server, count): (SocketAddr, usize) = (server.parse().unwrap(), count.parse().unwrap());
    let number: u8 = number.parse().unwrap();
    allow_open_files();
    let mut stdin = BufReader::new(io::stdin());
    let mut length = String::new();
    stdin.read_line(&mut length).unwrap();
    let mut bytes = vec![0; length.trim().parse().unwrap()];
    stdin.read_exact(&mut bytes).unwrap();
    let mut held = Vec::new();
    let mut answer = [0; 4096];
    for _ in 0..count {
        let mut stream = connect_from([127, 0, 9, number + 1], server).unwrap();
        // A server that is full may have closed it by now.
        if stream.write_all(&bytes).is_ok() && read == "true" {
            let _ = stream.read(&mut answer);
        }
        held.push(stream);
    }
    println!("\nall open");
    let _ = stdin.read_to_end(&mut Vec::new());
}
