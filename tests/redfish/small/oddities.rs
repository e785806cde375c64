//! What real BMCs do, each as the smallest change of a whole machine, and what is right.

use jiff::{SignedDuration, Timestamp};
use muster::adopt::arch_of;
use muster::drift::Standing;
use muster::model::{Arch, Quirk};
use muster::observed::{Depth, FailureKind, NicKind, Observation, Observed, Outcome, PostAge, Reading, attributes};
use serde_json::{Value, json};

use super::tree::{SEEN, Tree, WISHES, built, drift, link, service, standings, system};
use crate::mockups::look;
use crate::replay::Harm;

fn whole(change: impl FnOnce(&mut Tree)) -> Tree {
    let mut tree = Tree::whole();
    change(&mut tree);
    tree
}

/// What is not in sync of a changed machine that git says is whole.
async fn found(change: impl FnOnce(&mut Tree)) -> Vec<(String, Standing)> {
    let observation = whole(change).survey().await;
    standings(&drift(&built(WISHES), &observation)).into_iter().collect()
}

fn entry(attribute: &str, standing: Standing) -> (String, Standing) {
    (attribute.to_owned(), standing)
}

fn ethernet(observation: &Observation) -> Vec<String> {
    let nics = system(observation).nics.seen().into_iter().flatten();
    nics.filter(|nic| nic.kind == NicKind::Ethernet).filter_map(|nic| Some(nic.mac?.to_string())).collect()
}

/// A machine whose BIOS is not as git says, and that shows a state of POST.
fn posting(tree: &mut Tree, time: Option<Timestamp>) {
    tree.edit("Systems/1", |system| {
        system["BootProgress"] = json!({
            "LastState": "SystemHardwareInitializationComplete",
            "LastStateTime": time.map(|time| time.to_string()),
        });
    });
    tree.edit("Systems/1/Bios", |bios| bios["Attributes"]["LogicalProc"] = json!("Enabled"));
}

const BIOS: &str = "n1 bios.attributes.LogicalProc";

#[tokio::test]
async fn post_ends_and_what_differs_past_it_is_drift() {
    let ago = |minutes| Timestamp::now() - SignedDuration::from_mins(minutes);
    let old = found(|tree| posting(tree, Some(ago(300)))).await;
    assert_eq!(old, [entry(BIOS, Standing::Drifted)]);
    let recent = found(|tree| posting(tree, Some(ago(3)))).await;
    assert_eq!(recent, [entry(BIOS, Standing::Settling)]);
    let undated = found(|tree| posting(tree, None)).await;
    assert_eq!(undated, [entry(BIOS, Standing::Unknown)], "one survey cannot tell, so it is neither quiet nor drift");
    let reset = found(|tree| {
        posting(tree, None);
        tree.edit("Systems/1", |system| system["LastResetTime"] = json!(ago(300).to_string()));
    });
    assert_eq!(reset.await, [entry(BIOS, Standing::Drifted)]);
}

#[tokio::test]
async fn a_state_of_post_that_surveys_see_for_an_hour_is_a_leftover() {
    let observation = whole(|tree| posting(tree, None)).survey().await;
    let earlier = Tree::whole().survey().await;
    let mut observed = Observed::default();
    let minutes = |count: i64| SEEN + count * 60_000;
    let mut standing = |observation: &Observation, at: i64| {
        observed.take(&Observation { at, ..observation.clone() });
        let drift = muster::drift::compare(&built(WISHES), &observed, at + 1_000, &muster::drift::Options::default());
        standings(&drift).get(BIOS).copied()
    };
    assert_eq!(standing(&earlier, minutes(0)), None);
    assert_eq!(standing(&observation, minutes(1)), Some(Standing::Settling), "it began between two surveys");
    assert_eq!(standing(&observation, minutes(20)), Some(Standing::Settling));
    assert_eq!(standing(&observation, minutes(61)), Some(Standing::Drifted));
}

/// What is done to a tree before it is served.
type Spoil = fn(&mut Tree);

