//! Lookups by address behind trusted proxies, and that nobody else speaks for another machine.

use std::io::{Read, Write};
use std::net::{IpAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use muster::http::Limits;
use muster::model::{Revision, Tree};
use muster::snapshot;

use super::{ADVERTISE, COMMIT, Server, read_one};

/// The one proxy that is trusted here.
const PROXY: &str = "127.0.0.9";

/// The fixture has nid0001 at 127.0.0.1 and nid0002 at 127.0.0.2.
fn serve() -> Server {
    let server =
        Server::behind(Limits::boot(), &[format!("{PROXY}/32").parse().unwrap(), "10.7.0.0/24".parse().unwrap()]);
    server.publish(super::snapshot("", COMMIT));
    server
}

/// Connects from an address of this machine's loopback.
fn connect(server: &Server, from: &str) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
        socket.connect(server.addr).await.unwrap().into_std().unwrap()
    });
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

fn ask(stream: &mut TcpStream, method: &str, target: &str, headers: &str) -> String {
    let agent = "User-Agent: iPXE/1.21.1\r\nContent-Length: 0\r\n";
    stream.write_all(format!("{method} {target} HTTP/1.1\r\nHost: x\r\n{agent}{headers}\r\n").as_bytes()).unwrap();
    read_one(stream)
}

/// Returns the name in the meta-data by address; the status where there is none.
fn name(server: &Server, from: &str, before: &[u8], headers: &str) -> String {
    let mut stream = connect(server, from);
    stream.write_all(before).unwrap();
    let answer = ask(&mut stream, "GET", "/cloud-init/meta-data", headers);
    let name = answer.split("local-hostname: \"").nth(1).and_then(|rest| rest.split('"').next());
    name.map_or_else(|| answer["HTTP/1.1 ".len()..][..3].to_owned(), str::to_owned)
}

#[test]
fn nobody_gets_the_documents_of_another() {
    let server = serve();
    let (first, second) = ("nid0001", "nid0002");
    for (from, headers, expected) in [
        // Whoever is not trusted gets its own, whatever it says.
        ("127.0.0.1", "X-Forwarded-For: 127.0.0.2\r\n", first),
        ("127.0.0.1", "Forwarded: for=127.0.0.2\r\nX-Real-IP: 127.0.0.2\r\n", first),
        ("127.0.0.3", "X-Forwarded-For: 127.0.0.2\r\n", "404"),
        // The proxy adds the address that asks it; what stands before that is the client's own word.
        (PROXY, "X-Forwarded-For: 127.0.0.2\r\n", second),
        (PROXY, "X-Forwarded-For: 127.0.0.1, 127.0.0.2\r\n", second),
        (PROXY, "X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-For: 127.0.0.2, 10.7.0.1\r\n", second),
        (PROXY, "X-Forwarded-For: garbage, 127.0.0.2:40000\r\n", second),
        (PROXY, "Forwarded: for=127.0.0.1, for=\"127.0.0.2:40000\";proto=http\r\n", second),
        (PROXY, "X-Forwarded-For: 127.0.0.3\r\n", "404"),
        // What comes to no one address finds nobody: not the proxy's own address either.
        (PROXY, "", "400"),
        (PROXY, "X-Forwarded-For: 127.0.0.1, unknown\r\n", "400"),
        (PROXY, "X-Forwarded-For: 127.0.0.1\r\nForwarded: for=127.0.0.2\r\n", "400"),
        (PROXY, "Forwarded: for=127.0.0.1, for=_hidden\r\n", "400"),
        (PROXY, "X-Real-IP: 127.0.0.2\r\n", "400"),
    ] {
        assert_eq!(name(&server, from, b"", headers), expected, "{from} {headers:?}");
    }
    let mut stream = connect(&server, PROXY);
    let words = "the proxy 127.0.0.9 does not tell in one address for whom it asks: it must set X-Forwarded-For";
    let answer = ask(&mut stream, "GET", "/cloud-init/meta-data", "");
    assert!(answer.contains(words), "{answer}");
    // One connection of a proxy carries the requests of many.
    for (address, expected) in [("127.0.0.1", first), ("127.0.0.2", second), ("127.0.0.1", first)] {
        let header = format!("X-Forwarded-For: {address}\r\n");
        let answer = ask(&mut stream, "GET", "/cloud-init/meta-data", &header);
        assert!(answer.contains(&format!("local-hostname: \"{expected}\"")), "{answer}");
    }
}

