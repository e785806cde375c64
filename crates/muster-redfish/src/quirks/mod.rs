//! The table of quirks that affect how BMCs are read: for each [`Quirk`] the predicate that detects
//! it.
//!
//! Names, sources and meanings are documented at [`Quirk`]. A predicate depends only on
//! [`Evidence`]: it contacts no BMC and calls no other row's predicate.

mod notice;

use std::collections::BTreeSet;

use serde_json::Value;

pub use notice::{Noted, notice, resource};

use super::read::boot::reference;
use super::read::words::{at, fact, told, uuid};
use muster_core::model::{BOOT_TARGETS, Quirk, is_placeholder};

/// The observations of one BMC that show its quirks.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// The service root.
    pub root: Value,
    /// The Systems that are servers.
    pub systems: Vec<Value>,
    /// The oddities that were noted while reading.
    pub noted: BTreeSet<Noted>,
    /// The quirks that the client noticed on the wire.
    pub client: Vec<Quirk>,
}

/// The component that notices a quirk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticedBy {
    /// The client, on the wire.
    Client,
    /// The probe, in the resources that it reads.
    Probe,
    /// None: the quirk is known from the product.
    Product,
}

/// One row of the table.
pub struct Row {
    pub quirk: Quirk,
    pub by: NoticedBy,
    /// Returns whether the quirk applies.
    pub applies: fn(&Evidence) -> bool,
}

const fn row(quirk: Quirk, by: NoticedBy, applies: fn(&Evidence) -> bool) -> Row {
    Row { quirk, by, applies }
}

/// The table, in the order of [`Quirk::ALL`].
pub const ROWS: &[Row] = &[
    row(Quirk::BootSettingsResource, NoticedBy::Probe, boot_settings_resource),
    row(Quirk::CompositeBootOrder, NoticedBy::Probe, composite_boot_order),
    row(Quirk::NoBootOverride, NoticedBy::Probe, no_boot_override),
    row(Quirk::NicsVanishInPost, NoticedBy::Probe, |e| e.noted.contains(&Noted::NoNicsInPost)),
    row(Quirk::NoKeepAlive, NoticedBy::Client, |e| e.client.contains(&Quirk::NoKeepAlive)),
    row(Quirk::NoIdentityEncoding, NoticedBy::Client, |e| e.client.contains(&Quirk::NoIdentityEncoding)),
    row(Quirk::TrailingSlash, NoticedBy::Probe, trailing_slash),
    row(Quirk::WrongCase, NoticedBy::Probe, |e| e.noted.contains(&Noted::OtherCase)),
    row(Quirk::ExpandDropsFields, NoticedBy::Probe, expand_drops_fields),
    row(Quirk::FewSessions, NoticedBy::Client, |e| e.client.contains(&Quirk::FewSessions)),
    row(Quirk::SessionDeleteRefused, NoticedBy::Client, |e| e.client.contains(&Quirk::SessionDeleteRefused)),
    row(Quirk::SessionDropped, NoticedBy::Client, |e| e.client.contains(&Quirk::SessionDropped)),
    row(Quirk::PasswordChange, NoticedBy::Probe, password_change),
    row(Quirk::EnumDisplayNames, NoticedBy::Product, is_dell),
    row(Quirk::SecureBootFails, NoticedBy::Probe, |e| e.noted.contains(&Noted::SecureBootFailed)),
    row(Quirk::Unlicensed, NoticedBy::Probe, |e| e.noted.contains(&Noted::Licence)),
    row(Quirk::ResetByActionInfo, NoticedBy::Probe, reset_by_action_info),
    row(Quirk::EmptyMac, NoticedBy::Probe, |e| e.noted.contains(&Noted::EmptyMac)),
    row(Quirk::EmptyUuid, NoticedBy::Probe, |e| e.systems.iter().any(|system| uuid(system, "UUID").is_none())),
    row(Quirk::NullMembers, NoticedBy::Probe, |e| e.noted.contains(&Noted::NullMembers)),
    row(Quirk::ObjectExtendedInfo, NoticedBy::Probe, object_extended_info),
    row(Quirk::OddDates, NoticedBy::Probe, |e| e.noted.contains(&Noted::OddDate)),
    row(Quirk::TagInSku, NoticedBy::Probe, tag_in_sku),
    row(Quirk::NoEthernetInterfaces, NoticedBy::Probe, |e| e.noted.contains(&Noted::NoInterfaces)),
    row(Quirk::MacsInBootOptions, NoticedBy::Probe, |e| e.noted.contains(&Noted::BootOptionMacs)),
    row(Quirk::MacsUnderAdapters, NoticedBy::Probe, |e| e.noted.contains(&Noted::AdapterMacs)),
    row(Quirk::HostUsbNic, NoticedBy::Probe, |e| e.noted.contains(&Noted::HostLink)),
    row(Quirk::DuplicateNics, NoticedBy::Probe, |e| e.noted.contains(&Noted::RepeatedMac)),
    row(Quirk::WrongOdataId, NoticedBy::Probe, |e| e.noted.contains(&Noted::OtherId)),
    row(Quirk::WrongWhileOff, NoticedBy::Product, wrong_while_off),
    row(Quirk::DeadMembers, NoticedBy::Probe, |e| e.noted.contains(&Noted::DeadMember)),
    row(Quirk::BaseboardSystem, NoticedBy::Probe, |e| e.noted.contains(&Noted::NotServer)),
    row(Quirk::PlaceholderIdentity, NoticedBy::Probe, placeholder_identity),
    row(Quirk::SharedSerial, NoticedBy::Probe, shared_serial),
    row(Quirk::SchemalessTargets, NoticedBy::Probe, schemaless_targets),
    row(Quirk::NumbersAsText, NoticedBy::Probe, |e| e.noted.contains(&Noted::NumberAsText)),
    row(Quirk::SlowFirstAnswer, NoticedBy::Client, |e| e.client.contains(&Quirk::SlowFirstAnswer)),
    row(Quirk::InvalidJson, NoticedBy::Probe, invalid_json),
];

