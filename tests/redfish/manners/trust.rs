//! TLS is judged before a byte of HTTP is sent.

use std::sync::Arc;

use muster::observed::{FailureKind, Trust};
use muster::redfish::{Client, GroundsError, Options, TlsRule};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};
use tokio_rustls::TlsAcceptor;

use super::bmc::{Bmc, ROOT, Reply, credential, grounds, options};

struct Certified {
    ca_pem: String,
    leaf: CertificateDer<'static>,
    acceptor: TlsAcceptor,
}

/// A CA, a leaf for this name by it, and a TLS server that shows the leaf.
fn certified(name: &str) -> Certified {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &ca).unwrap();
    let leaf = leaf.der().clone();
    let acceptor = acceptor(leaf.clone(), &key);
    Certified { ca_pem: ca.pem(), leaf, acceptor }
}

fn acceptor(leaf: CertificateDer<'static>, key: &KeyPair) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    TlsAcceptor::from(Arc::new(config.with_no_client_auth().with_single_cert(vec![leaf], key).unwrap()))
}

async fn bmc(acceptor: &TlsAcceptor) -> Bmc {
    Bmc::start(Some(acceptor.clone()), vec![], |asked| match asked.method.as_str() {
        "POST" => Reply::Full(201, vec![("X-Auth-Token", "t".into())], "{}".into()),
        _ => Reply::ok(ROOT),
    })
    .await
}

fn pin(leaf: &CertificateDer<'_>) -> [u8; 32] {
    Sha256::digest(leaf).into()
}

#[tokio::test]
async fn an_unknown_ca_is_refused_and_a_known_one_taken() {
    let certified = certified("127.0.0.1");
    let bmc = bmc(&certified.acceptor).await;
    let failure = bmc.open(&grounds(options()), credential()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Tls, "{failure}");
    assert!(bmc.asked().is_empty(), "no byte of HTTP before the certificate is judged");

    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, &certified.ca_pem).unwrap();
    let grounds = grounds(Options { ca_files: vec![file.path().into()], ..options() });
    let client = bmc.open(&grounds, credential()).await.unwrap();
    assert_eq!(client.trust(), Trust::Verified);
    assert!(client.authenticated());
}

#[tokio::test]
async fn a_certificate_for_another_address_is_refused() {
    let certified = certified("127.0.0.2");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, &certified.ca_pem).unwrap();
    let grounds = grounds(Options { ca_files: vec![file.path().into()], ..options() });
    let bmc = bmc(&certified.acceptor).await;
    let failure = bmc.open(&grounds, credential()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Tls);
    assert!(failure.why.contains("another name"), "{failure}");
    assert!(bmc.asked().is_empty());
}

#[tokio::test]
async fn a_pin_takes_one_certificate_and_no_other() {
    let certified = certified("elsewhere.example");
    let bmc = bmc(&certified.acceptor).await;
    let grounds = grounds(options());
    let right = pin(&certified.leaf);
    let client = Client::open(&grounds, bmc.endpoint(TlsRule::Pin(right)), credential()).await.unwrap();
    assert_eq!(client.trust(), Trust::Pinned);
    drop(client);
    let before = bmc.asked().len();

    let mut wrong = right;
    wrong[31] ^= 1;
    let failure = Client::open(&grounds, bmc.endpoint(TlsRule::Pin(wrong)), credential()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Pin);
    let shown: String = right.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(failure.why.contains(&shown), "it tells the certificate that is shown: {failure}");
    assert_eq!(bmc.asked().len(), before, "no byte of HTTP");
}

/// A certificate is public: who shows it must hold its key as well.
#[tokio::test]
async fn the_pinned_certificate_without_its_key_is_refused() {
    let certified = certified("127.0.0.1");
    let thief = acceptor_unchecked(certified.leaf.clone());
    let bmc = bmc(&thief).await;
    for rule in [TlsRule::Pin(pin(&certified.leaf)), TlsRule::Insecure] {
        let failure = Client::open(&grounds(options()), bmc.endpoint(rule), credential()).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Tls, "{failure}");
    }
    assert!(bmc.asked().is_empty());
}

/// Shows a certificate with a key that is not its own, which rustls refuses to set up unless it is resolved by hand.
fn acceptor_unchecked(leaf: CertificateDer<'static>) -> TlsAcceptor {
    #[derive(Debug)]
    struct Fixed(Arc<rustls::sign::CertifiedKey>);
    impl rustls::server::ResolvesServerCert for Fixed {
        fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<rustls::sign::CertifiedKey>> {
            Some(Arc::clone(&self.0))
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = PrivateKeyDer::try_from(KeyPair::generate().unwrap().serialize_der()).unwrap();
    let key = provider.key_provider.load_private_key(key).unwrap();
    let fixed = Fixed(Arc::new(rustls::sign::CertifiedKey::new(vec![leaf], key)));
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    TlsAcceptor::from(Arc::new(config.with_no_client_auth().with_cert_resolver(Arc::new(fixed))))
}

#[tokio::test]
async fn what_nobody_judges_is_told_as_such() {
    let certified = certified("elsewhere.example");
    let bmc = bmc(&certified.acceptor).await;
    let client = Client::open(&grounds(options()), bmc.endpoint(TlsRule::Insecure), None).await.unwrap();
    assert_eq!(client.trust(), Trust::Unverified);
    let plain = Bmc::plain(|_| Reply::ok(ROOT)).await;
    assert_eq!(plain.open(&grounds(options()), None).await.unwrap().trust(), Trust::Plain);
    let failure = Client::open(&grounds(options()), plain.endpoint(TlsRule::Pin([0; 32])), None).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Pin);
    assert_eq!(plain.connections(), 1, "what is pinned is not asked over plain HTTP");
}

#[tokio::test]
async fn a_survey_costs_one_handshake() {
    let certified = certified("127.0.0.1");
    let bmc = bmc(&certified.acceptor).await;
    let client = Client::open(&grounds(options()), bmc.endpoint(TlsRule::Insecure), credential()).await.unwrap();
    for at in 0..10 {
        client.get(&format!("/redfish/v1/{at}")).await.unwrap();
    }
    assert_eq!(bmc.connections(), 1);
}

#[tokio::test]
async fn what_does_not_speak_tls_is_told() {
    let bmc = Bmc::plain(|_| Reply::ok(ROOT)).await;
    let mut endpoint = bmc.endpoint(TlsRule::Insecure);
    endpoint.origin.set_scheme("https").unwrap();
    let failure = Client::open(&grounds(options()), endpoint, credential()).await.unwrap_err();
    assert!(matches!(failure.kind, FailureKind::Tls | FailureKind::Broken), "{failure}");
}

#[test]
fn a_ca_file_without_a_certificate_is_told() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let with = |path: &std::path::Path| Options { ca_files: vec![path.into()], ..options() };
    let error = muster::redfish::Grounds::new(with(file.path())).unwrap_err();
    assert!(matches!(error, GroundsError::NoCertificate { .. }), "{error}");
    let error = muster::redfish::Grounds::new(with(std::path::Path::new("/nowhere/ca.pem"))).unwrap_err();
    assert!(matches!(error, GroundsError::CaFile { .. }), "{error}");
}
