//! Handles writes: boot settings, BIOS settings, Secure Boot, resets, the password.

use serde_json::Value;

use super::boot::{ENABLED, MODES, spelled};
use super::live::Live;
use super::machine::{Boot, Machine, Phase};
use super::reply::Reply;
use super::resource::RESETS;
use super::service::Rules;
use muster_core::model::{BOOT_TARGETS, Quirk};

/// Applies a PATCH.
pub fn patch(live: &mut Live, path: &[&str], wished: &Value) -> Reply {
    let quirks = live.bmc.quirks;
    match path {
        ["AccountService", "Accounts", "1"] => match wished["Password"].as_str() {
            Some(password) => {
                live.password = password.into();
                live.bmc.quirks = quirks.without(Quirk::PasswordChange);
                Reply::empty(204)
            }
            None => Reply::refuse(400, "PropertyMissing", "Password is needed."),
        },
        ["Systems", id, rest @ ..] => {
            let Some(machine) = live.bmc.machines.iter_mut().find(|machine| *machine.id == **id) else {
                return Reply::missing(id);
            };
            let done = match rest {
                [] if quirks.has(Quirk::BootSettingsResource) => Err(not_writable("Boot")),
                [] => boot(&machine.boot.clone(), wished, quirks).map(|boot| machine.boot = boot),
                ["SD"] if quirks.has(Quirk::BootSettingsResource) => {
                    let from = machine.staged.boot.as_deref().unwrap_or(&machine.boot);
                    boot(from, wished, quirks).map(|boot| machine.staged.boot = Some(Box::new(boot)))
                }
                ["Bios", "Settings"] => bios(machine, wished),
                ["SecureBoot"] => match wished["SecureBootEnable"].as_bool() {
                    Some(on) => {
                        machine.staged.secure_boot = (on != machine.secure_boot).then_some(on);
                        Ok(())
                    }
                    None => Err(Reply::refuse(400, "PropertyMissing", "SecureBootEnable is needed.")),
                },
                _ => {
                    Err(Reply::refuse(405, "OperationNotAllowed", "This cannot be changed.").with("Allow", "GET, HEAD"))
                }
            };
            done.map_or_else(|refused| refused, |()| Reply::empty(204))
        }
        _ => Reply::refuse(405, "OperationNotAllowed", "This cannot be changed.").with("Allow", "GET, HEAD"),
    }
}

fn not_writable(name: &str) -> Reply {
    Reply::refuse(400, "PropertyNotWritable", &format!("The property {name} is read only."))
}

fn wrong(name: &str, value: &str) -> Reply {
    Reply::refuse(
        400,
        "PropertyValueNotInList",
        &format!("The value {value} of {name} is not among the acceptable ones."),
    )
}

/// Returns boot settings with a PATCH applied.
fn boot(from: &Boot, wished: &Value, quirks: super::Quirks) -> Result<Boot, Reply> {
    let Some(settings) = wished["Boot"].as_object() else {
        return Err(Reply::refuse(400, "PropertyMissing", "Boot is needed."));
    };
    let mut boot = from.clone();

    for (key, value) in settings {
        let text = value.as_str().unwrap_or_default();
        if key.starts_with("BootSource") && quirks.has(Quirk::NoBootOverride) {
            return Err(Reply::refuse(400, "PropertyUnknown", &format!("The property {key} is not known.")));
        }
        match key.as_str() {
            // Such services reject this key completely (ironcore-dev/metal-operator#982).
            "BootSourceOverrideMode" if quirks.has(Quirk::SchemalessTargets) => return Err(not_writable(key)),
            "BootSourceOverrideEnabled" => boot.enabled = spelled(text, &ENABLED).ok_or_else(|| wrong(key, text))?,
            "BootSourceOverrideTarget" => boot.target = spelled(text, &BOOT_TARGETS).ok_or_else(|| wrong(key, text))?,
            "BootSourceOverrideMode" => boot.mode = spelled(text, &MODES).ok_or_else(|| wrong(key, text))?,
            "HttpBootUri" => boot.http_uri = text.into(),
            "BootOrder" => {
                let items = value.as_array().ok_or_else(|| wrong(key, "that"))?;
                let references = items.iter().map(|item| item.as_str().unwrap_or_default());
                let known = |reference: &str| from.options.iter().any(|(other, _)| **other == *reference);
                boot.order = references
                    .map(|item| item.split_once(": ").map_or(item, |(reference, _)| reference))
                    .map(|item| if known(item) { Ok(item.into()) } else { Err(wrong(key, item)) })
                    .collect::<Result<_, _>>()?;
            }
            _ => return Err(Reply::refuse(400, "PropertyUnknown", &format!("The property {key} is not known."))),
        }
    }

    Ok(boot)
}

/// Stages BIOS settings, which apply when the next POST ends.
fn bios(machine: &mut Machine, wished: &Value) -> Result<(), Reply> {
    let Some(settings) = wished["Attributes"].as_object() else {
        return Err(Reply::refuse(400, "PropertyMissing", "Attributes are needed."));
    };

    for (name, value) in settings {
        match machine.build.bios.get(name) {
            None => return Err(Reply::refuse(400, "PropertyUnknown", &format!("The property {name} is not known."))),
            Some(was) if std::mem::discriminant(was) != std::mem::discriminant(value) => {
                let message = format!("The value {value} of {name} is of another type.");
                return Err(Reply::refuse(400, "PropertyValueTypeError", &message));
            }
            Some(_) => {}
        }
    }

    for (name, value) in settings {
        machine.staged.bios.insert(name.clone(), value.clone());
    }
    let applied = std::sync::Arc::clone(&machine.build.bios);
    machine.staged.bios.retain(|name, value| applied.get(name.as_str()) != Some(value));

    Ok(())
}

/// Resets a machine.
pub fn reset(machine: &mut Machine, wished: &Value, now: u64, rules: &Rules) -> Reply {
    let kind = wished["ResetType"].as_str().unwrap_or_default();
    if !RESETS.contains(&kind) {
        let message = format!("The value {kind} of ResetType is not among the acceptable ones.");
        return Reply::refuse(400, "ActionParameterNotSupported", &message);
    }

    let timing = &rules.timing;
    let is_off = matches!(machine.phase, Phase::Off | Phase::PoweringOff { and_on_again: false, .. });
    match kind {
        "On" | "ForceOn" if is_off => machine.phase = Phase::PoweringOn { until: now + timing.power },
        "On" | "ForceOn" => {}
        "ForceOff" | "GracefulShutdown" if machine.phase == Phase::Off => {}
        "ForceOff" | "GracefulShutdown" => {
            machine.phase = Phase::PoweringOff { until: now + timing.power, and_on_again: false };
        }
        _ if is_off => {
            let message = "The machine is off, so that it cannot be started again.";
            return Reply::refuse(409, "ResourceInUse", message);
        }
        "ForceRestart" => machine.phase = Phase::Post { until: now + timing.post },
        _ => machine.phase = Phase::PoweringOff { until: now + timing.power, and_on_again: true },
    }

    Reply::empty(204)
}
