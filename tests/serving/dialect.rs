//! The boot script's dialect (the wire notes' section 2.1), typed again from the notes.

use std::sync::Arc;

use muster::model::{Revision, Tree};
use muster::snapshot;

use super::{ADVERTISE, COMMIT, Server};

const SCRIPT: &str = "/boot/v1/bootscript";

const KNOWN: &str = "#!ipxe
imgfree
kernel --name kernel http://images.example/vmlinuz initrd=initrd console=ttyS0,115200 ip=dhcp xname=x1000c0s0b0n0 nid=1 BOOTIF=01-02-1b-00-00-00-01 ds=nocloud-net;s=http://10.9.9.9:8270/cloud-init/node/nid0001/ || goto boot_retry
initrd --name initrd http://images.example/initramfs.img || goto boot_retry
boot || goto boot_retry
:boot_retry
sleep 30
chain --replace --autofree http://10.9.9.9:8270/boot/v1/bootscript?mac=02:1b:00:00:00:01&retry=1

";

const LAST: &str = "chain --replace --autofree http://10.9.9.9:8270/boot/v1/bootscript?mac=02:1b:00:00:00:01&retry=1";

fn script(server: &Server, query: &str) -> String {
    let answer = server.get(&format!("{SCRIPT}?{query}"));
    assert_eq!(answer.status, 200, "{query}: {}", answer.text());
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=UTF-8"), "{query}");
    assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()), "{query}");
    assert_eq!(answer.header("x-muster-revision"), Some(COMMIT), "{query}");
    answer.text().to_owned()
}

fn problem(server: &Server, query: &str, status: u16, title: &str, detail: &str) {
    let answer = server.get(&format!("{SCRIPT}?{query}"));
    let body =
        format!("{{\"type\":\"about:blank\",\"title\":\"{title}\",\"detail\":\"{detail}\",\"status\":{status}}}\n");
    assert_eq!((answer.status, answer.text()), (status, body.as_str()), "{query}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{query}");
    assert_eq!(answer.header("x-muster-revision"), Some(COMMIT), "{query}");
}

#[test]
fn a_known_node_gets_its_script() {
    let server = Server::start("");
    assert_eq!(script(&server, "mac=02:1b:00:00:00:01"), KNOWN);
    assert_eq!(script(&server, "mac=02%3A1b%3A00%3a00%3A00%3A01&arch=i386&ts=1&other=x"), KNOWN);
    assert_eq!(script(&server, "mac=02:1b:00:00:00:01&name=far1&nid=2"), KNOWN);
    assert_eq!(script(&server, "mac=02:1b:00:00:00:01&mac=02:1b:00:00:00:02"), KNOWN);

    let alias = server.get("/boot-service/bootscript?mac=02:1b:00:00:00:01");
    assert_eq!(alias.text(), KNOWN.replace("8270/boot/v1/bootscript", "8270/boot-service/bootscript"));
    assert_eq!(server.get("/boot/v1/bootscript/?mac=02:1b:00:00:00:01").text(), KNOWN);
}

#[test]
fn the_address_goes_back_as_it_was_asked() {
    let server = Server::start("");
    let upper = KNOWN.replace("01-02-1b-", "01-02-1B-").replace("mac=02:1b:", "mac=02:1B:");
    assert_eq!(script(&server, "mac=02:1B:00:00:00:01"), upper);
    let dashes = KNOWN.replace("mac=02:1b:00:00:00:01", "mac=02-1b-00-00-00-01");
    assert_eq!(script(&server, "mac=02-1b-00-00-00-01"), dashes);
    let dots = KNOWN.replace("mac=02:1b:00:00:00:01", "mac=021B.0000.0001");
    assert_eq!(script(&server, "mac=021B.0000.0001"), dots);
    let pairs = KNOWN.replace("mac=02:1b:00:00:00:01", "mac=021b:0000:0001");
    assert_eq!(script(&server, "mac=021b:0000:0001"), pairs);
}

#[test]
fn a_name_or_nid_gets_the_node_without_the_interface() {
    let server = Server::start("");
    let expected = KNOWN.replace(" BOOTIF=01-02-1b-00-00-00-01", "");
    for query in ["name=nid0001", "name=x1000c0s0b0n0", "name=X1000C0S00B0N0", "nid=1", "nid=0x1", "mac=&nid=1"] {
        assert_eq!(script(&server, query), expected, "{query}");
    }
    // No MAC address is known: the xname, which this one has not, or the name.
    let bare = script(&server, "nid=51");
    assert!(bare.ends_with("?name=bare1&retry=1\n\n"), "{bare}");
    assert!(
        bare.starts_with("#!ipxe\nimgfree\nkernel --name kernel http://images.example/memtest nid=51 ds="),
        "{bare}"
    );
    assert!(!bare.contains("initrd"), "{bare}");
}

