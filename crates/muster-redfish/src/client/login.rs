//! Logs in once, with a session or Basic, and ends the session.
//!
//! A refused credential is never sent again, because accounts lock.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::header::HeaderValue;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use url::Url;
use zeroize::Zeroizing;

use super::answer::Answer;
use super::exchange::Request;
use super::follow::is_redirect;
use super::{Inner, Login};
use muster_core::model::{Credential, Quirk};
use muster_core::observed::{Failure, FailureKind};

/// The header of a session's token (DSP0266, session login).
pub(super) const TOKEN: &str = "x-auth-token";

/// The path for new sessions if the root does not name it (DSP0266).
const SESSIONS: &str = "/redfish/v1/SessionService/Sessions";

/// The authentication of a request.
#[derive(Debug, Clone)]
pub(super) enum Pass {
    None,
    Basic(HeaderValue),
    Session(Arc<Session>),
}

/// An open session; its token prints as `Sensitive`.
#[derive(Debug)]
pub(super) struct Session {
    pub token: HeaderValue,
    /// The URL that ends the session, if the service sent one.
    location: Option<Url>,
}

/// The current authentication, and its history.
#[derive(Debug)]
pub(super) struct LoginState {
    pass: Mutex<Pass>,
    /// The URL for new sessions.
    sessions: Mutex<Option<Url>>,
    /// Locked while a session is renewed.
    renewing: tokio::sync::Mutex<()>,
    is_renewed: AtomicBool,
    /// The number of consecutive refusals of a credential that was accepted once.
    refusals: AtomicU32,
}

impl Default for LoginState {
    fn default() -> Self {
        Self {
            pass: Mutex::new(Pass::None),
            sessions: Mutex::default(),
            renewing: tokio::sync::Mutex::default(),
            is_renewed: AtomicBool::new(false),
            refusals: AtomicU32::new(0),
        }
    }
}

impl LoginState {
    /// Returns the current authentication.
    pub(super) fn pass(&self) -> Pass {
        self.pass.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.pass(), Pass::Session(_))
    }

    /// Records that the current authentication was accepted.
    pub(super) fn took(&self) {
        self.refusals.store(0, Relaxed);
    }

    fn set(&self, pass: Pass) -> Pass {
        std::mem::replace(&mut *self.pass.lock().unwrap_or_else(PoisonError::into_inner), pass)
    }
}

