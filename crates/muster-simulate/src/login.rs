//! Authentication: sessions, Basic, and the lock after wrong passwords.

use serde_json::Value;

use super::chance;
use super::live::{Live, SessionInfo};
use super::reply::{Ask, Reply};
use super::resource;
use super::service::Rules;
use muster_core::model::Quirk;

/// The number of consecutive wrong passwords that lock the account.
pub const TRIES: u32 = 3;

/// The most sessions of a BMC.
const SESSIONS: usize = 16;

/// The most sessions of a BMC with [`Quirk::FewSessions`].
const FEW_SESSIONS: usize = 2;

/// The number of requests after which a session with [`Quirk::SessionDropped`] ends.
const DROPPED_AFTER: u32 = 20;

fn unauthorised(message: &str) -> Reply {
    Reply::refuse(401, "NoValidSession", message).with("WWW-Authenticate", "Basic realm=\"Redfish\"")
}

fn is_full(live: &Live) -> bool {
    live.sessions.len() >= if live.bmc.quirks.has(Quirk::FewSessions) { FEW_SESSIONS } else { SESSIONS }
}

/// Checks a name and password; wrong ones count, and a locked account accepts none.
fn judge(live: &mut Live, user: &str, password: &str, now: u64, rules: &Rules) -> Result<(), Reply> {
    live.counts.logins += 1;
    if live.locked_until.is_some() {
        live.counts.refused_logins += 1;
        return Err(unauthorised("The account is locked."));
    }

    if user == &*live.user && password == &*live.password {
        live.failures = 0;
        return Ok(());
    }

    live.counts.refused_logins += 1;
    live.failures += 1;
    if live.failures >= TRIES {
        live.locked_until = Some(now + rules.timing.lock);
        live.counts.locks += 1;
    }

    Err(unauthorised("The user name or the password is wrong."))
}

/// Admits a request, or refuses it.
pub fn admit(live: &mut Live, ask: &Ask<'_>, now: u64, rules: &Rules) -> Result<(), Reply> {
    if let Some(token) = ask.token {
        let Some(at) = live.sessions.iter().position(|session| &*session.token == token) else {
            return Err(unauthorised("There is no such session."));
        };
        let session = &mut live.sessions[at];
        session.used = now;
        session.requests += 1;
        if session.requests > DROPPED_AFTER && live.bmc.quirks.has(Quirk::SessionDropped) {
            live.sessions.remove(at);
            return Err(unauthorised("There is no such session."));
        }
        return Ok(());
    }

    let Some((user, password)) = ask.authorization.and_then(basic) else {
        return Err(unauthorised("This needs a session or a password."));
    };
    if live.bmc.quirks.has(Quirk::FewSessions) && is_full(live) {
        return Err(Reply::refuse(503, "SessionLimitExceeded", "There are too many sessions."));
    }

    judge(live, &user, &password, now, rules)
}

/// Creates a session.
pub fn open_session(live: &mut Live, ask: &Ask<'_>, now: u64, rules: &Rules) -> Reply {
    let Ok(wished) = serde_json::from_slice::<Value>(ask.body) else {
        return Reply::refuse(400, "MalformedJSON", "The body is no JSON.");
    };
    let (Some(user), Some(password)) = (wished["UserName"].as_str(), wished["Password"].as_str()) else {
        return Reply::refuse(400, "PropertyMissing", "UserName and Password are needed.");
    };
    if let Err(refused) = judge(live, user, password, now, rules) {
        return refused;
    }

    if is_full(live) {
        return Reply::refuse(503, "SessionLimitExceeded", "There are too many sessions.");
    }
    let id = live.next_session;
    live.next_session += 1;
    live.counts.sessions_opened += 1;
    let token = chance::both(rules.secret, chance::both(live.at as u64, u64::from(id)));

    let token = format!("{token:016x}{:016x}", chance::both(token, rules.secret));
    live.sessions.push(SessionInfo { id, token: token.as_str().into(), used: now, requests: 0 });
    let location = format!("/redfish/v1/SessionService/Sessions/{id}");
    Reply::json(201, &resource::session(id, &live.user)).with("X-Auth-Token", token).with("Location", location)
}

/// Ends a session.
pub fn close_session(live: &mut Live, id: &str, path: &str) -> Reply {
    if live.bmc.quirks.has(Quirk::SessionDeleteRefused) {
        return Reply::refuse(405, "OperationNotAllowed", "A session cannot be ended.").with("Allow", "GET, HEAD");
    }
    match live.sessions.iter().position(|session| session.id.to_string() == id) {
        Some(at) => {
            live.sessions.remove(at);
            live.counts.sessions_closed += 1;
            Reply::empty(204)
        }
        None => Reply::missing(path),
    }
}

/// Parses the header of Basic authentication (RFC 7617).
fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, text) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(base64(text.trim())?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

/// Decodes base64 (RFC 4648, section 4).
fn base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0);
    for letter in text.trim_end_matches('=').bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }

    Some(bytes)
}
