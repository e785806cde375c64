//! Small machines made of JSON: a whole one, and what makes others of it.

use std::collections::BTreeMap;
use std::path::Path;

use muster::drift::{Drift, Options, Standing, Subject, compare};
use muster::model::{Revision, Tree as Files};
use muster::observed::{Depth, Observation, Observed, Outcome, Service, System};
use muster::snapshot::{self, Snapshot};
use serde_json::{Value, json};

use crate::mockups::look;
use crate::replay::{Harm, Replay};

/// The resources of one BMC, by their paths without a slash at the end.
#[derive(Debug, Clone)]
pub struct Tree(pub BTreeMap<String, Value>);

/// The time of the replay's surveys, and when they are compared.
pub const SEEN: i64 = 1_700_000_000_000;

/// What git says of [`Tree::whole`]: all of it is true.
pub const WISHES: &str = r#"
//- cluster.toml
name = "t"
[defaults]
boot = "b"
//- boot/b.toml
kind = "live"
kernel = "http://x.example/k"
//- nodes/n.toml
[[bmc]]
name = "bmc1"
url = "https://10.1.0.1"
mac = "02:00:00:00:0b:01"
[[node]]
name = "n1"
bmc = "bmc1"
arch = "x86_64"
serial = "SN0001"
uuid = "11111111-2222-3333-4444-555555555501"
nics = [{ name = "eth0", mac = "02:00:00:00:00:01", boot = true }]
[node.expect]
manufacturer = "Contoso"
model = "R1"
memory_gib = 64
processors = { count = 2, model = "Xeon 6430", cores = 32 }
accelerators = { count = 0 }
drives = { count = 2, model = "NV7" }
bios = { version = "1.0", attributes = { LogicalProc = "Disabled", Sriov = true } }
firmware = { BMC = "2.1", NIC = "22.31" }
secure_boot = true
power = "on"
boot = { order = ["Boot0001"], override = "Disabled" }
"#;

pub fn link(path: &str) -> Value {
    json!({ "@odata.id": path })
}

