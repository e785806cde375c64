//! Somebody else's Redfish: the emulator of OpenStack's sushy-tools, three Systems behind one service, as `muster discover`
//! and `muster drift` see it.

use std::fs;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::parts::{self, Part};
use crate::support::{http, muster};

/// Longer than a busy machine takes to start Python, and than the emulator waits before a machine is off (1 to 11 s).
const PATIENCE: Duration = Duration::from_secs(180);

const ROOT: &str = "/redfish/v1/Systems/11111111-2222-4333-8444-00000000000";

/// The emulator's own settings are Python. It would listen on every address if it were not told.
const EMULATOR: &str = "
SUSHY_EMULATOR_LISTEN_IP = '127.0.0.1'
SUSHY_EMULATOR_FAKE_DRIVER = True
SUSHY_EMULATOR_FAKE_SYSTEMS = [{
    'uuid': '11111111-2222-4333-8444-00000000000%d' % at, 'name': 'fake%d' % at, 'external_notifier': False,
    'power_state': 'Off' if at == 3 else 'On',
    'nics': [{'mac': '52:54:00:CC:0%d:0%d' % (at, nic), 'ip': '10.9.%d.%d' % (nic, at)} for nic in (1, 2)],
} for at in (1, 2, 3)]
";

const CLUSTER: &str = r#"
name = "shelf"
credentials = ["shelf"]
layers = ["fake"]
[defaults]
boot = "live"
[defaults.bmc]
credentials = "shelf"
tls = "verify"
"#;

const NODES: &str = r#"
[[bmc]]
name = "shelf"
url = "https://10.7.0.1"

[[node]]
name = "fake[1-3]"
bmc = "shelf"
system = "11111111-2222-4333-8444-00000000000[1-3]"
uuid = "11111111-2222-4333-8444-00000000000[1-3]"
groups = ["fake"]
nics = [
    { name = "eth0", mac = "52:54:00:cc:0[1-3]:01", boot = true },
    { name = "eth1", mac = "52:54:00:cc:0[1-3]:02" },
]
"#;

/// What is true of all of them, and what the emulator cannot tell.
const GROUP: &str = r#"
[expect]
manufacturer = "Sushy Emulator"
secure_boot = false
boot = { override = "Continuous", target = "Hdd", mode = "UEFI" }
memory_gib = 512
drives = { count = 2 }
processors = { count = 2, model = "Quick 1" }
bios.version = "1.2"
bios.attributes = { LogicalProc = "Disabled" }
firmware = { BMC = "1.00" }
"#;

const UNKNOWN: [&str; 7] = [
    "bios.attributes.LogicalProc",
    "bios.version",
    "drives.count",
    "firmware.BMC",
    "memory_gib",
    "processors.count",
    "processors.model",
];

/// One emulator, the wishes that declare it, and this host's settings that lead to it.
struct Shelf {
    child: Child,
    dir: TempDir,
    address: SocketAddr,
    /// Whether it asks for a password, and shows a certificate.
    guarded: bool,
}

impl Shelf {
    fn start(emulator: &Path, guarded: bool) -> Shelf {
        let dir = tempfile::tempdir().unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("state")).unwrap();
        let mut config = format!("{EMULATOR}SUSHY_EMULATOR_LISTEN_PORT = {}\n", address.port());
        config += &format!("SUSHY_EMULATOR_STATE_DIR = '{}'\n", at("state").display());
        if guarded {
            certify(dir.path());
            fs::write(at("htpasswd"), hashed(&emulator.with_file_name("python"), "admin", "right-horse")).unwrap();
            for (key, name) in [("SSL_CERT", "leaf.pem"), ("SSL_KEY", "leaf.key"), ("AUTH_FILE", "htpasswd")] {
                config += &format!("SUSHY_EMULATOR_{key} = '{}'\n", at(name).display());
            }
        }
        fs::write(at("emulator.conf"), config).unwrap();
        let log = fs::File::create(at("emulator.log")).unwrap();
        let mut command = Command::new(emulator);
        command.arg("--config").arg(at("emulator.conf")).current_dir(dir.path()).stdin(Stdio::null());
        let child = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let shelf = Shelf { child, dir, address, guarded };
        shelf.wish();
        let begin = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(begin.elapsed() < PATIENCE, "the emulator does not listen:\n{}", shelf.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        shelf
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.at("emulator.log")).unwrap()
    }

    fn wish(&self) {
        let mut settings = "store = \"muster.redb\"\n[bmc]\ncredentials_file = \"credentials.toml\"\n".to_owned();
        if self.guarded {
            settings += "ca = [\"ca.pem\"]\n";
        }
        let scheme = if self.guarded { "https" } else { "http" };
        if !self.guarded {
            settings += "plain = [\"127.0.0.0/8\"]\n";
        }
        settings += &format!("[bmc.rewrite]\n\"https://10.7.0.1\" = \"{scheme}://{}\"\n", self.address);
        let boot = "kind = \"live\"\nkernel = \"http://images.example/vmlinuz\"\n";
        for (path, text) in [
            ("settings.toml", &*settings),
            ("wishes/cluster.toml", CLUSTER),
            ("wishes/boot/live.toml", boot),
            ("wishes/nodes/all.toml", NODES),
            ("wishes/groups/fake.toml", GROUP),
        ] {
            let path = self.at(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        self.give("right-horse");
    }

    /// Gives this host a password.
    fn give(&self, password: &str) {
        let _ = fs::remove_file(self.at("credentials.toml"));
        let text = format!("[shelf]\nusername = \"admin\"\npassword = \"{password}\"\n");
        let mut file = fs::OpenOptions::new();
        let file = file.write(true).create_new(true).mode(0o600).open(self.at("credentials.toml"));
        file.unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut all = args.to_vec();
        all.extend(["--config", "../settings.toml"]);
        muster::run(&self.at("wishes"), &all)
    }

    /// Surveys it; returns how that ended and what was exported.
    fn discover(&self, more: &[&str]) -> (Option<i32>, Value) {
        let out = self.run(&[&["discover", "--export", "../seen.json"], more].concat());
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(said.is_empty(), "{said}{}", String::from_utf8_lossy(&out.stdout));
        (out.status.code(), serde_json::from_slice(&fs::read(self.at("seen.json")).unwrap()).unwrap())
    }

    fn drift(&self) -> (Option<i32>, Value) {
        let out = self.run(&["drift", "--format", "json"]);
        let report = serde_json::from_slice(&out.stdout);
        (out.status.code(), report.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&out.stderr))))
    }

    /// Counts the requests that were answered with this status.
    fn answered(&self, status: u16) -> usize {
        self.log().lines().filter(|line| line.contains(" HTTP/1.1") && line.contains(&format!(" {status} "))).count()
    }
}

