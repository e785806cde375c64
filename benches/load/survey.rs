//! What a survey costs: deep against a bare client that GETs the same URLs, and a sweep of a large site.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};

use crate::bare;
use crate::fleet::{Cost, Fleet, cost};
use crate::table::{Row, Spread};

/// BMCs, and requests over all of them, at once.
const AT_ONCE: usize = 64;

/// How long each answer of a BMC takes, in seconds.
const LATENCY: f64 = 0.02;

/// BMCs of the deep survey.
const BMCS: usize = 1_000;

/// How many pairs are measured: each takes some half minute.
const PAIRS: usize = 3;

/// Deep surveys of 1,000 BMCs, in turns with the bare client.
pub fn deep(folder: &Path, rows: &mut Vec<Row>) {
    let paths = folder.join("paths");
    let asked = recorded(&folder.join("one"));
    let gets: Vec<&str> = asked.iter().filter_map(|line| line.strip_prefix("GET ")).collect();
    std::fs::write(&paths, gets.join("\n")).expect("the paths can be written");
    let bound = (asked.len() * BMCS) as f64 * LATENCY / AT_ONCE as f64;
    let fleet = Fleet::start(&folder.join("deep"), BMCS, &["--tls", "--latency", "20"]);
    // Each BMC makes its certificate when it is asked first.
    discover(&fleet, &folder.join("first.redb"), BMCS, &["--sweep"]);
    let (mut ratio, mut ours, mut theirs, mut cpu) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut errors = 0;
    for turn in 0..PAIRS {
        let a = discover(&fleet, &folder.join(format!("deep{turn}.redb")), BMCS, &[]);
        let b = cost(&mut bare::command(&fleet.settings(), &paths, AT_ONCE));
        let report: bare::Report = serde_json::from_slice(&b.stdout).expect("the bare client reports");
        errors += report.errors;
        ratio.push(a.seconds / bound.max(b.seconds));
        ours.push(a.seconds);
        theirs.push(b.seconds);
        cpu.push(a.cpu / b.cpu);
    }
    rows.push(Row::ratio("deep survey of 1,000 BMCs, muster : bare client", Spread::of(ratio), "<= 1.50", errors));
    rows.push(Row::plain("deep survey of 1,000 BMCs, muster", Spread::of(ours), "s"));
    rows.push(Row::plain("the same URLs, bare client", Spread::of(theirs), "s"));
    rows.push(Row::plain("deep survey, latency bound", Spread::of(vec![bound]), "s"));
    rows.push(Row::plain("deep survey, requests a BMC", Spread::of(vec![asked.len() as f64]), ""));
    rows.push(Row::plain("deep survey CPU, muster : bare client", Spread::of(cpu), ""));
}

/// A cheap sweep of 10,000 BMCs, which nobody asked before.
pub fn sweep(folder: &Path, rows: &mut Vec<Row>) {
    const SITE: usize = 10_000;
    let fleet = Fleet::start(&folder.join("sweep"), SITE, &["--tls", "--latency", "20"]);
    let (mut seconds, mut cpu) = (Vec::new(), Vec::new());
    for turn in 0..2 {
        let swept = discover(&fleet, &folder.join(format!("sweep{turn}.redb")), SITE, &["--sweep"]);
        seconds.push(swept.seconds);
        cpu.push(swept.cpu);
    }
    rows.push(Row::bounded("sweep of 10,000 BMCs", Spread::of(seconds), "s", "<= 60"));
    rows.push(Row::plain("sweep of 10,000 BMCs, CPU", Spread::of(cpu), "s"));
}

/// Deep surveys of 1,000 BMCs, in turns with the same survey where two of them link without an end.
pub fn hostile(folder: &Path, rows: &mut Vec<Row>) {
    let fleet = Fleet::start(&folder.join("hostile"), BMCS, &["--latency", "20"]);
    let calm = std::fs::read_to_string(fleet.settings()).expect("the settings can be read");
    let given: toml::Table = calm.parse().expect("the settings are TOML");
    let rewrite = given["bmc"]["rewrite"].as_table().expect("a table");
    let origins = rewrite.values().filter_map(toml::Value::as_str).step_by(BMCS / 2).take(2);
    let mut mixed = calm.replace("127.64.0.0/10", "127.0.0.0/8");
    for origin in origins {
        mixed = mixed.replace(&format!("\"{origin}\""), &format!("\"{}\"", endless()));
    }

    let (mut ratio, mut ours) = (Vec::new(), Vec::new());
    for turn in 0..PAIRS {
        let mut seconds = [0.0; 2];
        // Each goes first in turn, since the fleet answers more slowly the longer it runs.
        let mut both = [(0, "calm", &calm, BMCS), (1, "mixed", &mixed, BMCS - 2)];
        both.rotate_left(turn % 2);
        for (at, name, settings, seen) in both {
            std::fs::write(fleet.settings(), settings).expect("the settings can be written");
            let mut command = fleet.command("discover", &folder.join(format!("{name}{turn}.redb")));
            let cost = cost(command.args(["--format", "json", "--concurrency", &AT_ONCE.to_string()]));
            let summary: serde_json::Value = serde_json::from_slice(&cost.stdout).expect("the summary is JSON");
            assert!(summary["seen"] == seen, "all others are read: {summary}");
            seconds[at] = cost.seconds;
        }
        ratio.push(seconds[1] / seconds[0]);
        ours.push(seconds[1]);
    }
    let what = "deep survey of 1,000 BMCs, two hostile among them : none";
    rows.push(Row::ratio(what, Spread::of(ratio), "<= 1.10", 0));
    rows.push(Row::plain("deep survey of 1,000 BMCs, two hostile among them", Spread::of(ours), "s"));
}

