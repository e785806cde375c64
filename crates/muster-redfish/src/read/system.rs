//! Parses a ComputerSystem (DSP0268): its identity, its kind, and its power and POST state.

use serde_json::Value;

use super::words::{at, count, fact, is_absent, number, told, uuid};
use muster_core::observed::{Facts, Failure, FailureKind, PartSummary, PostAge, PowerState, Reading};

/// Parses the identity of a machine or a chassis.
pub fn facts(value: &Value) -> Facts {
    Facts {
        manufacturer: fact(value, "Manufacturer"),
        model: fact(value, "Model"),
        serial: fact(value, "SerialNumber"),
        sku: fact(value, "SKU"),
        part_number: fact(value, "PartNumber"),
        asset_tag: fact(value, "AssetTag"),
        uuid: uuid(value, "UUID"),
        host_name: fact(value, "HostName"),
    }
}

/// Parses the power state.
pub fn power(value: &Value) -> Reading<PowerState> {
    let Some(told) = told(value, "PowerState") else { return Reading::Absent };
    let state = match told.to_ascii_lowercase().replace([' ', '_', '-'], "").as_str() {
        "on" => PowerState::On,
        "off" => PowerState::Off,
        "poweringon" => PowerState::PoweringOn,
        "poweringoff" => PowerState::PoweringOff,
        "paused" => PowerState::Paused,
        _ => {
            return Reading::Failed(Failure::new(FailureKind::Malformed, format!("PowerState is `{told}`")));
        }
    };
    Reading::Seen(state)
}

/// Returns whether the machine is in POST, if it reports that.
pub fn in_post(value: &Value) -> Option<bool> {
    if told(value, "PowerState").is_some_and(|state| state.eq_ignore_ascii_case("off")) {
        return Some(false);
    }
    let Some(state) = told(value, "BootProgress/LastState").filter(|state| &**state != "None") else {
        return hpe_post(value);
    };

    match &*state {
        "OSBootStarted" | "OSRunning" | "SetupEntered" => Some(state.as_ref() == "SetupEntered"),
        "PrimaryProcessorInitializationStarted"
        | "BusInitializationStarted"
        | "MemoryInitializationStarted"
        | "SecondaryProcessorInitializationStarted"
        | "PCIResourceConfigStarted"
        | "SystemHardwareInitializationComplete" => Some(true),
        "OEM" => oem_post(&told(value, "BootProgress/OemLastState")?),
        // "None" means that the machine is off or that the state is unknown.
        _ => None,
    }
}

/// Parses HPE's own POST state, which services had before BootProgress.
fn hpe_post(value: &Value) -> Option<bool> {
    let state = ["Hpe", "Hp"].iter().find_map(|vendor| told(value, &format!("Oem/{vendor}/PostState")))?;
    match &*state {
        "InPost" | "InPostDiscoveryComplete" => Some(true),
        "FinishedPost" | "PowerOff" => Some(false),
        _ => None,
    }
}

/// Returns how long ago a machine in POST entered it, from the time of its last state or of its
/// last reset.
///
/// `now` is the time of the BMC's own clock if that is known, in Unix milliseconds. A time in the
/// future is ignored, except for the tolerance between clocks that are read one after the other.
pub fn post_age(value: &Value, now: i64) -> Option<PostAge> {
    let times = ["BootProgress/LastStateTime", "LastResetTime"].iter().filter_map(|path| {
        let time: jiff::Timestamp = told(value, path)?.parse().ok()?;
        Some(time.as_millisecond())
    });
    let age = now - times.filter(|time| *time <= now + SKEW).max()?;
    Some(if age > PostAge::LONGEST_POST { PostAge::Long } else { PostAge::Recent })
}

/// The most that a date may be ahead, in milliseconds: clocks report whole seconds, and are read at
/// different moments.
const SKEW: i64 = 5 * 60 * 1000;

fn oem_post(state: &str) -> Option<bool> {
    let state = state.to_ascii_lowercase();
    if state.contains("os") && (state.contains("run") || state.contains("start") || state.contains("up")) {
        return Some(false);
    }
    let is_post = ["post", "bios", "uefi", "init", "setup"].iter().any(|word| state.contains(word));
    is_post.then_some(true)
}

