//! Machines on a network of their own: DHCP, TFTP and router advertisements as a site has them, `muster serve` beside them,
//! and machines whose firmware finds its way to it by each of the usual ways. For `make test-vm`: it needs root.

use crate::support::muster::Served;
use crate::support::netns::{isolated, unshare_flag};
use crate::support::parts::{self, Part};
use crate::support::stub::Stub;
use crate::support::wishes::Wishes;
use crate::vm::bridge::{Bridge, IMAGES, MUSTER, Start, Wired};
use crate::vm::qemu::End;
use crate::vm::{self, Console};
use serde_json::Value;
use std::fs;
use std::thread;

/// One machine for each way from firmware to iPXE.
const ROM: Wired = Wired { mac: "52:54:00:ee:01:01", ip: "172.31.77.11", start: Start::Rom, memory: 384 };
const UEFI_PXE: Wired = Wired { mac: "52:54:00:ee:01:02", ip: "172.31.77.12", start: Start::UefiPxe, memory: 384 };
const UEFI_HTTP: Wired = Wired { mac: "52:54:00:ee:01:03", ip: "172.31.77.13", start: Start::UefiHttp, memory: 384 };
const PXE: Wired = Wired { mac: "52:54:00:ee:01:04", ip: "172.31.77.14", start: Start::Pxe, memory: 384 };

/// It holds a whole Debian in memory.
const GUEST: Wired = Wired { mac: "52:54:00:ee:01:05", ip: "172.31.77.15", start: Start::Rom, memory: 2048 };

const CLUSTER: &str = r#"name = "lab"
layers = ["vendor"]

[defaults]
boot = "busybox"
params = ["console=ttyS0,115200", "quiet", "panic=1", "site.tells=all"]
cloud_init = { user_data = "user.yaml.j2" }
"#;

const NODES: &str = r#"[[node]]
name = "vm[1-4]"
nid = "[1-4]"
nics = [{ name = "eth0", network = "node", mac = "52:54:00:ee:01:0[1-4]", ip = "172.31.77.[11-14]", boot = true }]

[[node]]
name = "guest"
boot = "guest"
groups = ["vendor"]
cloud_init = { user_data = "guest.yaml.j2" }
nics = [{ name = "eth0", network = "node", mac = "52:54:00:ee:01:05", ip = "172.31.77.15", boot = true }]
"#;

const NETWORK: &str = "cidr = \"172.31.77.0/24\"\nadvertise = \"http://172.31.77.1:8270\"\n";

const BUSYBOX: &str = r#"kind = "live"
kernel = "http://172.31.77.1:8080/vmlinuz"
initrd = "http://172.31.77.1:8080/initramfs.img"
"#;

const DEBIAN: &str = r#"kind = "live"
kernel = "http://172.31.77.1:8080/vmlinuz"
initrd = "http://172.31.77.1:8080/guest.img"
params = ["net.ifnames=0"]
"#;

const USER: &str = "#cloud-config\nhostname: {{ name }}\n";

/// Says on the serial line what came of it, tells muster, and powers off.
const GUEST_USER: &str = r#"#cloud-config
runcmd:
  - [sh, -c, 'echo "guest: $(hostname) is {{ name }}, and has $(cat /run/vendor)" >/dev/ttyS0']
phone_home:
  url: {{ server }}/cloud-init/node/{{ name }}/phone-home
  post: [hostname, fqdn, instance_id]
  tries: 5
power_state:
  mode: poweroff
"#;

const GUEST_VENDOR: &str = r#"#cloud-config
write_files:
  - path: /run/vendor
    content: the vendor-data of {{ name }}
"#;

/// Tells whether all that these tests need is here; if not, `test` is skipped.
fn can_boot(test: &str, more: &[Part]) -> bool {
    if unshare_flag() != Some("-n") {
        parts::skip(test, "root", "run it as root: it makes a bridge and taps in its network namespace");
        return false;
    }
    if !fs::exists("/dev/net/tun").unwrap_or_default() {
        parts::skip(test, "tun", "this machine has no /dev/net/tun: load the module tun");
        return false;
    }
    vm::can_boot(test) && parts::all(test, &[Part::Dnsmasq, Part::Loaders]) && parts::all(test, more)
}