#[tokio::test]
async fn one_dead_resource_of_interfaces_leaves_the_others() {
    let dead: [(&str, Spoil); 5] = [
        ("an adapter", |tree| tree.list("Chassis/1/NetworkAdapters", &["1", "Dead"])),
        ("a function list", |tree| tree.take("Chassis/1/NetworkAdapters/1/NetworkDeviceFunctions")),
        ("boot options", |tree| tree.take("Systems/1/BootOptions")),
        ("a manager's interface", |tree| tree.list("Managers/1/EthernetInterfaces", &["1", "2"])),
        ("an FC adapter", |tree| {
            tree.list("Systems/1/NetworkInterfaces", &["F"]);
            let adapter = link("/redfish/v1/Chassis/1/NetworkAdapters/F");
            tree.put(
                "Systems/1/NetworkInterfaces/F",
                "NetworkInterface",
                json!({ "Links": { "NetworkAdapter": adapter } }),
            );
            tree.edit("Systems/1", |system| {
                system["NetworkInterfaces"] = link("/redfish/v1/Systems/1/NetworkInterfaces");
            });
        }),
    ];
    let more = WISHES.replace("nics = [", "nics = [{ name = \"eth1\", mac = \"02:00:00:00:00:02\" }, ");
    for (what, change) in dead {
        let observation = whole(change).survey().await;
        assert_eq!(ethernet(&observation), ["02:00:00:00:00:01"], "{what}");
        assert!(system(&observation).nics_unread.is_some(), "{what}: {:?}", system(&observation));
        assert!(!service(&observation).unread.is_empty(), "{what} is told as unread");
        let found = standings(&drift(&built(&more), &observation));
        let standing = found.get("n1 nics.eth1.mac");
        assert_eq!(standing, Some(&Standing::Unknown), "{what}: an address that a partial list lacks is not judged");
        assert_eq!(found.get("n1 nics.eth0.mac"), None, "{what}: an address that was seen is in sync");
    }
}

#[tokio::test]
async fn a_part_that_is_not_reported_is_not_counted_as_none() {
    let without = |key: &'static str| move |tree: &mut Tree| tree.edit("Systems/1", |system| system[key] = Value::Null);
    let unknown = |names: &[&str]| names.iter().map(|name| entry(name, Standing::Unknown)).collect::<Vec<_>>();
    assert_eq!(found(without("Storage")).await, unknown(&["n1 drives.count", "n1 drives.model"]));
    assert_eq!(found(without("PCIeDevices")).await, unknown(&["n1 accelerators.count"]));
    // The System sums up its processors; what it does not sum up is unknown.
    assert_eq!(found(without("Processors")).await, unknown(&["n1 processors.cores"]));
    let observation = whole(without("Storage")).survey().await;
    let seen = attributes(service(&observation), system(&observation), &observation.shared);
    assert_eq!(seen.get("drives.count"), None, "nothing to adopt");
}

#[tokio::test]
async fn drives_of_smart_storage_and_gpus_as_pcie_devices_count() {
    let tree = whole(|tree| {
        tree.take("Systems/1/Storage");
        tree.list("Systems/1/Storage", &[]);
        let (oem, smart) = ("/redfish/v1/Systems/1/SmartStorage", "Systems/1/SmartStorage");
        tree.edit("Systems/1", |system| system["Oem"] = json!({ "Hpe": { "Links": { "SmartStorage": link(oem) } } }));
        tree.put(
            smart,
            "HpeSmartStorage",
            json!({ "Links": { "ArrayControllers": link(&format!("{oem}/ArrayControllers")) } }),
        );
        tree.list("Systems/1/SmartStorage/ArrayControllers", &["0"]);
        let drives = link(&format!("{oem}/ArrayControllers/0/DiskDrives"));
        let controller = json!({ "Links": { "PhysicalDrives": drives } });
        tree.put("Systems/1/SmartStorage/ArrayControllers/0", "HpeSmartStorageArrayController", controller);
        tree.list("Systems/1/SmartStorage/ArrayControllers/0/DiskDrives", &["0", "1", "2"]);
        for at in 0..3 {
            let path = format!("Systems/1/SmartStorage/ArrayControllers/0/DiskDrives/{at}");
            tree.put(&path, "HpeSmartStorageDiskDrive", json!({ "Model": "VK001920", "CapacityGB": 1920 }));
        }
        tree.edit("Systems/1", |system| system["PCIeDevices"] = Value::Null);
        tree.edit("Chassis/1", |chassis| chassis["PCIeDevices"] = link("/redfish/v1/Chassis/1/PCIeDevices"));
        let ids: Vec<String> = (1..=8).map(|at| format!("Dev{at}")).collect();
        let mut names: Vec<&str> = ids.iter().map(String::as_str).collect();
        names.push("VGA");
        tree.list("Chassis/1/PCIeDevices", &names);
        for id in &ids {
            let functions = format!("/redfish/v1/Chassis/1/PCIeDevices/{id}/PCIeFunctions");
            let body = json!({ "Manufacturer": "NVIDIA Corporation", "PCIeFunctions": link(&functions) });
            tree.put(&format!("Chassis/1/PCIeDevices/{id}"), "PCIeDevice", body);
            tree.list(&format!("Chassis/1/PCIeDevices/{id}/PCIeFunctions"), &["1"]);
            let class = json!({ "ClassCode": "0x030200" });
            tree.put(&format!("Chassis/1/PCIeDevices/{id}/PCIeFunctions/1"), "PCIeFunction", class);
        }
        let vga = json!({ "Manufacturer": "ASPEED", "Name": "ASPEED Graphics", "ClassCode": "0x030000" });
        tree.put("Chassis/1/PCIeDevices/VGA", "PCIeDevice", vga);
    });
    let observation = tree.survey().await;
    let seen = attributes(service(&observation), system(&observation), &observation.shared);
    assert_eq!(seen.get("drives.count").map(String::as_str), Some("3"), "{:?}", service(&observation).unread);
    assert_eq!(seen.get("accelerators.count").map(String::as_str), Some("8"));
}