impl Drop for Shelf {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes a CA, and a leaf of it for 127.0.0.1.
fn certify(dir: &Path) {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &ca).unwrap();
    for (name, text) in [("ca.pem", ca.pem()), ("leaf.pem", leaf.pem()), ("leaf.key", key.serialize_pem())] {
        fs::write(dir.join(name), text).unwrap();
    }
}

/// Writes a line of an htpasswd file; the emulator takes bcrypt only.
fn hashed(python: &Path, user: &str, password: &str) -> String {
    let program = "import bcrypt, sys; print(bcrypt.hashpw(sys.argv[1].encode(), bcrypt.gensalt(4)).decode())";
    let out = Command::new(python).args(["-c", program, password]).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    format!("{user}:{}", String::from_utf8(out.stdout).unwrap())
}

/// Returns the newest state of the one BMC of an export.
fn state(export: &Value) -> &Value {
    let runs = export["observed"]["bmcs"]["shelf"]["history"]["runs"].as_array();
    let newest = runs.unwrap_or_else(|| panic!("{export:#}")).iter().max_by_key(|run| run["last"].as_i64());
    &newest.unwrap_or_else(|| panic!("{export:#}"))["state"]
}

/// Lists set, attribute and what was seen of the findings of a verdict, in order.
fn findings(report: &Value, verdict: &str) -> Vec<(String, String, String)> {
    let all = report["findings"].as_array().unwrap_or_else(|| panic!("{report:#}"));
    let of = all.iter().filter(|finding| finding["verdict"] == verdict);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut list: Vec<_> =
        of.map(|finding| (text(&finding["set"]), text(&finding["attribute"]), text(&finding["seen"]))).collect();
    list.sort();
    list
}

fn is_as_it_was_made(state: &Value) {
    assert_eq!(state["root"]["redfish_version"], "1.5.0");
    let systems = state["systems"]["seen"].as_array().unwrap_or_else(|| panic!("{state:#}"));
    assert_eq!(systems.len(), 3);
    for (at, system) in (1..).zip(systems) {
        let uuid = format!("11111111-2222-4333-8444-00000000000{at}");
        assert_eq!((&system["id"], &system["facts"]["uuid"]), (&json!(uuid), &json!(uuid)));
        assert_eq!(system["uri"], format!("{ROOT}{at}"));
        assert_eq!(system["power"], json!({ "seen": if at == 3 { "off" } else { "on" } }));
        assert_eq!(system["facts"]["manufacturer"], "Sushy Emulator");
        assert_eq!((&system["facts"]["serial"], &system["facts"]["model"]), (&Value::Null, &Value::Null));
        let nics = system["nics"]["seen"].as_array().unwrap_or_else(|| panic!("{system:#}"));
        let macs: Vec<_> = nics.iter().map(|nic| (nic["mac"].clone(), nic["kind"].clone())).collect();
        let mac = |nic| (json!(format!("52:54:00:cc:0{at}:0{nic}")), json!("ethernet"));
        assert_eq!(macs, [mac(1), mac(2)], "{system:#}");
        let boot = &system["boot"]["seen"];
        let told = ["enabled", "target", "mode", "order"].map(|key| boot[key].clone());
        assert_eq!(told, [json!("Continuous"), json!("Hdd"), json!("UEFI"), json!([])], "{system:#}");
        assert_eq!(system["secure_boot"], json!({ "seen": { "enable": false, "current": false } }));
        // It has no link to a Bios resource.
        assert_eq!(system["bios"], "absent");
    }
    assert_eq!(state["managers"]["seen"].as_array().map(Vec::len), Some(3), "{state:#}");
    assert_eq!(state["chassis"]["seen"][0]["location"], "row North, rack WEB43, unit 12");
    // Its links to firmware and memory lead nowhere, and its fake machines fail on storage.
    assert_eq!(state["firmware"]["failed"]["kind"], "missing");
    let unread = state["unread"].as_array().unwrap().iter();
    let unread: Vec<_> =
        unread.map(|unread| (unread["uri"].as_str().unwrap(), unread["failure"]["kind"].as_str().unwrap())).collect();
    for at in 1..=3 {
        let (memory, storage) = (format!("{ROOT}{at}/Memory"), format!("{ROOT}{at}/Storage"));
        assert!(unread.contains(&(&memory, "missing")) && unread.contains(&(&storage, "server-error")), "{unread:?}");
    }
}

