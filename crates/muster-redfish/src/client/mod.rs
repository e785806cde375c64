//! The HTTP client of one BMC: it limits its pace, verifies TLS before it sends a credential, and
//! never leaves the BMC's origin.
//!
//! It does not know what the resources mean.

mod address;
mod answer;
mod exchange;
mod fault;
mod follow;
mod grounds;
mod login;
mod tls;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use reqwest::StatusCode;
use serde_json::Value;
use url::Url;

use self::address::Address;
use self::grounds::Habits;
use self::login::LoginState;
use muster_core::model::{Credential, Quirk};
use muster_core::observed::{Failure, FailureKind, Trust};
use muster_core::pace::BmcId;

pub use self::grounds::{Grounds, GroundsError, Login, Options};
pub use self::tls::TlsRule;

/// The service root, as DSP0266 writes it.
const ROOT: &str = "/redfish/v1/";

/// The endpoint of one BMC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The key of its record: the declared BMC's name, or the origin of an undeclared one.
    pub name: Box<str>,
    /// The origin from the cluster repository or the command line.
    pub origin: Url,
    /// The origin that is really contacted, if this host's settings rewrite addresses; TLS is
    /// verified for its host.
    pub connect: Option<Url>,
    pub tls: TlsRule,
}

/// The HTTP client of one BMC, for the duration of one survey.
#[derive(Debug)]
pub struct Client {
    inner: Arc<Inner>,
    root: Value,
    authenticated: bool,
}

#[derive(Debug)]
struct Inner {
    grounds: Arc<Grounds>,
    bmc: BmcId,
    address: Address,
    rule: TlsRule,
    trust: Trust,
    credential: Option<Credential>,
    http: reqwest::Client,
    /// The HTTP client that opens a connection for every request.
    fresh: OnceLock<reqwest::Client>,
    login: LoginState,
    seen: Mutex<BTreeSet<Quirk>>,
    /// The reason for which nothing more can be read.
    lost: OnceLock<Failure>,
    /// The resource that was read to try the credential, for its first reader.
    kept: Mutex<Option<(Url, Value)>>,
    /// The number of retries left.
    retries: AtomicU32,
    has_answered: AtomicBool,
    /// The number of bytes of replies that may still be read.
    bytes: AtomicUsize,
    /// The BMC's last reported time, in Unix milliseconds; [`UNTOLD`] before its first report.
    clock: AtomicI64,
    /// The number of requests on connections that may have been idle; `broken` counts those that
    /// failed.
    pooled: AtomicU32,
    broken: AtomicU32,
}

/// The value for a time that was not reported.
const UNTOLD: i64 = i64::MIN;

/// The most retries of one client in all: a BMC that needs more is not healthy, and each may cost a
/// timeout.
const RETRIES: u32 = 16;

impl Client {
    /// Reads the service root without a credential, then logs in if there is one.
    ///
    /// # Errors
    /// The root could not be read or the credential was not accepted. If this BMC refused the
    /// credential before, nothing is sent.
    pub async fn open(
        grounds: &Arc<Grounds>,
        endpoint: Endpoint,
        credential: Option<Credential>,
    ) -> Result<Self, Failure> {
        let inner = Arc::new(Inner::new(grounds, &endpoint, credential)?);
        let mut client = Self { inner, root: Value::Null, authenticated: false };
        client.inner.may_log_in()?;

        match client.inner.root().await {
            Ok(root) => {
                client.root = root;
                client.authenticated = client.inner.log_in(&client.root).await?;
            }
            Err(failure) if failure.kind == FailureKind::Unauthorised && client.inner.credential.is_some() => {
                // A service root that requires a credential violates DSP0266; only its standard
                // paths are known then.
                client.authenticated = client.inner.log_in(&Value::Null).await?;
                client.root = client.inner.root().await?;
            }
            Err(failure) => return Err(failure),
        }

        Ok(client)
    }

    /// Reads a resource: a path below the BMC's origin, or a URL of that origin.
    ///
    /// # Errors
    /// The reason for which it could not be read; see [`FailureKind`]. A failure concerns this
    /// resource, and the whole BMC only if its kind says so.
    pub async fn get(&self, path: &str) -> Result<Value, Failure> {
        let url = self.inner.address.of(path)?;
        let kept = self.inner.kept.lock().unwrap_or_else(PoisonError::into_inner).take_if(|(of, _)| *of == url);
        match kept {
            Some((_, value)) => Ok(value),
            None => self.inner.read(url).await,
        }
    }

    /// Returns how reliably the BMC's identity was verified.
    #[must_use]
    pub fn trust(&self) -> Trust {
        self.inner.trust
    }

    /// Returns whether the BMC accepted a credential.
    #[must_use]
    pub const fn authenticated(&self) -> bool {
        self.authenticated
    }

    /// Returns the service root.
    #[must_use]
    pub const fn root(&self) -> &Value {
        &self.root
    }

