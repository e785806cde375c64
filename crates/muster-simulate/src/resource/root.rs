//! The service root, sessions and accounts.

use serde_json::{Value, json};

use super::{View, collection, has_systems, link};
use muster_core::model::Quirk;

pub fn service_root(view: &View<'_>) -> Value {
    let words = view.words();
    let expands = view.bmc.model.expands();
    let mut root = json!({
        "@odata.id": "/redfish/v1/",
        "@odata.type": "#ServiceRoot.v1_16_0.ServiceRoot",
        "Id": "RootService",
        "Name": "Root Service",
        "RedfishVersion": words.redfish,
        "UUID": view.bmc.uuid,
        "Vendor": words.vendor,
        "Product": words.product,
        "ProtocolFeaturesSupported": {
            "ExpandQuery": if expands {
                json!({ "ExpandAll": true, "Levels": true, "Links": true, "MaxLevels": 1, "NoLinks": true })
            } else {
                json!({ "ExpandAll": false, "Levels": false, "Links": false, "NoLinks": false })
            },
            "FilterQuery": false,
            "SelectQuery": false,
            "OnlyMemberQuery": false,
            "ExcerptQuery": false,
        },
        "Chassis": link("Chassis"),
        "Managers": link("Managers"),
        "UpdateService": link("UpdateService"),
        "SessionService": link("SessionService"),
        "AccountService": link("AccountService"),
        "Links": { "Sessions": link("SessionService/Sessions") },
    });

    if has_systems(view) {
        root["Systems"] = link("Systems");
    }
    if view.has(Quirk::EnumDisplayNames) {
        root["Registries"] = link("Registries");
    }

    root
}

pub fn sessions(view: &View<'_>, path: &[&str]) -> Option<Value> {
    match path {
        [] => Some(json!({
            "@odata.id": "/redfish/v1/SessionService",
            "@odata.type": "#SessionService.v1_1_9.SessionService",
            "Id": "SessionService",
            "Name": "Session Service",
            "ServiceEnabled": true,
            "SessionTimeout": 1800,
            "Status": super::fine(),
            "Sessions": link("SessionService/Sessions"),
        })),
        ["Sessions"] => {
            let ids: Vec<String> = view.sessions.iter().map(|session| session.id.to_string()).collect();
            Some(collection("SessionService/Sessions", "Session", "Session", &ids))
        }
        ["Sessions", id] => {
            let found = view.sessions.iter().find(|session| session.id.to_string() == *id)?;
            Some(session(found.id, view.user))
        }
        _ => None,
    }
}

/// Returns one session.
pub fn session(id: u32, user: &str) -> Value {
    json!({
        "@odata.id": format!("/redfish/v1/SessionService/Sessions/{id}"),
        "@odata.type": "#Session.v1_7_0.Session",
        "Id": id.to_string(),
        "Name": "User Session",
        "UserName": user,
    })
}

pub fn accounts(view: &View<'_>, path: &[&str]) -> Option<Value> {
    match path {
        [] => Some(json!({
            "@odata.id": "/redfish/v1/AccountService",
            "@odata.type": "#AccountService.v1_15_0.AccountService",
            "Id": "AccountService",
            "Name": "Account Service",
            "ServiceEnabled": true,
            "AccountLockoutThreshold": super::super::login::TRIES,
            "Status": super::fine(),
            "Accounts": link("AccountService/Accounts"),
            "Roles": link("AccountService/Roles"),
        })),
        ["Accounts"] => Some(collection("AccountService/Accounts", "ManagerAccount", "Accounts", &["1".into()])),
        ["Accounts", "1"] => Some(json!({
            "@odata.id": "/redfish/v1/AccountService/Accounts/1",
            "@odata.type": "#ManagerAccount.v1_12_0.ManagerAccount",
            "Id": "1",
            "Name": "User Account",
            "Enabled": true,
            "Locked": false,
            "Password": null,
            "PasswordChangeRequired": view.has(Quirk::PasswordChange),
            "UserName": view.user,
            "RoleId": "Administrator",
            "AccountTypes": ["Redfish"],
            "Links": { "Role": link("AccountService/Roles/Administrator") },
        })),
        ["Roles"] => Some(collection("AccountService/Roles", "Role", "Roles", &["Administrator".into()])),
        ["Roles", "Administrator"] => Some(json!({
            "@odata.id": "/redfish/v1/AccountService/Roles/Administrator",
            "@odata.type": "#Role.v1_3_1.Role",
            "Id": "Administrator",
            "Name": "Administrator",
            "IsPredefined": true,
            "RoleId": "Administrator",
            "AssignedPrivileges":
                ["Login", "ConfigureManager", "ConfigureUsers", "ConfigureSelf", "ConfigureComponents"],
        })),
        _ => None,
    }
}
