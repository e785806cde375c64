//! Declared nodes beside a flood of made-up MAC addresses: how long the slowest hundredth waits with and without it.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketType};
use serde::{Deserialize, Serialize};

use crate::process::{Child, Muster, cpu, resident_mib};
use crate::support::fixture;
use crate::table::{Row, Spread};
use crate::{client, landing, steady};

const NODES: usize = 10_000;

/// Clients that flood, each by an address and a connection of its own.
const CLIENTS: u8 = 64;

/// Addresses made up in each second, if the machine can.
const RATE: usize = 100_000;

/// How many addresses one write asks by.
const AT_ONCE: usize = 50;

/// How many pairs are measured, with the flood and without it.
const PAIRS: usize = 5;

/// What a flood came to.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// Addresses that were asked by.
    pub asked: u64,
    pub seconds: f64,
}

/// Measures a server, and in turns a bare handler under the same flood.
pub fn measure(folder: &Path, rows: &mut Vec<Row>) {
    let repository = landing::repository(folder, NODES);
    let muster = Muster::start(&repository, &folder.join("flood.redb"));
    let reference = Child::start("as-reference", &[&client::once(&muster.boot, &fixture::mac(1))]);
    // What is remembered of unknown machines has reached its bound after this.
    beside_flood(&muster.boot, || {
        steady::run(&muster.boot);
    });
    let (mut calm, mut flooded, mut ratio, mut theirs) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut rate, mut grown, mut busy, mut errors) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for _ in 0..PAIRS {
        let alone = steady::run(&muster.boot);
        let (memory, spent, started) = (resident_mib(muster.pid), cpu(muster.pid), Instant::now());
        let mut beside = steady::Report::default();
        let flood = beside_flood(&muster.boot, || beside = steady::run(&muster.boot));
        busy.push((cpu(muster.pid) - spent).as_secs_f64() / started.elapsed().as_secs_f64());
        grown.push(resident_mib(muster.pid) - memory);
        let mut bare = [steady::run(&reference.address), steady::Report::default()];
        beside_flood(&reference.address, || bare[1] = steady::run(&reference.address));

        errors += alone.errors + beside.errors;
        rate.push(flood.asked as f64 / flood.seconds);
        ratio.push(beside.p99 / alone.p99);
        theirs.push(bare[1].p99 / bare[0].p99);
        calm.push(alone.p99);
        flooded.push(beside.p99);
    }
    let name = "p99 of 2,000 scripts/s, with a flood : without";
    rows.push(Row { errors, ..Row::ratio(name, Spread::of(ratio), "<= 2.0", errors) });
    rows.push(Row::plain("the same, bare axum", Spread::of(theirs), ""));
    rows.push(Row::plain("p99 of 2,000 scripts/s, without a flood", Spread::of(calm), "ms"));
    rows.push(Row::plain("p99 of 2,000 scripts/s, with a flood", Spread::of(flooded), "ms"));
    rows.push(Row::plain("made-up MAC addresses answered", Spread::of(rate), "1/s"));
    rows.push(Row::plain("cores that the server kept busy under it", Spread::of(busy), ""));
    rows.push(Row::bounded("by which its memory grew in each flood", Spread::of(grown), "MiB", "<= 2"));
}

/// Floods a server while something is done.
fn beside_flood(address: &str, done: impl FnOnce()) -> Report {
    let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
    // A little longer than what it is measured beside.
    let millis = (steady::TIME + Duration::from_millis(400)).as_millis().to_string();
    let child = command.args(["as-flood", address, &millis]).stdout(Stdio::piped()).spawn().expect("it starts");
    std::thread::sleep(Duration::from_millis(200));
    done();
    let output = child.wait_with_output().expect("the flood ends");
    serde_json::from_slice(&output.stdout).expect("the flood reports")
}

/// One of those who flood.
struct Flooder {
    stream: TcpStream,
    unsent: Vec<u8>,
    /// The end of what was read, in which an answer may begin.
    seen: Vec<u8>,
    /// How many of its questions are not answered yet.
    open: usize,
}

/// How the status lines begin of the answers to unknown machines.
const ANSWER: &[u8] = b"HTTP/1.1 200 ";

/// Is the flood: one thread, so that it takes no more than one core from what is measured.
pub fn main(address: &str, millis: &str) {
    let time = Duration::from_millis(millis.parse().expect("milliseconds"));
    let mut flooders: Vec<Flooder> = (1..=CLIENTS).map(|number| connect(address, [127, 0, 9, number])).collect();
    let (started, mut next, mut answered) = (Instant::now(), 0_u32, 0_u64);
    let mut answers = vec![0; 1 << 18];
    while started.elapsed() < time {
        let mut is_idle = true;
        for flooder in &mut flooders {
            let due = (started.elapsed().as_secs_f64() * RATE as f64) as u32;
            if flooder.unsent.is_empty() && flooder.open < AT_ONCE && next < due {
                for _ in 0..AT_ONCE {
                    next += 1;
                    let [a, b, c, d] = next.to_be_bytes();
                    let head = format!(
                        "GET /boot/v1/bootscript?mac=06:00:{a:02x}:{b:02x}:{c:02x}:{d:02x}&arch=x86_64 HTTP/1.1\r\n\
                         Host: x\r\n\r\n"
                    );
                    flooder.unsent.extend_from_slice(head.as_bytes());
                }
                flooder.open += AT_ONCE;
            }
            let taken = exchange(flooder, &mut answers);
            answered += taken as u64;
            is_idle &= taken == 0;
        }
        if is_idle {
            std::thread::sleep(Duration::from_micros(200));
        }
    }
    let report = Report { asked: answered, seconds: started.elapsed().as_secs_f64() };
    println!("{}", serde_json::to_string(&report).expect("a report is JSON"));
}

/// Writes and reads what it can without waiting; returns how many answers came.
fn exchange(flooder: &mut Flooder, answers: &mut [u8]) -> usize {
    match flooder.stream.write(&flooder.unsent) {
        Ok(sent) => drop(flooder.unsent.drain(..sent)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
        Err(error) => panic!("the server closed a connection: {error}"),
    }
    match flooder.stream.read(answers) {
        Ok(length) if length > 0 => {
            flooder.seen.extend_from_slice(&answers[..length]);
            let count = flooder.seen.windows(ANSWER.len()).filter(|part| *part == ANSWER).count();
            let rest = flooder.seen.len().saturating_sub(ANSWER.len() - 1);
            flooder.seen.drain(..rest);
            flooder.open -= count;
            count
        }
        Ok(_) => panic!("the server closed a connection"),
        Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
        Err(error) => panic!("the server closed a connection: {error}"),
    }
}

fn connect(address: &str, own: [u8; 4]) -> Flooder {
    let socket: OwnedFd =
        rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket can be made");
    rustix::net::bind(&socket, &std::net::SocketAddr::from((own, 0))).expect("all of 127.0.0.0/8 is ours");
    let server: std::net::SocketAddr = address.parse().expect("an address");
    rustix::net::connect(&socket, &server).expect("the server listens");
    let stream = TcpStream::from(socket);
    stream.set_nonblocking(true).expect("it can be");
    stream.set_nodelay(true).expect("it can be");
    Flooder { stream, unsent: Vec::new(), seen: Vec::new(), open: 0 }
}
