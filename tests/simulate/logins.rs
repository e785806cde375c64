//! Who may ask: sessions, passwords, the lock, and that a fleet is reached from this host only.

use std::fs;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, TcpStream};

use super::{Duration, LOGIN, PATIENCE, QUICK, Sim, basic, http, options, quirky, world};
use muster::model::Quirk;
use muster::simulate::{Choices, Options, Timing};

const SESSIONS: &str = "/redfish/v1/SessionService/Sessions";

fn open(sim: &Sim, password: &str) -> http::Answer {
    let body = format!(r#"{{"UserName":"{}","Password":"{password}"}}"#, LOGIN.0);
    http::request(sim.at(0), "POST", SESSIONS, &[], body.as_bytes()).unwrap()
}

fn with_token(sim: &Sim, method: &str, path: &str, token: &str) -> u16 {
    http::request(sim.at(0), method, path, &[("X-Auth-Token", token)], b"").unwrap().status
}

#[test]
fn only_the_root_is_open() {
    let sim = Sim::new();
    for path in ["/redfish", "/redfish/v1", "/redfish/v1/", "/redfish/v1/odata", "/redfish/v1/$metadata"] {
        assert_eq!(http::get(sim.at(0), path).status, 200, "{path}");
    }
    for path in ["/redfish/v1/Systems", "/redfish/v1/Managers", SESSIONS, "/redfish/v1/nothing"] {
        let answer = http::get(sim.at(0), path);
        assert_eq!(answer.status, 401, "{path}");
        assert!(answer.header("www-authenticate").is_some());
    }
    assert_eq!(http::get(sim.at(0), "/other").status, 404);
}

#[test]
fn a_session_lives_until_it_is_ended() {
    let sim = Sim::new();
    let begun = open(&sim, LOGIN.1);
    assert_eq!(begun.status, 201);
    let (token, place) = (begun.header("x-auth-token").unwrap(), begun.header("location").unwrap());
    assert!(!begun.text().contains(LOGIN.1) && !begun.text().contains(token));
    assert_eq!(with_token(&sim, "GET", "/redfish/v1/Systems", token), 200);
    assert_eq!(with_token(&sim, "GET", "/redfish/v1/Systems", "0000"), 401);
    assert_eq!(with_token(&sim, "DELETE", place, token), 204);
    assert_eq!(with_token(&sim, "GET", "/redfish/v1/Systems", token), 401);
    let counts = sim.running().counts(0);
    assert_eq!((counts.sessions_opened, counts.sessions_closed, counts.refused_logins), (1, 1, 0));
}

#[test]
fn a_session_that_nobody_uses_expires() {
    let timing = Timing { session_idle: 100, ..QUICK };
    let sim = Sim::of(world(&Choices::default()), Options { timing, ..options() });
    let begun = open(&sim, LOGIN.1);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(with_token(&sim, "GET", "/redfish/v1/Systems", begun.header("x-auth-token").unwrap()), 401);
}

#[test]
fn there_is_room_for_so_many_sessions() {
    let sim = Sim::new();
    let statuses: Vec<u16> = (0..17).map(|_| open(&sim, LOGIN.1).status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 16);
    assert_eq!(statuses[16], 503);
    let few = Sim::of(quirky(&[Quirk::FewSessions]), options());
    assert_eq!([open(&few, LOGIN.1).status, open(&few, LOGIN.1).status, open(&few, LOGIN.1).status], [201, 201, 503]);
    assert_eq!(few.status(0, "GET", "/redfish/v1/Systems", ""), 503, "a full pool locks everybody out");
}

#[test]
fn three_wrong_passwords_lock_the_account() {
    let sim = Sim::new();
    let wrong = basic(LOGIN.0, "wrong");
    let ask = |login: &str| http::request(sim.at(0), "GET", "/redfish/v1/Systems", &[("Authorization", login)], b"");
    assert_eq!(ask(&wrong).unwrap().status, 401);
    assert_eq!(open(&sim, "wrong").status, 401);
    assert_eq!(sim.status(0, "GET", "/redfish/v1/Systems", ""), 200, "two are forgiven");
    for _ in 0..3 {
        assert_eq!(ask(&wrong).unwrap().status, 401);
    }
    assert_eq!(sim.status(0, "GET", "/redfish/v1/Systems", ""), 401, "the account is locked");
    assert_eq!(sim.running().counts(0).locks, 1);
    assert_eq!(sim.status(1, "GET", "/redfish/v1/Systems", ""), 200, "another BMC has another account");
}

/// The addresses of this host that are not loopback, as the kernel lists them.
fn own_addresses() -> Vec<Ipv4Addr> {
    let text = fs::read_to_string("/proc/net/fib_trie").unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let local = lines.windows(2).filter(|pair| pair[1].contains("/32 host LOCAL"));
    let mut all: Vec<Ipv4Addr> = local.filter_map(|pair| pair[0].trim().strip_prefix("|-- ")?.parse().ok()).collect();
    all.retain(|address| !address.is_loopback());
    all.dedup();
    all
}

#[test]
fn nobody_is_answered_but_on_loopback() {
    let sim = Sim::new();
    assert_eq!(http::get(sim.at(0), "/redfish").status, 200);
    for address in own_addresses() {
        // Either nothing listens there, or the connection ends before anything is said.
        let Ok(mut stream) = TcpStream::connect((address, sim.running().port())) else { continue };
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = "GET /redfish HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        let _ = std::io::Write::write_all(&mut stream, request.as_bytes());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.is_empty(), "{address} answered");
    }
    // Loopback, and no BMC's address.
    let nobody = (IpAddr::from([127, 0, 0, 1]), sim.running().port()).into();
    assert!(http::request(nobody, "GET", "/redfish", &[], b"").is_err());
}

#[test]
fn a_dead_bmc_says_nothing() {
    let sim = Sim::new();
    sim.running().kill(0, true);
    assert!(http::request(sim.at(0), "GET", "/redfish", &[], b"").is_err(), "an even one refuses");
    sim.running().kill(1, true);
    let mut stream = TcpStream::connect(sim.at(1)).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    std::io::Write::write_all(&mut stream, b"GET /redfish HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let silent = stream.read(&mut [0; 10]).unwrap_err();
    assert!(matches!(silent.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut), "{silent}");
    sim.running().kill(0, false);
    assert_eq!(http::get(sim.at(0), "/redfish").status, 200);
}