struct Network {
    _wishes: Wishes,
    muster: Served,
    images: Stub,
    bridge: Bridge,
    revision: String,
}

impl Network {
    fn open(machines: &[Wired], guest: Vec<u8>) -> Network {
        let wishes = Wishes::of(&[
            ("cluster.toml", CLUSTER),
            ("nodes/all.toml", NODES),
            ("networks/node.toml", NETWORK),
            ("groups/vendor.toml", "cloud_init = { vendor_data = \"vendor.yaml.j2\" }\n"),
            ("boot/busybox.toml", BUSYBOX),
            ("boot/guest.toml", DEBIAN),
            ("cloud-init/user.yaml.j2", USER),
            ("cloud-init/guest.yaml.j2", GUEST_USER),
            ("cloud-init/vendor.yaml.j2", GUEST_VENDOR),
        ]);
        let bridge = Bridge::open(wishes.root(), machines);
        let loader = Part::Loaders.find().expect("the part was required").join("ipxe.efi");
        let images = Stub::files_at(
            IMAGES,
            [
                ("/vmlinuz", vm::kernel()),
                ("/initramfs.img", vm::initramfs::build()),
                ("/ipxe.efi", fs::read(loader).expect("the file can be read")),
                ("/guest.img", guest),
            ],
        );
        let (listen, advertise) = (MUSTER.to_string(), format!("http://{MUSTER}"));
        let more = ["--listen", &listen, "--advertise", &advertise];
        let muster = Served::start(&wishes.bare(), &wishes.root().join("muster.redb"), &more);
        let revision = wishes.git(&["rev-parse", "HEAD"]);
        muster.wait_for("the wishes are served", |fields| fields["message"] == "commit accepted");
        Network { _wishes: wishes, muster, images, bridge, revision }
    }

    fn api(&self, path: &str) -> Value {
        serde_json::from_str(self.muster.get_api(path).text()).expect("the api answers with JSON")
    }

    /// Judges what muster knows of a node that booted on a machine.
    fn has_booted(&self, node: &str, machine: &Wired, arch: &str) -> Value {
        let told = self.api(&format!("/api/v1/nodes/{node}"));
        let boot = &told["last_boot"];
        assert_eq!(boot["mac"], machine.mac, "{told:#}");
        assert_eq!(boot["address"], machine.ip, "the machine asks for itself: {told:#}");
        assert_eq!(boot["revision"], self.revision, "{told:#}");
        assert_eq!(boot["script_digest"], told["script_digest"], "{told:#}");
        assert_eq!(boot["current"], true, "{told:#}");
        assert_eq!(boot["arch"], arch, "{told:#}");
        assert_eq!(told["cloud_init"]["address"], machine.ip, "{told:#}");
        told
    }

    /// Judges a machine that ran our init: its console, and what muster knows of it.
    fn has_told_all(&self, node: &str, machine: &Wired, console: &Console, arch: &str) {
        let why = || format!("{}\n--- dnsmasq\n{}", console.text, self.bridge.log());
        assert_eq!(console.end, End::Off, "{}", why());
        let told: Vec<&str> = console.cmdline().split_whitespace().collect();
        let seed = format!("ds=nocloud-net;s=http://{MUSTER}/cloud-init/node/{node}/");
        let nid = format!("nid={}", node.trim_start_matches("vm"));
        assert!(told.contains(&&*seed) && told.contains(&&*nid), "{told:?}");
        let meta = console.section("meta-data").unwrap_or_default();
        assert!(meta.contains(&format!("local-hostname: \"{node}\"")), "{}", why());
        assert_eq!(console.section("by-address"), Some(meta), "by its address as by its name: {}", why());
        let user = format!("#cloud-config\nhostname: {node}");
        assert_eq!(console.section("user-data"), Some(&*user), "{}", why());
        assert_eq!(console.section("phone-home"), Some("told"), "{}", why());
        let known = self.has_booted(node, machine, arch);
        assert_eq!(known["cloud_init"]["instance_id"], "busybox", "{known:#}");
    }
}

