//! Converts `cluster.toml` to [`Cluster`] and the order of layers.

use semver::{Version, VersionReq};

use super::file::{ClusterFile, UnknownAction};
use super::sources::{Findings, Here};
use super::suggest::did_you_mean_sorted;
use super::values;
use super::{BootConfiguration, Cluster, Unknown};
use crate::model::{Code, Diagnostic, Place, Stated};

/// Seconds between the attempts of a node whose boot failed, as with BSS (docs/wire/bss.md, "The
/// script", rule 5).
const RETRY_DELAY: u32 = 30;

/// The version of this muster.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Checks the cluster file.
pub fn lower(here: &Here<'_>, file: &ClusterFile, boots: &[BootConfiguration], findings: &mut Findings) -> Cluster {
    let name = match &file.name {
        Some(name) if values::check_name(|| here.place(name.span), &name.value, findings) => name.value.as_str(),
        Some(_) => "",
        None => {
            findings.push(Diagnostic::new(Code::MissingKey, Place::file(here.path), "a cluster needs `name`"));
            ""
        }
    };

    check_version(here, file, findings);
    let mut credentials: Vec<Box<str>> = Vec::new();
    for credential in &file.credentials {
        if values::check_name(|| here.place(credential.span), &credential.value, findings) {
            credentials.push(credential.value.as_str().into());
        }
    }

    let advertise = file
        .advertise
        .as_ref()
        .and_then(|url| values::advertise(here, url, findings).map(|text| Stated::new(text, here.origin(url.span))));

    Cluster {
        name: name.into(),
        advertise,
        retry_delay: retry_delay(here, file, findings),
        credentials,
        unknown: unknown(here, file, boots, findings),
    }
}

fn check_version(here: &Here<'_>, file: &ClusterFile, findings: &mut Findings) {
    let Some(wanted) = &file.muster else { return };
    let finding = match (VersionReq::parse(&wanted.value), Version::parse(VERSION)) {
        (Ok(range), Ok(version)) if range.matches(&version) => return,
        (Ok(_), _) => Diagnostic::new(
            Code::Version,
            here.place(wanted.span),
            format!("this repository wants muster {}, and this is {VERSION}", wanted.value),
        )
        .hint("install a muster of that version, or widen the range"),
        (Err(_), _) => {
            let message = format!("`{}` is no range of versions", wanted.value);
            Diagnostic::new(Code::BadValue, here.place(wanted.span), message).hint("write a range such as \">=0.1\"")
        }
    };

    findings.push(finding);
}

fn retry_delay(here: &Here<'_>, file: &ClusterFile, findings: &mut Findings) -> u32 {
    match &file.retry_delay {
        Some(delay) if (1..=3600).contains(&delay.value) => delay.value,
        Some(delay) => {
            let message = "`retry_delay` is 1 to 3600 seconds";
            findings.push(Diagnostic::new(Code::BadValue, here.place(delay.span), message));
            RETRY_DELAY
        }
        None => RETRY_DELAY,
    }
}

fn unknown(here: &Here<'_>, file: &ClusterFile, boots: &[BootConfiguration], findings: &mut Findings) -> Unknown {
    let Some(table) = &file.unknown else { return Unknown::Refuse };
    let boot = table.value.boot.as_ref();
    let action = table.value.action.as_ref().map(|action| (action.value, action.span));

    match (action, boot) {
        (Some((UnknownAction::Refuse | UnknownAction::Retry, _)), Some(boot)) => {
            let message = "`boot` is only for unknown machines with `action = \"boot\"`";
            findings.push(Diagnostic::new(Code::BadValue, here.place(boot.span), message));
            Unknown::Refuse
        }
        (Some((UnknownAction::Refuse, _)), None) => Unknown::Refuse,
        (Some((UnknownAction::Retry, _)), None) => Unknown::Retry,
        (Some((UnknownAction::Boot, span)), None) => {
            let finding = Diagnostic::new(Code::MissingKey, here.place(span), "`action = \"boot\"` needs `boot`");
            findings.push(finding.hint("name the boot configuration of unknown machines"));
            Unknown::Refuse
        }
        (None, None) => {
            let message = "`[unknown]` needs `action`";
            findings.push(Diagnostic::new(Code::MissingKey, here.place(table.span), message));
            Unknown::Refuse
        }
        (Some((UnknownAction::Boot, _)) | None, Some(boot)) => {
            match boots.binary_search_by(|known| (*known.name).cmp(&boot.value)) {
                Ok(at) => Unknown::Boot(Stated::new(at as u16, here.origin(boot.span))),
                Err(_) => {
                    findings.push(no_such_boot(here.place(boot.span), &boot.value, boots));
                    Unknown::Refuse
                }
            }
        }
    }
}

/// Reports a missing boot configuration.
pub fn no_such_boot(place: Place, name: &str, boots: &[BootConfiguration]) -> Diagnostic {
    let hint = did_you_mean_sorted(name, boots, |boot| &*boot.name);
    Diagnostic::new(Code::NoSuchBoot, place, format!("there is no boot configuration `{name}`"))
        .hint(hint.unwrap_or_else(|| format!("a boot configuration is a file: boot/{name}.toml")))
}
