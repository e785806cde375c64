//! `POST /webhook`: a forge reports a push, and the loop looks at the repository.
//!
//! The request carries no data: the repository alone says what was pushed, so a stolen secret can
//! cause nothing worse than needless looks. The signature is checked while the body arrives, and
//! the body is not kept: its bound is GitHub's maximum, and costs no memory. A replayed request
//! only wakes the loop again, so time stamps are not checked. most, and costs no memory. A replayed
//! request wakes the loop once more, which is why no time stamp is judged.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONNECTION};
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::BodyExt;
use hyper::body::Body as _;
use sha2::Sha256;
use tokio::sync::Notify;

use super::answer::{self, PLAIN};
use crate::model::Secret;

/// The largest body: GitHub sends up to 25 MB, and documents that it sends nothing larger.
const MAX_HOOK: u64 = 32 * 1024 * 1024;

/// The number of requests that are read at once: a fourth of the connections of the API. One more
/// replaces the one that has taken longest, so a stranger who sends slowly blocks neither a forge,
/// which does not, nor clients that ask for the status.
const AT_ONCE: usize = 64;

/// `sha256=` and the HMAC-SHA256 of the body in hex: GitHub's, Gitea's and Forgejo's in addition to
/// their own, and Bitbucket's. GitHub also sends an HMAC-SHA1 under the second name, which is not
/// accepted.
const HUB: [&str; 2] = ["x-hub-signature-256", "x-hub-signature"];
/// The same without `sha256=`.
const BARE: [&str; 3] = ["x-gitea-signature", "x-forgejo-signature", "x-gogs-signature"];
/// The secret itself: GitLab's secret token, and a header for forges with a configurable one, such
/// as Azure DevOps.
const TOKENS: [&str; 2] = ["x-gitlab-token", "x-webhook-token"];
/// GitLab's signing token (19.1 and later), after the Standard Webhooks specification: `v1,` and
/// the HMAC-SHA256 of id, time stamp and body, joined by dots, in base64; several are separated by
/// spaces. The key is the base64 after `whsec_`.
const SIGNATURE: &str = "webhook-signature";
const ID: &str = "webhook-id";
const TIMESTAMP: &str = "webhook-timestamp";
const SIGNING_TOKEN: &str = "whsec_";

type Sha256Mac = Hmac<Sha256>;

/// The secret shared with a forge, and the effect of a webhook.
pub struct Webhook {
    secret: Secret,
    wake: Box<dyn Fn() + Send + Sync>,
    reading: Mutex<VecDeque<Arc<Notify>>>,
}

/// The place of a request that is being read.
struct Reading<'w> {
    webhook: &'w Webhook,
    leave: Arc<Notify>,
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.webhook.reading().retain(|other| !Arc::ptr_eq(other, &self.leave));
    }
}

impl Webhook {
    /// Creates a webhook that calls `wake` for a client with the secret. Many calls in a row must
    /// cause one look. The secret must not be empty, since every client would have it.
    #[must_use]
    pub fn new(secret: Secret, wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self { secret, wake: Box::new(wake), reading: Mutex::default() }
    }

    /// Answers one request; true if it woke the loop.
    pub(super) async fn answer(&self, method: &Method, headers: &HeaderMap, body: Body) -> (bool, Response<Body>) {
        if method != Method::POST {
            return (false, answer::not_allowed("POST").map(Body::new));
        }

        match self.judge(headers, body).await {
            Ok(true) => {
                (self.wake)();
                (
                    true,
                    answer::text(StatusCode::ACCEPTED, PLAIN, &b"muster looks at the repository\n"[..]).map(Body::new),
                )
            }
            // One answer for a missing, a malformed and a wrong signature.
            Ok(false) => (false, answer::problem(StatusCode::FORBIDDEN, "the signature is not right").map(Body::new)),
            Err(status) => {
                let mut answer = answer::problem(status, "the body cannot be read").map(Body::new);
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                (false, answer)
            }
        }
    }