/// Starts a BMC whose collection of Systems has 200,000 links and is its own next page; returns its origin.
fn endless() -> String {
    let links: Vec<String> = (0..200_000).map(|at| format!("/{at:05x}")).collect();
    let systems = serde_json::json!({
        "@odata.id": "/redfish/v1/Systems", "@odata.type": "#C.ComputerSystemCollection", "Members": links,
        "Members@odata.nextLink": "/redfish/v1/Systems?x",
    });
    let root = serde_json::json!({ "RedfishVersion": "1.9.0", "Systems": { "@odata.id": "/redfish/v1/Systems" } });
    let (root, systems) = (root.to_string(), systems.to_string());
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let origin = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let (root, systems) = (root.clone(), systems.clone());
            std::thread::spawn(move || {
                let mut buffer = vec![0; 1 << 16];
                while let Ok(count @ 1..) = stream.read(&mut buffer) {
                    let head = String::from_utf8_lossy(&buffer[..count]).into_owned();
                    let target = head.split(' ').nth(1).unwrap_or_default();
                    let (status, body) = match target.trim_end_matches('/') {
                        "/redfish/v1" => ("200 OK", root.as_str()),
                        path if head.starts_with("GET") && path.starts_with("/redfish/v1/Systems") => {
                            ("200 OK", systems.as_str())
                        }
                        _ => ("404 Not Found", "{}"),
                    };
                    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                    if stream.write_all(answer.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    origin
}

/// Surveys a fleet, all of which must be read whole.
fn discover(fleet: &Fleet, store: &Path, bmcs: usize, flags: &[&str]) -> Cost {
    let at_once = AT_ONCE.to_string();
    let mut command = fleet.command("discover", store);
    command.args(["--format", "json", "--concurrency", &at_once, "--requests", &at_once]).args(flags);
    let cost = cost(&mut command);
    let summary: serde_json::Value = serde_json::from_slice(&cost.stdout).expect("the summary is JSON");
    let is_whole =
        summary["seen"] == bmcs && summary["not_read"] == 0 && summary["read_in_part"] == serde_json::json!([]);
    assert!(is_whole && cost.code == Some(0), "all BMCs are read: {summary}");
    cost
}

/// Surveys one BMC through a proxy, and returns what was asked: method and path, in the order of the requests.
fn recorded(folder: &Path) -> Vec<String> {
    let fleet = Fleet::start(folder, 1, &[]);
    let text = std::fs::read_to_string(fleet.settings()).expect("the settings can be read");
    let given: toml::Table = text.parse().expect("the settings are TOML");
    let rewrite = given["bmc"]["rewrite"].as_table().expect("a table");
    let origin = rewrite.values().next().and_then(toml::Value::as_str).expect("one BMC is rewritten");
    let to: SocketAddr = origin.trim_start_matches("http://").parse().expect("an address");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let here = format!("http://{}", listener.local_addr().expect("an address"));
    std::fs::write(fleet.settings(), text.replace(origin, &here).replace("127.64.0.0/10", "127.0.0.0/8"))
        .expect("the settings can be written");
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let tell = tell.clone();
            std::thread::spawn(move || forward(stream, to, &tell));
        }
    });
    let store: PathBuf = folder.join("one.redb");
    discover(&fleet, &store, 1, &[]);
    told.try_iter().collect()
}

/// Passes bytes both ways, and tells of the requests among them, each of which comes in one piece.
fn forward(mut near: TcpStream, to: SocketAddr, tell: &Sender<String>) {
    let mut far = TcpStream::connect(to).expect("the BMC listens");
    let (mut back_from, mut back_to) = (far.try_clone().expect("a socket"), near.try_clone().expect("a socket"));
    std::thread::spawn(move || std::io::copy(&mut back_from, &mut back_to));
    let mut buffer = vec![0; 1 << 16];
    while let Ok(count @ 1..) = near.read(&mut buffer) {
        let head = String::from_utf8_lossy(&buffer[..count]);
        let mut words = head.lines().next().unwrap_or_default().split(' ');
        if let (Some(method @ ("GET" | "POST" | "DELETE")), Some(path)) = (words.next(), words.next()) {
            let _ = tell.send(format!("{method} {path}"));
        }
        if far.write_all(&buffer[..count]).is_err() {
            return;
        }
    }
}
