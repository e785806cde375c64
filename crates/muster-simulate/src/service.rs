//! Handles one request to one BMC: authentication, content and faults. Pure: time and chance are
//! parameters.

use hyper::Method;
use serde_json::{Value, json};

use super::chance;
use super::change;
use super::faults::{Fault, Faults};
use super::fleet::Timing;
use super::live::Live;
use super::login;
use super::metadata;
use super::odd;
use super::reply::{Ask, End, Reply};
use super::resource::{self, View};
use muster_core::model::Quirk;

/// The rules for all BMCs of a fleet.
pub struct Rules {
    pub timing: Timing,
    pub faults: Faults,
    /// The seed of tokens.
    pub secret: u64,
}

/// Handles one request; `nth` is its number on its connection, from 1.
pub fn answer(live: &mut Live, ask: &Ask<'_>, nth: u32, now: u64, rules: &Rules) -> Reply {
    let quirks = live.bmc.quirks;
    live.settle(now, &rules.timing);
    live.counts.requests += 1;
    let faults = rules.faults.at(live.at, live.counts.requests);
    let rested = live.asked.is_none_or(|asked| now.saturating_sub(asked) >= rules.timing.pause);
    live.asked = Some(now);
    let parts = parts(ask.path, quirks.has(Quirk::WrongCase));

    let mut reply = match early(&faults) {
        Some(reply) => reply,
        None => route(live, ask, parts.as_deref(), &faults, now, rules),
    };

    odd::finish(&mut reply, parts.as_deref().unwrap_or_default(), quirks);
    odd::cut(&mut reply, nth, quirks);
    if rested && quirks.has(Quirk::SlowFirstAnswer) {
        reply.delay += rules.timing.slow_first;
    }
    reply.delay += rules.timing.latency;

    for fault in faults {
        match fault {
            Fault::Delay(ms) => reply.delay += ms,
            Fault::Half if reply.body.len() > 1 => {
                reply.body.truncate(reply.body.len() / 2);
            }
            Fault::Half | Fault::Drop | Fault::Error(_) | Fault::Unauthorised | Fault::Stale | Fault::Lie { .. } => {}
        }
    }

    reply
}

/// Returns the reply of a fault that leaves the request undone.
fn early(faults: &[Fault]) -> Option<Reply> {
    faults.iter().find_map(|fault| match fault {
        Fault::Drop => Some(Reply { end: End::Drop, ..Reply::empty(500) }),
        Fault::Error(status) => Some(Reply::refuse(*status, "InternalError", "The request failed.")),
        Fault::Unauthorised => Some(Reply::refuse(401, "NoValidSession", "There is no valid session.")),
        Fault::Delay(_) | Fault::Half | Fault::Stale | Fault::Lie { .. } => None,
    })
}

/// Splits a path below `/redfish/v1`; `None` for any other path.
fn parts(path: &str, any_case: bool) -> Option<Vec<&str>> {
    let rest = path.strip_prefix("/redfish/v1")?;
    if !(rest.is_empty() || rest.starts_with('/')) {
        return None;
    }
    let parts = rest.split('/').filter(|part| !part.is_empty());
    Some(parts.map(|part| if any_case { odd::standard_case(part) } else { part }).collect())
}

