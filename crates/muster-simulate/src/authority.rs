//! The fleet's own certificate authority: one CA, and a leaf for each loopback address, created on
//! first use.

use std::net::Ipv4Addr;
use std::sync::{Arc, OnceLock};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, SanType, SerialNumber,
};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::ResolvesServerCert;
use rustls::sign::{CertifiedKey, SingleCertAndKey};

/// One CA and the leaves that it signed.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    /// The key of all leaves; sharing it saves a second of key generation for every few thousand
    /// BMCs.
    leaf_key: KeyPair,
    signing: Arc<dyn rustls::sign::SigningKey>,
    base: ServerConfig,
    leaves: Vec<OnceLock<Arc<ServerConfig>>>,
}

/// The resolver of a connection for which no leaf is chosen yet.
#[derive(Debug)]
struct Nobody;

impl ResolvesServerCert for Nobody {
    fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        None
    }
}

impl Authority {
    /// Creates a CA for `count` addresses.
    ///
    /// # Panics
    /// If P-256 keys cannot be generated, which does not depend on any input.
    pub fn new(count: usize) -> Self {
        let key = || KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("P-256 keys can be made");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "muster simulate");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let ca_key = key();
        let pem = params.self_signed(&ca_key).expect("a CA of a name and a key can be signed").pem();

        let leaf_key = key();
        let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(leaf_key.serialize_der()));
        let provider = Arc::new(aws_lc_rs::default_provider());
        let signing = provider.key_provider.load_private_key(der).expect("a key that was just made can be read");

        let base = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has the suites of TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Nobody));

        let leaves = (0..count).map(|_| OnceLock::new()).collect();
        Self { issuer: Issuer::new(params, ca_key), pem, leaf_key, signing, base, leaves }
    }

    /// Returns the CA's certificate as PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Returns the TLS configuration of the BMC with a number and an address.
    pub fn config(&self, at: usize, address: Ipv4Addr) -> Arc<ServerConfig> {
        Arc::clone(self.leaves[at].get_or_init(|| {
            let chain = vec![self.leaf(address)];
            let certified = CertifiedKey::new(chain, Arc::clone(&self.signing));
            let mut config = self.base.clone();
            config.cert_resolver = Arc::new(SingleCertAndKey::from(certified));
            Arc::new(config)
        }))
    }

    fn leaf(&self, address: Ipv4Addr) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, format!("simulated BMC {address}"));
        params.subject_alt_names = vec![SanType::IpAddress(address.into())];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        // The default is derived from the key, which all leaves share.
        params.serial_number = Some(SerialNumber::from(u64::from(u32::from(address))));
        params.signed_by(&self.leaf_key, &self.issuer).expect("a leaf of an address can be signed").into()
    }
}