    /// Returns the time of the BMC's clock at its last reply, if it reports it, in Unix
    /// milliseconds.
    #[must_use]
    pub fn clock(&self) -> Option<i64> {
        Some(self.inner.clock.load(Relaxed)).filter(|time| *time != UNTOLD)
    }

    /// Returns the declared and the contacted IP address of the BMC, if they are addresses; host
    /// names are skipped.
    #[must_use]
    pub fn hosts(&self) -> Vec<IpAddr> {
        self.inner.address.hosts()
    }

    /// Returns the origin that is really contacted.
    #[must_use]
    pub fn asked(&self) -> &Url {
        self.inner.address.asked()
    }

    /// Returns the quirks that showed in HTTP so far, ascending.
    #[must_use]
    pub fn seen(&self) -> Vec<Quirk> {
        self.inner.seen.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }

    /// Ends the session, if there is one, and returns all quirks that showed in HTTP, ascending.
    pub async fn close(self) -> Vec<Quirk> {
        self.inner.log_out().await;
        self.seen()
    }
}

impl Drop for Client {
    /// Ends a session that was not closed, in the background; [`Grounds::settle`] waits for it.
    fn drop(&mut self) {
        if !self.inner.login.is_open() {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let inner = Arc::clone(&self.inner);
            let farewells = self.inner.grounds.farewells.clone();
            farewells.spawn_on(async move { inner.log_out().await }, &runtime);
        }
    }
}

impl Inner {
    fn new(grounds: &Arc<Grounds>, endpoint: &Endpoint, credential: Option<Credential>) -> Result<Self, Failure> {
        let address = Address::new(&endpoint.origin, endpoint.connect.as_ref())?;
        let trust = match (address.asked().scheme(), endpoint.tls) {
            ("http", TlsRule::Pin(_)) => {
                let why = "the certificate is pinned, and the BMC's URL is http, which has none";
                return Err(Failure::new(FailureKind::Pin, why));
            }
            ("http", TlsRule::Verify | TlsRule::Insecure) => Trust::Plain,
            (_, TlsRule::Verify) => Trust::Verified,
            (_, TlsRule::Pin(_)) => Trust::Pinned,
            (_, TlsRule::Insecure) => Trust::Unverified,
        };

        Ok(Self {
            bmc: grounds.gate.bmc(address.asked()),
            http: http(grounds, endpoint.tls, true)?,
            bytes: AtomicUsize::new(grounds.options.max_total),
            clock: AtomicI64::new(UNTOLD),
            grounds: Arc::clone(grounds),
            address,
            rule: endpoint.tls,
            trust,
            credential,
            fresh: OnceLock::new(),
            login: LoginState::default(),
            seen: Mutex::default(),
            lost: OnceLock::new(),
            kept: Mutex::default(),
            retries: AtomicU32::new(RETRIES),
            has_answered: AtomicBool::new(false),
            pooled: AtomicU32::new(0),
            broken: AtomicU32::new(0),
        })
    }

    /// Reads the service root with the current authentication.
    async fn root(&self) -> Result<Value, Failure> {
        let url = self.address.of(ROOT)?;
        let answer = self.follow(url.clone(), &self.login.pass()).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            let why = format!("GET {ROOT}: it asks for a credential");
            return Err(Failure::new(FailureKind::Unauthorised, why));
        }

        let not = |why: &str| Failure::new(FailureKind::NotRedfish, format!("GET {ROOT}: {why}"));
        if answer.status == StatusCode::NOT_FOUND {
            return Err(not("there is no service root"));
        }
        let value = self.judged(&url, answer).await.map_err(|failure| match failure.kind {
            FailureKind::Malformed => not("what answers is no JSON object"),
            _ => failure,
        })?;

        let is_root = ["RedfishVersion", "Systems", "Chassis", "Managers", "SessionService"];
        let says_so = value.get("@odata.type").and_then(Value::as_str).is_some_and(|kind| kind.contains("ServiceRoot"));
        if says_so || is_root.iter().any(|name| value.get(name).is_some()) {
            return Ok(value);
        }

        Err(not("what answers is no Redfish service root"))
    }

    /// Reads a resource, with one new session if the old one ended.
    async fn read(&self, url: Url) -> Result<Value, Failure> {
        if let Some(lost) = self.lost.get() {
            return Err(lost.clone());
        }
        let pass = self.login.pass();
        let mut answer = self.follow(url.clone(), &pass).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            let pass = self.renewed(&pass, &url).await?;
            answer = self.follow(url.clone(), &pass).await?;
        }

        if answer.status.is_success() {
            self.login.took();
        }
        self.judged(&url, answer).await
    }

    fn note(&self, quirk: Quirk) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(quirk);
    }

    fn habits(&self) -> Habits {
        self.grounds.habits(self.bmc)
    }
}

fn http(grounds: &Grounds, rule: TlsRule, keeps_alive: bool) -> Result<reqwest::Client, Failure> {
    let made = grounds.http(rule, keeps_alive);
    made.map_err(|error| {
        Failure::new(FailureKind::Tls, format!("cannot set up an HTTP client: {}", error.without_url()))
    })
}