#[test]
fn a_balancer_of_connections_announces_them() {
    let server = serve();
    let v1 = b"PROXY TCP4 127.0.0.2 127.0.0.9 40000 8270\r\n";
    let mut v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    v2.extend([127, 0, 0, 2, 127, 0, 0, 9, 1, 2, 3, 4]);
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
    for (before, headers, expected) in [
        (&v1[..], "", "nid0002"),
        (&v2, "", "nid0002"),
        // What follows is the client's word.
        (&v2, "X-Forwarded-For: 127.0.0.1\r\n", "nid0002"),
        (b"PROXY TCP4 10.7.0.1 127.0.0.9 40000 8270\r\n", "X-Forwarded-For: 127.0.0.1\r\n", "nid0001"),
        (b"PROXY UNKNOWN\r\n", "X-Forwarded-For: 127.0.0.1\r\n", "400"),
        (local, "", "400"),
    ] {
        assert_eq!(name(&server, PROXY, before, headers), expected, "{before:?} {headers:?}");
    }
    // From anybody else it is no request; and a broken one ends the connection.
    for (from, before) in [("127.0.0.1", &v1[..]), ("127.0.0.1", &v2), (PROXY, b"PROXY TCP4 banana\r\n")] {
        let mut stream = connect(&server, from);
        let _ = stream.write_all(&[before, b"GET /cloud-init/meta-data HTTP/1.1\r\nHost: x\r\n\r\n"].concat());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{from}: {answer}");
    }
    // Byte by byte, and two requests on one connection.
    let mut stream = connect(&server, PROXY);
    for byte in &v2 {
        stream.write_all(&[*byte]).unwrap();
        stream.flush().unwrap();
    }
    for _ in 0..2 {
        assert!(ask(&mut stream, "GET", "/cloud-init/meta-data", "").contains("nid0002"));
    }
}

#[test]
fn what_is_noted_is_the_machines_address() {
    let server = serve();
    let mut stream = connect(&server, PROXY);
    let told = "X-Forwarded-For: 127.0.0.1, 10.5.0.7\r\n";
    ask(&mut stream, "GET", "/boot/v1/bootscript?mac=02:1b:00:00:00:01", told);
    ask(&mut stream, "GET", "/boot/v1/bootscript?mac=02:ff:00:00:00:01", told);
    ask(&mut stream, "POST", "/cloud-init/node/nid0002/phone-home", told);
    let own: IpAddr = "10.5.0.7".parse().unwrap();
    let dirty = server.shared.load().take_dirty();
    let fetches: Vec<_> = dirty.into_iter().filter_map(|dirty| dirty.fetch).collect();
    assert_eq!(fetches.iter().map(|fetch| (&*fetch.node, fetch.address)).collect::<Vec<_>>(), [("nid0001", own)]);
    assert_eq!(server.next_unknown().map(|seen| seen.address), Some(own));
    let confirmed = |node: usize| server.shared.load().slots[node].confirmed().map(|confirmed| confirmed.address);
    assert_eq!(confirmed(1), Some(own));
    // By address: a name that nobody has, from nid0001.
    ask(&mut stream, "POST", "/cloud-init/phone-home/i-abc", "X-Forwarded-For: 127.0.0.2, 127.0.0.1\r\n");
    assert_eq!(confirmed(0), "127.0.0.1".parse().ok());
    let refused = ask(&mut stream, "POST", "/cloud-init/phone-home/i-abc", "");
    assert!(refused.starts_with("HTTP/1.1 404 ") && refused.contains("does not tell in one address"), "{refused}");
    // The way back is that of the machine's network, not of the proxy's.
    for (headers, server_url) in [(told, "http://far.example:8270"), ("", ADVERTISE)] {
        let loader = ask(&mut stream, "GET", "/boot.ipxe", headers);
        assert!(loader.contains(&format!("\n# muster at {server_url}\n")), "{loader}");
    }
}

