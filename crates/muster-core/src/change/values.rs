//! What the layers come to, as named values with the places that state them.
//!
//! Some values matter by themselves: identity, the BMC, what a machine should look like. The others only say why bytes
//! differ, so that a change of them that reaches no byte is no change.

use crate::desired::{Bmc, BootKind, Desired, Unknown};
use crate::model::{Arch, Layer, Origin};
use crate::resolve::{Boot, Vars};
use crate::snapshot::Snapshot;

/// Where a value is stated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// From the cluster's root.
    pub path: Box<str>,
    /// Counted from 1.
    pub line: u32,
    /// In words, such as `group compute`.
    pub layer: Box<str>,
}

/// A value as people write it, and where it is stated if anywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    pub text: Box<str>,
    pub spot: Option<Spot>,
}

/// One value that is not the same on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueChange {
    pub key: Box<str>,
    pub old: Option<Value>,
    pub new: Option<Value>,
}

/// The values of one side, by key.
#[derive(Debug, Default)]
pub struct Values {
    all: Vec<(Box<str>, Value)>,
}

impl Values {
    fn put(&mut self, snapshot: &Snapshot, key: &str, text: impl Into<String>, origin: Option<Origin>) {
        let origin = origin.filter(|origin| origin.layer != Layer::BuiltIn && !snapshot.is_stored());
        let text: String = text.into();
        self.all.push((key.into(), Value { text: text.into(), spot: origin.map(|at| spot(snapshot, at)) }));
    }

    /// Adds a text to the value of a key, for keys that have several.
    fn join(&mut self, snapshot: &Snapshot, key: &str, text: &str, origin: Origin) {
        match self.all.iter_mut().find(|(known, _)| **known == *key) {
            Some((_, value)) => value.text = format!("{} {text}", value.text).into(),
            None => self.put(snapshot, key, text, Some(origin)),
        }
    }
}

/// Lists the values that differ: in the order of the old side, then those that only the new one has.
pub fn differences(old: Values, new: Values) -> Vec<ValueChange> {
    let mut new: Vec<Option<(Box<str>, Value)>> = new.all.into_iter().map(Some).collect();
    let mut changes = Vec::new();
    for (at, (key, value)) in old.all.into_iter().enumerate() {
        // Both sides have most keys at the same place.
        let is_same = |slot: &Option<(Box<str>, Value)>| slot.as_ref().is_some_and(|(other, _)| *other == key);
        let place = if new.get(at).is_some_and(is_same) { Some(at) } else { new.iter().position(is_same) };
        let other = place.and_then(|place| new[place].take()).map(|(_, value)| value);
        if other.as_ref().is_none_or(|other| other.text != value.text) {
            changes.push(ValueChange { key, old: Some(value), new: other });
        }
    }
    changes.extend(new.into_iter().flatten().map(|(key, value)| ValueChange { key, old: None, new: Some(value) }));
    changes
}

/// Says where a value is stated.
pub fn spot(snapshot: &Snapshot, origin: Origin) -> Spot {
    let sources = &snapshot.desired().sources;
    let layer = snapshot.desired().layer_words(origin.layer);
    Spot { path: sources.path(origin.file).into(), line: sources.line(origin.file, origin.at), layer }
}

/// Lists what is one node's own.
pub fn of_node(snapshot: &Snapshot, node: usize) -> Values {
    let desired = snapshot.desired();
    let own = &desired.nodes[node];
    let mut all = Values::default();
    let mut put = |key: &str, text: String, origin: Option<Origin>| all.put(snapshot, key, text, origin);
    put("name", own.name.to_string(), Some(own.origin));
    put("state", own.state.value.as_str().into(), Some(own.state.origin));
    if let Some(xname) = &own.xname {
        put("xname", xname.value.to_string(), Some(xname.origin));
    }
    if let Some(nid) = own.nid {
        put("nid", nid.value.to_string(), Some(nid.origin));
    }
    if let Some(serial) = &own.serial {
        put("serial", serial.value.to_string(), Some(serial.origin));
    }
    if let Some(uuid) = own.uuid {
        put("uuid", uuid.value.to_string(), Some(uuid.origin));
    }
    if let Some(bmc) = own.bmc {
        put("bmc", desired.bmcs[bmc.value as usize].name.to_string(), Some(bmc.origin));
    }
    if let Some(system) = &own.system {
        put("system", system.to_string(), None);
    }
    let own_vars = own.own.iter().any(|layer| !layer.vars.is_empty()).then(|| snapshot.resolved().vars(node));
    for (path, leaf) in own_vars.iter().flat_map(|vars| vars.leaves()) {
        put(&format!("vars.{path}"), leaf.value.to_string(), Some(leaf.origin));
    }
    for (spec, nic) in desired.nics(own) {
        if let Some(mac) = nic.mac {
            put(&format!("{}.mac", spec.name), mac.value.to_string(), Some(mac.origin));
        }
        if let Some(mac) = nic.given_mac {
            put(&format!("{}.mac", spec.name), mac.value.to_string(), Some(mac.origin));
        }
        if let Some(guid) = nic.guid {
            put(&format!("{}.guid", spec.name), guid.value.to_string(), Some(guid.origin));
        }
        let ips: Vec<String> = nic.ips.iter().map(|ip| ip.value.to_string()).collect();
        if let Some(first) = nic.ips.first() {
            put(&format!("{}.ip", spec.name), ips.join(" "), Some(first.origin));
        }
    }
    if let Some(bmc) = own.bmc {
        bmc_values(snapshot, &desired.bmcs[bmc.value as usize], &mut put);
    }
    all
}

