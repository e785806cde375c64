//! A lab in small: another maker's Redfish service powers on a real virtual machine, muster boots it, and sees it go on and
//! off. For `make test-vm`: it needs root, and libvirt takes longer than all the other boots.

use crate::support::muster::{self, Served};
use crate::support::netns::isolated;
use crate::support::parts::{self, Part};
use crate::support::wishes::Wishes;
use crate::support::{http, netns};
use crate::vm;
use serde_json::Value;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// libvirt's first look at QEMU alone may take more than a minute.
const PATIENCE: Duration = Duration::from_secs(120);

const HOST: &str = "http://172.31.77.1:8270";

/// In a network namespace every port is free.
const REDFISH: ([u8; 4], u16) = ([127, 0, 0, 1], 8000);

const RESET: &str = "/redfish/v1/Systems/22222222-2222-4333-8444-000000000001/Actions/ComputerSystem.Reset";

const CLUSTER: &str = r#"name = "lab"
credentials = ["lab"]

[defaults]
boot = "debian"
params = ["console=ttyS0,115200", "quiet", "panic=1", "site.colour=violet"]
"#;

const NODES: &str = r#"[[node]]
name = "vm1"
bmc = { url = "https://10.8.0.1", credentials = "lab", tls = "verify" }
system = "22222222-2222-4333-8444-000000000001"
uuid = "22222222-2222-4333-8444-000000000001"
nics = [{ name = "eth0", mac = "52:54:00:ee:00:01", network = "node", boot = true }]
expect = { power = "on" }
"#;

const SETTINGS: &str = r#"
[bmc]
credentials_file = "credentials.toml"
timeout = "2m"
plain = ["127.0.0.0/8"]
[bmc.rewrite]
"https://10.8.0.1" = "http://127.0.0.1:8000"
[survey]
sweep = "off"
deep = "off"
"#;

const EMULATOR: &str = "
SUSHY_EMULATOR_LISTEN_IP = '127.0.0.1'
SUSHY_EMULATOR_LISTEN_PORT = 8000
SUSHY_EMULATOR_LIBVIRT_URI = 'qemu:///system'
";

#[test]
#[ignore = "make test-vm runs it: it needs root and libvirt"]
fn a_machine_that_redfish_powers_on_boots_what_git_says() {
    const NAME: &str = "libvirt::a_machine_that_redfish_powers_on_boots_what_git_says";
    let is_root = netns::unshare_flag() == Some("-n");
    if !is_root {
        return parts::skip(NAME, "root", "run it as root: it makes a bridge, and binds files over those of the host");
    }
    isolated(NAME, || {
        if vm::can_boot(NAME) && parts::all(NAME, &[Part::Sushy, Part::Libvirt]) {
            let lab = Lab::open();
            assert_eq!(lab.power(&["discover"]), "off", "{}", lab.told());
            lab.reset("On");
            lab.wait("the machine is on", || lab.power(&["discover", "--sweep"]) == "on");
            lab.wait("the machine is off again", || lab.power(&["discover", "--sweep"]) == "off");
            lab.has_booted();
        }
    });
}

struct Lab {
    _host: Host,
    muster: Served,
    wishes: Wishes,
}

impl Lab {
    fn open() -> Lab {
        let kernel = "http://172.31.77.1:8080";
        let boot = format!("kind = \"live\"\nkernel = \"{kernel}/vmlinuz\"\ninitrd = \"{kernel}/initramfs.img\"\n");
        let network = format!("cidr = \"172.31.77.0/24\"\nadvertise = \"{HOST}\"\n");
        let wishes = Wishes::of(&[
            ("cluster.toml", CLUSTER),
            ("nodes/all.toml", NODES),
            ("networks/node.toml", &network),
            ("boot/debian.toml", &boot),
        ]);
        let at = |name: &str| wishes.root().join(name);
        fs::create_dir_all(at("images")).expect("the folder can be made");
        let write = |path: PathBuf, bytes: &[u8]| fs::write(path, bytes).expect("the file can be written");
        write(at("images/vmlinuz"), &vm::kernel());
        write(at("images/initramfs.img"), &vm::initramfs::build());
        write(
            at("emulator.conf"),
            format!("{EMULATOR}SUSHY_EMULATOR_STATE_DIR = '{}'\n", wishes.root().display()).as_bytes(),
        );
        write(at("settings.toml"), SETTINGS.as_bytes());
        write(at("credentials.toml"), b"[lab]\nusername = \"admin\"\npassword = \"any\"\n");
        let only_ours = fs::Permissions::from_mode(0o600);
        fs::set_permissions(at("credentials.toml"), only_ours).expect("the file is ours");
        let host = Host::start(wishes.root());
        let more = [
            "--listen",
            "172.31.77.1:8270",
            "--advertise",
            HOST,
            "--config",
            &at("settings.toml").display().to_string(),
        ];
        let muster = Served::start(&wishes.bare(), &at("served.redb"), &more);
        muster.wait_for("the wishes are served", |fields| fields["message"] == "commit accepted");
        Lab { wishes, muster, _host: host }
    }

