//! The facts of a node, value by value, each with its source.

use super::hidden::HiddenSecrets;
use crate::desired::template::SERVER_MARK;
use crate::desired::{AppliedSet, NicSpec};
use crate::model::{Layer, Origin, Stated};
use crate::snapshot::Snapshot;

/// One fact of a node.
pub struct Fact {
    /// The displayed key; that of an interface is indented.
    pub key: String,
    /// The path of the value in queries: `params.console`, `vars.image`, `eth0.mac`.
    pub path: String,
    pub value: String,
    pub origin: Option<Origin>,
}

/// Lists the facts and the boot of a node in the order of display, with its secrets hidden.
pub fn of(snapshot: &Snapshot, node: usize, hidden: &HiddenSecrets) -> Vec<Fact> {
    let desired = snapshot.desired();
    let own = &desired.nodes[node];
    let class = snapshot.resolved().class(node);
    let mut all = Vec::new();

    let mut put = |key: &str, path: &str, value: String, origin: Option<Origin>| {
        let (value, path) = (hidden.value(path, value), hidden.text(path.into()));
        all.push(Fact { key: key.into(), path, value, origin });
    };

    put("name", "name", own.name.to_string(), Some(own.origin));
    put("state", "state", own.state.value.as_str().into(), Some(own.state.origin));
    for set in desired.sets(own) {
        put("set", "set", set_words(set), Some(set.expression.origin));
    }

    if let Some(xname) = &own.xname {
        put("xname", "xname", xname.value.to_string(), Some(xname.origin));
    }

    if let Some(nid) = own.nid {
        put("nid", "nid", nid.value.to_string(), Some(nid.origin));
    }

    put("arch", "arch", class.arch.value.to_string(), stated(class.arch.origin));
    let groups = desired.class(own).groups.iter().map(|at| &*desired.groups[usize::from(*at)].name);
    put("groups", "groups", groups.collect::<Vec<_>>().join(" "), None);
    if let Some(serial) = &own.serial {
        put("serial", "serial", serial.value.to_string(), Some(serial.origin));
    }

    if let Some(uuid) = own.uuid {
        put("uuid", "uuid", uuid.value.to_string(), Some(uuid.origin));
    }

    if let Some(bmc) = own.bmc {
        let other = &desired.bmcs[bmc.value as usize];
        let url = other.url.as_ref().map_or("", |url| &url.value);
        let system = own.system.as_ref().map(|system| format!(" {system}")).unwrap_or_default();
        put("bmc", "bmc", format!("{} {url}{system}", other.name).trim_end().into(), Some(bmc.origin));
    }

    for (spec, nic) in desired.nics(own) {
        let network = spec.network.map(|at| &*desired.networks[usize::from(at.value)].name);
        put(
            "nic",
            &spec.name,
            format!("{} {} {}", spec.name, spec.kind.as_str(), network.unwrap_or("")).trim_end().into(),
            Some(spec.origin),
        );
        if let Some(mac) = nic.mac {
            put("  mac", &format!("{}.mac", spec.name), mac.value.to_string(), Some(mac.origin));
        }
        if let Some(mac) = nic.given_mac {
            put("  mac", &format!("{}.mac", spec.name), mac.value.to_string(), Some(mac.origin));
        }
        if let Some(guid) = nic.guid {
            put("  guid", &format!("{}.guid", spec.name), guid.value.to_string(), Some(guid.origin));
        }
        for ip in &nic.ips {
            put("  ip", &format!("{}.ip", spec.name), ip.value.to_string(), Some(ip.origin));
        }
        for (setting, text, origin) in spec.settings.texts() {
            put(&format!("  {setting}"), &format!("{}.{setting}", spec.name), text, Some(origin));
        }
    }

    boot_facts(snapshot, node, &mut put);
    for (path, leaf) in snapshot.resolved().vars(node).leaves() {
        put("var", &format!("vars.{path}"), format!("{path} = {}", leaf.value), Some(leaf.origin));
    }

    for (path, wanted) in &class.expect {
        put("expect", &format!("expect.{path}"), format!("{path} = {}", wanted.value), Some(wanted.origin));
    }

    for (path, leaf) in class.meta_data.leaves() {
        put("meta-data", &format!("meta_data.{path}"), format!("{path} = {}", leaf.value), Some(leaf.origin));
    }

    if let Some(file) = &class.user_data {
        put("user-data", "user_data", format!("cloud-init/{}", file.value), Some(file.origin));
    }

    for file in &class.vendor_data {
        put(
            "vendor-data",
            &format!("vendor_data.{}", file.value),
            format!("cloud-init/{}", file.value),
            Some(file.origin),
        );
    }

    all
}

/// Lists the network of each interface; in the list of all facts it is a part of the interface's line.
pub fn networks(snapshot: &Snapshot, node: usize, hidden: &HiddenSecrets) -> Vec<Fact> {
    let desired = snapshot.desired();
    let nics = desired.nics(&desired.nodes[node]);
    let fact = |spec: &NicSpec| {
        let Stated { value, origin } = spec.network?;
        let path = hidden.text(format!("{}.network", spec.name));
        let value = hidden.value(&path, desired.networks[usize::from(value)].name.to_string());
        Some(Fact { key: "  network".into(), path, value, origin: Some(origin) })
    };
    nics.filter_map(|(spec, _)| fact(spec)).collect()
}

/// Says which nodes a `[[set]]` is for, why, and until when.
fn set_words(set: &AppliedSet) -> String {
    let mut text = set.expression.value.to_string();
    if let Some(reason) = &set.reason {
        text.push_str(&format!(": {reason}"));
    }
    if let Some(until) = &set.until {
        text.push_str(&format!(" (until {})", until.value));
    }
    text
}

fn boot_facts(snapshot: &Snapshot, node: usize, put: &mut impl FnMut(&str, &str, String, Option<Origin>)) {
    let class = snapshot.resolved().class(node);
    // In a snapshot that was built, the boot of every node expands.
    let Ok(Some(boot)) = snapshot.resolved().boot(node) else { return };
    put("boot", "boot", boot.configuration.name.to_string(), class.boot.map(|boot| boot.origin));
    let text = |text: &str| text.replace(SERVER_MARK, "<server>");
    if let Some(kernel) = &boot.kernel {
        put("kernel", "kernel", text(&kernel.text), Some(kernel.origin));
    }

    for initrd in &boot.initrd {
        put("initrd", "initrd", text(&initrd.text), Some(initrd.origin));
    }

    for param in &boot.params {
        let key = param.text.split('=').next().unwrap_or_default();
        put("param", &format!("params.{key}"), text(&param.text), Some(param.origin));
    }
}

/// Drops the origin of a value that is not declared.
fn stated(origin: Origin) -> Option<Origin> {
    (origin.layer != Layer::BuiltIn).then_some(origin)
}
