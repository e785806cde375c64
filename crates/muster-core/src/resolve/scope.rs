//! What templates may say: the names of a class, and those of one node on top of them.

use std::sync::{Arc, OnceLock};

use minijinja::value::{Enumerator, Object, Value};

use super::merge;
use crate::desired::template::SERVER_MARK;
use crate::desired::{self, Desired, NicKind, Node};
use crate::model::Arch;

/// The names that are the same for all nodes of a class.
#[derive(Debug)]
pub struct ClassScope {
    vars: Value,
    groups: Value,
    arch: Arch,
    boot: Option<Box<str>>,
    cluster: Box<str>,
    server: Box<str>,
}

impl ClassScope {
    /// Gathers the names of a class; unknown machines have no class of nodes.
    pub fn new(desired: &Desired, class: Option<&desired::Class>, vars: Value, arch: Arch, boot: Option<&str>) -> Self {
        let groups = class.map_or(&[][..], |class| &class.groups);
        let names = groups.iter().map(|at| Value::from(&*desired.groups[usize::from(*at)].name));
        Self {
            vars,
            groups: Value::from_iter(names),
            arch,
            boot: boot.map(Into::into),
            cluster: desired.cluster.name.clone(),
            // The network that an unknown machine asks from decides, as it does for all else in its script.
            server: class.map_or(SERVER_MARK, |class| server_of(desired, class)).into(),
        }
    }
}

impl Object for ClassScope {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "vars" => Some(self.vars.clone()),
            "groups" => Some(self.groups.clone()),
            "arch" => Some(Value::from(self.arch.as_str())),
            "boot" => self.boot.as_deref().map(Value::from),
            "cluster" => Some(Value::from(&*self.cluster)),
            "server" => Some(Value::from(&*self.server)),
            _ => None,
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(&["arch", "boot", "cluster", "groups", "server", "vars"])
    }
}

/// Returns the URL by which the nodes of a class reach muster: their boot network's, else the cluster's, else a mark for
/// the one that only the host knows.
#[must_use]
pub fn server_of<'d>(desired: &'d Desired, class: &desired::Class) -> &'d str {
    let specs = &class.nics;
    let boots = specs.iter().find(|spec| spec.boot);
    let nic = boots.or_else(|| specs.iter().find(|spec| spec.kind == NicKind::Ethernet));
    let network = nic.and_then(|nic| nic.network).map(|at| &desired.networks[usize::from(at.value)]);
    let own = network.and_then(|network| network.advertise.as_deref());
    own.or(desired.cluster.advertise.as_ref().map(|url| &*url.value)).unwrap_or(SERVER_MARK)
}

/// The names of one node, over those of its class.
#[derive(Debug)]
pub struct NodeScope {
    desired: Arc<Desired>,
    node: usize,
    class: Arc<ClassScope>,
    /// The variables of a node that has some of its own.
    own_vars: OnceLock<Option<Value>>,
}

impl NodeScope {
    /// Gathers the names of a node, by its index.
    pub fn value(desired: &Arc<Desired>, node: usize, class: &Arc<ClassScope>) -> Value {
        let (desired, class) = (Arc::clone(desired), Arc::clone(class));
        Value::from_object(Self { desired, node, class, own_vars: OnceLock::new() })
    }

    fn own_vars(&self) -> Option<Value> {
        let merge = || merge::own_vars(&self.desired, &self.desired.nodes[self.node]).map(|vars| vars.to_value());
        self.own_vars.get_or_init(merge).clone()
    }

    fn nics(&self, node: &Node) -> Value {
        let nics = self.desired.nics(node).map(|(spec, nic)| {
            let network = spec.network.map(|at| &*self.desired.networks[usize::from(at.value)].name);
            let mut entries: Vec<(&str, Value)> = vec![
                ("name", Value::from(&*spec.name)),
                ("kind", Value::from(spec.kind.as_str())),
                ("ips", Value::from_iter(nic.ips.iter().map(|ip| ip.value.to_string()))),
            ];
            entries.extend(network.map(|network| ("network", Value::from(network))));
            entries.extend(nic.mac.map(|mac| ("mac", Value::from(mac.value.to_string()))));
            entries.extend(nic.guid.map(|guid| ("guid", Value::from(guid.value.to_string()))));
            entries.extend(nic.ips.first().map(|ip| ("ip", Value::from(ip.value.to_string()))));
            (spec.name.to_string(), Value::from_pairs(entries))
        });
        Value::from_pairs(nics)
    }
}

impl Object for NodeScope {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let desired = &*self.desired;
        let node = &desired.nodes[self.node];
        let boot_nic = || desired.boot_nic(node).map(|(_, nic)| nic);
        match key.as_str()? {
            "name" => Some(Value::from(&*node.name)),
            "nid" => node.nid.map(|nid| Value::from(nid.value)),
            "xname" => node.xname.as_ref().map(|xname| Value::from(xname.value.as_str())),
            "serial" => node.serial.as_ref().map(|serial| Value::from(&*serial.value)),
            "uuid" => node.uuid.map(|uuid| Value::from(uuid.value.to_string())),
            "system" => node.system.as_deref().map(Value::from),
            "bmc" => node.bmc.map(|bmc| Value::from(&*desired.bmcs[bmc.value as usize].name)),
            "mac" => boot_nic()?.mac.map(|mac| Value::from(mac.value.to_string())),
            "ip" => boot_nic()?.ips.first().map(|ip| Value::from(ip.value.to_string())),
            "fqdn" => Some(Value::from(fqdn(desired, node))),
            "nics" => Some(self.nics(node)),
            "vars" => self.own_vars().or_else(|| self.class.get_value(key)),
            _ => self.class.get_value(key),
        }
    }
}

/// Returns the node's name in its boot network's domain, or the bare name where it has none.
#[must_use]
pub fn fqdn(desired: &Desired, node: &Node) -> String {
    match desired.boot_network(node).and_then(|network| network.domain.as_deref()) {
        Some(domain) => format!("{}.{domain}", node.name),
        None => node.name.to_string(),
    }
}