    /// Surveys, and returns what the drift report makes of it: `on` as wished, or what was seen instead.
    fn power(&self, survey: &[&str]) -> String {
        let shared = ["--config", "../settings.toml", "--store", "../seen.redb"];
        let run = |args: &[&str]| muster::run(&self.wishes.clone_dir(), &[args, &shared].concat());
        let out = run(survey);
        assert!(matches!(out.status.code(), Some(0 | 3)), "{}{}", String::from_utf8_lossy(&out.stdout), self.told());
        let out = run(&["drift", "--format", "json"]);
        let report: Value = serde_json::from_slice(&out.stdout).unwrap_or_else(|error| panic!("{error}: {out:?}"));
        let findings = report["findings"].as_array().expect("a report has findings");
        let drifted: Vec<&Value> = findings.iter().filter(|finding| finding["verdict"] == "drifted").collect();
        assert!(drifted.iter().all(|finding| finding["attribute"] == "power"), "{report:#}");
        assert_eq!(out.status.code() == Some(1), !drifted.is_empty(), "{report:#}");
        let is_unknown = findings.iter().any(|finding| finding["verdict"] == "unknown");
        let seen = drifted.first().map(|finding| finding["seen"].as_str().unwrap_or_default());
        seen.unwrap_or(if is_unknown { "unknown" } else { "on" }).to_owned()
    }

    fn reset(&self, kind: &str) {
        let headers = [("Content-Type", "application/json")];
        let answer =
            http::request(REDFISH.into(), "POST", RESET, &headers, format!("{{\"ResetType\": \"{kind}\"}}").as_bytes());
        let answer = answer.unwrap_or_else(|error| panic!("{error}: {}", self.told()));
        assert_eq!(answer.status, 204, "{}", answer.text());
    }

    fn wait(&self, what: &str, is_so: impl Fn() -> bool) {
        let begin = Instant::now();
        while !is_so() {
            assert!(begin.elapsed() < PATIENCE, "{what}: not in time\n{}", self.told());
            thread::sleep(Duration::from_millis(300));
        }
        println!("{what} after {:?}", begin.elapsed());
    }

    fn has_booted(&self) {
        let serial = fs::read(self.wishes.root().join("serial")).unwrap_or_default();
        let serial = String::from_utf8_lossy(&serial);
        for told in ["site.colour=violet", "local-hostname: \"vm1\""] {
            assert!(serial.contains(told), "{told} is not in\n{serial}\n{}", self.told());
        }
        let node: Value = serde_json::from_str(self.muster.get_api("/api/v1/nodes/vm1").text()).expect("it is JSON");
        assert_eq!(node["last_boot"]["mac"], "52:54:00:ee:00:01", "{node:#}");
        assert_eq!(node["last_boot"]["current"], true, "{node:#}");
        let address = node["last_boot"]["address"].as_str().unwrap_or_default();
        assert!(address.starts_with("172.31.77.1"), "the machine asks for itself: {node:#}");
    }

    fn told(&self) -> String {
        told(self.wishes.root())
    }
}

/// The host of machines; it ends, with all that it started, when this is dropped.
struct Host(Child);

impl Host {
    /// Starts it, and waits until it is up.
    fn start(dir: &Path) -> Host {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", "unshare"]);
        command.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--", "sh"]);
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vm/libvirt.sh")).arg(dir);
        command.arg(Part::Sushy.find().expect("the part was required"));
        command.arg(Part::Libvirt.find().expect("the part was required"));
        let log = fs::File::create(dir.join("host.log")).expect("the file can be made");
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a file has two names")).stderr(log);
        let mut host = Host(command.spawn().expect("setpriv starts"));
        let begin = Instant::now();
        while !dir.join("ready").exists() || TcpStream::connect(SocketAddr::from(REDFISH)).is_err() {
            let has_ended = host.0.try_wait().expect("our child can be waited for").is_some();
            let is_late = has_ended || begin.elapsed() > PATIENCE;
            assert!(!is_late, "the host of machines does not come up:\n{}", told(dir));
            thread::sleep(Duration::from_millis(100));
        }
        println!("the host of machines is up after {:?}", begin.elapsed());
        host
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Returns all that the host of machines wrote.
fn told(dir: &Path) -> String {
    let logs = ["host.log", "dnsmasq.log", "images.log", "libvirtd.log", "emulator.log", "serial"];
    let read = |name: &&str| {
        format!(
            "--- {name}\n{}",
            fs::read(dir.join(name)).map_or_else(|_| String::new(), |text| String::from_utf8_lossy(&text).into_owned())
        )
    };
    logs.iter().map(read).collect()
}
