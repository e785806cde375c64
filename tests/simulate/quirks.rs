//! Every quirk's switch changes an answer that can be seen.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::{LOGIN, PATIENCE, QUICK, Sim, Value, basic, http, options, quirky};
use muster::model::Quirk;
use muster::simulate::{Choices, Model};

const SYSTEM: &str = "/redfish/v1/Systems/1";

fn ids(collection: &Value) -> Vec<String> {
    let links = collection["Members"].as_array().into_iter().flatten();
    links.map(|member| member["@odata.id"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()).collect()
}

/// Tells whether a fleet shows a quirk.
fn shows(sim: &Sim, quirk: Quirk) -> bool {
    let system = || sim.json(0, SYSTEM);
    let nics = || sim.json(0, &format!("{SYSTEM}/EthernetInterfaces"));
    let nic = |id: &str| sim.json(0, &format!("{SYSTEM}/EthernetInterfaces/{id}"));
    let status = |path: &str| sim.status(0, "GET", path, "");
    let functions = "/redfish/v1/Chassis/1/NetworkAdapters/1/NetworkDeviceFunctions/1";
    match quirk {
        Quirk::BootSettingsResource => system().get("@Redfish.Settings").is_some(),
        Quirk::CompositeBootOrder => system()["Boot"]["BootOrder"][0].as_str().unwrap().contains(": "),
        Quirk::NoBootOverride => system()["Boot"].get("BootSourceOverrideTarget").is_none(),
        Quirk::NicsVanishInPost => vanish(sim),
        Quirk::NoKeepAlive => !answers_twice(sim),
        Quirk::NoIdentityEncoding => sim.ask(0, "GET", SYSTEM, &[("Accept-Encoding", "identity")], "").status == 406,
        Quirk::TrailingSlash => {
            status(SYSTEM) == 308 && {
                let members = sim.json(0, "/redfish/v1/Systems/")["Members"].clone();
                members[0]["@odata.id"] == "/redfish/v1/Systems/1/"
            }
        }
        Quirk::WrongCase => {
            system()["Bios"]["@odata.id"] == "/redfish/v1/systems/1/bios" && {
                sim.json(0, "/redfish/v1/systems/1/bios")["Id"] == "Bios"
            }
        }
        Quirk::ExpandDropsFields => {
            let expanded = sim.json(0, &format!("{SYSTEM}/EthernetInterfaces?$expand=.($levels=1)"));
            expanded["Members"][0].get("MACAddress").is_none()
        }
        Quirk::FewSessions => [session(sim).0, session(sim).0, session(sim).0] == [201, 201, 503],
        Quirk::SessionDeleteRefused => {
            let (_, token) = session(sim);
            let place = "/redfish/v1/SessionService/Sessions/1";
            http::request(sim.at(0), "DELETE", place, &[("X-Auth-Token", &token)], b"").unwrap().status == 405
        }
        Quirk::SessionDropped => {
            let (_, token) = session(sim);
            let ask = || http::request(sim.at(0), "GET", SYSTEM, &[("X-Auth-Token", &token)], b"").unwrap().status;
            (0..30).any(|_| ask() == 401)
        }
        Quirk::PasswordChange => {
            status(SYSTEM) == 403 && {
                let account = "/redfish/v1/AccountService/Accounts/1";
                let body = format!(r#"{{"Password":"{}"}}"#, LOGIN.1);
                sim.status(0, "PATCH", account, &body) == 204 && status(SYSTEM) == 200
            }
        }
        Quirk::EnumDisplayNames => {
            sim.json(0, &format!("{SYSTEM}/Bios"))["Attributes"]["BootProfile"] == "Max Performance"
                && sim.json(0, "/redfish/v1/Registries")["Members@odata.count"] == 1
        }
        Quirk::SecureBootFails => {
            let path = format!("{SYSTEM}/SecureBoot");
            status(&path) == 200
                && sim.status(0, "PATCH", &path, r#"{"SecureBootEnable":false}"#) == 204
                && status(&path) == 500
        }
        Quirk::Unlicensed => status(&format!("{SYSTEM}/Bios")) == 403,
        Quirk::ResetByActionInfo => {
            let reset = system()["Actions"]["#ComputerSystem.Reset"].clone();
            reset.get("ResetType@Redfish.AllowableValues").is_none() && {
                let info = reset["@Redfish.ActionInfo"].as_str();
                info.is_some_and(|info| sim.json(0, info)["Parameters"][0]["Name"] == "ResetType")
            }
        }
        Quirk::EmptyMac => ids(&nics()).iter().any(|id| nic(id)["MACAddress"] == "Not Available"),
        Quirk::EmptyUuid => system()["UUID"] == "",
        Quirk::NullMembers => sim.json(0, "/redfish/v1/Managers/BMC/EthernetInterfaces")["Members"].is_null(),
        Quirk::ObjectExtendedInfo => {
            let answer = sim.ask(0, "GET", "/redfish/v1/nothing", &[], "");
            let value: Value = serde_json::from_slice(&answer.body).unwrap();
            value["error"]["@Message.ExtendedInfo"].is_object()
        }
        Quirk::OddDates => sim.json(0, "/redfish/v1/Managers/BMC")["DateTime"] == "0000-00-00T00:00:00",
        Quirk::TagInSku => {
            let system = system();
            system["SKU"] == "SERIAL-A" && system["SerialNumber"] != "SERIAL-A"
        }
        Quirk::NoEthernetInterfaces => system().get("EthernetInterfaces").is_none(),
        Quirk::MacsInBootOptions => {
            let option = sim.json(0, &format!("{SYSTEM}/BootOptions/Boot0000"));
            system().get("EthernetInterfaces").is_none()
                && sim.json(0, functions).get("Ethernet").is_none()
                && option["UefiDevicePath"].as_str().unwrap().contains("MAC(02000000000A,")
        }
        Quirk::MacsUnderAdapters => {
            ids(&nics()).is_empty() && sim.json(0, functions)["Ethernet"]["MACAddress"] == "02:00:00:00:00:0A"
        }
        Quirk::HostUsbNic => {
            ids(&nics()).contains(&"ToManager".to_owned()) && {
                let host = nic("ToManager")["Links"]["HostInterface"]["@odata.id"].as_str().unwrap().to_owned();
                sim.json(0, &host)["HostInterfaceType"] == "NetworkHostInterface"
            }
        }
        Quirk::DuplicateNics => {
            let mut macs: Vec<String> = ids(&nics()).iter().map(|id| nic(id)["MACAddress"].to_string()).collect();
            let all = macs.len();
            macs.dedup();
            macs.len() < all
        }
        Quirk::WrongOdataId => nic("1")["@odata.id"] == "/redfish/v1/Managers/BMC/EthernetInterfaces/1",
        Quirk::WrongWhileOff => {
            sim.running().power("a", false);
            ids(&nics()).is_empty() && system()["MemorySummary"]["TotalSystemMemoryGiB"] == 0
        }
        Quirk::DeadMembers => {
            let gone = |path: &str| ids(&sim.json(0, path)).iter().any(|id| status(&format!("{path}/{id}")) == 404);
            gone("/redfish/v1/Systems") && gone("/redfish/v1/Chassis")
        }
        Quirk::BaseboardSystem => {
            ids(&sim.json(0, "/redfish/v1/Systems")).contains(&"HGX_Baseboard_0".to_owned()) && {
                let board = sim.json(0, "/redfish/v1/Systems/HGX_Baseboard_0");
                board.get("Boot").is_none() && board.get("Actions").is_none()
            }
        }
        Quirk::PlaceholderIdentity => {
            let system = system();
            system["SerialNumber"] == "          " && system["SKU"] == "To be filled by O.E.M."
        }
        Quirk::SharedSerial => {
            let serial = |id: &str| sim.json(1, &format!("/redfish/v1/Systems/{id}"))["SerialNumber"].clone();
            serial("Node0") == serial("Node1")
        }
        Quirk::SchemalessTargets => {
            let targets = system()["Boot"]["BootSourceOverrideTarget@Redfish.AllowableValues"].clone();
            targets.as_array().unwrap().contains(&"CD/DVD".into())
        }
        Quirk::NumbersAsText => system()["MemorySummary"]["TotalSystemMemoryGiB"] == "384",
        Quirk::SlowFirstAnswer => {
            // A busy machine may hold up one answer as long, and hardly two in a row.
            (0..2).all(|bmc| {
                let begin = Instant::now();
                http::get(sim.at(bmc), "/redfish/v1/");
                begin.elapsed() >= Duration::from_millis(QUICK.slow_first)
            })
        }
        Quirk::InvalidJson => {
            let answer = sim.ask(0, "GET", "/redfish/v1/Managers/BMC/EthernetInterfaces/eth0", &[], "");
            answer.status == 200 && serde_json::from_slice::<Value>(&answer.body).is_err()
        }
    }
}

fn session(sim: &Sim) -> (u16, String) {
    let body = format!(r#"{{"UserName":"{}","Password":"{}"}}"#, LOGIN.0, LOGIN.1);
    let answer = http::request(sim.at(0), "POST", "/redfish/v1/SessionService/Sessions", &[], body.as_bytes()).unwrap();
    (answer.status, answer.header("x-auth-token").unwrap_or_default().to_owned())
}

/// Tells whether interfaces are away in POST, and back after it.
fn vanish(sim: &Sim) -> bool {
    let (nics, reset) = (format!("{SYSTEM}/EthernetInterfaces"), format!("{SYSTEM}/Actions/ComputerSystem.Reset"));
    // On a busy machine POST may be over before anything is asked; then it begins again.
    let during = (0..20).find_map(|_| {
        assert_eq!(sim.status(0, "POST", &reset, r#"{"ResetType":"ForceRestart"}"#), 204);
        let during = sim.json(0, &nics);
        let was_in_post = sim.json(0, SYSTEM)["BootProgress"]["LastState"] != "OSRunning";
        sim.wait(0, SYSTEM, |system| system["BootProgress"]["LastState"] == "OSRunning");
        assert!(!ids(&sim.json(0, &nics)).is_empty());
        was_in_post.then_some(during)
    });
    ids(&during.expect("one of twenty looks is in POST")).is_empty()
}

/// Sends two requests on one connection.
fn answers_twice(sim: &Sim) -> bool {
    let mut stream = TcpStream::connect(sim.at(0)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let login = basic(LOGIN.0, LOGIN.1);
    let mut ask = |last: &str| {
        let head = format!("GET /redfish HTTP/1.1\r\nHost: x\r\nAuthorization: {login}\r\n{last}\r\n");
        let _ = stream.write_all(head.as_bytes());
    };
    ask("");
    ask("Connection: close\r\n");
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text);
    text.matches("HTTP/1.1 200").count() == 2
}

#[test]
fn every_switch_changes_an_answer() {
    for quirk in Quirk::ALL {
        assert!(!shows(&Sim::new(), *quirk), "{} is seen where it is off", quirk.name());
        let sim = Sim::of(quirky(&[*quirk]), options());
        assert!(shows(&sim, *quirk), "{} is not seen where it is on", quirk.name());
    }
}

#[test]
fn a_model_hides_nothing_that_git_states() {
    for model in Model::ALL {
        let mix = model.name().parse().unwrap();
        let world = super::world(&Choices { mix, ..Choices::default() });
        let one = world.bmcs.iter().find(|bmc| &*bmc.name == "one").unwrap();
        for quirk in [Quirk::EmptyUuid, Quirk::PlaceholderIdentity, Quirk::Unlicensed, Quirk::PasswordChange] {
            assert!(!one.quirks.has(quirk), "{model}: {}", quirk.name());
        }
    }
    let cray = super::world(&Choices { mix: "cray".parse().unwrap(), ..Choices::default() });
    let two = cray.bmcs.iter().find(|bmc| &*bmc.name == "two").unwrap();
    assert!(two.quirks.has(Quirk::EmptyUuid), "where git states no UUID there is none");
}
