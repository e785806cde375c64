//! State that all clients of one run share.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{ACCEPT, HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::{ClientConfig, RootCertStore};
use tokio_util::task::TaskTracker;

use super::tls::{self, TlsRule};
use crate::Gate;
use muster_core::pace::{BmcId, Limits};

/// The settings of BMC clients.
#[derive(Debug, Clone)]
pub struct Options {
    /// PEM files of certificate authorities in addition to the system's.
    pub ca_files: Vec<PathBuf>,
    /// Whether the system's certificate authorities are trusted.
    pub system_roots: bool,
    pub login: Login,
    pub limits: Limits,
    /// The seed of the jitter.
    pub seed: u64,
    /// The timeout of the TCP and TLS handshakes.
    pub connect_timeout: Duration,
    /// The timeout of one request, including its body.
    pub request_timeout: Duration,
    /// The largest body, in bytes.
    pub max_body: usize,
    /// The largest body of a reply to `$expand`, in bytes.
    pub max_expanded: usize,
    /// The most bytes of bodies that one client reads in all.
    pub max_total: usize,
}

/// The way in which a credential is sent to a BMC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Login {
    /// A session if the service offers them, otherwise Basic.
    #[default]
    Auto,
    Session,
    Basic,
}

/// The shared state of all clients of one run: trust, the gate, timeouts, and the request
/// preferences of BMCs.
#[derive(Debug)]
pub struct Grounds {
    pub(super) options: Options,
    pub(super) gate: Arc<Gate>,
    roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
    verify: ClientConfig,
    insecure: ClientConfig,
    habits: Mutex<BTreeMap<BmcId, Habits>>,
    /// The log-outs of dropped clients that are in progress.
    pub(super) farewells: TaskTracker,
}

/// The request preferences of a BMC, as learned from earlier requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Habits {
    /// Whether paths end in a slash, if that matters.
    pub slash: Option<bool>,
    /// Whether gzip must be allowed.
    pub gzip: bool,
    /// Whether every request needs a connection of its own.
    pub fresh: bool,
}

/// The reason for which the trust of a run could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum GroundsError {
    #[error("cannot read the CA file {}", path.display())]
    CaFile { path: PathBuf, source: pem::Error },
    #[error("the CA file {} holds no certificate", path.display())]
    NoCertificate { path: PathBuf },
    #[error("the CA file {} holds a certificate that is none", path.display())]
    Certificate { path: PathBuf, source: rustls::Error },
    #[error("cannot set up an HTTP client")]
    Http(#[source] reqwest::Error),
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ca_files: Vec::new(),
            system_roots: true,
            login: Login::Auto,
            limits: Limits::default(),
            seed: 0,
            // A SYN and its first two repeats, and a slow BMC's RSA.
            connect_timeout: Duration::from_secs(10),
            // The slowest healthy replies (a first inventory after a pause) take some 20 s.
            request_timeout: Duration::from_secs(30),
            // The largest single resources that a survey reads are BIOS settings, of some 100 kB.
            max_body: 2 << 20,
            // The largest collections with their members are those of 134 PCIe devices, of some 500
            // kB.
            max_expanded: 8 << 20,
            // Everything relevant to the largest known machine is some 4 MB; JSON in memory takes
            // ten times that.
            max_total: 24 << 20,
        }
    }
}

impl Grounds {
    /// Reads the certificate authorities and creates the gate.
    ///
    /// # Errors
    /// A CA file cannot be read or holds no certificate. Unreadable system authorities are ignored.
    pub fn new(options: Options) -> Result<Arc<Self>, GroundsError> {
        let mut roots = RootCertStore::empty();
        if options.system_roots {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }

        for path in &options.ca_files {
            let failed = |source| GroundsError::CaFile { path: path.clone(), source };
            let mut found = 0;
            for certificate in CertificateDer::pem_file_iter(path).map_err(failed)? {
                let certificate = certificate.map_err(failed)?;
                let added = roots.add(certificate);
                added.map_err(|source| GroundsError::Certificate { path: path.clone(), source })?;
                found += 1;
            }
            if found == 0 {
                return Err(GroundsError::NoCertificate { path: path.clone() });
            }
        }

        let (roots, provider) = (Arc::new(roots), tls::provider());
        let config = |rule| tls::config(rule, &roots, Arc::clone(&provider));
        let grounds = Self {
            verify: config(TlsRule::Verify),
            insecure: config(TlsRule::Insecure),
            gate: Arc::new(Gate::new(options.limits, options.seed)),
            options,
            roots,
            provider,
            habits: Mutex::default(),
            farewells: TaskTracker::new(),
        };

        grounds.http(TlsRule::Verify, true).map_err(GroundsError::Http)?;
        Ok(Arc::new(grounds))
    }

    /// Returns the gate, to report logins to it.
    #[must_use]
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Waits until the sessions of dropped clients are ended, each within its timeouts.
    pub async fn settle(&self) {
        self.farewells.close();
        self.farewells.wait().await;
        self.farewells.reopen();
    }

    /// Creates the HTTP client of one BMC; its connections end with it.
    pub(super) fn http(&self, rule: TlsRule, keeps_alive: bool) -> reqwest::Result<reqwest::Client> {
        let config = match rule {
            TlsRule::Verify => self.verify.clone(),
            TlsRule::Insecure => self.insecure.clone(),
            TlsRule::Pin(_) => tls::config(rule, &self.roots, Arc::clone(&self.provider)),
        };

        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(HeaderName::from_static("odata-version"), HeaderValue::from_static("4.0"));

        reqwest::Client::builder()
            .tls_backend_preconfigured(config)
            .user_agent(concat!("muster/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .referer(false)
            .http1_only()
            // BMCs' web servers are old and small; malformed headers are not worth a failed survey.
            .http1_ignore_invalid_headers_in_responses(true)
            .http1_allow_spaces_after_header_name_in_responses(true)
            .http1_allow_obsolete_multiline_headers_in_responses(true)
            .connect_timeout(self.options.connect_timeout)
            .pool_max_idle_per_host(if keeps_alive { usize::MAX } else { 0 })
            .build()
    }

    pub(super) fn habits(&self, bmc: BmcId) -> Habits {
        self.habits.lock().unwrap_or_else(PoisonError::into_inner).get(&bmc).copied().unwrap_or_default()
    }

    pub(super) fn learn(&self, bmc: BmcId, change: impl FnOnce(&mut Habits)) {
        change(self.habits.lock().unwrap_or_else(PoisonError::into_inner).entry(bmc).or_default());
    }
}
