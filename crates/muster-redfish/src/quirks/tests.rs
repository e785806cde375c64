use serde_json::json;

use super::*;

fn noted(noted: Noted) -> Evidence {
    Evidence { noted: [noted].into(), ..sound() }
}

fn client(quirk: Quirk) -> Evidence {
    Evidence { client: vec![quirk], ..sound() }
}

fn root(root: Value) -> Evidence {
    Evidence { root, ..sound() }
}

/// Returns a normal machine with some values changed.
fn system(more: Value) -> Evidence {
    let mut evidence = sound();
    for (key, value) in more.as_object().unwrap() {
        evidence.systems[0][key] = value.clone();
    }
    evidence
}

fn sound() -> Evidence {
    let system = json!({
        "Id": "1", "Manufacturer": "Contoso", "Model": "3500", "SerialNumber": "A1", "SKU": "P38411-B21",
        "UUID": "38947555-7742-3448-3784-823347823834",
        "Boot": {
            "BootSourceOverrideEnabled": "Disabled", "BootSourceOverrideTarget": "None", "BootOrder": ["Boot0001"],
            "BootSourceOverrideTarget@Redfish.AllowableValues": ["None", "Pxe", "Recovery"],
        },
        "Actions": { "#ComputerSystem.Reset": { "ResetType@Redfish.AllowableValues": ["On"] } },
    });
    Evidence { root: json!({ "Vendor": "Contoso" }), systems: vec![system], ..Evidence::default() }
}

/// Returns evidence for which this quirk applies, and the others that apply with it.
fn positive(quirk: Quirk) -> (Evidence, &'static [Quirk]) {
    let boot = |boot: Value| system(json!({ "Boot": boot }));
    let evidence = match quirk {
        Quirk::BootSettingsResource => {
            system(json!({ "@Redfish.Settings": { "SettingsObject": { "@odata.id": "/redfish/v1/Systems/1/SD" } } }))
        }
        Quirk::CompositeBootOrder => {
            boot(json!({ "BootSourceOverrideTarget": "None", "BootOrder": ["Boot0019: disk"] }))
        }
        Quirk::NoBootOverride => boot(json!({ "BootOrder": ["Boot0001"] })),
        Quirk::NicsVanishInPost => noted(Noted::NoNicsInPost),
        Quirk::TrailingSlash => noted(Noted::SlashedLink),
        Quirk::WrongCase => noted(Noted::OtherCase),
        Quirk::ExpandDropsFields => root(json!({ "Vendor": "AMI" })),
        Quirk::NoKeepAlive
        | Quirk::NoIdentityEncoding
        | Quirk::FewSessions
        | Quirk::SessionDeleteRefused
        | Quirk::SessionDropped
        | Quirk::SlowFirstAnswer => client(quirk),
        Quirk::PasswordChange => noted(Noted::PasswordChange),
        Quirk::EnumDisplayNames => root(json!({ "Vendor": "Dell Inc." })),
        Quirk::SecureBootFails => noted(Noted::SecureBootFailed),
        Quirk::Unlicensed => noted(Noted::Licence),
        Quirk::ResetByActionInfo => {
            system(json!({ "Actions": { "#ComputerSystem.Reset": { "@Redfish.ActionInfo": "/x" } } }))
        }
        Quirk::EmptyMac => noted(Noted::EmptyMac),
        Quirk::EmptyUuid => system(json!({ "UUID": "" })),
        Quirk::NullMembers => noted(Noted::NullMembers),
        Quirk::ObjectExtendedInfo => noted(Noted::ObjectInfo),
        Quirk::OddDates => noted(Noted::OddDate),
        Quirk::TagInSku => {
            let evidence = system(json!({ "Manufacturer": "Dell Inc.", "SKU": "F54P1G3" }));
            return (evidence, &[Quirk::EnumDisplayNames]);
        }
        Quirk::NoEthernetInterfaces => noted(Noted::NoInterfaces),
        Quirk::MacsInBootOptions => noted(Noted::BootOptionMacs),
        Quirk::MacsUnderAdapters => noted(Noted::AdapterMacs),
        Quirk::HostUsbNic => noted(Noted::HostLink),
        Quirk::DuplicateNics => noted(Noted::RepeatedMac),
        Quirk::WrongOdataId => noted(Noted::OtherId),
        Quirk::WrongWhileOff => system(json!({ "Model": "BlueField-3 SmartNIC Main Card" })),
        Quirk::DeadMembers => noted(Noted::DeadMember),
        Quirk::BaseboardSystem => noted(Noted::NotServer),
        Quirk::PlaceholderIdentity => system(json!({ "SerialNumber": "          " })),
        Quirk::SharedSerial => {
            let mut evidence = sound();
            evidence.systems.push(evidence.systems[0].clone());
            evidence
        }
        Quirk::SchemalessTargets => boot(json!({
            "BootSourceOverrideTarget": "None", "BootSourceOverrideTarget@Redfish.AllowableValues": ["None", "CD/DVD"],
        })),
        Quirk::NumbersAsText => noted(Noted::NumberAsText),
        Quirk::InvalidJson => noted(Noted::Malformed),
    };

    (evidence, &[])
}

#[test]
fn every_quirk_has_one_row_in_its_place() {
    let rows: Vec<Quirk> = ROWS.iter().map(|row| row.quirk).collect();
    assert_eq!(rows, Quirk::ALL);
}

#[test]
fn a_sound_service_has_no_quirk() {
    assert_eq!(applying(&sound()), []);
    assert_eq!(applying(&Evidence::default()), []);
}

#[test]
fn each_predicate_tells_its_quirk_and_no_other() {
    for quirk in Quirk::ALL {
        let (evidence, beside) = positive(*quirk);
        let mut want = vec![*quirk];
        want.extend(beside);
        want.sort_unstable();
        assert_eq!(applying(&evidence), want);
    }
}

#[test]
fn what_only_looks_like_a_quirk_is_none() {
    let near = [
        // The SKU of another vendor, a tag that equals the serial number, names of boot options of
        // another vendor.
        system(json!({ "SKU": "F54P1G3" })),
        system(json!({ "Boot": { "BootSourceOverrideTarget": "None", "BootOrder": ["ME0-PXE-IP4", "Bootable: x"] } })),
        system(json!({ "SerialNumber": "", "SKU": null })),
        root(json!({ "Vendor": "Miami Systems" })),
    ];

    for evidence in near {
        assert_eq!(applying(&evidence), [], "{evidence:?}");
    }
    let dell = system(json!({ "Manufacturer": "Dell Inc.", "SKU": "F54P1G3", "SerialNumber": "F54P1G3" }));
    assert_eq!(applying(&dell), [Quirk::EnumDisplayNames]);
}

#[test]
fn what_the_client_noticed_is_taken_over() {
    for row in ROWS.iter().filter(|row| row.by == NoticedBy::Client) {
        assert_eq!(applying(&client(row.quirk)), [row.quirk]);
    }
}
