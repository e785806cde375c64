//! DMTF's own validator finds nothing wrong with what a simulated BMC says.

use std::process::Command;

use super::support::parts::{self, Part};
use super::{LOGIN, Sim};

/// Lets the validator walk through one BMC.
fn validate(sim: &Sim, bmc: usize, program: &std::path::Path) {
    let dir = tempfile::tempdir().unwrap();
    let schemas = parts::folder().join("redfish-schemas");
    let out = Command::new(program)
        .args(["-u", LOGIN.0, "-p", LOGIN.1, "-r", &sim.running().origin(bmc), "--authtype", "Basic", "--skipschema"])
        .arg("--schema_directory")
        .arg(schemas)
        .arg("--logdir")
        .arg(dir.path())
        .env_remove("HTTP_PROXY")
        .env_remove("http_proxy")
        .env("NO_PROXY", "*")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    let faults: Vec<&str> = text.lines().filter(|line| line.contains("FAIL - ") || line.contains("ERROR")).collect();
    assert!(
        out.status.success(),
        "BMC {bmc}: {}\n{}",
        faults.join("\n"),
        text.lines().rev().take(12).collect::<String>()
    );
    let passed = text.lines().any(|line| line.contains("Fail: 0") && !line.contains("Pass: 0,"));
    assert!(passed, "the validator looked at nothing: {text}");
}

#[test]
fn the_generic_model_and_several_systems_are_valid() {
    let Some(program) = parts::require("simulate::validator", Part::RedfishValidator) else { return };
    let sim = Sim::new();
    for bmc in [0, 1, 2] {
        validate(&sim, bmc, &program);
    }
}