#[test]
fn each_network_is_told_its_own_way_in() {
    let server = Server::empty();
    let wishes = r#"
//- cluster.toml
name = "t"
advertise = "http://cluster.example:8270"
//- networks/all.toml
cidr = ["127.0.0.0/8", "fd00::/16"]
advertise = "http://wide.example:8270/"
//- networks/near.toml
cidr = "127.0.0.0/24"
advertise = "http://[fd00::1]:8270"
//- networks/plain.toml
cidr = "10.0.0.0/8"
//- boot/live.toml
kind = "live"
kernel = "{{ server }}/vmlinuz"
params = ["inst={{ server }}"]
//- cloud-init/login.yaml.j2
#cloud-config
phone_home: { url: "{{ server }}/cloud-init/node/{{ name }}/phone-home" }
//- nodes/a.toml
[[node]]
name = "n[1-2]"
boot = "live"
cloud_init = { user_data = "login.yaml.j2" }
nics = [{ name = "eth0", network = "plain", mac = "02:1b:00:00:01:0[1-2]" }, { name = "eth1", network = "near", boot = true, mac = "02:1b:00:00:00:0[1-2]" }]

[[node]]
name = "n3"
boot = "live"
nics = [{ name = "eth0", network = "plain", mac = "02:1b:00:00:00:03" }]
"#;
    let (snapshot, findings) = snapshot::build(&Tree::from_fixture(wishes), Revision::commit(COMMIT));
    server.publish(snapshot.map(Arc::new).unwrap_or_else(|| panic!("{findings:#?}")));
    let headers = [("Host", "evil.example"), ("X-Forwarded-Host", "evil.example"), ("X-Forwarded-Proto", "https")];
    let get = |target: &str| server.send("GET", target, &headers, b"").text().to_owned();
    let own = "http://[fd00::1]:8270";
    // A known node: by its boot interface's network, whatever its other interfaces are in and wherever it asks from.
    let script = get("/boot/v1/bootscript?mac=02:1b:00:00:01:01");
    assert!(script.contains(&format!("kernel --name kernel {own}/vmlinuz inst={own} ")), "{script}");
    assert!(script.contains(&format!("ds=nocloud-net;s={own}/cloud-init/node/n1/ ")), "{script}");
    assert!(script.contains(&format!("chain --replace --autofree {own}/boot/v1/bootscript?")), "{script}");
    assert!(get("/cloud-init/node/n2/user-data").contains(&format!("\"{own}/cloud-init/node/n2/phone-home\"")));
    // One whose network says nothing: the cluster's.
    let script = get("/boot/v1/bootscript?name=n3");
    assert_eq!(script.matches("http://cluster.example:8270/").count(), 3, "{script}");
    // A machine that is not known: by the narrowest network around its address.
    assert!(get("/boot.ipxe").contains(&format!("imgfetch --name bootscript {own}/boot/v1/bootscript?")));
    let unknown = get("/boot/v1/bootscript?mac=02:ff:00:00:00:01");
    assert!(unknown.contains(&format!("chain --replace --autofree {own}/boot/v1/bootscript?")), "{unknown}");
    let mut stream = connect(&server, "127.1.0.1");
    let wide = ask(&mut stream, "GET", "/boot.ipxe", "");
    assert!(wide.contains("\n# muster at http://wide.example:8270\n"), "{wide}");
    assert!(!script.contains("evil") && !unknown.contains("evil") && !wide.contains("evil"));
}