impl Tree {
    /// A whole machine: two processors, two modules of memory, two drives, one interface, one manager, one chassis.
    pub fn whole() -> Self {
        let mut tree = Self(BTreeMap::new());
        tree.put(
            "",
            "ServiceRoot",
            json!({
                "RedfishVersion": "1.15.0", "Vendor": "Contoso", "Systems": link("/redfish/v1/Systems"),
                "Chassis": link("/redfish/v1/Chassis"), "Managers": link("/redfish/v1/Managers"),
                "UpdateService": link("/redfish/v1/UpdateService"),
            }),
        );
        tree.list("Systems", &["1"]);
        let here = |part: &str| link(&format!("/redfish/v1/Systems/1/{part}"));
        tree.put("Systems/1", "ComputerSystem", json!({
            "SystemType": "Physical", "Manufacturer": "Contoso", "Model": "R1", "SerialNumber": "SN0001", "SKU": "R1-A",
            "UUID": "11111111-2222-3333-4444-555555555501", "PowerState": "On", "BiosVersion": "1.0",
            "Boot": {
                "BootSourceOverrideEnabled": "Disabled", "BootSourceOverrideTarget": "None",
                "BootOrder": ["Boot0001"], "BootOptions": here("BootOptions"),
            },
            "BootProgress": { "LastState": "OSRunning" },
            "EthernetInterfaces": here("EthernetInterfaces"), "Processors": here("Processors"),
            "Memory": here("Memory"), "Storage": here("Storage"), "Bios": here("Bios"), "SecureBoot": here("SecureBoot"),
            "PCIeDevices": [], "PCIeDevices@odata.count": 0,
            "MemorySummary": { "TotalSystemMemoryGiB": 64 }, "ProcessorSummary": { "Count": 2, "Model": "Xeon 6430" },
            "Actions": { "#ComputerSystem.Reset": { "target": "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset" } },
            "Links": { "Chassis": [link("/redfish/v1/Chassis/1")] },
        }));
        tree.list("Systems/1/EthernetInterfaces", &["1"]);
        tree.put(
            "Systems/1/EthernetInterfaces/1",
            "EthernetInterface",
            json!({
                "MACAddress": "02:00:00:00:00:01", "PermanentMACAddress": "02:00:00:00:00:01",
            }),
        );
        tree.list("Systems/1/Processors", &["1", "2"]);
        tree.list("Systems/1/Memory", &["1", "2"]);
        tree.list("Systems/1/Storage", &["1"]);
        let drive = |at: u8| format!("/redfish/v1/Systems/1/Storage/1/Drives/{at}");
        tree.put(
            "Systems/1/Storage/1",
            "Storage",
            json!({
                "Drives": [link(&drive(1)), link(&drive(2))], "Drives@odata.count": 2,
            }),
        );
        for at in ["1", "2"] {
            tree.put(
                &format!("Systems/1/Processors/{at}"),
                "Processor",
                json!({
                    "ProcessorType": "CPU", "Model": "Xeon 6430", "TotalCores": 32, "TotalThreads": 64,
                    "ProcessorArchitecture": "x86", "InstructionSet": "x86-64",
                }),
            );
            tree.put(&format!("Systems/1/Memory/{at}"), "Memory", json!({ "CapacityMiB": 32_768 }));
            tree.put(
                &format!("Systems/1/Storage/1/Drives/{at}"),
                "Drive",
                json!({
                    "Model": "NV7", "CapacityBytes": 1_920_000_000_000_u64, "SerialNumber": format!("D{at}"),
                }),
            );
        }
        tree.put("Systems/1/Bios", "Bios", json!({ "Attributes": { "LogicalProc": "Disabled", "Sriov": "Enabled" } }));
        tree.put(
            "Systems/1/SecureBoot",
            "SecureBoot",
            json!({
                "SecureBootEnable": true, "SecureBootCurrentBoot": "Enabled",
            }),
        );
        tree.list("Systems/1/BootOptions", &["Boot0001"]);
        tree.put("Systems/1/BootOptions/Boot0001", "BootOption", json!({
            "BootOptionReference": "Boot0001", "DisplayName": "PXE", "UefiDevicePath": "PciRoot(0x0)/MAC(020000000001,0x1)",
        }));
        tree.list("Managers", &["1"]);
        tree.put(
            "Managers/1",
            "Manager",
            json!({
                "ManagerType": "BMC", "FirmwareVersion": "2.1",
                "EthernetInterfaces": link("/redfish/v1/Managers/1/EthernetInterfaces"),
            }),
        );
        tree.list("Managers/1/EthernetInterfaces", &["1"]);
        tree.put("Managers/1/EthernetInterfaces/1", "EthernetInterface", json!({ "MACAddress": "02:00:00:00:0b:01" }));
        tree.list("Chassis", &["1"]);
        tree.put(
            "Chassis/1",
            "Chassis",
            json!({
                "ChassisType": "RackMount", "NetworkAdapters": link("/redfish/v1/Chassis/1/NetworkAdapters"),
                "Links": { "ComputerSystems": [link("/redfish/v1/Systems/1")] },
            }),
        );
        tree.list("Chassis/1/NetworkAdapters", &["1"]);
        let adapter = "/redfish/v1/Chassis/1/NetworkAdapters/1";
        tree.put(
            "Chassis/1/NetworkAdapters/1",
            "NetworkAdapter",
            json!({
                "NetworkDeviceFunctions": link(&format!("{adapter}/NetworkDeviceFunctions")),
            }),
        );
        tree.list("Chassis/1/NetworkAdapters/1/NetworkDeviceFunctions", &["1"]);
        tree.put(
            "Chassis/1/NetworkAdapters/1/NetworkDeviceFunctions/1",
            "NetworkDeviceFunction",
            json!({
                "NetDevFuncType": "Ethernet",
                "Ethernet": { "MACAddress": "02:00:00:00:00:01", "PermanentMACAddress": "02:00:00:00:00:01" },
            }),
        );
        tree.put(
            "UpdateService",
            "UpdateService",
            json!({
                "FirmwareInventory": link("/redfish/v1/UpdateService/FirmwareInventory"),
            }),
        );
        tree.list("UpdateService/FirmwareInventory", &["BMC", "NIC"]);
        for (name, version) in [("BMC", "2.1"), ("NIC", "22.31")] {
            let path = format!("UpdateService/FirmwareInventory/{name}");
            tree.put(&path, "SoftwareInventory", json!({ "Version": version }));
        }
        tree
    }