fn power_on(bridge: &Bridge, machine: &Wired) -> Console {
    let console = bridge.power_on(machine);
    println!("{:?} {}: {:?} after {:?}", machine.start, machine.ip, console.end, console.took);
    console
}

#[test]
#[ignore = "make test-vm runs it: it needs root and a bridge"]
fn three_machines_come_by_three_ways_at_once() {
    const NAME: &str = "network::three_machines_come_by_three_ways_at_once";
    isolated(NAME, || {
        if can_boot(NAME, &[Part::Ovmf]) {
            let machines = [ROM, UEFI_PXE, UEFI_HTTP];
            let network = Network::open(&machines, Vec::new());
            let bridge = &network.bridge;
            let consoles = thread::scope(|scope| {
                let running = machines.each_ref().map(|machine| scope.spawn(|| power_on(bridge, machine)));
                running.map(|machine| machine.join().expect("a machine does not panic"))
            });
            for ((node, arch), (machine, console)) in
                [("vm1", "i386"), ("vm2", "x86_64"), ("vm3", "x86_64")].into_iter().zip(machines.iter().zip(&consoles))
            {
                network.has_told_all(node, machine, console, arch);
            }
            came_by_their_ways(&network);
        }
    });
}

fn came_by_their_ways(network: &Network) {
    let log = network.bridge.log();
    assert!(log.contains(&format!("snponly.efi to {}", UEFI_PXE.ip)), "{log}");
    assert!(!log.contains("undionly.kpxe to"), "nobody else fetched by TFTP: {log}");
    let loads = network.images.seen().into_iter().filter(|seen| seen.target == "/ipxe.efi");
    let agents: Vec<String> =
        loads.flat_map(|seen| seen.headers).filter(|(name, _)| name == "user-agent").map(|(_, agent)| agent).collect();
    assert!(!agents.is_empty() && agents.iter().all(|agent| agent.starts_with("UefiHttpBoot/")), "{agents:?}");
    let status = network.api("/api/v1/status");
    assert_eq!((&status["boots"], &status["unknown_macs"]), (&3.into(), &0.into()), "{status:#}");
    for other in ["vm4", "guest"] {
        assert!(network.api(&format!("/api/v1/nodes/{other}"))["last_boot"].is_null(), "{other} did not boot");
    }
}

#[test]
#[ignore = "make test-vm runs it: it needs root and a bridge"]
fn a_machine_without_ipxe_fetches_it_by_tftp() {
    const NAME: &str = "network::a_machine_without_ipxe_fetches_it_by_tftp";
    isolated(NAME, || {
        if can_boot(NAME, &[]) {
            let network = Network::open(&[PXE], Vec::new());
            let bridge = &network.bridge;
            let console = thread::scope(|scope| {
                let running = scope.spawn(|| power_on(bridge, &PXE));
                bridge.wait_for(&format!("undionly.kpxe to {}", PXE.ip));
                bridge.became_ipxe(&PXE);
                running.join().expect("a machine does not panic")
            });
            network.has_told_all("vm4", &PXE, &console, "i386");
        }
    });
}

#[test]
#[ignore = "make test-vm runs it: it needs root, a bridge, and a Debian that takes minutes to make"]
fn a_debian_takes_what_its_cloud_init_is_told() {
    const NAME: &str = "network::a_debian_takes_what_its_cloud_init_is_told";
    isolated(NAME, || {
        if can_boot(NAME, &[Part::Guest]) {
            let image = fs::read(Part::Guest.find().expect("the part was required")).expect("the file can be read");
            let network = Network::open(&[GUEST], image);
            let console = power_on(&network.bridge, &GUEST);
            assert_eq!(console.end, End::Off, "{}", console.text);
            // Its host name is meta-data's, the command user-data's, the file vendor-data's.
            let told = "guest: guest is guest, and has the vendor-data of guest";
            assert!(console.text.contains(told), "{}", console.text);
            let known = network.has_booted("guest", &GUEST, "i386");
            assert_eq!(known["cloud_init"]["instance_id"], "lab-guest", "{known:#}");
        }
    });
}
