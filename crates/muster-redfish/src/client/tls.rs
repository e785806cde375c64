//! Verifies a BMC's certificate.

use std::fmt;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme,
    SupportedProtocolVersion,
};
use sha2::{Digest as _, Sha256};

/// The rule by which a BMC's certificate is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsRule {
    /// A CA that this host trusts must have signed it for the contacted host name or address.
    Verify,
    /// Its DER must have this SHA-256; its name, dates and issuer are ignored.
    Pin([u8; 32]),
    /// Any certificate is accepted.
    Insecure,
}

/// The number of BMCs whose TLS sessions a shared configuration keeps for second connections: those
/// of concurrent surveys.
const SESSIONS: usize = 256;

static VERSIONS: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];

/// The error for a certificate other than the pinned one.
#[derive(Debug, thiserror::Error)]
#[error("it shows the certificate sha256:{} and not the one that is pinned", hex(shown))]
pub(super) struct OtherCertificate {
    shown: [u8; 32],
}

/// Accepts one certificate, or any; signatures by its key are verified all the same.
struct Unchained {
    pin: Option<[u8; 32]>,
    provider: Arc<CryptoProvider>,
}

/// Returns the cryptography provider of every configuration.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// Creates the configuration for one rule.
pub(super) fn config(rule: TlsRule, roots: &Arc<RootCertStore>, provider: Arc<CryptoProvider>) -> ClientConfig {
    let versions = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(VERSIONS);
    let builder = versions.expect("the provider has suites for TLS 1.2 and 1.3");
    let unchained = |pin| Arc::new(Unchained { pin, provider });
    let builder = match rule {
        TlsRule::Verify => builder.with_root_certificates(Arc::clone(roots)),
        TlsRule::Pin(pin) => builder.dangerous().with_custom_certificate_verifier(unchained(Some(pin))),
        TlsRule::Insecure => builder.dangerous().with_custom_certificate_verifier(unchained(None)),
    };
    let mut config = builder.with_no_client_auth();
    let sessions = if matches!(rule, TlsRule::Pin(_)) { 1 } else { SESSIONS };
    config.resumption = Resumption::in_memory_sessions(sessions);
    config
}

impl ServerCertVerifier for Unchained {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let shown: [u8; 32] = Sha256::digest(end_entity).into();
        if self.pin.is_some_and(|pin| pin != shown) {
            let other = OtherError(Arc::new(OtherCertificate { shown }));
            return Err(CertificateError::Other(other).into());
        }

        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl fmt::Debug for Unchained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unchained").field("pin", &self.pin.map(|pin| hex(&pin))).finish_non_exhaustive()
    }
}

fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
