//! The load tool: many keep-alive connections that ask for the scripts of random MAC addresses.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::fixture;

/// Connections at once: a rack row that powers on together.
const CONNECTIONS: usize = 64;

/// What a run counted.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Report {
    pub requests: u64,
    pub errors: u64,
    /// Answers whose script and revision header were of different commits.
    pub mixed: u64,
    pub seconds: f64,
}

/// How requests come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// One after the other on a few connections.
    KeptAlive,
    /// Each on a connection of its own, as machines do that boot.
    OneEach,
}

impl Manner {
    fn word(self) -> &'static str {
        match self {
            Self::KeptAlive => "kept-alive",
            Self::OneEach => "one-each",
        }
    }
}

/// Runs the load tool as a process of its own, on one core where `taskset` is there to pin it.
pub fn run(address: &str, nodes: usize, time: Duration, manner: Manner) -> Report {
    let own = std::env::current_exe().expect("this program has a path");
    let pinned = Command::new("taskset").arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    let mut command = if pinned { Command::new("taskset") } else { Command::new(&own) };
    if pinned {
        command.args(["-c", "1"]).arg(&own);
    }
    command.args(["as-client", address, &nodes.to_string(), &time.as_millis().to_string(), manner.word()]);
    let output = command.stderr(Stdio::inherit()).output().expect("the load tool starts");
    serde_json::from_slice(&output.stdout).expect("the load tool reports")
}

/// Fetches one script.
pub fn once(address: &str, mac: &str) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut stream = TcpStream::connect(address).await.expect("the server listens");
        let mut buffer = Vec::new();
        let answer = ask(&mut stream, &request(mac), &mut buffer).await.expect("the server answers");
        String::from_utf8_lossy(&buffer[answer.body]).into_owned()
    })
}

/// Is the load tool.
pub fn main(address: &str, nodes: &str, millis: &str, manner: &str) {
    let keeps = manner == Manner::KeptAlive.word();
    let nodes: usize = nodes.parse().expect("a number of nodes");
    let time = Duration::from_millis(millis.parse().expect("milliseconds"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let report = runtime.block_on(async {
        let started = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..CONNECTIONS {
            tasks.spawn(client(address.to_owned(), nodes, number as u64 + 1, started + time, keeps));
        }
        let mut all = Report::default();
        while let Some(report) = tasks.join_next().await {
            let report = report.expect("no connection panics");
            all.requests += report.requests;
            all.errors += report.errors;
            all.mixed += report.mixed;
        }
        all.seconds = started.elapsed().as_secs_f64();
        all
    });
    println!("{}", serde_json::to_string(&report).expect("a report is JSON"));
}

async fn client(address: String, nodes: usize, seed: u64, until: Instant, keeps: bool) -> Report {
    let mut report = Report::default();
    let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut buffer = Vec::with_capacity(8192);
    let mut open: Option<TcpStream> = None;
    while Instant::now() < until {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let mac = fixture::mac(random as usize % nodes + 1);
        let stream = match open.take() {
            Some(stream) => Some(stream),
            None => {
                TcpStream::connect(&address).await.and_then(|stream| stream.set_nodelay(true).map(|()| stream)).ok()
            }
        };
        let Some(mut stream) = stream else {
            report.errors += 1;
            return report;
        };
        match ask(&mut stream, &request(&mac), &mut buffer).await {
            Some(answer) if answer.status == 200 => {
                report.requests += 1;
                report.mixed += u64::from(is_mixed(&buffer[..answer.body.start], &buffer[answer.body]));
            }
            _ => {
                report.errors += 1;
                return report;
            }
        }
        open = Some(stream).filter(|_| keeps);
    }
    report
}

pub fn request(mac: &str) -> String {
    format!("GET /boot/v1/bootscript?mac={mac} HTTP/1.1\r\nHost: muster\r\nUser-Agent: iPXE/1.21.1\r\n\r\n")
}

pub struct Answer {
    pub status: u16,
    pub body: std::ops::Range<usize>,
}

pub async fn ask(stream: &mut TcpStream, request: &str, buffer: &mut Vec<u8>) -> Option<Answer> {
    stream.write_all(request.as_bytes()).await.ok()?;
    buffer.clear();
    loop {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
        let Some(head) = buffer.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let text = std::str::from_utf8(&buffer[..head]).ok()?;
        let length: usize = header(text, "content-length")?.parse().ok()?;
        let body = head + 4..head + 4 + length;
        let status = text.get(9..12)?.parse().ok()?;
        while buffer.len() < body.end {
            if stream.read_buf(buffer).await.ok()? == 0 {
                return None;
            }
        }
        return Some(Answer { status, body });
    }
}

fn header<'t>(head: &'t str, name: &str) -> Option<&'t str> {
    let line =
        head.lines().find(|line| line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)))?;
    Some(line[name.len()..].trim_start_matches(':').trim())
}

/// Tells whether a script of the swapping server names another commit than its header.
fn is_mixed(head: &[u8], body: &[u8]) -> bool {
    let (head, body) = (String::from_utf8_lossy(head), String::from_utf8_lossy(body));
    let stated = body.split(' ').find_map(|word| word.strip_prefix("bench.commit="));
    match (stated, header(&head, "x-muster-revision")) {
        (Some(stated), Some(revision)) => stated != revision,
        _ => false,
    }
}