#[test]
fn a_kernel_without_parameters_has_one_blank_before_each_word() {
    let wishes = r#"
//- cluster.toml
name = "test"
//- boot/memtest.toml
kind = "live"
sealed = true
kernel = "http://images.example/memtest"
//- boot/seeded.toml
kind = "live"
sealed = true
kernel = "http://images.example/memtest"
params = ["ds=none", "BOOTIF="]
//- nodes/a.toml
[[node]]
name = "n1"
boot = "memtest"
nics = [{ name = "eth0", mac = "02:1b:00:00:00:01" }]

[[node]]
name = "n2"
boot = "seeded"
"#;
    let server = Server::empty();
    let (snapshot, findings) = snapshot::build(&Tree::from_fixture(wishes), Revision::commit(COMMIT));
    server.publish(snapshot.map(Arc::new).unwrap_or_else(|| panic!("{findings:#?}")));
    let seed = format!("ds=nocloud-net;s={ADVERTISE}/cloud-init/node/n1/");
    for (query, params) in [
        ("mac=02:1b:00:00:00:01", format!("BOOTIF=01-02-1b-00-00-00-01 {seed}")),
        ("name=n1", seed),
        ("name=n2", "ds=none BOOTIF=".to_owned()),
    ] {
        let text = script(&server, query);
        let expected = format!("\nkernel --name kernel http://images.example/memtest {params} || goto boot_retry\n");
        assert!(text.contains(&expected), "{query}: {text}");
        assert!(!text.contains("  "), "{query}: {text}");
        let answer = server.get(&format!("{SCRIPT}?{query}&json=1"));
        assert!(answer.text().starts_with(&format!("{{\"params\":\"kernel {params}\"")), "{}", answer.text());
    }
}

#[test]
fn the_counter_counts_and_changes_nothing_else() {
    let server = Server::start("");
    for (retry, next) in [
        ("1", "2"),
        ("0x10", "17"),
        ("", "1"),
        ("x", "1"),
        ("-7", "1"),
        ("4294967295", "4294967295"),
        ("99999999999999999999999999", "4294967295"),
    ] {
        let expected = KNOWN.replace("retry=1", &format!("retry={next}"));
        assert_eq!(script(&server, &format!("mac=02:1b:00:00:00:01&retry={retry}")), expected, "{retry}");
    }
}

#[test]
fn each_network_has_its_own_way_back() {
    let server = Server::start("");
    let far = script(&server, "mac=02:1b:00:00:00:11");
    assert!(!far.contains(ADVERTISE) && far.contains("s=http://far.example:8270/cloud-init/node/far1/ ||"), "{far}");
    assert!(
        far.contains(
            "chain --replace --autofree http://far.example:8270/boot/v1/bootscript?mac=02:1b:00:00:00:11&retry=1"
        ),
        "{far}"
    );

    let server = Server::start("advertise = \"http://cluster.example\"");
    assert_eq!(script(&server, "mac=02:1b:00:00:00:01"), KNOWN.replace(ADVERTISE, "http://cluster.example"));
    let unknown = script(&server, "mac=02:1b:00:00:00:99");
    assert!(unknown.contains("chain --replace --autofree http://cluster.example/boot/v1/bootscript?mac="), "{unknown}");
}

#[test]
fn nothing_is_built_from_the_host_header() {
    let server = Server::start("");
    let headers = [("Host", "evil.example"), ("X-Forwarded-Host", "evil.example"), ("X-Forwarded-For", "10.5.0.1")];
    let answer = server.send("GET", "/boot/v1/bootscript?mac=02:1b:00:00:00:01", &headers, b"");
    assert_eq!(answer.text(), KNOWN);
}

#[test]
fn a_local_boot_exits_to_the_disk() {
    let server = Server::start("");
    let expected = "#!ipxe\necho disk1 boots from its local disk\nexit 0\n";
    assert_eq!(script(&server, "mac=02:1b:00:00:00:21"), expected);
}

#[test]
fn a_machine_that_names_itself_by_nothing_is_told_so() {
    let server = Server::start("");
    let title = "Bad Request";
    for query in ["", "mac=", "nid=abc", "nid=-1", "nid=", "nid=99999999999999999999", "Mac=02:1b:00:00:00:01"] {
        problem(&server, query, 400, title, "Need a mac=, name=, or nid= parameter");
    }
    let answer = server.get(SCRIPT);
    assert_eq!((answer.status, answer.header("content-length")), (400, Some("107")));
    let long = "a".repeat(5000);
    problem(&server, &format!("name={long}"), 400, title, "name= is longer than 256 bytes");
    problem(&server, &format!("nid=1&arch={long}"), 400, title, "arch= is longer than 256 bytes");
}