    /// Returns whether the secret or one of the signatures is right. The body is read only if it is
    /// signed or comes with the secret, and then completely.
    async fn judge(&self, headers: &HeaderMap, mut body: Body) -> Result<bool, StatusCode> {
        let is_trusted = self.is_token(headers) || self.is_basic(headers);
        let is_signed = HUB.iter().chain(&BARE).chain(&[SIGNATURE]).any(|name| headers.contains_key(*name));
        if !is_trusted && !is_signed {
            return Ok(false);
        }
        if body.size_hint().lower() > MAX_HOOK {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }

        let key = self.secret.reveal();
        let mut of_body = mac(key.as_bytes());
        let mut of_message = message(key, headers);
        let mut length: u64 = 0;
        let reading = self.begin_reading();
        loop {
            let frame = tokio::select! {
                frame = body.frame() => frame,
                () = reading.leave.notified() => return Err(StatusCode::SERVICE_UNAVAILABLE),
            };
            let Some(frame) = frame else { break };
            let Ok(data) = frame.map_err(|_| StatusCode::BAD_REQUEST)?.into_data() else { continue };
            length += data.len() as u64;
            if length > MAX_HOOK {
                return Err(StatusCode::PAYLOAD_TOO_LARGE);
            }
            of_body.update(&data);
            if let Some(mac) = &mut of_message {
                mac.update(&data);
            }
        }

        let is_right = |tag: Option<Vec<u8>>| tag.is_some_and(|tag| of_body.clone().verify_slice(&tag).is_ok());
        let hub = HUB.map(|name| text(headers, name).and_then(|text| unhex(text.strip_prefix("sha256=")?)));
        let bare = BARE.map(|name| text(headers, name).and_then(unhex));
        let by_body = hub.into_iter().chain(bare).any(is_right);
        Ok(by_body || is_trusted || of_message.is_some_and(|mac| is_signed_by(&mac, headers)))
    }

    /// Takes a place for a request, if necessary the one of the request that has taken longest.
    fn begin_reading(&self) -> Reading<'_> {
        let leave = Arc::new(Notify::new());
        let mut reading = self.reading();
        if reading.len() >= AT_ONCE
            && let Some(longest) = reading.pop_front()
        {
            longest.notify_one();
        }
        reading.push_back(Arc::clone(&leave));
        drop(reading);
        Reading { webhook: self, leave }
    }

    /// Locks the queue. It is consistent after every statement, so a panic elsewhere does not spoil
    /// it.
    fn reading(&self) -> MutexGuard<'_, VecDeque<Arc<Notify>>> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_token(&self, headers: &HeaderMap) -> bool {
        TOKENS.iter().any(|name| headers.get(*name).is_some_and(|token| self.is_secret(token.as_bytes())))
    }

    /// Returns whether the secret is the password of HTTP's basic authentication (RFC 7617) for any
    /// user, or its `user:password`.
    fn is_basic(&self, headers: &HeaderMap) -> bool {
        let mut pairs = headers.get_all(AUTHORIZATION).iter().filter_map(|value| {
            let (scheme, pair) = value.to_str().ok()?.split_once(' ')?;
            scheme.eq_ignore_ascii_case("basic").then(|| STANDARD.decode(pair.trim()).ok()).flatten()
        });
        pairs.any(|pair| {
            let password = pair.iter().position(|byte| *byte == b':').map(|colon| &pair[colon + 1..]);
            password.is_some_and(|password| self.is_secret(password) || self.is_secret(&pair))
        })
    }

    /// Compares hashes, so that the time it takes depends neither on the secret's content nor on
    /// its length.
    fn is_secret(&self, said: &[u8]) -> bool {
        let own = self.secret.reveal().as_bytes();
        let (mut of_said, mut of_own) = (mac(own), mac(own));
        of_said.update(said);
        of_own.update(own);
        of_said.verify_slice(&of_own.finalize().into_bytes()).is_ok()
    }
}

