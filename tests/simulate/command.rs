//! `muster simulate` as a command.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

use super::{Value, basic, http};

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn muster() -> Command {
    Command::new(env!("CARGO_BIN_EXE_muster"))
}

#[test]
fn a_fleet_of_made_wishes_runs_until_it_is_told_to_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let mut command = muster();
    command.args(["simulate", "--nodes", "200", "--models", "generic=50,idrac=20,cray=20,supermicro=10"]);
    command.args(["--drift", "5", "--seed", "4"]).arg("--drift-out").arg(path("drift.json"));
    command.arg("--settings-out").arg(path("settings.toml")).arg("--wishes-out").arg(path("wishes"));
    let mut running = Running(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(running.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("200 systems on http://127.64.0.1:") && line.contains("5 differences planted"), "{line}");

    let settings: toml::Table = fs::read_to_string(path("settings.toml")).unwrap().parse().unwrap();
    let rewrite = settings["bmc"]["rewrite"].as_table().unwrap();
    let origin = rewrite["https://10.128.1.1"].as_str().unwrap();
    let credentials = path("credentials.toml");
    assert_eq!(fs::metadata(&credentials).unwrap().permissions().mode() & 0o777, 0o600);
    let credentials: toml::Table = fs::read_to_string(&credentials).unwrap().parse().unwrap();
    let text = |key: &str| credentials["simulated"][key].as_str().unwrap().to_owned();
    let login = basic(&text("username"), &text("password"));
    let address = origin.strip_prefix("http://").unwrap().parse().unwrap();
    let systems = http::request(address, "GET", "/redfish/v1/Chassis", &[("Authorization", &login)], b"").unwrap();
    assert_eq!(systems.status, 200);
    assert!(!line.contains(&text("password")));

    let planted: Vec<Value> = serde_json::from_slice(&fs::read(path("drift.json")).unwrap()).unwrap();
    assert_eq!(planted.len(), 5);
    let check = muster().arg("check").arg("--strict").arg(path("wishes")).output().unwrap();
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stdout));

    let pid = running.0.id().to_string();
    assert!(Command::new("kill").arg(&pid).status().unwrap().success());
    assert!(running.0.wait().unwrap().success());
}

#[test]
fn nothing_but_loopback_can_be_asked_for() {
    let out = muster().args(["simulate", "--nodes", "1", "--listen", "0.0.0.0:0"]).output().unwrap();
    assert_eq!(out.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&out.stderr).contains("is not on loopback"));
}

#[test]
fn the_example_runs_over_https() {
    let dir = tempfile::tempdir().unwrap();
    let settings = dir.path().join("settings.toml");
    let mut command = muster();
    command.arg("simulate").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/cluster-example"));
    command.args(["--tls", "--dead", "2", "--quirk", "odd-dates"]).arg("--settings-out").arg(&settings);
    let mut running = Running(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(running.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("89 BMCs, 123 systems on https://127.64.0.1:"), "{line}");
    let settings: toml::Table = fs::read_to_string(settings).unwrap().parse().unwrap();
    assert_eq!(settings["bmc"]["rewrite"].as_table().unwrap().len(), 89);
    let ca = fs::read(settings["bmc"]["ca"][0].as_str().unwrap()).unwrap();
    let ca = reqwest::Certificate::from_pem(&ca).unwrap();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([ca]).build().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut dead = 0;
    for (_, origin) in settings["bmc"]["rewrite"].as_table().unwrap() {
        let url = format!("{}/redfish/v1/", origin.as_str().unwrap());
        let asked = client.get(url).timeout(std::time::Duration::from_secs(5));
        dead += usize::from(runtime.block_on(async { asked.send().await }).is_err());
    }
    assert_eq!(dead, 2);
}
