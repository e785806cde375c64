//! The OData documents of a service: its types and its entry points.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// The schemas of the resources, and the versions of their types.
const TYPES: [(&str, &str); 28] = [
    ("AccountService", "v1_15_0"),
    ("ActionInfo", "v1_4_2"),
    ("AttributeRegistry", "v1_3_8"),
    ("Bios", "v1_2_3"),
    ("BootOption", "v1_0_6"),
    ("Chassis", "v1_25_0"),
    ("ComputerSystem", "v1_22_0"),
    ("Drive", "v1_20_0"),
    ("EthernetInterface", "v1_12_0"),
    ("HostInterface", "v1_3_2"),
    ("ManagerAccount", "v1_12_0"),
    ("Manager", "v1_20_0"),
    ("Memory", "v1_20_0"),
    ("Message", "v1_2_1"),
    ("MessageRegistryFile", "v1_1_5"),
    ("NetworkAdapter", "v1_11_0"),
    ("NetworkDeviceFunction", "v1_10_0"),
    ("Processor", "v1_20_0"),
    ("Resource", "v1_19_0"),
    ("Role", "v1_3_1"),
    ("SecureBoot", "v1_1_2"),
    ("ServiceRoot", "v1_16_0"),
    ("Session", "v1_7_0"),
    ("SessionService", "v1_1_9"),
    ("Settings", "v1_3_5"),
    ("SoftwareInventory", "v1_11_0"),
    ("Storage", "v1_18_0"),
    ("UpdateService", "v1_14_0"),
];

/// Their collections, which have no versions.
const COLLECTIONS: [&str; 17] = [
    "BootOption",
    "Chassis",
    "ComputerSystem",
    "EthernetInterface",
    "HostInterface",
    "ManagerAccount",
    "Manager",
    "Memory",
    "MessageRegistryFile",
    "NetworkAdapter",
    "NetworkDeviceFunction",
    "Processor",
    "Role",
    "Session",
    "SoftwareInventory",
    "Storage",
    "Drive",
];

/// Returns `$metadata` (DSP0266, section "OData metadata").
pub fn document() -> String {
    let mut text = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<edmx:Edmx xmlns:edmx=\"http://docs.oasis-open.org/odata/ns/edmx\" Version=\"4.0\">\n",
    );

    let mut refer = |file: &str, spaces: &[String]| {
        let _ = writeln!(text, "  <edmx:Reference Uri=\"http://redfish.dmtf.org/schemas/v1/{file}_v1.xml\">");
        for space in spaces {
            let _ = writeln!(text, "    <edmx:Include Namespace=\"{space}\"/>");
        }
        text.push_str("  </edmx:Reference>\n");
    };

    for (name, version) in TYPES {
        refer(name, &[name.to_owned(), format!("{name}.{version}")]);
    }
    for name in COLLECTIONS {
        let name = format!("{name}Collection");
        refer(&name, std::slice::from_ref(&name));
    }

    refer("RedfishExtensions", &["RedfishExtensions.v1_0_0".to_owned()]);
    text.push_str(
        "  <edmx:DataServices>\n    <Schema xmlns=\"http://docs.oasis-open.org/odata/ns/edm\" Namespace=\"Service\">\n      <EntityContainer Name=\"Service\" Extends=\"ServiceRoot.v1_16_0.ServiceContainer\"/>\n    </Schema>\n  </edmx:DataServices>\n</edmx:Edmx>\n",
    );
    text
}

/// Returns `/redfish/v1/odata` (DSP0266, section "OData service document").
pub fn service_document() -> Value {
    let names = ["Systems", "Chassis", "Managers", "UpdateService", "SessionService", "AccountService"];
    let singleton = |name: &str, url: &str| json!({ "name": name, "kind": "Singleton", "url": url });
    let mut all = vec![singleton("Service", "/redfish/v1/")];
    all.extend(names.map(|name| singleton(name, &format!("/redfish/v1/{name}"))));
    json!({ "@odata.context": "/redfish/v1/$metadata", "value": all })
}