#[tokio::test]
async fn a_machine_that_is_off_loses_nothing() {
    let found = found(|tree| {
        for part in ["Processors", "Memory", "Storage", "EthernetInterfaces", "BootOptions"] {
            tree.take(&format!("Systems/1/{part}"));
            tree.list(&format!("Systems/1/{part}"), &[]);
        }
        tree.take("Chassis/1/NetworkAdapters");
        tree.edit("Chassis/1", |chassis| chassis["NetworkAdapters"] = Value::Null);
        tree.edit("Systems/1/Bios", |bios| bios["Attributes"] = json!({}));
        tree.edit("Systems/1", |system| {
            system["PowerState"] = json!("Off");
            system["Manufacturer"] = json!("");
            system["BiosVersion"] = json!("");
            system["MemorySummary"] = json!({ "TotalSystemMemoryGiB": 0.0 });
            system["ProcessorSummary"] = json!({ "Count": 0, "Model": null });
        });
    });
    let found = found.await;
    assert!(found.contains(&entry("n1 power", Standing::Drifted)), "{found:?}");
    let lost: Vec<_> =
        found.iter().filter(|(name, standing)| *standing != Standing::Unknown && name != "n1 power").collect();
    assert!(lost.is_empty() && found.len() > 10, "{found:?}");
}

#[tokio::test]
async fn an_architecture_that_git_contradicts_is_drift() {
    let tree = whole(|tree| {
        for at in ["1", "2"] {
            tree.edit(&format!("Systems/1/Processors/{at}"), |cpu| {
                cpu["ProcessorArchitecture"] = json!("ARM");
                cpu["InstructionSet"] = json!("ARM-A64");
                cpu["Model"] = json!("Xeon 6430");
            });
        }
    });
    let observation = tree.survey().await;
    let found = standings(&drift(&built(WISHES), &observation));
    assert_eq!(found.into_iter().collect::<Vec<_>>(), [entry("n1 arch", Standing::Drifted)]);
    let inventory = system(&observation).inventory.seen().and_then(|digest| observation.shared.inventory(*digest));
    assert_eq!(arch_of(system(&observation), inventory), Some(Arch::Aarch64));
    let as_it_is = WISHES.replace("arch = \"x86_64\"", "arch = \"aarch64\"");
    assert_eq!(standings(&drift(&built(&as_it_is), &observation)).len(), 0);
}

#[tokio::test]
async fn switch_trays_and_absent_systems_are_no_servers() {
    let tray = whole(|tree| {
        for part in ["Processors", "Memory"] {
            tree.take(&format!("Systems/1/{part}"));
            tree.list(&format!("Systems/1/{part}"), &[]);
        }
        tree.edit("Systems/1", |system| {
            for key in ["Bios", "EthernetInterfaces", "Storage", "SecureBoot"] {
                system[key] = Value::Null;
            }
            system["MemorySummary"] = json!({ "TotalSystemMemoryGiB": 0 });
            system["ProcessorSummary"] = json!({ "Count": 0 });
        });
        tree.list("Chassis", &["1", "MGX_NVSwitch_0"]);
        tree.put("Chassis/MGX_NVSwitch_0", "Chassis", json!({ "ChassisType": "Component" }));
    });
    for depth in [Depth::Deep, Depth::Sweep] {
        let observation = look(&tray.serve([]).await, depth).await;
        assert_eq!(service(&observation).systems.seen().map(Vec::len), Some(0), "{depth:?}");
        assert_eq!(service(&observation).not_servers.len(), 1);
    }
    let absent = whole(|tree| {
        tree.list("Systems", &["1", "2"]);
        let body = json!({ "PowerState": "Off", "Status": { "State": "Absent" }, "Boot": { "BootOrder": ["a"] } });
        tree.put("Systems/2", "ComputerSystem", body);
    });
    let observation = absent.survey().await;
    assert_eq!(service(&observation).not_servers.len(), 1);
    assert_eq!(standings(&drift(&built(WISHES), &observation)).len(), 0);
}

