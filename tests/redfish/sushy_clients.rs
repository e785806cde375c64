//! Clients of other makers, OpenStack's sushy and DMTF's redfish, as they see a simulated BMC.

use std::io::Write as _;
use std::process::{Command, Stdio};

use muster::model::{Revision, Secret, Tree};
use muster::simulate::{Choices, Credentials, Fleet, Options, Phase, Timing, World};
use muster::snapshot;
use serde_json::{Value, json};

use crate::support::parts::{self, Part};

const WISHES: &str = r#"
//- cluster.toml
name = "strangers"
credentials = ["rack"]
[defaults]
boot = "live"
//- boot/live.toml
kind = "live"
kernel = "http://images.example/vmlinuz"
//- nodes/all.toml
[[bmc]]
name = "one"
url = "https://10.0.0.1"
credentials = "rack"
[[node]]
name = "a"
bmc = "one"
uuid = "6f6960b5-0568-5495-af5c-741b04c60dae"
nics = [{ name = "eth0", mac = "02:00:00:00:00:0a", boot = true }, { name = "eth1", mac = "02:00:00:00:00:0b" }]
expect = { memory_gib = 384, power = "on" }
"#;

const PASSWORD: &str = "right-horse";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_other_makers_get_on_with_a_simulated_bmc() {
    const NAME: &str = "sushy_clients::clients_of_other_makers_get_on_with_a_simulated_bmc";
    let Some(emulator) = parts::require(NAME, Part::Sushy) else { return };
    let (snapshot, findings) = snapshot::build(&Tree::from_fixture(WISHES), Revision::work_tree());
    let world = World::new(snapshot.unwrap_or_else(|| panic!("{findings:?}")).resolved(), &Choices::default());
    let credentials = Credentials { password: Secret::new(PASSWORD.to_owned()) };
    let timing = Timing { power: 200, post: 400, ..Timing::default() };
    let fleet = Fleet::start(world, Options { tls: true, timing, credentials, ..Options::default() }).unwrap();
    let ca = tempfile::NamedTempFile::new().unwrap();
    ca.as_file().write_all(fleet.ca().unwrap().as_bytes()).unwrap();

    let mut command = Command::new(emulator.with_file_name("python"));
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/redfish/sushy_clients.py"));
    command.arg(fleet.origin(0)).arg(ca.path()).env("NO_PROXY", "*");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let asked = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(format!("rack\n{PASSWORD}\n").as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    });
    let out = asked.await.unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let seen: Value = serde_json::from_slice(&out.stdout).unwrap();

    let id = fleet.machine("a", |machine| machine.id.clone()).unwrap();
    let sushy = &seen["sushy"];
    assert_eq!(sushy["systems"], json!([[id, "On", "6f6960b5-0568-5495-af5c-741b04c60dae"]]), "{seen:#}");
    assert_eq!(sushy["macs"], json!(["02:00:00:00:00:0a", "02:00:00:00:00:0b"]), "{seen:#}");
    assert_eq!((&sushy["memory_gib"], &sushy["managers"]), (&json!(384), &json!(["BMC"])), "{seen:#}");
    let allowed = sushy["allowed"].as_array().unwrap();
    assert!(["On", "ForceOff"].iter().all(|kind| allowed.contains(&json!(kind))), "{seen:#}");
    assert_eq!((&sushy["boot"], &sushy["power"]), (&json!(["Pxe", "Once"]), &json!("Off")), "{seen:#}");
    assert_eq!(sushy["wrong"], 401, "{seen:#}");
    assert_eq!(seen["redfish"], json!({ "count": 1, "status": 200, "power": "Off" }), "{seen:#}");
    assert_eq!(fleet.machine("a", |machine| machine.phase), Some(Phase::Off));
    let counts = fleet.counts(0);
    assert!(counts.sessions_opened >= 2 && counts.refused_logins >= 1, "{counts:?}");
    fleet.stop().await;
}