fn mac(key: &[u8]) -> Sha256Mac {
    Sha256Mac::new_from_slice(key).expect("HMAC takes a key of any length")
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// Starts the hash of a signed message with the part before its body.
fn message(secret: &str, headers: &HeaderMap) -> Option<Sha256Mac> {
    headers.get(SIGNATURE)?;
    let key = STANDARD.decode(secret.strip_prefix(SIGNING_TOKEN)?).ok()?;
    let mut mac = mac(&key);
    for name in [ID, TIMESTAMP] {
        mac.update(text(headers, name)?.as_bytes());
        mac.update(b".");
    }
    Some(mac)
}

fn is_signed_by(mac: &Sha256Mac, headers: &HeaderMap) -> bool {
    let signatures = text(headers, SIGNATURE).unwrap_or_default().split(' ');
    let mut tags = signatures.filter_map(|signature| STANDARD.decode(signature.strip_prefix("v1,")?).ok());
    tags.any(|tag| mac.clone().verify_slice(&tag).is_ok())
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| (byte as char).to_digit(16).map(|digit| digit as u8);
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| if let [a, b] = *pair { Some(digit(a)? << 4 | digit(b)?) } else { None }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    async fn judged(secret: &str, headers: &[(&'static str, &str)], body: &str) -> (u16, u64) {
        let woken = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&woken);
        let hook = Webhook::new(Secret::new(secret.into()), move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let (is_woken, answer) = hook.answer(&Method::POST, &headers, Body::from(body.to_owned())).await;
        let woken = woken.load(Ordering::Relaxed);
        assert_eq!(is_woken, woken == 1);
        (answer.status().as_u16(), woken)
    }

    #[tokio::test]
    async fn githubs_own_example_is_right_and_nothing_near_it() {
        // docs.github.com, "Validating webhook deliveries".
        const SECRET: &str = "It's a Secret to Everybody";
        const TAG: &str = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        const BODY: &str = "Hello, World!";
        let hub = format!("sha256={TAG}");
        for name in HUB {
            assert_eq!(judged(SECRET, &[(name, &hub)], BODY).await, (202, 1));
        }
        let (github, capitals) = (HUB[0], hub.to_uppercase().replace("SHA", "sha"));
        assert_eq!(judged(SECRET, &[(github, &capitals)], BODY).await, (202, 1));
        for name in BARE {
            assert_eq!(judged(SECRET, &[(name, TAG)], BODY).await, (202, 1));
            assert_eq!(judged(SECRET, &[(name, &hub)], BODY).await, (403, 0));
        }
        let wrong: [&[(&'static str, &str)]; 8] = [
            &[],
            &[(github, TAG)],
            &[(github, "sha256=")],
            &[(github, &hub[..hub.len() - 1])],
            &[(github, &hub[..hub.len() - 2])],
            &[(github, &hub.replace("sha256", "sha1"))],
            &[(github, &hub.replace('7', "8"))],
            &[(HUB[1], &hub.replace("sha256", "sha1"))],
        ];
        for headers in wrong {
            assert_eq!(judged(SECRET, headers, BODY).await, (403, 0), "{headers:?}");
        }
        assert_eq!(judged(SECRET, &[(github, &hub)], "Hello, World?").await, (403, 0));
        assert_eq!(judged("another", &[(github, &hub)], BODY).await, (403, 0));
    }

    #[tokio::test]
    async fn a_token_is_the_secret_and_no_part_of_it() {
        for name in TOKENS {
            assert_eq!(judged("token", &[(name, "token")], "{}").await, (202, 1));
            for wrong in ["", "toke", "tokens", "Token"] {
                assert_eq!(judged("token", &[(name, wrong)], "{}").await, (403, 0), "{wrong}");
            }
        }
    }

    #[tokio::test]
    async fn a_password_is_the_secret_whoever_the_user() {
        let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
        for pair in ["azure:token", ":token", "a:b"] {
            let secret = if pair == "a:b" { pair } else { "token" };
            assert_eq!(judged(secret, &[("authorization", &basic(pair))], "{}").await, (202, 1), "{pair}");
        }
        let wrong = ["token:", "token", "azure:tokens", "azure:token:", ":", ""].map(basic);
        for value in wrong.iter().map(String::as_str).chain(["Basic token", "Bearer token", "token", "Basic "]) {
            assert_eq!(judged("token", &[("authorization", value)], "{}").await, (403, 0), "{value}");
        }
    }

    /// A body that never yields data.
    struct Silent;

    impl hyper::body::Body for Silent {
        type Data = bytes::Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<hyper::body::Frame<bytes::Bytes>, Self::Error>>> {
            std::task::Poll::Pending
        }
    }

    #[tokio::test]
    async fn who_sends_slowly_keeps_out_no_other() {
        let hook = Arc::new(Webhook::new(Secret::new("token".into()), || ()));
        let signed: HeaderMap =
            [(HUB[0].parse().unwrap(), HeaderValue::from_static("sha256=00"))].into_iter().collect();
        let send = |headers: HeaderMap, body: Body| {
            let hook = Arc::clone(&hook);
            async move { hook.answer(&Method::POST, &headers, body).await.1.status().as_u16() }
        };
        // The body of a client that does not even claim to sign is not read.
        assert_eq!(send(HeaderMap::new(), Body::new(Silent)).await, 403);
        assert!(hook.reading().is_empty());

        let mut slow: VecDeque<_> =
            (0..AT_ONCE).map(|_| tokio::spawn(send(signed.clone(), Body::new(Silent)))).collect();
        while hook.reading().len() < AT_ONCE {
            tokio::task::yield_now().await;
        }
        let token: HeaderMap = [(TOKENS[0].parse().unwrap(), HeaderValue::from_static("token"))].into_iter().collect();
        assert_eq!(send(token, Body::from("{}")).await, 202);
        assert_eq!(slow.pop_front().unwrap().await.unwrap(), 503, "the one that has taken longest is let go");
        assert_eq!(hook.reading().len(), AT_ONCE - 1);
        slow.iter().for_each(tokio::task::JoinHandle::abort);
    }

    #[tokio::test]
    async fn a_body_has_a_bound() {
        let body = "x".repeat(MAX_HOOK as usize + 1);
        assert_eq!(judged("token", &[(TOKENS[0], "token")], &body).await, (413, 0));
    }
}
