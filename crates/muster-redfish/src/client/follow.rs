//! Follows a request to its final reply: redirects, the two forms of a path, and the meaning of a
//! reply.

use reqwest::StatusCode;
use reqwest::header::LOCATION;
use serde_json::Value;
use url::Url;

use super::Inner;
use super::address::{other_slash, shown, with_slash};
use super::answer::{self, Answer, Messages};
use super::login::Pass;
use muster_core::model::Quirk;
use muster_core::observed::{Failure, FailureKind};

/// The largest body that is parsed inline: some milliseconds of work.
const LARGE: usize = 256 << 10;

/// The largest error body that is searched for messages.
const MAX_ERROR: usize = 64 << 10;

/// The most redirects of one request.
const REDIRECTS: usize = 3;

impl Inner {
    /// Reads a URL: follows redirects within the origin, tries the other slash on 404, and allows
    /// gzip on 406.
    pub(super) async fn follow(&self, url: Url, pass: &Pass) -> Result<Answer, Failure> {
        let asked = shown(&url);
        let known = self.habits().slash.and_then(|slash| with_slash(&url, slash));
        let mut url = known.unwrap_or(url);
        let mut been: Vec<Url> = Vec::new();

        loop {
            let answer = self.ask(&url, pass).await?;
            if answer.status == StatusCode::NOT_ACCEPTABLE && !self.habits().gzip {
                self.note(Quirk::NoIdentityEncoding);
                self.grounds.learn(self.bmc, |habits| habits.gzip = true);
                continue;
            }
            if answer.status == StatusCode::NOT_FOUND && been.is_empty() {
                return self.other_form(&url, pass, answer).await;
            }
            if !is_redirect(answer.status) {
                return Ok(answer);
            }
            let fault = |kind, why: &str| Failure::new(kind, format!("GET {asked}: {why}"));
            let Some(location) = &answer.location else {
                let why = format!("it is redirected without a {}", LOCATION.as_str());
                return Err(fault(FailureKind::ServerError, &why));
            };
            let next = self.address.from(&url, location)?;
            if been.len() >= REDIRECTS || next == url || been.contains(&next) {
                return Err(fault(FailureKind::ServerError, "its redirects do not end"));
            }
            if other_slash(&url).as_ref() == Some(&next) {
                self.learn_slash(&next);
            }
            been.push(std::mem::replace(&mut url, next));
        }
    }

    /// Tries the other form of a missing path.
    async fn other_form(&self, url: &Url, pass: &Pass, missing: Answer) -> Result<Answer, Failure> {
        let Some(other) = other_slash(url) else { return Ok(missing) };
        let answer = self.ask(&other, pass).await?;
        if !answer.status.is_success() {
            return Ok(missing);
        }
        self.learn_slash(&other);
        Ok(answer)
    }

    fn learn_slash(&self, url: &Url) {
        self.note(Quirk::TrailingSlash);
        self.grounds.learn(self.bmc, |habits| habits.slash = Some(url.path().ends_with('/')));
    }

    /// Converts a reply into a resource, or into the failure.
    pub(super) async fn judged(&self, url: &Url, mut answer: Answer) -> Result<Value, Failure> {
        let fault = |kind, why: String| Err(Failure::new(kind, format!("GET {}: {why}", shown(url))));
        let status = answer.status;
        if status.is_success() {
            return match parsed(std::mem::take(&mut answer.body)).await {
                Ok((value, was_odd)) => {
                    if was_odd {
                        self.note(Quirk::InvalidJson);
                    }
                    match value {
                        // Some services reply with `null` for resources that they list but do not
                        // have.
                        Value::Null => fault(FailureKind::Missing, "the answer is null".into()),
                        Value::Object(_) => Ok(value),
                        _ => fault(FailureKind::Malformed, "the answer is JSON, but no object".into()),
                    }
                }
                Err(error) => {
                    self.note(Quirk::InvalidJson);
                    fault(FailureKind::Malformed, format!("the answer is no JSON: {error}"))
                }
            };
        }

        let messages = self.messages(&answer);
        let kind = match status {
            StatusCode::UNAUTHORIZED => FailureKind::Forbidden,
            _ if messages.password_change => FailureKind::PasswordChange,
            StatusCode::FORBIDDEN => FailureKind::Forbidden,
            StatusCode::NOT_FOUND | StatusCode::GONE => FailureKind::Missing,
            _ if messages.session_limit => FailureKind::NoSession,
            _ => FailureKind::ServerError,
        };

        fault(kind, self.told(&answer, &messages))
    }

    /// Extracts the messages of an error, and notes their oddities.
    pub(super) fn messages(&self, answer: &Answer) -> Messages {
        if answer.body.len() > MAX_ERROR {
            return Messages::default();
        }
        let Ok((value, _)) = answer::json(&answer.body) else { return Messages::default() };
        let messages = answer::messages(&value);
        if messages.is_object {
            self.note(Quirk::ObjectExtendedInfo);
        }

        if messages.password_change {
            self.note(Quirk::PasswordChange);
        }
        if messages.session_limit {
            self.note(Quirk::FewSessions);
        }

        messages
    }

    /// Describes a reply: the status and the first message's id, which must not repeat a secret.
    pub(super) fn told(&self, answer: &Answer, messages: &Messages) -> String {
        let id = messages
            .first
            .as_deref()
            .filter(|id| self.credential.as_ref().is_none_or(|credential| !id.contains(credential.password.reveal())));
        format!("it answered {}{}", answer.status, id.map_or(String::new(), |id| format!(" ({id})")))
    }
}

/// Parses JSON; a large body on a thread of its own, so that it does not delay other surveys.
async fn parsed(body: Vec<u8>) -> Result<(Value, bool), serde_json::Error> {
    if body.len() <= LARGE {
        return answer::json(&body);
    }
    match tokio::task::spawn_blocking(move || answer::json(&body)).await {
        Ok(read) => read,
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The task is cancelled only with the runtime, and then the reply does not matter.
            Err(_) => answer::json(b""),
        },
    }
}

pub(super) fn is_redirect(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    )
}