#[test]
fn retired_and_idle_nodes_are_refused_by_name() {
    let server = Server::start("");
    let retired = "old1 is retired: it is given nothing to boot.";
    problem(&server, "mac=02:1b:00:00:00:31", 403, "Forbidden", retired);
    problem(&server, "name=old1&json=1", 403, "Forbidden", retired);
    let idle = "spare1 has no boot configuration: no layer names one.";
    problem(&server, "mac=02:1b:00:00:00:41", 404, "Not Found", idle);
}

/// Splits the seconds off an answer that asks again.
fn without_time(text: &str) -> (String, u64) {
    let (head, time) = text.split_once("&ts=").expect("it has a time");
    (head.to_owned(), time.strip_suffix("\n\n").expect("a blank line ends it").parse().expect("it is a number"))
}

#[test]
fn an_unknown_machine_is_asked_for_its_architecture_and_then_refused() {
    let server = Server::start("");
    let cases = [
        ("mac=02:ff:ff:ff:ff:fe", "mac=02:ff:ff:ff:ff:fe", "MAC 02:ff:ff:ff:ff:fe"),
        ("mac=02%3AFF%3aff:ff:ff:fe", "mac=02:FF:ff:ff:ff:fe", "MAC 02:FF:ff:ff:ff:fe"),
        ("mac=banana", "mac=banana", "MAC banana"),
        ("name=x9999c0s0b0n0", "name=x9999c0s0b0n0", "x9999c0s0b0n0"),
        ("nid=999999", "nid=999999", "NID 999999"),
    ];
    for (query, who, refused) in cases {
        let (head, time) = without_time(&script(&server, query));
        let expected = format!(
            "#!ipxe\nimgfree\nsleep 10\nchain --replace --autofree {ADVERTISE}/boot/v1/bootscript?{who}&arch=${{buildarch}}"
        );
        assert_eq!(head, expected, "{query}");
        assert!(time > 1_700_000_000, "{time}");
        let detail = format!("Unknown {refused} architecture x86_64: this host not configured for booting.");
        problem(&server, &format!("{query}&arch=x86_64"), 404, "Not Found", &detail);
    }
}

#[test]
fn an_unknown_machine_may_boot_what_is_wished_for_its_kind() {
    let server = Server::start("unknown = { boot = \"discovery\" }");
    let (head, _) = without_time(&script(&server, "mac=02:ff:ff:ff:ff:fe"));
    let again =
        "chain --replace --autofree http://10.9.9.9:8270/boot/v1/bootscript?mac=02:ff:ff:ff:ff:fe&arch=${buildarch}";
    assert_eq!(head, format!("#!ipxe\nimgfree\n{again}"));
    let (head, _) = without_time(&script(&server, "mac=02:ff:ff:ff:ff:fe&arch=i386"));
    let expected = "#!ipxe
imgfree
kernel --name kernel http://images.example/discovery initrd=initrd discovery=1 ds=nocloud-net;s=http://10.9.9.9:8270/cloud-init/ || goto boot_retry
initrd --name initrd http://images.example/discovery.img || goto boot_retry
boot || goto boot_retry
:boot_retry
sleep 30
";
    assert_eq!(head, format!("{expected}{again}"));
    let detail = "Unknown MAC 02:ff:ff:ff:ff:fe architecture riscv64: this host not configured for booting.";
    problem(&server, "mac=02:ff:ff:ff:ff:fe&arch=riscv64", 404, "Not Found", detail);

    let server = Server::start("unknown = { action = \"retry\" }");
    let (head, _) = without_time(&script(&server, "mac=02:ff:ff:ff:ff:fe&arch=i386"));
    assert_eq!(head, format!("#!ipxe\nimgfree\nsleep 10\n{again}"));
}

#[test]
fn nothing_that_is_asked_becomes_a_command() {
    let server = Server::start("");
    for (asked, written) in [
        ("a%0Areboot", "a%0Areboot"),
        ("a%20%26%26+reboot", "a%20%26%26%20reboot"),
        ("$%7Bnet0/mac%7D", "%24%7Bnet0%2Fmac%7D"),
        ("%01server%02", "%01server%02"),
        ("%FF%00", "%EF%BF%BD%00"),
        ("%25", "%25"),
        ("k%C3%A4se", "k%C3%A4se"),
    ] {
        let (head, _) = without_time(&script(&server, &format!("name={asked}")));
        let expected = format!(
            "#!ipxe\nimgfree\nsleep 10\nchain --replace --autofree {ADVERTISE}/boot/v1/bootscript?name={written}&arch=${{buildarch}}"
        );
        assert_eq!(head, expected);
    }
    problem(
        &server,
        "name=%22%5C&arch=%0A",
        404,
        "Not Found",
        "Unknown \\\"\\\\ architecture \\n: this host not configured for booting.",
    );
}

