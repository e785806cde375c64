//! Every resource and every property of a machine missing in turn: nothing that was not read is judged, nothing becomes
//! zero, and nothing else is lost.

use std::collections::BTreeSet;

use muster::drift::Standing;
use muster::observed::{Depth, Observation, Outcome};
use serde_json::{Value, json};

use super::tree::{Tree, WISHES, built, drift, standings};
use crate::mockups::look;
use crate::replay::Harm;

/// What a resource or a property may cost: attributes that begin so. Nothing for what only other parts bear on.
fn cost(path: &str, key: &str) -> &'static [&'static str] {
    const ALL: &[&str] = &[""];
    let part = path.strip_prefix("/redfish/v1").unwrap_or(path);
    let parts: Vec<&str> = part.split('/').filter(|part| !part.is_empty()).collect();
    let of_part = |name: &str| -> &'static [&'static str] {
        match name {
            "Processors" | "ProcessorSummary" => &["processors.", "accelerators.", "arch"],
            "PCIeDevices" | "PCIeDevices@odata.count" => &["accelerators."],
            "Memory" | "MemorySummary" => &["memory_gib"],
            "Storage" => &["drives."],
            "Bios" => &["bios.attributes."],
            "SecureBoot" => &["secure_boot"],
            "Boot" | "BootOptions" => &["boot."],
            "BiosVersion" => &["bios.version"],
            "Manufacturer" => &["manufacturer"],
            "Model" => &["model"],
            "SerialNumber" => &["serial"],
            "UUID" => &["uuid"],
            "PowerState" => &["power"],
            "EthernetInterfaces" => &["nics."],
            // A chassis may hold GPUs, and all adapters of the server.
            "Chassis" | "Links" => &["nics.", "accelerators."],
            "UpdateService" => &["firmware."],
            _ => &[],
        }
    };
    match parts.as_slice() {
        [] => {
            if key.is_empty() || key == "Systems" {
                ALL
            } else {
                of_part(key)
            }
        }
        ["Systems"] | ["Systems", "1"] if key.is_empty() => ALL,
        ["Systems"] => ALL,
        ["Systems", "1"] => of_part(key),
        ["Systems", "1", part, ..] | [part, ..] => of_part(part),
    }
}

/// Compares a survey of a harmed machine with git, which says what the whole machine is.
fn judge(what: &str, path: &str, key: &str, observation: &Observation) {
    let snapshot = built(WISHES);
    let drift = drift(&snapshot, observation);
    for (attribute, standing) in standings(&drift) {
        assert_eq!(
            standing,
            Standing::Unknown,
            "{what}: {attribute} was not read, and is judged: {:#?}",
            drift.findings
        );
        let Some(own) = attribute.strip_prefix("n1 ") else { continue };
        let is_owed =
            cost(path, key).iter().any(|start| own.starts_with(start)) || (own.is_empty() && cost(path, key) == [""]);
        assert!(is_owed, "{what}: it costs {attribute}: {:#?}", drift.findings);
    }
    // What is lost is told, in the findings or beside what was seen.
    if let Outcome::Seen(service) = &observation.outcome
        && let Some(systems) = service.systems.seen()
    {
        for system in systems {
            let Some(inventory) = system.inventory.seen().and_then(|digest| observation.shared.inventory(*digest))
            else {
                continue;
            };
            let lists = [
                ("processors", inventory.processors.len()),
                ("memory", inventory.memory.len()),
                ("drives", inventory.drives.len()),
            ];
            for (part, count) in lists {
                assert!(count == 2 || !inventory.is_whole(part), "{what}: {count} {part} pass for all of them");
            }
        }
    }
}

#[tokio::test]
async fn a_whole_machine_is_as_git_says() {
    let observation = Tree::whole().survey().await;
    let drift = drift(&built(WISHES), &observation);
    assert_eq!(standings(&drift).len(), 0, "{:#?}", drift.findings);
    assert!(drift.nodes[0].in_sync >= 18, "{:?}", drift.nodes[0]);
}

#[tokio::test]
async fn a_resource_that_fails_costs_that_resource() {
    let tree = Tree::whole();
    for path in tree.0.keys().filter(|path| *path != "/redfish/v1") {
        for harm in [
            Harm::Gone,
            Harm::Half,
            Harm::Status(500, "{}".into()),
            Harm::Status(403, "{}".into()),
            Harm::Body("null".into()),
            Harm::Body("{}".into()),
            Harm::Body("[]".into()),
            Harm::Body("{\"error\": {\"code\": \"x\"}}".into()),
        ] {
            let harm = match harm {
                Harm::Half => Harm::Body(tree.0[path].to_string()[..40].to_owned()),
                other => other,
            };
            let observation = look(&tree.serve([(path.clone(), harm.clone())]).await, Depth::Deep).await;
            judge(&format!("{path}: {harm:?}"), path, "", &observation);
        }
    }
}

/// Lists the properties of a resource that may be missing: at its top, and in its tables.
fn pointers(body: &Value) -> Vec<String> {
    let mut all = Vec::new();
    for (key, value) in body.as_object().into_iter().flatten() {
        let key = key.replace('~', "~0").replace('/', "~1");
        all.push(format!("/{key}"));
        for inner in value.as_object().into_iter().flatten().map(|(inner, _)| inner) {
            all.push(format!("/{key}/{inner}"));
        }
    }
    all
}

#[tokio::test]
async fn a_property_that_is_missing_costs_what_it_says() {
    let tree = Tree::whole();
    let mut tried = BTreeSet::new();
    for (path, body) in &tree.0 {
        for pointer in pointers(body) {
            let (table, key) = pointer.rsplit_once('/').expect("a pointer begins with a slash");
            for other in [None, Some(Value::Null), Some(json!({}))] {
                // A setting that is not in the table of BIOS settings is one that the machine does not have.
                if table == "/Attributes" && other.is_none() {
                    continue;
                }
                let mut harmed = tree.clone();
                let table = harmed.0.get_mut(path).and_then(|body| body.pointer_mut(table)).expect("it is there");
                let table = table.as_object_mut().expect("it is a table");
                match &other {
                    Some(value) => drop(table.insert(key.to_owned(), value.clone())),
                    None => drop(table.remove(key)),
                }
                let top = pointer.split('/').nth(1).unwrap_or_default();
                let what = format!("{path}{pointer} = {other:?}");
                judge(&what, path, top, &harmed.survey().await);
                tried.insert(what);
            }
        }
    }
    assert!(tried.len() > 400, "{}", tried.len());
}