/// Lists what a BMC is.
pub fn of_bmc(snapshot: &Snapshot, bmc: usize) -> Values {
    let bmc = &snapshot.desired().bmcs[bmc];
    let mut all = Values::default();
    let mut put = |key: &str, text: String, origin: Option<Origin>| all.put(snapshot, key, text, origin);
    put("name", bmc.name.to_string(), Some(bmc.origin));
    bmc_values(snapshot, bmc, &mut put);
    all
}

fn bmc_values(snapshot: &Snapshot, bmc: &Bmc, put: &mut impl FnMut(&str, String, Option<Origin>)) {
    let here = Some(bmc.origin);
    put("bmc.kind", bmc.kind.as_str().into(), here);
    put("bmc.protocol", bmc.protocol.as_str().into(), here);
    put("bmc.tls", bmc.tls.as_str().into(), here);
    if let Some(xname) = &bmc.xname {
        put("bmc.xname", xname.to_string(), here);
    }
    if let Some(network) = bmc.network {
        put("bmc.network", snapshot.desired().networks[usize::from(network)].name.to_string(), here);
    }
    for (key, value) in [("bmc.url", &bmc.url), ("bmc.credentials", &bmc.credentials), ("bmc.tls.pin", &bmc.tls_pin)] {
        if let Some(value) = value {
            put(key, value.value.to_string(), Some(value.origin));
        }
    }
    if let Some(mac) = bmc.mac {
        put("bmc.mac", mac.value.to_string(), Some(mac.origin));
    }
    if let Some(ip) = bmc.ip {
        put("bmc.ip", ip.value.to_string(), Some(ip.origin));
    }
}

/// Lists what a class of nodes has in common and matters by itself.
pub fn of_class(snapshot: &Snapshot, class: u32) -> Values {
    let desired = snapshot.desired();
    let (own, resolved) = (&desired.classes[class as usize], &snapshot.resolved().classes[class as usize]);
    let mut all = Values::default();
    let mut put = |key: &str, text: String, origin: Option<Origin>| all.put(snapshot, key, text, origin);
    put("arch", resolved.arch.value.to_string(), Some(resolved.arch.origin));
    let mut groups: Vec<&str> = own.groups.iter().map(|at| &*desired.groups[usize::from(*at)].name).collect();
    groups.sort_unstable();
    put("groups", groups.join(" "), None);
    for spec in own.nics.iter() {
        let key = |what: &str| format!("{}.{what}", spec.name);
        let at = Some(spec.origin);
        put(&key("kind"), spec.kind.as_str().into(), at);
        if let Some(network) = spec.network {
            let name = desired.networks[usize::from(network.value)].name.to_string();
            put(&key("network"), name, Some(network.origin));
        }
        if spec.boot {
            put(&key("boot"), "true".into(), at);
        }
        if !spec.members.is_empty() {
            put(&key("members"), spec.members.join(" "), at);
        }
        if let Some(link) = &spec.link {
            put(&key("link"), link.to_string(), at);
        }
        if let Some(mtu) = spec.mtu {
            put(&key("mtu"), mtu.to_string(), at);
        }
        for (setting, text, origin) in spec.settings.texts() {
            put(&key(setting), text, Some(origin));
        }
    }
    put("macs", resolved.macs.value.as_str().into(), Some(resolved.macs.origin));
    for (path, wanted) in &resolved.expect {
        put(&format!("expect.{path}"), wanted.value.to_string(), Some(wanted.origin));
    }
    all
}

/// Lists what a class's documents are made from, and which matters only by them.
pub fn of_documents(snapshot: &Snapshot, class: u32) -> Values {
    let class = &snapshot.resolved().classes[class as usize];
    let mut all = Values::default();
    if let Some(boot) = class.boot {
        all.put(snapshot, "boot", &*snapshot.desired().boots[usize::from(boot.value)].name, Some(boot.origin));
    }
    let mut leaves = |start: &str, vars: &Vars| {
        for (path, leaf) in vars.leaves() {
            all.put(snapshot, &format!("{start}.{path}"), leaf.value.to_string(), Some(leaf.origin));
        }
    };
    leaves("vars", &class.vars);
    leaves("meta_data", &class.meta_data);
    if let Some(file) = &class.user_data {
        all.put(snapshot, "user_data", &*file.value, Some(file.origin));
    }
    if let Some(file) = &class.network_config {
        all.put(snapshot, "network_config", &*file.value, Some(file.origin));
    }
    if let Some(version) = class.network_version {
        all.put(snapshot, "network_version", version.value.to_string(), Some(version.origin));
    }
    let files: Vec<&str> = class.vendor_data.iter().map(|file| &*file.value).collect();
    if let Some(last) = class.vendor_data.last() {
        all.put(snapshot, "vendor_data", files.join(" "), Some(last.origin));
    }
    all
}

