//! `POST /webhook`: a forge says that something was pushed, and the loop looks. It carries no data: what is pushed is read
//! from the repository alone, so the worst that a stolen secret gives is a look too many.
//!
//! The signature is checked as the body comes in, and nothing of the body is kept: its bound is what GitHub sends at
//! most, and costs no memory. A replayed request wakes the loop once more, which is why no time stamp is judged.

use axum::body::Body;
use axum::http::{HeaderMap, Method, Response, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::BodyExt;
use sha2::Sha256;

use super::answer::{self, PLAIN};
use crate::model::Secret;

/// The largest body: GitHub sends up to 25 MB, and says that it sends nothing for more.
const MAX_HOOK: u64 = 32 * 1024 * 1024;

/// GitHub's, and Gitea's and Forgejo's beside their own: `sha256=` and the HMAC-SHA256 of the body in hex.
const HUB: &str = "x-hub-signature-256";
/// The same without `sha256=`.
const GITEA: [&str; 2] = ["x-gitea-signature", "x-forgejo-signature"];
/// GitLab's secret token, as it is.
const GITLAB_TOKEN: &str = "x-gitlab-token";
/// GitLab's signing token (19.1 and later), after the Standard Webhooks specification: `v1,` and the HMAC-SHA256 of id,
/// time stamp and body, joined by dots, in base64; several are parted by blanks. The key is the base64 behind `whsec_`.
const SIGNATURE: &str = "webhook-signature";
const ID: &str = "webhook-id";
const TIMESTAMP: &str = "webhook-timestamp";
const SIGNING_TOKEN: &str = "whsec_";

type Sha256Mac = Hmac<Sha256>;

/// What a forge shares with this host, and what its word does.
pub struct Webhook {
    secret: Secret,
    wake: Box<dyn Fn() + Send + Sync>,
}

impl Webhook {
    /// Wakes by `wake` whoever knows the secret. Many calls in a row must come to one look; an empty secret would be
    /// everybody's and is never configured.
    #[must_use]
    pub fn new(secret: Secret, wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self { secret, wake: Box::new(wake) }
    }

    /// Answers one request; true where it woke the loop.
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
            // One answer for a missing signature, a malformed one and a wrong one.
            Ok(false) => (false, answer::problem(StatusCode::FORBIDDEN, "the signature is not right").map(Body::new)),
            Err(status) => (false, answer::problem(status, "the body cannot be read").map(Body::new)),
        }
    }

    /// Tells whether one of the signatures is right; reads the whole body in any case.
    async fn judge(&self, headers: &HeaderMap, mut body: Body) -> Result<bool, StatusCode> {
        let key = self.secret.reveal();
        let mut of_body = mac(key.as_bytes());
        let mut of_message = message(key, headers);
        let mut length: u64 = 0;
        while let Some(frame) = body.frame().await {
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
        let hub = text(headers, HUB).and_then(|text| unhex(text.strip_prefix("sha256=")?));
        let gitea = GITEA.map(|name| text(headers, name).and_then(unhex));
        let by_body = [hub].into_iter().chain(gitea).any(is_right);
        Ok(by_body || self.is_token(headers) || of_message.is_some_and(|mac| is_signed(&mac, headers)))
    }

    /// Compares the token by what it is hashed to, so that neither its content nor its length shows in the time it takes.
    fn is_token(&self, headers: &HeaderMap) -> bool {
        let own = self.secret.reveal().as_bytes();
        let Some(token) = headers.get(GITLAB_TOKEN) else { return false };
        let (mut told, mut kept) = (mac(own), mac(own));
        told.update(token.as_bytes());
        kept.update(own);
        told.verify_slice(&kept.finalize().into_bytes()).is_ok()
    }
}

fn mac(key: &[u8]) -> Sha256Mac {
    Sha256Mac::new_from_slice(key).expect("HMAC takes a key of any length")
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// Begins the hash of a signed message with what stands before its body.
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

fn is_signed(mac: &Sha256Mac, headers: &HeaderMap) -> bool {
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
    use std::sync::Arc;
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
        assert_eq!(judged(SECRET, &[(HUB, &hub)], BODY).await, (202, 1));
        assert_eq!(judged(SECRET, &[(HUB, &hub.to_uppercase().replace("SHA", "sha"))], BODY).await, (202, 1));
        for name in GITEA {
            assert_eq!(judged(SECRET, &[(name, TAG)], BODY).await, (202, 1));
            assert_eq!(judged(SECRET, &[(name, &hub)], BODY).await, (403, 0));
        }
        let wrong: [&[(&'static str, &str)]; 8] = [
            &[],
            &[(HUB, TAG)],
            &[(HUB, "sha256=")],
            &[(HUB, &hub[..hub.len() - 1])],
            &[(HUB, &hub[..hub.len() - 2])],
            &[(HUB, &hub.replace("sha256", "sha1"))],
            &[(HUB, &hub.replace('7', "8"))],
            &[("x-hub-signature", &hub)],
        ];
        for headers in wrong {
            assert_eq!(judged(SECRET, headers, BODY).await, (403, 0), "{headers:?}");
        }
        assert_eq!(judged(SECRET, &[(HUB, &hub)], "Hello, World?").await, (403, 0));
        assert_eq!(judged("another", &[(HUB, &hub)], BODY).await, (403, 0));
    }

    #[tokio::test]
    async fn gitlabs_token_is_the_secret_and_no_part_of_it() {
        assert_eq!(judged("token", &[(GITLAB_TOKEN, "token")], "{}").await, (202, 1));
        for wrong in ["", "toke", "tokens", "Token"] {
            assert_eq!(judged("token", &[(GITLAB_TOKEN, wrong)], "{}").await, (403, 0), "{wrong}");
        }
    }

    #[tokio::test]
    async fn a_body_has_a_bound() {
        let body = "x".repeat(MAX_HOOK as usize + 1);
        assert_eq!(judged("token", &[(GITLAB_TOKEN, "token")], &body).await, (413, 0));
    }
}
