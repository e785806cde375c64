//! What `unset` takes back from the merge of weaker layers.

use super::expect;
use super::merge::{BUILT_IN, Merged};
use crate::desired::{self, Desired, MacSource};
use crate::model::{Arch, Code, Diagnostic, Origin, Stated};

/// What one element of `unset` takes back.
#[derive(Debug, Clone, Copy)]
pub enum Taken<'p> {
    Boot,
    Arch,
    Macs,
    Params,
    /// An interface, by its name.
    Nic(&'p str),
    /// All variables, or those at and below a path.
    Vars(Option<&'p str>),
    /// All expectations, or those at and below a path.
    Expect(Option<&'p str>),
    UserData,
    VendorData,
    NetworkConfig,
    NetworkVersion,
    /// All further keys of meta-data, or those at and below a path.
    MetaData(Option<&'p str>),
    /// A key of `cloud_init` that does not exist, so no layer states it.
    NoDocument,
}

impl<'p> Taken<'p> {
    /// Parses an element of `unset`; nothing if no key of a layer has this name.
    pub fn parse(path: &'p str) -> Option<Self> {
        let (root, rest) = path.split_once('.').unwrap_or((path, ""));
        let below = (!rest.is_empty()).then_some(rest);
        match (root, rest) {
            ("boot", "") => Some(Self::Boot),
            ("arch", "") => Some(Self::Arch),
            ("macs", "") => Some(Self::Macs),
            ("params", "") => Some(Self::Params),
            ("nics", name) if !name.is_empty() => Some(Self::Nic(name)),
            ("vars", _) => Some(Self::Vars(below)),
            ("expect", _) => Some(Self::Expect(below)),
            ("cloud_init", "user_data") => Some(Self::UserData),
            ("cloud_init", "vendor_data") => Some(Self::VendorData),
            ("cloud_init", "network_config") => Some(Self::NetworkConfig),
            ("cloud_init", "network_version") => Some(Self::NetworkVersion),
            ("cloud_init", "meta_data") => Some(Self::MetaData(None)),
            ("cloud_init", path) => {
                Some(path.strip_prefix("meta_data.").map_or(Self::NoDocument, |path| Self::MetaData(Some(path))))
            }
            _ => None,
        }
    }
}

impl Merged<'_> {
    /// Returns whether a layer states what is taken back; never for interfaces and parameters, which are not merged here.
    pub fn states(&self, taken: Taken<'_>) -> bool {
        match taken {
            Taken::Boot => self.boot.is_some(),
            Taken::Arch => self.arch.origin != BUILT_IN,
            Taken::Macs => self.macs.origin != BUILT_IN,
            Taken::Vars(path) => self.vars.has(path),
            Taken::Expect(path) => expect::has(&self.expect, path),
            Taken::UserData => self.user_data.is_some(),
            Taken::VendorData => !self.vendor_data.is_empty(),
            Taken::NetworkConfig => self.network_config.is_some(),
            Taken::NetworkVersion => self.network_version.is_some(),
            Taken::MetaData(path) => self.meta_data.has(path),
            Taken::Params | Taken::Nic(_) | Taken::NoDocument => false,
        }
    }

    /// Takes back what layers state; nothing of interfaces and parameters.
    pub fn remove(&mut self, taken: Taken<'_>) {
        match taken {
            Taken::Boot => self.boot = None,
            Taken::Arch => self.arch = Stated::new(Arch::X86_64, BUILT_IN),
            Taken::Macs => self.macs = Stated::new(MacSource::Declared, BUILT_IN),
            Taken::Vars(path) => self.vars.unset(path),
            Taken::Expect(path) => expect::unset(&mut self.expect, path),
            Taken::UserData => self.user_data = None,
            Taken::VendorData => self.vendor_data.clear(),
            Taken::NetworkConfig => self.network_config = None,
            Taken::NetworkVersion => self.network_version = None,
            Taken::MetaData(path) => self.meta_data.unset(path),
            Taken::Params | Taken::Nic(_) | Taken::NoDocument => {}
        }
    }
}

/// Reports an element of `unset` that names no key of a layer.
pub fn no_such_key(desired: &Desired, path: &str, origin: Origin) -> Diagnostic {
    let root = path.split('.').next().unwrap_or_default();
    let roots = ["boot", "params", "vars", "arch", "cloud_init", "nics", "expect", "macs"];
    let message = format!("nothing is called `{path}`");
    Diagnostic::new(Code::UnsetNothing, desired.sources.place(origin), message)
        .maybe_hint(desired::did_you_mean(root, roots))
}