fn route(live: &mut Live, ask: &Ask<'_>, parts: Option<&[&str]>, faults: &[Fault], now: u64, rules: &Rules) -> Reply {
    let reads = matches!(*ask.method, Method::GET | Method::HEAD);
    if ask.accept_encoding == Some("identity") && live.bmc.quirks.has(Quirk::NoIdentityEncoding) {
        return Reply::refuse(406, "HeaderInvalid", "Plain content is not acceptable.");
    }

    let Some(parts) = parts else {
        if reads && ask.path.trim_end_matches('/') == "/redfish" {
            return Reply::json(200, &json!({ "v1": "/redfish/v1/" }));
        }
        return Reply::missing(ask.path);
    };

    if live.bmc.quirks.has(Quirk::TrailingSlash)
        && reads
        && !ask.path.ends_with('/')
        && parts.first() != Some(&"$metadata")
    {
        return Reply::empty(308).with("Location", format!("{}/", ask.path));
    }

    match (ask.method, parts) {
        (_, ["$metadata"]) if reads => {
            let body = metadata::document().into_bytes();
            return Reply { body, ..Reply::empty(200) }.with("Content-Type", "application/xml");
        }
        (_, ["odata"]) if reads => return Reply::json(200, &metadata::service_document()),
        (&Method::POST, ["SessionService", "Sessions"] | ["SessionService", "Sessions", "Members"]) => {
            return login::open_session(live, ask, now, rules);
        }
        (_, []) if reads => {}
        _ => {
            if let Err(refused) = login::admit(live, ask, now, rules) {
                return refused;
            }
            let may = matches!(parts, ["SessionService" | "AccountService", ..]);
            if live.bmc.quirks.has(Quirk::PasswordChange) && !may {
                let message = "The password must be changed before anything else is allowed.";
                return Reply::refuse(403, "PasswordChangeRequired", message);
            }
        }
    }

    if reads { read(live, ask, parts, faults, now, rules) } else { write(live, ask, parts, faults, now, rules) }
}

fn read(live: &Live, ask: &Ask<'_>, parts: &[&str], faults: &[Fault], now: u64, rules: &Rules) -> Reply {
    let stale = live
        .before
        .as_deref()
        .filter(|(since, _)| faults.contains(&Fault::Stale) && now.saturating_sub(*since) < rules.faults.stale_ms);

    let machines = stale.map_or(&live.bmc.machines, |(_, machines)| machines);
    let view = View { bmc: &live.bmc, machines, sessions: &live.sessions, user: &live.user };
    if resource::is_licensed(&view, parts) {
        return Reply::refuse(403, "InsufficientPrivilege", "Not licensed to perform this request.");
    }
    if is_being_configured(&view, parts) {
        return Reply::refuse(500, "InternalError", "The request failed.");
    }

    let Some(mut value) = resource::resource(&view, parts) else { return Reply::missing(ask.path) };
    let quirks = live.bmc.quirks;
    match levels(ask.query) {
        Some(Ok(all)) if live.bmc.model.expands() => expand(&view, &mut value, all),
        Some(Err(())) if live.bmc.model.expands() => {
            return Reply::refuse(400, "QueryParameterOutOfRange", "Only one level can be expanded.");
        }
        Some(_) | None => {}
    }

    odd::turn(&mut value, parts, quirks);
    let mut reply = Reply::json(200, &value).with("OData-Version", "4.0");
    let etag = etag(live, &reply.body);
    if ask.if_none_match == Some(etag.as_str()) {
        reply = Reply::empty(304);
    }
    reply = reply.with("ETag", etag);

    let allow = if can_patch(parts) { "GET, HEAD, PATCH" } else { "GET, HEAD" };
    reply.with("Allow", allow)
}

fn is_being_configured(view: &View<'_>, parts: &[&str]) -> bool {
    let [_, id, "SecureBoot"] = parts else { return false };
    let machine = view.machine(id);
    view.has(Quirk::SecureBootFails) && machine.is_some_and(|machine| machine.staged.secure_boot.is_some())
}

fn can_patch(parts: &[&str]) -> bool {
    matches!(
        parts,
        ["Systems", _]
            | ["Systems", _, "SD" | "SecureBoot"]
            | ["Systems", _, "Bios", "Settings"]
            | ["AccountService", "Accounts", _]
    )
}

fn etag(live: &Live, body: &[u8]) -> String {
    let mut number = 0;
    for part in body.chunks(8) {
        let mut bytes = [0; 8];
        bytes[..part.len()].copy_from_slice(part);
        number = chance::both(number, u64::from_le_bytes(bytes));
    }
    let weak = if live.bmc.model.weak_etags() { "W/" } else { "" };
    format!("{weak}\"{number:016x}\"")
}

/// Parses `$expand`: whether links under `Links` are included; an error if more than one level is
/// requested.
fn levels(query: &str) -> Option<Result<bool, ()>> {
    let text = query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        (key == "$expand" || key == "%24expand").then_some(value)
    })?;
    let text = text.replace("%24", "$").replace("%28", "(").replace("%29", ")").replace("%3D", "=").replace("%2A", "*");
    let all = text.starts_with('*');
    let level = text.split_once("$levels=").map_or("1", |(_, rest)| rest.trim_end_matches(')'));
    Some(if level == "1" { Ok(all) } else { Err(()) })
}