#[tokio::test]
async fn a_collection_knows_its_length_and_its_next_page_by_many_names() {
    let short = found(|tree| tree.edit("Systems", |list| list["Members@odata.count"] = json!(3))).await;
    assert_eq!(short, [entry("n1 ", Standing::Unknown)]);
    let memory = found(|tree| {
        tree.edit("Systems/1/Memory", |list| list["Members@odata.count"] = json!(4));
        tree.edit("Systems/1", |system| system["MemorySummary"] = Value::Null);
    });
    assert_eq!(memory.await, [entry("n1 memory_gib", Standing::Unknown)]);
    let page = "/redfish/v1/Systems/1/MemoryPage2";
    for next in [
        json!({ "Members@odata.nextLink": page }),
        json!({ "@odata.nextLink": { "@odata.id": page } }),
        json!({ "Members@odata.nextlink": page }),
        json!({ "Links": { "NextPage": { "page": 2, "@odata.id": page } } }),
    ] {
        let found = found(|tree| {
            tree.edit("Systems/1", |system| system["MemorySummary"] = Value::Null);
            tree.list("Systems/1/MemoryPage2", &[]);
            tree.edit("Systems/1/MemoryPage2", |list| {
                list["Members"] = json!([link("/redfish/v1/Systems/1/Memory/2")]);
                list["Members@odata.count"] = json!(2);
            });
            tree.edit("Systems/1/Memory", |list| {
                list["Members"] = json!([link("/redfish/v1/Systems/1/Memory/1")]);
                list.as_object_mut().unwrap().extend(next.as_object().unwrap().clone());
            });
        });
        assert_eq!(found.await, [], "{next}");
    }
    let same = found(|tree| {
        tree.edit("Systems/1", |system| system["MemorySummary"] = Value::Null);
        tree.edit("Systems/1/Memory", |list| list["@odata.nextLink"] = json!("/redfish/v1/Systems/1/Memory/"));
    });
    assert_eq!(same.await, [entry("n1 memory_gib", Standing::Unknown)], "a page that is its own next page ends there");
}

#[tokio::test]
async fn roots_that_lie_are_unknown_and_other_places_of_members_are_read() {
    let mut tree = Tree::whole();
    let root = tree.0.get_mut("/redfish/v1").expect("there is a root");
    root["Systems"] = Value::Null;
    let observation = tree.survey().await;
    assert!(matches!(&observation.outcome, Outcome::Failed(failure) if failure.kind == FailureKind::Malformed));
    let links = found(|tree| {
        tree.edit("Systems", |list| {
            let members = list["Members"].take();
            list.as_object_mut().unwrap().remove("Members");
            list["Links"] = json!({ "Members": members, "Members@odata.count": 1 });
        });
    });
    assert_eq!(links.await, []);
    let twice = found(|tree| {
        tree.edit("Systems", |list| {
            list["Members"] = json!([link("/redfish/v1/Systems/1"), link("/redfish/v1/Systems/1/")]);
            list["Members@odata.count"] = json!(2);
        });
    });
    assert_eq!(twice.await, []);
    let relative = found(|tree| tree.edit("Systems", |list| list["Members"] = json!([link("Systems/1")])));
    assert_eq!(relative.await, [entry("n1 ", Standing::Unknown)]);
}

#[tokio::test]
async fn a_property_that_is_no_link_costs_its_part() {
    for value in [json!({}), json!(null), json!({ "@odata.id": null }), json!({ "Count": 2 }), json!("here")] {
        let tree = whole(|tree| {
            tree.edit("Systems/1", |system| system["EthernetInterfaces"] = value.clone());
            tree.take("Chassis/1/NetworkAdapters");
            tree.edit("Chassis/1", |chassis| chassis["NetworkAdapters"] = Value::Null);
            tree.edit("Systems/1/BootOptions/Boot0001", |option| option["UefiDevicePath"] = Value::Null);
        });
        let observation = tree.survey().await;
        let found: Vec<_> = standings(&drift(&built(WISHES), &observation)).into_iter().collect();
        assert_eq!(found, [entry("n1 nics.eth0.mac", Standing::Unknown)], "{value}");
    }
}