    /// Puts a resource at a path below `/redfish/v1`, with what every resource has.
    pub fn put(&mut self, path: &str, kind: &str, mut body: Value) {
        let uri = if path.is_empty() { "/redfish/v1".to_owned() } else { format!("/redfish/v1/{path}") };
        let id = uri.rsplit('/').next().unwrap_or_default().to_owned();
        let object = body.as_object_mut().expect("a resource is an object");
        object.entry("@odata.id").or_insert_with(|| uri.clone().into());
        object.entry("@odata.type").or_insert_with(|| format!("#{kind}.v1_0_0.{kind}").into());
        for key in ["Id", "Name"] {
            object.entry(key).or_insert_with(|| id.clone().into());
        }
        self.0.insert(uri, body);
    }

    /// Puts a collection of members of these names at a path.
    pub fn list(&mut self, path: &str, names: &[&str]) {
        let members: Vec<Value> = names.iter().map(|name| link(&format!("/redfish/v1/{path}/{name}"))).collect();
        let body = json!({ "Members@odata.count": members.len(), "Members": members });
        self.put(path, "Collection", body);
    }

    /// Changes a resource.
    pub fn edit(&mut self, path: &str, change: impl FnOnce(&mut Value)) {
        change(self.0.get_mut(&format!("/redfish/v1/{path}")).unwrap_or_else(|| panic!("there is no {path}")));
    }

    /// Takes resources away: the one at a path, and all below it.
    pub fn take(&mut self, path: &str) {
        let (own, below) = (format!("/redfish/v1/{path}"), format!("/redfish/v1/{path}/"));
        self.0.retain(|uri, _| *uri != own && !uri.starts_with(&below));
    }

    /// Serves the tree, with some of its resources answered otherwise.
    pub async fn serve(&self, harm: impl IntoIterator<Item = (String, Harm)>) -> Replay {
        let mut answers: BTreeMap<String, Harm> =
            self.0.iter().map(|(uri, body)| (uri.clone(), Harm::Body(body.to_string()))).collect();
        answers.extend(harm);
        Replay::start(Path::new("/nowhere"), answers).await
    }

    pub async fn survey(&self) -> Observation {
        look(&self.serve([]).await, Depth::Deep).await
    }
}

pub fn built(wishes: &str) -> Snapshot {
    let (snapshot, findings) = snapshot::build(&Files::from_fixture(wishes), Revision::commit("abc"));
    snapshot.unwrap_or_else(|| panic!("{findings:?}"))
}

pub fn observed(observation: &Observation) -> Observed {
    let mut observed = Observed::default();
    observed.take(observation);
    observed
}

/// Compares one survey with what git says, a minute later.
pub fn drift(snapshot: &Snapshot, observation: &Observation) -> Drift {
    compare(snapshot, &observed(observation), SEEN + 60_000, &Options::default())
}

/// What a comparison comes to: the standing by attribute, of the node and of its BMC.
pub fn standings(drift: &Drift) -> BTreeMap<String, Standing> {
    let mut all = BTreeMap::new();
    for finding in &drift.findings {
        let subject = match &finding.subject {
            Subject::Node(name) => name.to_string(),
            Subject::Bmc(name) => format!("BMC {name}"),
            Subject::System { system, .. } => format!("System {system}"),
            Subject::Mac(mac) => mac.to_string(),
        };
        all.insert(format!("{subject} {}", finding.attribute), finding.verdict.standing());
    }
    all
}

#[track_caller]
pub fn service(observation: &Observation) -> &Service {
    match &observation.outcome {
        Outcome::Seen(service) => service,
        Outcome::Failed(failure) => panic!("it was not seen: {failure}"),
    }
}

#[track_caller]
pub fn system(observation: &Observation) -> &System {
    let systems = service(observation).systems.seen().expect("Systems were seen");
    assert_eq!(systems.len(), 1, "{systems:?}");
    &systems[0]
}