/// Lists what a node's script is made from.
pub fn of_script(snapshot: &Snapshot, node: usize) -> Values {
    let mut all = Values::default();
    // A Snapshot that was built expands for every node.
    if let Ok(Some(boot)) = snapshot.resolved().boot(node) {
        all.boot(snapshot, &boot, snapshot.resolved().class(node).boot.map(|boot| boot.origin));
    }
    all
}

/// Lists what the answer to an unknown machine is made from, by the architecture that it says it has if any.
pub fn of_unknown(snapshot: &Snapshot, arch: Option<&str>) -> Values {
    let mut all = Values::default();
    let (action, boot) = match snapshot.desired().cluster.unknown {
        Unknown::Refuse => ("refuse", None),
        Unknown::Retry => ("retry", None),
        Unknown::Boot(boot) => ("boot", Some(boot)),
    };
    all.put(snapshot, "unknown.action", action, boot.map(|boot| boot.origin));
    let arch = arch.and_then(Arch::from_ipxe);
    if let (Some(named), Some(arch)) = (boot, arch)
        && let Ok(Some(boot)) = snapshot.resolved().unknown_boot(arch)
    {
        all.boot(snapshot, &boot, Some(named.origin));
    }
    all
}

impl Values {
    fn boot(&mut self, snapshot: &Snapshot, boot: &Boot<'_>, named: Option<Origin>) {
        self.put(snapshot, "boot", &*boot.configuration.name, named);
        self.put(snapshot, "boot.kind", boot.configuration.kind.as_str(), named);
        match boot.configuration.kind {
            BootKind::Local => return,
            BootKind::Live | BootKind::Install => {}
        }
        if let Some(kernel) = &boot.kernel {
            self.put(snapshot, "kernel", &*kernel.text, Some(kernel.origin));
        }
        for initrd in &boot.initrd {
            self.join(snapshot, "initrd", &initrd.text, initrd.origin);
        }
        for param in &boot.params {
            let key = param.text.split('=').next().unwrap_or_default();
            self.join(snapshot, &format!("params.{key}"), &param.text, param.origin);
        }
    }
}

/// Writes in which order a class names its interfaces and its groups: what both sides name alike may still come in
/// another order, and documents and the choice of the boot interface follow that.
pub fn in_order(snapshot: &Snapshot, class: u32) -> [(&'static str, Vec<&str>); 2] {
    let desired = snapshot.desired();
    let own = &desired.classes[class as usize];
    let nics = own.nics.iter().map(|spec| &*spec.name).collect();
    let groups = own.groups.iter().map(|at| &*desired.groups[usize::from(*at)].name).collect();
    [("order of nics", nics), ("order of groups", groups)]
}

/// Lists what comes in another order, of what two classes both name.
pub fn reordered(old: (&Snapshot, u32), new: (&Snapshot, u32)) -> Vec<ValueChange> {
    let sides = in_order(old.0, old.1).into_iter().zip(in_order(new.0, new.1));
    let value = |names: &[&str]| Some(Value { text: names.join(" ").into(), spot: None });
    let differing = sides.filter(|((_, was), (_, is))| {
        let sorted = |names: &[&str]| {
            let mut names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            names.sort_unstable();
            names
        };
        was != is && sorted(was) == sorted(is)
    });
    differing.map(|((key, was), (_, is))| ValueChange { key: key.into(), old: value(&was), new: value(&is) }).collect()
}

/// Lists what holds for the cluster and its networks as a whole.
pub fn of_cluster(desired: &Desired, snapshot: &Snapshot) -> Values {
    let mut all = Values::default();
    let cluster = &desired.cluster;
    all.put(snapshot, "cluster.name", &*cluster.name, None);
    all.put(snapshot, "cluster.retry_delay", cluster.retry_delay.to_string(), None);
    if let Some(url) = &cluster.advertise {
        all.put(snapshot, "cluster.advertise", &*url.value, Some(url.origin));
    }
    for network in desired.networks.iter() {
        let list = |items: Vec<String>| items.join(" ");
        let number = |number: Option<u32>| number.map(|number| number.to_string()).unwrap_or_default();
        let rows = [
            ("cidr", list(network.cidrs.iter().map(ToString::to_string).collect())),
            ("gateway", list(network.gateways.iter().map(ToString::to_string).collect())),
            ("dns", list(network.dns.iter().map(ToString::to_string).collect())),
            ("domain", network.domain.as_deref().unwrap_or_default().into()),
            ("vlan", number(network.vlan.map(u32::from))),
            ("mtu", number(network.mtu)),
            ("advertise", network.advertise.as_deref().unwrap_or_default().into()),
        ];
        for (key, text) in rows.into_iter().filter(|(_, text)| !text.is_empty()) {
            all.put(snapshot, &format!("networks.{}.{key}", network.name), text, None);
        }
    }
    all
}
