//! The real `muster adopt` on a folder of wishes and a real store: what it prints, what it writes, and what it leaves alone.

#![allow(clippy::disallowed_methods, reason = "tests touch the world")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use muster::model::MacAddr;
use muster::observed::{
    Depth, Facts, NicKind, Observation, Observed, Outcome, PowerState, Reading, Root, SeenNic, Service, Shared, System,
    Trust,
};
use muster::store::Store;
use tempfile::TempDir;

const FILES: [(&str, &str); 4] = [
    ("cluster.toml", "name = \"small\"\n\n[defaults]\nboot = \"live\"\n"),
    ("boot/live.toml", "kind = \"live\"\nkernel = \"http://images.example/vmlinuz\"\n"),
    (
        "nodes/a.toml",
        "[[node]]\nname = \"n[01-02]\"\nbmc = { url = \"https://10.1.0.[1-2]\" }\nnics = [{ name = \"eth0\" }]\n",
    ),
    (
        "nodes/a.facts.csv",
        "# The first rack.\nname,nics.eth0.mac,serial\nn01,02:00:00:00:00:01,SN1\nn02,02:00:00:00:00:02,SN2\n",
    ),
];

/// A folder of wishes with a store beside it.
struct Site {
    dir: TempDir,
}

impl Site {
    fn new() -> Self {
        let site = Self { dir: tempfile::tempdir().expect("a temporary folder can be made") };
        for (path, text) in FILES {
            let path = site.wishes().join(path);
            fs::create_dir_all(path.parent().expect("it is below")).expect("a folder can be made");
            fs::write(path, text).expect("a file can be written");
        }
        site
    }

    fn wishes(&self) -> PathBuf {
        self.dir.path().join("wishes")
    }

    fn record(&self, observations: &[Observation]) {
        let (store, _) = Store::open_any(&self.dir.path().join("muster.redb"), 0).expect("the store opens");
        store.record_observations(observations).expect("the store takes them");
    }

    fn muster(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_muster"));
        command.current_dir(self.dir.path()).env_clear().env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
        command.args(args).output().expect("muster starts")
    }

    fn adopt(&self, args: &[&str]) -> (i32, String, String) {
        let own = ["adopt", "--repo", "wishes", "--store", "muster.redb"];
        told(&self.muster(&[&own, args].concat()))
    }

    fn check(&self) -> (i32, String, String) {
        told(&self.muster(&["check", "wishes"]))
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.wishes().join(path)).expect("the file is there")
    }

    /// Returns every file with its text.
    fn all(&self) -> BTreeMap<PathBuf, String> {
        let mut all = BTreeMap::new();
        let mut folders = vec![self.wishes()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).expect("a folder can be listed") {
                let path = entry.expect("a folder can be listed").path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let text = fs::read_to_string(&path).expect("a file can be read");
                    all.insert(path, text);
                }
            }
        }
        all
    }
}

fn told(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("it is text");
    (output.status.code().expect("it ended"), text(&output.stdout), text(&output.stderr))
}

fn observation(bmc: &str, url: &str, serial: &str, number: u8) -> Observation {
    let nic = SeenNic {
        mac: Some(MacAddr([2, 0, 0, 0, 0, number])),
        permanent: None,
        guid: None,
        kind: NicKind::Ethernet,
        id: "1".into(),
        uri: "/redfish/v1/Systems/1/EthernetInterfaces/1".into(),
    };
    let system = System {
        id: "1".into(),
        uri: "/redfish/v1/Systems/1".into(),
        facts: Facts { serial: Some(serial.into()), model: Some("R1".into()), ..Facts::default() },
        power: Reading::Seen(PowerState::On),
        nics: Reading::Seen(vec![nic]),
        ..System::default()
    };
    let service = Service {
        root: Root::default(),
        systems: Reading::Seen(vec![system]),
        not_servers: Vec::new(),
        managers: Reading::Absent,
        chassis: Reading::Absent,
        firmware: Reading::Absent,
        firmware_unread: None,
        quirks: Vec::new(),
        unread: Vec::new(),
    };
    Observation {
        bmc: bmc.into(),
        url: url.into(),
        at: 1_780_300_800_000,
        depth: Depth::Deep,
        trust: Trust::Verified,
        authenticated: true,
        outcome: Outcome::Seen(Box::new(service)),
        shared: Shared::default(),
    }
}

fn declared() -> Vec<Observation> {
    vec![observation("n01", "https://10.1.0.1", "SN1", 1), observation("n02", "https://10.1.0.2", "SN2", 2)]
}

fn strangers() -> Vec<Observation> {
    let one = |at: u8| {
        let url = format!("https://10.1.0.{at}");
        observation(&url, &url, &format!("SN{at}"), at)
    };
    (3..=4).map(one).collect()
}

const NEW: &str = r#"# No credential is named in [defaults.bmc]: add `credentials = "NAME"` to the BMCs.
# R1
[[node]]
name = "n[03-04]"
bmc  = { url = "https://10.1.0.[3-4]" }
nics = [{ name = "eth0", boot = true }]
"#;

