//! The flat paths of attributes that can be declared and observed.

use super::suggest::did_you_mean;
use super::values;

/// The fixed paths; other paths end in a name from the BMC.
pub const ATTRIBUTES: [&str; 22] = [
    "accelerators.cores",
    "accelerators.count",
    "accelerators.model",
    "arch",
    "bios.version",
    "boot.mode",
    "boot.order",
    "boot.override",
    "boot.target",
    "drives.count",
    "drives.model",
    "macs",
    "manufacturer",
    "memory_gib",
    "model",
    "power",
    "processors.cores",
    "processors.count",
    "processors.model",
    "secure_boot",
    "serial",
    "uuid",
];

/// The prefixes of the paths that end in a name from the machine's BMC.
const NAMED: [&str; 2] = ["bios.attributes.", "firmware."];

/// The compared properties of an interface.
const OF_NICS: [&str; 2] = ["mac", "guid"];

/// Returns what makes a text invalid as the path of a compared attribute: a message, and perhaps a
/// hint.
#[must_use]
pub fn attribute_fault(path: &str) -> Option<(String, Option<String>)> {
    if ATTRIBUTES.contains(&path) {
        return None;
    }
    if let Some(name) = NAMED.iter().find_map(|start| path.strip_prefix(start)) {
        let is_name = !name.is_empty() && !name.contains('*') && name.trim() == name;
        return (!is_name).then(|| (format!("`{path}` names one attribute, and `{name}` is no name of one"), None));
    }

    if let Some(nic) = nic_of(path) {
        return values::name_fault(nic).map(|fault| (format!("`{nic}` in `{path}` is no interface: {fault}"), None));
    }
    let known = ATTRIBUTES.into_iter().chain(NAMED.map(|start| start.trim_end_matches('.')));
    let hint = did_you_mean(path, known).unwrap_or_else(|| {
        "a path is such as `memory_gib`, `bios.attributes.NAME`, `firmware.NAME`, `nics.NAME.mac`".into()
    });

    Some((format!("no attribute is called `{path}`"), Some(hint)))
}

/// Returns the interface in a path.
pub fn nic_of(path: &str) -> Option<&str> {
    let (name, what) = path.strip_prefix("nics.")?.rsplit_once('.')?;
    OF_NICS.contains(&what).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_one_attribute() {
        for good in ["memory_gib", "bios.attributes.a.b", "firmware.BMC 1", "nics.eth0.mac", "nics.eth0.100.guid"] {
            assert_eq!(attribute_fault(good), None, "{good}");
        }
        for bad in
            ["", "*", "bios", "bios.attributes.", "bios.attributes.A*", "firmware. ", "nics.eth0.ip", "nics..mac"]
        {
            assert!(attribute_fault(bad).is_some(), "{bad}");
        }
        let (_, hint) = attribute_fault("memory_gb").unwrap();
        assert_eq!(hint.as_deref(), Some("did you mean `memory_gib`?"));
    }
}