/// Replaces links by the resources that they name, one level deep.
fn expand(view: &View<'_>, value: &mut Value, all: bool) {
    let Value::Object(fields) = value else { return };
    for (key, field) in fields.iter_mut().filter(|(key, _)| all || *key != "Links") {
        match field {
            Value::Array(items) => items.iter_mut().for_each(|item| replace(view, item)),
            Value::Object(_) if key == "Links" => expand(view, field, all),
            Value::Object(_) => replace(view, field),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

fn replace(view: &View<'_>, value: &mut Value) {
    let Some(fields) = value.as_object().filter(|fields| fields.len() == 1) else { return };
    let Some(path) = fields.get("@odata.id").and_then(Value::as_str) else { return };
    let Some(parts) = parts(path, view.has(Quirk::WrongCase)) else { return };
    if let Some(mut there) = resource::resource(view, &parts) {
        if view.has(Quirk::ExpandDropsFields) {
            odd::drop_fields(&mut there);
        }
        *value = there;
    }
}

fn write(live: &mut Live, ask: &Ask<'_>, parts: &[&str], faults: &[Fault], now: u64, rules: &Rules) -> Reply {
    if let (&Method::DELETE, ["SessionService", "Sessions", id]) = (ask.method, parts) {
        return login::close_session(live, id, ask.path);
    }
    let view = View { bmc: &live.bmc, machines: &live.bmc.machines, sessions: &live.sessions, user: &live.user };
    let action = matches!(parts, ["Systems", _, "Actions", "ComputerSystem.Reset"]);
    let target = if action { &parts[..2] } else { parts };
    let Some(mut there) = resource::resource(&view, target) else { return Reply::missing(ask.path) };

    let Ok(wished) = serde_json::from_slice::<Value>(ask.body) else {
        return Reply::refuse(400, "MalformedJSON", "The body is no JSON.");
    };

    if *ask.method == Method::PATCH {
        odd::turn(&mut there, target, live.bmc.quirks);
        let now_is = etag(live, &serde_json::to_vec(&there).expect("a JSON value can be written"));
        match ask.if_match {
            None if live.bmc.model.wants_if_match() => {
                return Reply::refuse(428, "PreconditionRequired", "The header If-Match is needed.");
            }
            Some(tag) if tag != "*" && tag != now_is => {
                return Reply::refuse(412, "PreconditionFailed", "The resource is not what it was.");
            }
            None | Some(_) => {}
        }
    }

    let was = live.bmc.machines.clone();
    let reply = match (ask.method, parts) {
        (&Method::POST, ["Systems", id, ..]) if action => {
            let found = live.bmc.machines.iter_mut().find(|machine| *machine.id == **id);
            found.map_or_else(|| Reply::missing(ask.path), |machine| change::reset(machine, &wished, now, rules))
        }
        (&Method::PATCH, _) => change::patch(live, parts, &wished),
        _ => Reply::refuse(405, "OperationNotAllowed", "This method is not allowed here.").with("Allow", "GET, HEAD"),
    };

    if reply.status < 300 {
        settle_write(live, was, faults, now, rules);
    }
    reply
}

/// Keeps the state before a write, or undoes the write if it was a lie.
fn settle_write(live: &mut Live, was: Vec<super::Machine>, faults: &[Fault], now: u64, rules: &Rules) {
    let lie = faults.iter().find_map(|fault| match fault {
        Fault::Lie { for_a_while } => Some(*for_a_while),
        Fault::Delay(_) | Fault::Drop | Fault::Error(_) | Fault::Half | Fault::Unauthorised | Fault::Stale => None,
    });
    match lie {
        Some(false) => live.bmc.machines = was,
        Some(true) => live.revert = Some(Box::new((now + rules.timing.lie, was))),
        None if rules.faults.needs_past() => live.before = Some(Box::new((now, was))),
        None => {}
    }
}
