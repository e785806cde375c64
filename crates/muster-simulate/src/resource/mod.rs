//! The resources of one BMC: from a path to JSON, according to the standard and the BMC's quirks.
//!
//! This module knows no methods, no session secrets and no faults. Types are those of DMTF's
//! DSP8010 2025 bundle.

mod boot;
mod chassis;
mod interfaces;
mod parts;
mod root;
mod services;
mod system;

pub use parts::is_licensed;
pub use root::session;
pub use system::RESETS;

use serde_json::{Value, json};

use super::live::SessionInfo;
use super::machine::{Machine, Phase};
use super::model::Words;
use super::world::Bmc;
use muster_core::model::Quirk;

/// The state of one BMC at one time, for rendering.
pub struct View<'l> {
    pub bmc: &'l Bmc,
    /// The machines to report, which differ in stale replies.
    pub machines: &'l [Machine],
    pub sessions: &'l [SessionInfo],
    pub user: &'l str,
}

impl View<'_> {
    pub(super) fn has(&self, quirk: Quirk) -> bool {
        self.bmc.quirks.has(quirk)
    }

    pub(super) fn words(&self) -> &'static Words {
        self.bmc.model.words()
    }

    pub(super) fn machine(&self, id: &str) -> Option<&Machine> {
        self.machines.iter().find(|machine| &*machine.id == id)
    }

    /// Returns the Id of a machine's chassis.
    fn chassis_of<'a>(&self, machine: &'a Machine) -> &'a str {
        if self.machines.len() > 1 { &machine.id } else { self.words().chassis }
    }

    /// Returns whether properties that only a running machine knows are hidden.
    fn is_dark(&self, machine: &Machine) -> bool {
        self.has(Quirk::WrongWhileOff) && !machine.phase.is_on()
    }
}

/// The Id of a GPU baseboard that appears as a System.
pub const BASEBOARD: &str = "HGX_Baseboard_0";

/// Renders the resource at a path, given as the parts below `/redfish/v1`.
pub fn resource(view: &View<'_>, path: &[&str]) -> Option<Value> {
    match path {
        [] => Some(root::service_root(view)),
        ["Systems", rest @ ..] if has_systems(view) => systems(view, rest),
        ["Chassis", rest @ ..] => chassis::resource(view, rest),
        ["Managers", rest @ ..] => services::managers(view, rest),
        ["UpdateService", rest @ ..] => services::update(view, rest),
        ["SessionService", rest @ ..] => root::sessions(view, rest),
        ["AccountService", rest @ ..] => root::accounts(view, rest),
        ["Registries", rest @ ..] if view.has(Quirk::EnumDisplayNames) => boot::registries(view, rest),
        _ => None,
    }
}

/// Returns whether the service has Systems: chassis, switch and power controllers have none.
fn has_systems(view: &View<'_>) -> bool {
    view.bmc.kind == muster_core::desired::BmcKind::Node
}

fn systems(view: &View<'_>, path: &[&str]) -> Option<Value> {
    let [id, rest @ ..] = path else {
        let mut ids: Vec<String> = view.machines.iter().map(|machine| machine.id.to_string()).collect();
        if view.has(Quirk::BaseboardSystem) {
            ids.push(BASEBOARD.into());
        }
        if view.has(Quirk::DeadMembers) {
            ids.push("Capabilities".into());
        }
        return Some(collection("Systems", "ComputerSystem", "Systems", &ids));
    };

    if *id == BASEBOARD && view.has(Quirk::BaseboardSystem) {
        return rest.is_empty().then(|| system::baseboard(view));
    }
    let machine = view.machine(id)?;

    match rest {
        [] => Some(system::system(view, machine)),
        ["SD"] if view.has(Quirk::BootSettingsResource) => Some(system::settings(view, machine)),
        ["ResetActionInfo"] if view.has(Quirk::ResetByActionInfo) => Some(system::reset_info(machine)),
        ["EthernetInterfaces", rest @ ..] if !without_interfaces(view) => interfaces::resource(view, machine, rest),
        ["Processors", rest @ ..] => parts::processors(machine, rest),
        ["Memory", rest @ ..] => parts::memory(machine, rest),
        ["Storage", rest @ ..] => parts::storage(view, machine, rest),
        ["BootOptions", rest @ ..] => boot::options(view, machine, rest),
        ["SecureBoot"] => Some(boot::secure_boot(machine)),
        ["Bios"] => Some(boot::bios(view, machine)),
        ["Bios", "Settings"] => Some(boot::bios_settings(view, machine)),
        _ => None,
    }
}

fn without_interfaces(view: &View<'_>) -> bool {
    view.has(Quirk::NoEthernetInterfaces) || view.has(Quirk::MacsInBootOptions)
}

/// Returns a link.
pub fn link(path: impl AsRef<str>) -> Value {
    json!({ "@odata.id": format!("/redfish/v1/{}", path.as_ref()) })
}

/// Returns a collection; `path` is below `/redfish/v1`.
fn collection(path: &str, kind: &str, name: &str, ids: &[String]) -> Value {
    json!({
        "@odata.id": format!("/redfish/v1/{path}"),
        "@odata.type": format!("#{kind}Collection.{kind}Collection"),
        "Name": format!("{name} Collection"),
        "Members@odata.count": ids.len(),
        "Members": ids.iter().map(|id| link(format!("{path}/{id}"))).collect::<Vec<_>>(),
    })
}

fn status(machine: &Machine) -> Value {
    let state = if machine.phase.is_on() { "Enabled" } else { "StandbyOffline" };
    json!({ "State": state, "Health": "OK" })
}

fn fine() -> Value {
    json!({ "State": "Enabled", "Health": "OK" })
}

fn power(phase: Phase) -> &'static str {
    match phase {
        Phase::Off => "Off",
        Phase::PoweringOn { .. } => "PoweringOn",
        Phase::Post { .. } | Phase::On => "On",
        Phase::PoweringOff { .. } => "PoweringOff",
    }
}
