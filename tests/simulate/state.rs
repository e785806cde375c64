//! What the machines are, and how they change.

use serde_json::json;

use super::{Sim, Value, http, options, quirky, world};
use muster::model::Quirk;
use muster::simulate::{Choices, Mix};

#[test]
fn every_wish_is_true() {
    let sim = Sim::new();
    let root = http::get(sim.at(0), "/redfish/v1/");
    assert_eq!(root.status, 200);
    let system = sim.json(0, "/redfish/v1/Systems/1");
    let told = |pointer: &str| system.pointer(pointer).cloned().unwrap_or(Value::Null);
    assert_eq!(told("/Manufacturer"), "Acme");
    assert_eq!(told("/Model"), "Box 9");
    assert_eq!(told("/SerialNumber"), "SERIAL-A");
    assert_eq!(told("/UUID"), "6f6960b5-0568-5495-af5c-741b04c60dae");
    assert_eq!(told("/MemorySummary/TotalSystemMemoryGiB"), 384);
    assert_eq!(told("/ProcessorSummary/Count"), 1);
    assert_eq!(told("/BiosVersion"), "7.7");
    assert_eq!(told("/PowerState"), "On");
    let cpu = sim.json(0, "/redfish/v1/Systems/1/Processors/CPU1");
    assert_eq!((&cpu["Model"], &cpu["TotalCores"]), (&json!("Quick 1"), &json!(12)));
    assert_eq!(sim.json(0, "/redfish/v1/Systems/1/Processors")["Members@odata.count"], 3);
    assert_eq!(sim.json(0, "/redfish/v1/Systems/1/Storage/1")["Drives@odata.count"], 3);
    assert_eq!(sim.json(0, "/redfish/v1/Systems/1/SecureBoot")["SecureBootCurrentBoot"], "Enabled");
    let nic = sim.json(0, "/redfish/v1/Systems/1/EthernetInterfaces/1");
    assert_eq!(nic["PermanentMACAddress"], "02:00:00:00:00:0A");
    let functions = "/redfish/v1/Chassis/1/NetworkAdapters/1/NetworkDeviceFunctions";
    assert_eq!(sim.json(0, &format!("{functions}/2"))["InfiniBand"]["PermanentPortGUID"], "0002:C903:8599:4B8A");
    let bios = sim.json(0, "/redfish/v1/Systems/1/Bios");
    assert_eq!((&bios["Attributes"]["Ways"], &bios["Attributes"]["Quiet"]), (&json!(4), &json!(true)));
    assert!(bios["Attributes"].as_object().unwrap().len() > 450);
    assert_eq!(sim.json(0, "/redfish/v1/UpdateService/FirmwareInventory/BMC")["Version"], "9.9.9");
    let manager = sim.json(0, "/redfish/v1/Managers/BMC/EthernetInterfaces/eth0");
    assert_eq!(manager["MACAddress"], "02:00:00:00:01:01");
}

#[test]
fn a_bmc_has_as_many_systems_as_nodes_and_a_switch_none() {
    let sim = Sim::new();
    let members = sim.json(1, "/redfish/v1/Systems")["Members"].clone();
    assert_eq!(
        members,
        json!([{"@odata.id": "/redfish/v1/Systems/Node0"}, {"@odata.id": "/redfish/v1/Systems/Node1"}])
    );
    assert_eq!(sim.json(1, "/redfish/v1/Systems/Node1")["SerialNumber"], "SERIAL-B1");
    let mac = |id: &str| sim.json(1, &format!("/redfish/v1/Systems/{id}/EthernetInterfaces/1"))["MACAddress"].clone();
    assert_ne!(mac("Node0"), mac("Node1"), "made addresses are unique");
    assert_eq!(sim.json(2, "/redfish/v1/").get("Systems"), None);
    assert_eq!(sim.status(2, "GET", "/redfish/v1/Systems", ""), 404);
    assert_eq!(sim.json(2, "/redfish/v1/Chassis")["Members@odata.count"], 1);
}