#[tokio::test]
async fn an_assigned_address_is_the_one_that_boots() {
    let assigned = |tree: &mut Tree| {
        tree.edit("Systems/1/EthernetInterfaces/1", |nic| nic["MACAddress"] = json!("00:25:b5:00:00:01"));
        tree.edit("Chassis/1/NetworkAdapters/1/NetworkDeviceFunctions/1", |function| {
            function["Ethernet"]["MACAddress"] = json!("00:25:b5:00:00:01");
        });
    };
    let observation = whole(assigned).survey().await;
    assert_eq!(ethernet(&observation), ["00:25:b5:00:00:01"], "it is one interface");
    let wishes = WISHES.replace("02:00:00:00:00:01", "00:25:b5:00:00:01");
    assert_eq!(standings(&drift(&built(&wishes), &observation)).len(), 0);
    assert_eq!(found(assigned).await, [entry("n1 nics.eth0.mac", Standing::Drifted)], "the factory's never asks");
}

#[tokio::test]
async fn ports_are_read_though_a_function_has_an_address() {
    let tree = whole(|tree| {
        let ports = "/redfish/v1/Chassis/1/NetworkAdapters/1/Ports";
        tree.edit("Chassis/1/NetworkAdapters/1", |adapter| adapter["Ports"] = link(ports));
        tree.list("Chassis/1/NetworkAdapters/1/Ports", &["1", "2"]);
        for (at, mac) in [("1", "02:00:00:00:00:01"), ("2", "02:00:00:00:00:02")] {
            let body = json!({ "Ethernet": { "AssociatedMACAddresses": [mac] } });
            tree.put(&format!("Chassis/1/NetworkAdapters/1/Ports/{at}"), "Port", body);
        }
    });
    assert_eq!(ethernet(&tree.survey().await), ["02:00:00:00:00:01", "02:00:00:00:00:02"]);
}

#[tokio::test]
async fn the_service_tag_is_the_serial_number_of_a_dell() {
    let tree = whole(|tree| {
        tree.edit("Systems/1", |system| {
            system["Manufacturer"] = json!("Dell Inc.");
            system["SKU"] = json!("F54P1G3");
            system["SerialNumber"] = json!("CNFCP0012345AB");
        });
    });
    let observation = tree.survey().await;
    assert!(service(&observation).quirks.contains(&Quirk::TagInSku));
    assert_eq!(service(&observation).serial_of(system(&observation)), Some("F54P1G3"));
    let damaged = whole(|tree| tree.edit("Systems/1", |system| system["SerialNumber"] = json!("SN\u{fffd}001")));
    let observation = damaged.survey().await;
    assert_eq!(service(&observation).serial_of(system(&observation)), None, "half a serial number identifies nothing");
}

#[tokio::test]
async fn firmware_of_equal_names_is_stable_and_one_failed_row_costs_that_row() {
    let rows = |ids: [&'static str; 3]| {
        whole(move |tree| {
            tree.list("UpdateService/FirmwareInventory", &["BMC", ids[0], ids[1], ids[2]]);
            for (id, version) in ids.into_iter().zip(["22.31", "22.31", "22.36"]) {
                let body = json!({ "Name": "NIC", "Version": version });
                tree.put(&format!("UpdateService/FirmwareInventory/{id}"), "SoftwareInventory", body);
            }
        })
    };
    let digest = |observation: &Observation| service(observation).firmware.clone();
    let (one, other) = (rows(["a", "b", "c"]).survey().await, rows(["z", "y", "x"]).survey().await);
    assert_eq!(digest(&one), digest(&other), "ids and their order say nothing");
    let Reading::Seen(set) = digest(&one) else { panic!("it was seen") };
    assert_eq!(&*one.shared.firmware(set).unwrap().0["NIC"], "22.31 + 22.36");
    let failed = found(|tree| tree.list("UpdateService/FirmwareInventory", &["BMC", "NIC", "Dead"])).await;
    assert_eq!(failed, []);
    let lost = found(|tree| tree.take("UpdateService/FirmwareInventory/NIC")).await;
    assert_eq!(lost, [entry("n1 firmware.NIC", Standing::Unknown)]);
}