#[test]
fn new_machines_are_printed_and_then_written() {
    let site = Site::new();
    site.record(&declared());
    let (code, out, _) = site.adopt(&[]);
    assert_eq!((code, out.as_str()), (0, "nothing to adopt\n"));
    site.record(&strangers());
    let before = site.all();
    let (code, out, err) = site.adopt(&[]);
    assert_eq!(code, 1, "{out}{err}");
    assert!(out.contains("--- /dev/null\n+++ wishes/nodes/adopted.toml\n"), "{out}");
    assert!(out.contains("+name = \"n[03-04]\"\n") && out.ends_with("\n2 new nodes\n"), "{out}");
    assert_eq!(site.all(), before, "printing writes nothing");

    let (code, out, err) = site.adopt(&["--write"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.starts_with("wrote wishes/nodes/adopted.facts.csv\nwrote wishes/nodes/adopted.toml\n"), "{out}");
    assert_eq!(site.read("nodes/adopted.toml"), NEW);
    assert_eq!(site.all().len(), before.len() + 2, "no temporary file stays");
    let (code, out, err) = site.check();
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    let (code, out, _) = site.adopt(&[]);
    assert_eq!((code, out.as_str()), (0, "nothing to adopt\n"));
}

#[test]
fn a_replaced_mainboard_is_a_diff_of_one_line() {
    let site = Site::new();
    site.record(&declared());
    site.record(&[observation("n02", "https://10.1.0.2", "SN77", 2)]);
    let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    let facts = site.wishes().join("nodes/a.facts.csv");
    fs::set_permissions(&facts, fs::Permissions::from_mode(0o640)).expect("modes can be set");
    let (code, out, err) = site.adopt(&["n02"]);
    assert_eq!(code, 1, "{out}{err}");
    let lines: Vec<&str> = out
        .lines()
        .filter(|line| line.starts_with(['+', '-']) && !line.starts_with("---") && !line.starts_with("+++"))
        .collect();
    assert_eq!(lines, ["-n02,02:00:00:00:00:02,SN2", "+n02,02:00:00:00:00:02,SN77"], "{out}");
    let (code, out, _) = site.adopt(&["n01"]);
    assert_eq!((code, out.as_str()), (0, "nothing to adopt\n"));
    let (code, out, _) = site.adopt(&["--new"]);
    assert_eq!((code, out.as_str()), (0, "nothing to adopt\n"));
    let (code, ..) = site.adopt(&["--write"]);
    assert_eq!(code, 0);
    assert_eq!(site.read("nodes/a.facts.csv"), FILES[3].1.replace("SN2", "SN77"));
    assert_eq!(mode(&facts), 0o640);
    assert_eq!(site.check().0, 0);
}

#[test]
fn an_exported_file_does_as_well_as_a_store() {
    let site = Site::new();
    let mut observed = Observed::default();
    declared().iter().chain(&strangers()).for_each(|observation| observed.take(observation));
    let file = serde_json::json!({
        "api_version": "v1", "muster": "0.1.0", "at": "2026-06-01T08:00:00Z", "observed": observed,
    });
    fs::write(site.dir.path().join("seen.json"), file.to_string()).expect("a file can be written");
    let args = ["adopt", "--repo", "wishes", "--observed", "seen.json", "--format", "json", "--name", "x[1-2]"];
    let (code, out, err) = told(&site.muster(&args));
    assert_eq!(code, 1, "{err}");
    let report: serde_json::Value = serde_json::from_str(&out).expect("it is JSON");
    assert_eq!(report["written"], false);
    assert_eq!(report["edits"][1]["path"], "wishes/nodes/adopted.toml");
    assert!(report["edits"][1]["after"].as_str().is_some_and(|text| text.contains("x[1-2]")), "{out}");
    assert_eq!(told(&site.muster(&args)).1, out, "equal inputs, equal output");
}

#[test]
fn trouble_is_told_and_writes_nothing() {
    let site = Site::new();
    let (code, _, err) = site.adopt(&[]);
    assert_eq!(code, 2);
    assert!(err.contains("there is no store"), "{err}");
    assert!(!site.dir.path().join("muster.redb").exists(), "reading makes no store");
    site.record(&strangers());
    let before = site.all();
    for args in [
        &["--name", "x[1-3]", "--write"][..],
        &["--groups", "none", "--write"],
        &["--into", "../out.toml", "--write"],
        &["nobody", "--write"],
        &["--nic", "eth0=02:00:00:00:00:09"],
        &["--rev", "HEAD", "--write"],
    ] {
        let (code, _, err) = site.adopt(args);
        assert_eq!(code, 2, "{args:?}: {err}");
    }
    fs::write(site.wishes().join("nodes/bad.toml"), "[[node]]\n").expect("a file can be written");
    let (code, _, err) = site.adopt(&["--write"]);
    assert_eq!(code, 2, "{err}");
    fs::remove_file(site.wishes().join("nodes/bad.toml")).expect("a file can be removed");
    assert_eq!(site.all(), before);
}

#[test]
fn a_link_in_the_place_of_a_file_is_not_followed() {
    let site = Site::new();
    site.record(&strangers());
    let outside = site.dir.path().join("outside.toml");
    fs::write(&outside, "").expect("a file can be written");
    std::os::unix::fs::symlink(&outside, site.wishes().join("nodes/adopted.toml")).expect("a link can be made");
    let (code, _, err) = site.adopt(&["--write"]);
    assert_eq!(code, 2, "{err}");
    assert_eq!(fs::read_to_string(&outside).expect("it is there"), "");
}

#[test]
fn a_machine_that_was_declared_once_is_one_machine() {
    let site = Site::new();
    // The third node was declared and surveyed by its name; then git lost it, and its BMC was found by address.
    let url = "https://10.1.0.3";
    let mut by_name = observation("n03", url, "SN3", 3);
    by_name.at -= 3_600_000;
    site.record(&[&declared()[..], &[by_name.clone()]].concat());
    let (code, out, _) = site.adopt(&[]);
    assert_eq!((code, out.as_str()), (0, "nothing to adopt\n"), "what nobody declares and nobody asks does not count");

    site.record(&[observation(url, url, "SN3", 3)]);
    let (code, out, err) = site.adopt(&["--write"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.ends_with("1 new node\n"), "{out}");
    let (code, out, _) = site.check();
    assert_eq!(code, 0, "{out}");
    let (code, out, _) = site.adopt(&[]);
    assert_eq!((code, out.as_str()), (0, "nothing to adopt\n"));
}

#[test]
fn a_bmc_is_forgotten_by_name_set_or_address() {
    let site = Site::new();
    let url = "https://10.1.0.3";
    site.record(&[&declared()[..], &[observation(url, url, "SN3", 3)]].concat());
    let forget = |what: &str| told(&site.muster(&["forget", what, "--store", "muster.redb"]));
    let (code, _, err) = forget("n[01-03]");
    assert!(code == 2 && err.contains("nothing is remembered of a BMC `n03`, so nothing is forgotten"), "{err}");
    let (code, out, _) = forget("n[01-02]");
    assert_eq!(code, 0);
    assert!(out.starts_with("n01: https://10.1.0.1, seen 2026-") && out.ends_with("forgot 2 BMCs\n"), "{out}");
    let (code, out, _) = forget("https://10.1.0.3/");
    assert!(code == 0 && out.contains("with 1 system and 0 remembered changes\nforgot 1 BMC\n"), "{out}");
    let (code, _, err) = forget(url);
    assert!(code == 2 && err.contains("nothing is remembered"), "{err}");
}

#[test]
fn a_group_that_wants_an_address_is_told_as_what_it_is() {
    let site = Site::new();
    let group = "[cloud_init]\nuser_data = \"who.yaml.j2\"\n";
    fs::create_dir_all(site.wishes().join("groups")).expect("a folder can be made");
    fs::create_dir_all(site.wishes().join("cloud-init")).expect("a folder can be made");
    fs::create_dir_all(site.wishes().join("networks")).expect("a folder can be made");
    fs::write(site.wishes().join("groups/compute.toml"), group).expect("a file can be written");
    fs::write(site.wishes().join("cloud-init/who.yaml.j2"), "#cloud-config\nfqdn: {{ ip }}\n")
        .expect("a file can be written");
    let layers = "layers = [\"compute\"]\n";
    let cluster = format!(
        "name = \"small\"\n{layers}\n[defaults]\nboot = \"live\"\nnics = [{{ name = \"eth0\", network = \"node\" }}]\n"
    );
    fs::write(site.wishes().join("cluster.toml"), cluster).expect("a file can be written");
    fs::write(site.wishes().join("networks/node.toml"), "cidr = \"10.9.0.0/24\"\n").expect("a file can be written");
    site.record(&[&declared()[..], &strangers()].concat());
    let (code, _, err) = site.adopt(&["--groups", "compute"]);
    assert!(code == 2 && err.contains("the layers of the new nodes want what these do not have"), "{err}");
    assert!(err.contains("--ip PATTERN") && !err.contains("mistake of muster's"), "{err}");

    let (code, _, err) = site.adopt(&["--groups", "compute", "--ip", "10.9.0.[1-3]"]);
    assert!(code == 2 && err.contains("`10.9.0.[1-3]` stands for 3 addresses, and 2 new nodes found"), "{err}");
    let (code, out, err) = site.adopt(&["--groups", "compute", "--ip", "10.9.0.[3-4]", "--write"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(site.read("nodes/adopted.facts.csv").contains(",10.9.0.4"), "{}", site.read("nodes/adopted.facts.csv"));
}

#[test]
fn a_serial_number_that_is_a_formula_does_not_reach_a_facts_file() {
    let site = Site::new();
    let url = "https://10.1.0.3";
    site.record(&[&declared()[..], &[observation(url, url, "=HYPERLINK(1)", 3)]].concat());
    let (code, out, err) = site.adopt(&[]);
    assert!(code == 1 && !out.contains("HYPERLINK"), "{out}{err}");
}
