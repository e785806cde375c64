//! A ComputerSystem (DSP0268): who it is, whether it is a server, whether it is on.

use serde_json::Value;

use super::words::{at, count, fact, number, told, uuid};
use crate::observed::{Facts, Failure, FailureKind, PartSummary, PowerState, Reading};

/// Reads who a machine or a chassis says it is.
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

/// Reads whether the machine is on.
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

/// Reads whether the machine is in POST, where it tells.
pub fn in_post(value: &Value) -> Option<bool> {
    if told(value, "PowerState").is_some_and(|state| state.eq_ignore_ascii_case("off")) {
        return Some(false);
    }
    let state = told(value, "BootProgress/LastState")?;
    match &*state {
        "OSBootStarted" | "OSRunning" | "SetupEntered" => Some(state.as_ref() == "SetupEntered"),
        "PrimaryProcessorInitializationStarted"
        | "BusInitializationStarted"
        | "MemoryInitializationStarted"
        | "SecondaryProcessorInitializationStarted"
        | "PCIResourceConfigStarted"
        | "SystemHardwareInitializationComplete" => Some(true),
        "OEM" => oem_post(&told(value, "BootProgress/OemLastState")?),
        // "None" says that the machine is off or that nothing is known.
        _ => None,
    }
}

fn oem_post(state: &str) -> Option<bool> {
    let state = state.to_ascii_lowercase();
    if state.contains("os") && (state.contains("run") || state.contains("start") || state.contains("up")) {
        return Some(false);
    }
    let is_post = ["post", "bios", "uefi", "init", "setup"].iter().any(|word| state.contains(word));
    is_post.then_some(true)
}

/// Reads what the System sums up of its parts; a sum of zero is not told.
pub fn summary(value: &Value) -> PartSummary {
    PartSummary {
        memory_gib: number(value, "MemorySummary/TotalSystemMemoryGiB").filter(|gib| *gib > 0),
        processors: count(value, "ProcessorSummary/Count"),
        processor_model: fact(value, "ProcessorSummary/Model"),
    }
}

/// Says why a System is no server, if it is none.
///
/// A server can boot something or has firmware settings or interfaces of its own. A baseboard of accelerators, a switch tray
/// and a template of capabilities have none of these. A DPU in a BMC of its own boots, and is a server.
pub fn why_no_server(value: &Value, uri: &str) -> Option<Box<str>> {
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
    }
}