#[test]
fn three_systems_of_another_maker_are_seen_as_they_are_and_nothing_is_made_up() {
    const NAME: &str = "sushy::three_systems_of_another_maker_are_seen_as_they_are_and_nothing_is_made_up";
    let Some(emulator) = parts::require(NAME, Part::Sushy) else { return };
    for guarded in [false, true] {
        let shelf = Shelf::start(&emulator, guarded);
        let (code, seen) = shelf.discover(&[]);
        assert_eq!(code, Some(3), "some of it cannot be read: {seen:#}");
        let record = &seen["observed"]["bmcs"]["shelf"];
        let trust = if guarded { "verified" } else { "plain" };
        assert_eq!(
            (&record["trust"], &record["authenticated"]),
            (&json!(trust), &json!(true)),
            "unguarded, it takes any"
        );
        is_as_it_was_made(state(&seen));
        let (code, report) = shelf.drift();
        assert_eq!(findings(&report, "drifted"), [], "{report:#}");
        let unknown = UNKNOWN.map(|path| ("fake[1-3]".to_owned(), path.to_owned(), String::new()));
        assert_eq!(findings(&report, "unknown"), unknown, "{report:#}");
        assert_eq!(code, Some(3), "there is no drift, and some attributes cannot be judged");
    }
}

#[test]
fn what_another_maker_s_machine_does_is_seen_by_the_next_sweep() {
    const NAME: &str = "sushy::what_another_maker_s_machine_does_is_seen_by_the_next_sweep";
    let Some(emulator) = parts::require(NAME, Part::Sushy) else { return };
    let shelf = Shelf::start(&emulator, false);
    fs::write(shelf.at("wishes/groups/fake.toml"), "[expect]\npower = \"on\"\n").unwrap();
    shelf.discover(&[]);
    let off = |set: &str| vec![(set.to_owned(), "power".to_owned(), "off".to_owned())];
    assert_eq!(findings(&shelf.drift().1, "drifted"), off("fake3"));
    let reset = |at: u8, kind: &str| {
        let (path, body) = (format!("{ROOT}{at}/Actions/ComputerSystem.Reset"), json!({ "ResetType": kind }));
        let kind = [("Content-Type", "application/json")];
        let answer = http::request(shelf.address, "POST", &path, &kind, body.to_string().as_bytes()).unwrap();
        assert_eq!(answer.status, 204, "{}", answer.text());
    };
    reset(1, "ForceOff");
    reset(3, "On");
    let begin = Instant::now();
    loop {
        shelf.discover(&["--sweep"]);
        let (code, report) = shelf.drift();
        let drifted = findings(&report, "drifted");
        if drifted == off("fake1") {
            assert_eq!(code, Some(1));
            break;
        }
        assert!(begin.elapsed() < PATIENCE, "{report:#}");
        std::thread::sleep(Duration::from_millis(300));
    }
}

#[test]
fn a_wrong_password_is_shown_to_another_maker_s_service_once() {
    const NAME: &str = "sushy::a_wrong_password_is_shown_to_another_maker_s_service_once";
    let Some(emulator) = parts::require(NAME, Part::Sushy) else { return };
    let shelf = Shelf::start(&emulator, true);
    shelf.give("wrong-horse");
    for _ in 0..2 {
        let (code, seen) = shelf.discover(&[]);
        assert_eq!(code, Some(3));
        let record = &seen["observed"]["bmcs"]["shelf"];
        assert_eq!(record["failure"]["kind"], "unauthorised", "{record:#}");
        assert!(!seen.to_string().contains("wrong-horse"));
        assert_eq!(shelf.answered(401), 1, "{}", shelf.log());
    }
    shelf.give("right-horse");
    shelf.discover(&["--retry-logins"]);
    let (code, report) = shelf.drift();
    assert_eq!((code, findings(&report, "drifted")), (Some(3), vec![]), "{report:#}");
    assert_eq!(shelf.answered(401), 1, "{}", shelf.log());
}