/// Returns the quirks that apply, ascending.
pub fn applying(evidence: &Evidence) -> Vec<Quirk> {
    let mut all: Vec<Quirk> = ROWS.iter().filter(|row| (row.applies)(evidence)).map(|row| row.quirk).collect();
    all.extend(&evidence.client);
    all.sort_unstable();
    all.dedup();
    all
}

fn boot_settings_resource(evidence: &Evidence) -> bool {
    evidence.systems.iter().any(|system| !at(system, "@Redfish.Settings/SettingsObject").is_null())
}

fn composite_boot_order(evidence: &Evidence) -> bool {
    let orders = evidence.systems.iter().filter_map(|system| at(system, "Boot/BootOrder").as_array());
    orders.flatten().filter_map(Value::as_str).any(|entry| reference(entry.trim()) != entry.trim())
}

fn no_boot_override(evidence: &Evidence) -> bool {
    let keys = ["BootSourceOverrideTarget", "BootSourceOverrideEnabled", "BootSourceOverrideMode"];
    let lacks = |system: &Value| keys.iter().all(|key| at(system, "Boot").get(key).is_none());
    evidence.systems.iter().any(lacks)
}

fn trailing_slash(evidence: &Evidence) -> bool {
    evidence.noted.contains(&Noted::SlashedLink) || evidence.client.contains(&Quirk::TrailingSlash)
}

/// Detects AMI's service, which the DGX H100 and the GB300 have too, or an expanded reply without
/// its fields.
pub fn expand_drops_fields(evidence: &Evidence) -> bool {
    let told = |key| told(&evidence.root, key).unwrap_or_default().to_ascii_lowercase();
    let product = told("Product");
    told("Vendor") == "ami"
        || product.contains("ami redfish")
        || product.contains("gb300")
        || evidence.noted.contains(&Noted::ExpandIncomplete)
}

fn password_change(evidence: &Evidence) -> bool {
    evidence.noted.contains(&Noted::PasswordChange) || evidence.client.contains(&Quirk::PasswordChange)
}

fn is_dell(evidence: &Evidence) -> bool {
    let of = |value: &Value, key| told(value, key).is_some_and(|name| name.to_ascii_lowercase().starts_with("dell"));
    of(&evidence.root, "Vendor") || evidence.systems.iter().any(|system| of(system, "Manufacturer"))
}

fn reset_by_action_info(evidence: &Evidence) -> bool {
    evidence.systems.iter().any(|system| {
        let reset = at(system, "Actions").get("#ComputerSystem.Reset");
        reset.is_some_and(|reset| {
            reset.get("@Redfish.ActionInfo").is_some() && reset.get("ResetType@Redfish.AllowableValues").is_none()
        })
    })
}

fn object_extended_info(evidence: &Evidence) -> bool {
    evidence.noted.contains(&Noted::ObjectInfo) || evidence.client.contains(&Quirk::ObjectExtendedInfo)
}

/// Detects a Dell service tag, which has seven letters and digits.
fn tag_in_sku(evidence: &Evidence) -> bool {
    let is_tag = |sku: &str| sku.len() == 7 && sku.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let holds = |system: &Value| {
        fact(system, "SKU").is_some_and(|sku| is_tag(&sku) && fact(system, "SerialNumber").as_ref() != Some(&sku))
    };
    is_dell(evidence) && evidence.systems.iter().any(holds)
}

fn wrong_while_off(evidence: &Evidence) -> bool {
    evidence.systems.iter().any(|system| {
        let told = |key| told(system, key).unwrap_or_default().to_ascii_lowercase();
        told("Manufacturer").contains("foxconn") || told("Model").contains("bluefield") || told("Id") == "bluefield"
    })
}

fn placeholder_identity(evidence: &Evidence) -> bool {
    let holds_place = |text: &str| !text.is_empty() && (text.trim().is_empty() || is_placeholder(text));
    let told = |system: &Value, key| system.get(key).and_then(Value::as_str).is_some_and(holds_place);
    evidence.systems.iter().any(|system| told(system, "SerialNumber") || told(system, "SKU"))
}

fn shared_serial(evidence: &Evidence) -> bool {
    let mut serials: Vec<_> = evidence.systems.iter().filter_map(|system| fact(system, "SerialNumber")).collect();
    serials.sort_unstable();
    serials.windows(2).any(|pair| pair[0] == pair[1])
}

fn schemaless_targets(evidence: &Evidence) -> bool {
    let path = "Boot/BootSourceOverrideTarget@Redfish.AllowableValues";
    let told = evidence.systems.iter().filter_map(|system| at(system, path).as_array());
    told.flatten().filter_map(Value::as_str).any(|target| !BOOT_TARGETS.contains(&target))
}

fn invalid_json(evidence: &Evidence) -> bool {
    evidence.noted.contains(&Noted::Malformed) || evidence.client.contains(&Quirk::InvalidJson)
}

#[cfg(test)]
mod tests;