#[test]
fn json_describes_the_script() {
    let server = Server::start("");
    let described = |query: &str| {
        let answer = server.get(&format!("{SCRIPT}?{query}"));
        assert_eq!(answer.status, 200, "{query}: {}", answer.text());
        assert_eq!(answer.header("content-type"), Some("application/json; charset=UTF-8"));
        answer.text().to_owned()
    };
    let known = "{\"params\":\"kernel initrd=initrd console=ttyS0,115200 ip=dhcp xname=x1000c0s0b0n0 nid=1 \
                 BOOTIF=01-02-1b-00-00-00-01 ds=nocloud-net;s=http://10.9.9.9:8270/cloud-init/node/nid0001/\",\
                 \"kernel\":{\"path\":\"http://images.example/vmlinuz\"},\
                 \"initrd\":{\"path\":\"http://images.example/initramfs.img\"}}\n";
    assert_eq!(described("mac=02:1b:00:00:00:01&json=1"), known);
    let nothing = "{\"params\":\"kernel \",\"kernel\":{\"path\":\"\"},\"initrd\":{\"path\":\"\"}}\n";
    for query in ["mac=02:ff:ff:ff:ff:fe&arch=x86_64&json=0x1", "name=spare1&json=1", "name=disk1&json=1"] {
        assert_eq!(described(query), nothing, "{query}");
    }
}

#[test]
fn other_methods_are_refused_and_head_is_answered() {
    let server = Server::start("");
    let target = "/boot/v1/bootscript?mac=02:1b:00:00:00:01";
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        let answer = server.send(method, target, &[], b"{}");
        let body = "{\"type\":\"about:blank\",\"title\":\"Method Not Allowed\",\"detail\":\"allow GET,HEAD\",\"status\":405}\n";
        assert_eq!((answer.status, answer.text(), answer.header("allow")), (405, body, Some("GET,HEAD")), "{method}");
    }
    let (get, head) = (server.get(target), server.send("HEAD", target, &[], b""));
    assert_eq!((head.status, head.body.len()), (200, 0));
    let headers = |answer: &crate::support::http::Answer| {
        answer.headers.iter().filter(|(name, _)| name != "date").cloned().collect::<Vec<_>>()
    };
    assert_eq!(headers(&head), headers(&get));
    assert_eq!(head.header("content-length"), Some(KNOWN.len().to_string().as_str()));
}

#[test]
fn a_tag_tells_whether_the_script_is_the_same() {
    let server = Server::start("");
    let target = "/boot/v1/bootscript?mac=02:1b:00:00:00:01";
    let first = server.get(target);
    let tag = first.header("etag").expect("a tag").to_owned();
    assert_eq!(first.header("cache-control"), Some("no-cache"));
    for known in [tag.clone(), format!("\"x\", {tag}"), format!("W/{tag}"), "*".into()] {
        let same = server.send("GET", target, &[("If-None-Match", &known)], b"");
        assert_eq!((same.status, same.body.len(), same.header("etag")), (304, 0, Some(&*tag)), "{known}");
        assert_eq!(same.header("x-muster-revision"), Some(COMMIT));
    }
    for other in ["&retry=1", "&mac=x", ""] {
        let answer = server.send("GET", &format!("{target}{other}"), &[("If-None-Match", &tag)], b"");
        assert_eq!(answer.status, if other == "&retry=1" { 200 } else { 304 }, "{other}");
    }
    let upper = server.send("GET", "/boot/v1/bootscript?mac=02:1B:00:00:00:01", &[("If-None-Match", &tag)], b"");
    assert_eq!(upper.status, 200);
    let other = server.send("GET", "/boot/v1/bootscript?nid=51", &[("If-None-Match", &tag)], b"");
    assert_eq!(other.status, 200);
    // Another commit with the same script keeps its tag; one with another script does not.
    server.publish(super::snapshot("", &"2".repeat(40)));
    assert_eq!(server.send("GET", target, &[("If-None-Match", &tag)], b"").status, 304);
    server.publish(super::snapshot("retry_delay = 5", &"3".repeat(40)));
    assert_eq!(server.send("GET", target, &[("If-None-Match", &tag)], b"").status, 200);
}

#[test]
fn every_script_ends_in_a_way_back_with_a_full_url() {
    let server = Server::start("");
    let lines: Vec<String> = script(&server, "mac=02:1b:00:00:00:01").lines().map(str::to_owned).collect();
    assert_eq!(&lines[lines.len() - 2..], [LAST, ""]);
}