/// Parses the System's summary of its parts; a zero counts as not reported.
pub fn summary(value: &Value) -> PartSummary {
    PartSummary {
        memory_gib: number(value, "MemorySummary/TotalSystemMemoryGiB").filter(|gib| *gib > 0),
        processors: count(value, "ProcessorSummary/Count"),
        processor_model: fact(value, "ProcessorSummary/Model"),
    }
}

/// Returns the reason for which a System is not a server, if it is not.
///
/// A server can boot, or has firmware settings or interfaces of its own. A baseboard of
/// accelerators, a switch tray and a template of capabilities have none of these. A DPU with its
/// own BMC boots, and is a server.
pub fn why_no_server(value: &Value, uri: &str) -> Option<Box<str>> {
    if is_absent(value) {
        return Some("nothing is fitted there (Status.State Absent)".into());
    }
    let kind = told(value, "SystemType").unwrap_or_default();
    if kind.eq_ignore_ascii_case("OS") {
        return Some("it is an operating system and no machine (SystemType OS)".into());
    }

    let named = |words: &[&str]| {
        let names = [told(value, "Model"), told(value, "Name"), Some(super::words::id(value, uri))];
        names.iter().flatten().any(|name| has_word(name, words))
    };

    if named(&["switch", "nvswitch", "switchtray"]) {
        return Some("it is a switch tray".into());
    }
    let boot = at(value, "Boot");
    let boots = told(boot, "BootSourceOverrideTarget").is_some()
        || told(boot, "BootSourceOverrideEnabled").is_some()
        || !at(boot, "BootOptions").is_null()
        || at(boot, "BootOrder").as_array().is_some_and(|order| !order.is_empty());

    let hosts =
        ["Bios", "EthernetInterfaces", "SecureBoot", "SerialConsole"].iter().any(|key| !at(value, key).is_null());
    if boots || hosts {
        return None;
    }
    if at(value, "PowerState").is_null() && kind.is_empty() && at(value, "Processors").is_null() {
        return Some("it is a template: it has no power state, no type and no processors".into());
    }

    if at(value, "Actions").get("#ComputerSystem.Reset").is_none() {
        return Some("it can neither boot nor be reset, and has no firmware settings and no interfaces".into());
    }
    named(&["baseboard", "hgx", "gpu", "tray"])
        .then(|| "it is a baseboard: it boots nothing, and has no firmware settings and no interfaces".into())
}

/// Returns whether a running System reports that it has neither processors nor memory, and has no
/// other property of a server. A switch tray is such a System (NVIDIA's NVLink trays; their chassis
/// identify them).
pub fn is_hollow(value: &Value) -> bool {
    let runs = told(value, "PowerState").is_some_and(|state| state.eq_ignore_ascii_case("on"));
    let is_zero = |path: &str| number(value, path) == Some(0);
    let hosts = ["Bios", "EthernetInterfaces", "Storage", "NetworkInterfaces", "SecureBoot"];
    let sums_up_nothing = is_zero("ProcessorSummary/Count") && is_zero("MemorySummary/TotalSystemMemoryGiB");
    runs && sums_up_nothing && hosts.iter().all(|key| at(value, key).is_null())
}

/// Returns whether the name of a chassis is that of a switch.
pub fn names_switch(uri: &str) -> bool {
    let name = super::words::last(uri).to_ascii_lowercase();
    name.contains("nvswitch") || name.contains("nvlink") || has_word(&name, &["switch", "switchtray"])
}