impl Inner {
    /// Checks that the credential was not refused before.
    pub(super) fn may_log_in(&self) -> Result<(), Failure> {
        match &self.credential {
            Some(credential) if self.grounds.gate.is_login_refused(self.bmc, &credential.name) => {
                let why = format!("the credential `{}` was refused before and is not tried again", credential.name);
                Err(Failure::new(FailureKind::Unauthorised, why))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Logs in with the credential, if there is one; returns whether it was accepted.
    pub(super) async fn log_in(&self, root: &Value) -> Result<bool, Failure> {
        let Some(credential) = &self.credential else { return Ok(false) };
        let login = self.grounds.options.login;
        if login != Login::Basic
            && let Some(url) = self.sessions(root, login)?
        {
            let made = self.new_session(credential, &url).await?;
            if let Some(session) = made {
                *self.login.sessions.lock().unwrap_or_else(PoisonError::into_inner) = Some(url);
                self.login.set(Pass::Session(Arc::new(session)));
                return Ok(true);
            }
        }

        if login == Login::Session {
            return Err(Failure::new(FailureKind::NoSession, "the service offers no sessions"));
        }
        self.basic(credential, root).await?;
        Ok(true)
    }

    /// Finds the URL for new sessions.
    fn sessions(&self, root: &Value, login: Login) -> Result<Option<Url>, Failure> {
        let link = |value: Option<&Value>| value.and_then(|value| value.get("@odata.id")?.as_str()).map(str::to_owned);
        let own = link(root.get("Links").and_then(|links| links.get("Sessions")));
        let service =
            || link(root.get("SessionService")).map(|service| format!("{}/Sessions", service.trim_end_matches('/')));
        let fixed = || (login == Login::Session || root.is_null()).then(|| SESSIONS.to_owned());
        own.or_else(service).or_else(fixed).map(|link| self.address.of(&link)).transpose()
    }

    /// Creates a session; returns `None` if the service does not support that.
    async fn new_session(&self, credential: &Credential, url: &Url) -> Result<Option<Session>, Failure> {
        self.may_log_in()?;
        let mut answer = self.ask_for_session(credential, url).await?;
        if is_redirect(answer.status)
            && let Some(location) = &answer.location
        {
            answer = self.ask_for_session(credential, &self.address.from(url, location)?).await?;
        }

        let messages = self.messages(&answer);
        let status = answer.status;
        if status.is_success() {
            let Some(session) = self.session(url, &answer) else { return Ok(None) };
            if messages.password_change {
                self.login.set(Pass::Session(Arc::new(session)));
                return Err(self.must_change(credential));
            }
            return Ok(Some(session));
        }

        if messages.password_change {
            return Err(self.must_change(credential));
        }
        let full = messages.session_limit || status == StatusCode::SERVICE_UNAVAILABLE;

        match status {
            _ if full => {
                self.note(Quirk::FewSessions);
                let why = format!("no session is free: it answered {status}");
                Err(Failure::new(FailureKind::NoSession, why))
            }
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => Ok(None),
            // Some services reply 400 or 403 to a wrong password; whatever it means, another try
            // may lock the account.
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::BAD_REQUEST => Err(self.refused(credential)),
            _ => Err(Failure::new(FailureKind::ServerError, format!("no session could be made: it answered {status}"))),
        }
    }

    async fn ask_for_session(&self, credential: &Credential, url: &Url) -> Result<Answer, Failure> {
        let shown = json!({ "UserName": &*credential.username, "Password": credential.password.reveal() });
        let request =
            Request { method: Method::POST, url, pass: &Pass::None, body: Some(shown.to_string().into_bytes()) };
        self.once(request, false).await
    }

    /// Extracts a new session from the reply; returns `None` if it has no token.
    fn session(&self, url: &Url, answer: &Answer) -> Option<Session> {
        let mut token = HeaderValue::from_str(answer.token.as_deref()?).ok()?;
        token.set_sensitive(true);
        let own = || {
            let (value, _) = super::answer::json(&answer.body).ok()?;
            Some(value.get("@odata.id")?.as_str()?.to_owned())
        };
        let location = answer.location.clone().or_else(own);
        // Many services write the host name that they believe to have, but the session is theirs.
        let location = location.and_then(|link| url.join(&link).ok()).map(|url| self.address.here(&url));
        Some(Session { token, location })
    }

    /// Switches to Basic, and tries it on one resource, so that a wrong credential is sent once and
    /// not by all requests.
    async fn basic(&self, credential: &Credential, root: &Value) -> Result<(), Failure> {
        let pass = Pass::Basic(basic(credential));
        let link = |name: &str| root.get(name).and_then(|value| value.get("@odata.id")?.as_str());
        let tried = ["Systems", "Managers", "Chassis"].into_iter().find_map(link).unwrap_or(super::ROOT);
        let url = self.address.of(tried)?;
        let answer = self.follow(url.clone(), &pass).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            return Err(self.refused(credential));
        }

        if self.messages(&answer).password_change {
            return Err(self.must_change(credential));
        }
        self.login.set(pass);
        if let Ok(value) = self.judged(&url, answer).await {
            *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some((url, value));
        }

        Ok(())
    }

    /// Returns the authentication to use after a 401: a new session, once.
    ///
    /// # Errors
    /// There is no other authentication to try.
    pub(super) async fn renewed(&self, refused: &Pass, url: &Url) -> Result<Pass, Failure> {
        let what = super::address::shown(url);
        let Some(credential) = &self.credential else {
            return Err(Failure::new(FailureKind::Forbidden, format!("GET {what}: it asks for a credential")));
        };

        let Pass::Session(old) = refused else {
            // A resource may be forbidden with 401; two refusals in a row concern the account.
            if self.login.refusals.fetch_add(1, Relaxed) > 0 {
                return Err(self.refused(credential));
            }
            return Err(Failure::new(FailureKind::Forbidden, format!("GET {what}: it answered 401")));
        };

        let _one = self.login.renewing.lock().await;
        match self.login.pass() {
            Pass::Session(now) if !Arc::ptr_eq(&now, old) => return Ok(Pass::Session(now)),
            Pass::Session(_) | Pass::Basic(_) | Pass::None => {}
        }

        let sessions = self.login.sessions.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(sessions) = sessions.filter(|_| !self.login.is_renewed.swap(true, Relaxed)) else {
            let why = format!("GET {what}: the session was refused, and one new session is all that is tried");
            return Err(Failure::new(FailureKind::Forbidden, why));
        };

        let Some(session) = self.new_session(credential, &sessions).await? else {
            return Err(Failure::new(FailureKind::NoSession, "the session ended, and no other could be made"));
        };
        self.note(Quirk::SessionDropped);
        let pass = Pass::Session(Arc::new(session));
        self.login.set(pass.clone());

        Ok(pass)
    }

    /// Ends the session, if there is one; a failure is only noted.
    pub(super) async fn log_out(&self) {
        let Pass::Session(session) = self.login.set(Pass::None) else { return };
        let Some(url) = &session.location else { return };
        let pass = Pass::Session(Arc::clone(&session));
        let request = Request { method: Method::DELETE, url, pass: &pass, body: None };
        if let Ok(answer) = self.once(request, false).await
            && answer.status == StatusCode::METHOD_NOT_ALLOWED
        {
            self.note(Quirk::SessionDeleteRefused);
        }
    }

    fn refused(&self, credential: &Credential) -> Failure {
        self.grounds.gate.login_was_refused(self.bmc, &credential.name);
        let why = format!("the BMC refused the credential `{}`", credential.name);
        self.lost.get_or_init(|| Failure::new(FailureKind::Unauthorised, why)).clone()
    }

    fn must_change(&self, credential: &Credential) -> Failure {
        let why = format!("the account of the credential `{}` must change its password first", credential.name);
        self.lost.get_or_init(|| Failure::new(FailureKind::PasswordChange, why)).clone()
    }
}

/// Creates a Basic header (RFC 7617).
fn basic(credential: &Credential) -> HeaderValue {
    let plain = Zeroizing::new(format!("{}:{}", credential.username, credential.password.reveal()));
    let text = Zeroizing::new(format!("Basic {}", base64(plain.as_bytes())));
    let mut value = HeaderValue::from_str(&text).expect("base64 is visible ASCII");
    value.set_sensitive(true);
    value
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let digit = DIGITS[(word >> (18 - 6 * at)) as usize & 63];
            text.push(if at > chunk.len() { '=' } else { char::from(digit) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn base64_is_that_of_rfc_4648() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
            ("root:calvin", "cm9vdDpjYWx2aW4="),
        ] {
            assert_eq!(super::base64(bytes.as_bytes()), text);
        }
    }
}