#[test]
fn the_same_seed_gives_the_same_world() {
    let of = |seed| {
        let world =
            world(&Choices { seed, mix: "generic=1,idrac=1,ilo=1".parse::<Mix>().unwrap(), ..Choices::default() });
        format!("{world:?}")
    };
    assert_eq!(of(7), of(7));
    assert_ne!(of(7), of(8));
}

#[test]
fn power_goes_through_its_phases() {
    let sim = Sim::new();
    let (system, reset) = ("/redfish/v1/Systems/1", "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset");
    assert_eq!(sim.status(0, "POST", reset, r#"{"ResetType":"Nonsense"}"#), 400);
    assert_eq!(sim.status(0, "POST", reset, r#"{"ResetType":"ForceOff"}"#), 204);
    assert_eq!(sim.json(0, system)["PowerState"], "PoweringOff");
    sim.wait(0, system, |system| system["PowerState"] == "Off");
    assert_eq!(sim.status(0, "POST", reset, r#"{"ResetType":"ForceRestart"}"#), 409);
    assert_eq!(sim.status(0, "POST", reset, r#"{"ResetType":"On"}"#), 204);
    assert_eq!(sim.json(0, system)["PowerState"], "PoweringOn");
    let post = sim.wait(0, system, |system| system["PowerState"] == "On");
    assert_eq!(post["BootProgress"]["LastState"], "PCIResourceConfigStarted");
    sim.wait(0, system, |system| system["BootProgress"]["LastState"] == "OSRunning");
    assert!(sim.running().power("a", false));
    assert_eq!(sim.json(0, system)["PowerState"], "Off");
    assert!(!sim.running().power("nobody", false));
}

#[test]
fn what_is_staged_applies_after_a_reset() {
    let sim = Sim::new();
    let (bios, settings) = ("/redfish/v1/Systems/1/Bios", "/redfish/v1/Systems/1/Bios/Settings");
    assert_eq!(sim.status(0, "PATCH", settings, r#"{"Attributes":{"LogicalProc":5}}"#), 400);
    assert_eq!(sim.status(0, "PATCH", settings, r#"{"Attributes":{"Unknown":"x"}}"#), 400);
    assert_eq!(sim.status(0, "PATCH", bios, r#"{"Attributes":{"LogicalProc":"Enabled"}}"#), 405);
    assert_eq!(sim.status(0, "PATCH", settings, r#"{"Attributes":{"LogicalProc":"Enabled"}}"#), 204);
    assert_eq!(sim.status(0, "PATCH", "/redfish/v1/Systems/1/SecureBoot", r#"{"SecureBootEnable":false}"#), 204);
    let once = r#"{"Boot":{"BootSourceOverrideEnabled":"Once","BootSourceOverrideTarget":"Pxe","BootOrder":["Boot0001","Boot0000"]}}"#;
    assert_eq!(sim.status(0, "PATCH", "/redfish/v1/Systems/1", once), 204);
    assert_eq!(sim.json(0, bios)["Attributes"]["LogicalProc"], "Disabled");
    assert_eq!(sim.json(0, settings)["Attributes"], json!({ "LogicalProc": "Enabled" }));
    let secure = sim.json(0, "/redfish/v1/Systems/1/SecureBoot");
    assert_eq!((&secure["SecureBootEnable"], &secure["SecureBootCurrentBoot"]), (&json!(false), &json!("Enabled")));
    let boot = sim.json(0, "/redfish/v1/Systems/1")["Boot"].clone();
    assert_eq!((&boot["BootSourceOverrideTarget"], &boot["BootOrder"][0]), (&json!("Pxe"), &json!("Boot0001")));
    let reset = "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset";
    assert_eq!(sim.status(0, "POST", reset, r#"{"ResetType":"ForceRestart"}"#), 204);
    sim.wait(0, bios, |bios| bios["Attributes"]["LogicalProc"] == "Enabled");
    assert_eq!(sim.json(0, settings)["Attributes"], json!({}));
    assert_eq!(sim.json(0, "/redfish/v1/Systems/1/SecureBoot")["SecureBootCurrentBoot"], "Disabled");
    assert_eq!(sim.json(0, "/redfish/v1/Systems/1")["Boot"]["BootSourceOverrideEnabled"], "Disabled");
}

#[test]
fn a_settings_resource_stages_boot_settings() {
    let sim = Sim::of(quirky(&[Quirk::BootSettingsResource]), options());
    let wished = r#"{"Boot":{"BootSourceOverrideEnabled":"Continuous","BootSourceOverrideTarget":"UefiHttp"}}"#;
    assert_eq!(sim.status(0, "PATCH", "/redfish/v1/Systems/1", wished), 400);
    assert_eq!(sim.status(0, "PATCH", "/redfish/v1/Systems/1/SD", wished), 204);
    assert_eq!(sim.json(0, "/redfish/v1/Systems/1")["Boot"]["BootSourceOverrideTarget"], "None");
    assert_eq!(sim.json(0, "/redfish/v1/Systems/1/SD")["Boot"]["BootSourceOverrideTarget"], "UefiHttp");
    sim.status(0, "POST", "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset", r#"{"ResetType":"PowerCycle"}"#);
    sim.wait(0, "/redfish/v1/Systems/1", |system| system["Boot"]["BootSourceOverrideTarget"] == "UefiHttp");
}

#[test]
fn etags_guard_writes() {
    let models = |model: &str| {
        let mix = model.parse().unwrap();
        Sim::of(world(&Choices { mix, ..Choices::default() }), options())
    };
    let sim = models("generic");
    let (path, body) = ("/redfish/v1/Systems/1", r#"{"Boot":{"BootSourceOverrideTarget":"Pxe"}}"#);
    let etag = sim.ask(0, "GET", path, &[], "").header("etag").unwrap().to_owned();
    assert_eq!(sim.ask(0, "GET", path, &[("If-None-Match", &etag)], "").status, 304);
    assert_eq!(sim.ask(0, "PATCH", path, &[("If-Match", "\"other\"")], body).status, 412);
    assert_eq!(sim.ask(0, "PATCH", path, &[("If-Match", &etag)], body).status, 204);
    assert_eq!(sim.ask(0, "PATCH", path, &[("If-Match", &etag)], body).status, 412, "it has changed");
    let (sim, path) = (models("lenovo"), "/redfish/v1/Systems/1");
    assert_eq!(sim.ask(0, "PATCH", path, &[], body).status, 428);
    let etag = sim.ask(0, "GET", path, &[], "").header("etag").unwrap().to_owned();
    assert_eq!(sim.ask(0, "PATCH", path, &[("If-Match", &etag)], body).status, 204);
    let weak = models("ilo").ask(0, "GET", "/redfish/v1/Systems/1/", &[], "").header("etag").unwrap().to_owned();
    assert!(weak.starts_with("W/"), "{weak}");
}

#[test]
fn one_level_is_expanded_where_the_root_says_so() {
    let sim = Sim::new();
    let memory = sim.json(0, "/redfish/v1/Systems/1/Memory?$expand=.($levels=1)");
    assert_eq!(memory["Members"][0]["CapacityMiB"], 24 * 1024);
    assert_eq!(sim.status(0, "GET", "/redfish/v1/Systems/1/Memory?$expand=.($levels=3)", ""), 400);
    let cray = Sim::of(world(&Choices { mix: "cray".parse().unwrap(), ..Choices::default() }), options());
    let features = &cray.json(0, "/redfish/v1/")["ProtocolFeaturesSupported"]["ExpandQuery"];
    assert_eq!(features["Levels"], false);
}