fn has_word(name: &str, words: &[&str]) -> bool {
    let name = name.to_ascii_lowercase();
    name.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| words.contains(&word))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_can_boot_is_a_server_and_a_baseboard_is_none() {
        let reset = json!({ "#ComputerSystem.Reset": {} });
        let servers = [
            json!({ "Id": "1", "Boot": { "BootSourceOverrideTarget": "None" } }),
            json!({ "Id": "Node0", "Boot": { "BootOrder": ["Boot0001"] } }),
            json!({ "Id": "1", "EthernetInterfaces": {} }),
            json!({ "Id": "1", "PowerState": "On", "Actions": reset }),
            json!({ "Id": "Bluefield", "SystemType": "DPU", "Bios": {} }),
        ];

        for value in servers {
            assert_eq!(why_no_server(&value, "/x"), None, "{value}");
        }

        let others = [
            json!({ "Id": "HGX_Baseboard_0", "PowerState": "On", "SystemType": "Physical", "Processors": {} }),
            json!({ "Id": "Board", "PowerState": "On", "Boot": { "BootSourceOverrideTarget@Redfish.AllowableValues": ["Pxe"] } }),
            json!({ "Id": "HGX_0", "PowerState": "On", "SystemType": "Physical", "Actions": reset }),
            json!({ "Id": "Capabilities", "Boot": { "BootSourceOverrideTarget@Redfish.OptionalOnCreate": true } }),
            json!({ "Id": "System_0", "Model": "NVLink Switch", "Bios": {} }),
            json!({ "Id": "1", "SystemType": "OS", "EthernetInterfaces": {} }),
            json!({ "Id": "2", "Status": { "State": "Absent" }, "Boot": { "BootSourceOverrideTarget": "None" } }),
        ];

        for value in others {
            assert!(why_no_server(&value, "/x").is_some(), "{value}");
        }
    }

    #[test]
    fn power_is_seen_absent_or_not_understood() {
        assert_eq!(power(&json!({ "PowerState": "on" })), Reading::Seen(PowerState::On));
        assert_eq!(power(&json!({ "PowerState": null })), Reading::Absent);
        assert!(matches!(power(&json!({ "PowerState": "Resetting" })), Reading::Failed(_)));
    }

    #[test]
    fn post_is_told_by_the_boot_progress() {
        let states = [("OSRunning", Some(false)), ("MemoryInitializationStarted", Some(true)), ("None", None)];
        for (state, post) in states {
            assert_eq!(in_post(&json!({ "PowerState": "On", "BootProgress": { "LastState": state } })), post);
        }
        let oem = json!({ "BootProgress": { "LastState": "OEM", "OemLastState": "OsIsRunning" } });
        assert_eq!(in_post(&oem), Some(false));
        for (state, post) in [("InPost", Some(true)), ("FinishedPost", Some(false)), ("Unknown", None)] {
            assert_eq!(in_post(&json!({ "PowerState": "On", "Oem": { "Hpe": { "PostState": state } } })), post);
        }
    }

    #[test]
    fn post_is_as_old_as_the_newest_time_that_can_be_believed() {
        let now = "2026-12-01T12:00:00Z".parse::<jiff::Timestamp>().unwrap().as_millisecond();
        let age = |state: &str, reset: &str| {
            post_age(&json!({ "BootProgress": { "LastStateTime": state }, "LastResetTime": reset }), now)
        };
        assert_eq!(age("2024-01-01T00:00:00Z", ""), Some(PostAge::Long));
        assert_eq!(age("2024-01-01T00:00:00Z", "2026-12-01T06:50:00-05:00"), Some(PostAge::Recent));
        assert_eq!(age("", "2026-12-01T11:00:00Z"), Some(PostAge::Long));
        assert_eq!(age("2027-01-01T00:00:00Z", ""), None, "the future says nothing");
        assert_eq!(age("0000-00-00T00:00:00", "soon"), None);
    }

    #[test]
    fn a_switch_tray_is_hollow_and_a_server_that_is_off_is_not() {
        let tray = json!({
            "PowerState": "On", "ProcessorSummary": { "Count": 0 }, "MemorySummary": { "TotalSystemMemoryGiB": 0 },
        });
        assert!(is_hollow(&tray));
        let with = |key: &str, value: Value| {
            let mut tray = tray.clone();
            tray[key] = value;
            is_hollow(&tray)
        };
        assert!(!with("PowerState", json!("Off")) && !with("Bios", json!({})) && !with("MemorySummary", json!(null)));
        assert!(names_switch("/redfish/v1/Chassis/MGX_NVSwitch_0") && !names_switch("/redfish/v1/Chassis/Tray_1"));
    }
}