#[tokio::test]
async fn the_interface_that_a_bmc_is_reached_by_is_known() {
    let tree = whole(|tree| {
        tree.list("Managers/1/EthernetInterfaces", &["1", "2", "usb0"]);
        let nic = |mac: &str, address: &str| json!({ "MACAddress": mac, "IPv4Addresses": [{ "Address": address }] });
        tree.put("Managers/1/EthernetInterfaces/1", "EthernetInterface", nic("02:00:00:00:0b:01", "10.9.9.9"));
        tree.put("Managers/1/EthernetInterfaces/2", "EthernetInterface", nic("02:00:00:00:0b:02", "127.0.0.1"));
        tree.put("Managers/1/EthernetInterfaces/usb0", "EthernetInterface", nic("02:00:00:00:0b:03", "127.0.0.1"));
    });
    let observation = tree.survey().await;
    let managers = service(&observation).managers.seen().expect("managers were seen");
    let in_use: Vec<String> = managers[0].in_use.iter().map(ToString::to_string).collect();
    assert_eq!(in_use, ["02:00:00:00:0b:02"]);
    assert_eq!(managers[0].macs.seen().map(Vec::len), Some(3));
}

#[tokio::test]
async fn a_date_of_post_is_read_by_the_bmcs_clock() {
    let observation = whole(|tree| posting(tree, Some(Timestamp::now()))).survey().await;
    assert_eq!(system(&observation).post_age, Some(PostAge::Recent), "by the replay's clock, not by that of the test");
}

#[tokio::test]
async fn a_service_of_endless_links_is_bounded() {
    let links: Vec<String> = (0..200_000).map(|at| format!("/{at:05x}")).collect();
    let bomb = json!({
        "@odata.id": "/redfish/v1/Systems", "@odata.type": "#C.ComputerSystemCollection", "Name": "x", "Members": links,
        "Members@odata.nextLink": "/redfish/v1/Systems?x",
    });
    let path = "/redfish/v1/Systems".to_owned();
    let replay = Tree::whole().serve([(path.clone(), Harm::Body(bomb.to_string()))]).await;
    let observation = look(&replay, Depth::Deep).await;
    assert!(replay.requests().len() < 50, "{}", replay.requests().len());
    let found = standings(&drift(&built(WISHES), &observation));
    assert_eq!(found.into_iter().collect::<Vec<_>>(), [entry("n1 ", Standing::Unknown)]);
    // Each page another, each of them large: the sum is bounded.
    let page = |at: u32| {
        let next = format!("/redfish/v1/Page{}", at + 1);
        let body = json!({ "Name": "x".repeat(1 << 20), "Members": [], "@odata.nextLink": next });
        (format!("/redfish/v1/Page{at}"), Harm::Body(body.to_string()))
    };
    let mut pages: Vec<_> = (0..64).map(page).collect();
    let first = json!({ "Members": [], "Members@odata.nextLink": "/redfish/v1/Page0" });
    pages.push((path, Harm::Body(first.to_string())));
    let replay = Tree::whole().serve(pages).await;
    let observation = look(&replay, Depth::Deep).await;
    let asked = replay.requests().iter().filter(|uri| uri.contains("Page")).count();
    assert!((20..30).contains(&asked), "{asked} pages of a mebibyte each");
    let Outcome::Failed(failure) = &observation.outcome else { panic!("nothing is left to read the rest with") };
    assert_eq!(failure.kind, FailureKind::TooLarge);
}

/// A list of links to nothing costs a bounded number of requests, and what it hides is unknown.
#[tokio::test]
async fn a_service_whose_links_lead_nowhere_is_left() {
    let links: Vec<_> = (0..3_000).map(|at| json!({ "@odata.id": format!("/redfish/v1/Systems/{at:05}") })).collect();
    let list = json!({
        "@odata.id": "/redfish/v1/Systems", "@odata.type": "#C.ComputerSystemCollection", "Name": "x",
        "Members@odata.count": links.len(), "Members": links,
    });
    let harm = [("/redfish/v1/Systems".to_owned(), Harm::Body(list.to_string()))];
    let replay = Tree::whole().serve(harm).await;

    let observation = look(&replay, Depth::Deep).await;

    let asked = replay.requests().len();
    assert!((256..600).contains(&asked), "{asked} requests");
    let found = standings(&drift(&built(WISHES), &observation));
    assert_eq!(found.into_iter().collect::<Vec<_>>(), [entry("n1 ", Standing::Unknown)]);
}
