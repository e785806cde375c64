//! Classifies failures below HTTP by the next step for a person.

use std::error::Error;
use std::io::{self, ErrorKind};

use rustls::{AlertDescription, CertificateError, InvalidMessage};

use super::tls::OtherCertificate;
use muster_core::observed::{Failure, FailureKind};

/// Returns the failure of a request; `what` describes the request, such as `GET /redfish/v1/`.
pub(super) fn failure(what: &str, error: &reqwest::Error) -> Failure {
    if error.is_timeout() {
        let why = if error.is_connect() { "no connection in time" } else { "no answer in time" };
        return Failure::new(FailureKind::TimedOut, format!("{what}: {why}"));
    }

    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(cause) = next {
        if let Some((kind, why)) = judged(cause) {
            return Failure::new(kind, format!("{what}: {why}"));
        }
        next = cause.source();
    }

    let (kind, why) = if error.is_connect() {
        (FailureKind::Unreachable, "there is no way to it")
    } else {
        (FailureKind::Broken, "the connection ended before the answer did")
    };

    Failure::new(kind, format!("{what}: {why}"))
}

fn judged(cause: &(dyn Error + 'static)) -> Option<(FailureKind, String)> {
    if let Some(error) = cause.downcast_ref::<rustls::Error>() {
        return Some(tls(error));
    }

    if let Some(error) = cause.downcast_ref::<io::Error>() {
        // The error inside an I/O error is not its source; TLS errors are wrapped in two, one in
        // the other.
        let carried = error.get_ref().and_then(|inner| judged(inner));
        return carried.or_else(|| socket(error));
    }

    if cause.downcast_ref::<hyper::Error>().is_some_and(|error| error.is_parse() && !error.is_incomplete_message()) {
        return Some((FailureKind::NotRedfish, "what answers does not speak HTTP".into()));
    }

    // hyper-util's connector identifies this step only in its text.
    (cause.to_string() == "dns error").then(|| (FailureKind::Unreachable, "its name has no address".into()))
}

fn socket(error: &io::Error) -> Option<(FailureKind, String)> {
    let (kind, why) = match error.kind() {
        ErrorKind::ConnectionRefused => (FailureKind::Refused, "nothing listens there"),
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown => {
            (FailureKind::Unreachable, "there is no route to it")
        }
        ErrorKind::AddrNotAvailable | ErrorKind::PermissionDenied => {
            (FailureKind::Unreachable, "this host may not or cannot send to it")
        }
        ErrorKind::TimedOut => (FailureKind::TimedOut, "no answer in time"),
        ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe
        | ErrorKind::UnexpectedEof => (FailureKind::Broken, "the connection ended before the answer did"),
        _ => return None,
    };

    Some((kind, why.into()))
}

fn tls(error: &rustls::Error) -> (FailureKind, String) {
    let why = match error {
        rustls::Error::InvalidCertificate(CertificateError::Other(other)) => {
            if let Some(other) = other.0.downcast_ref::<OtherCertificate>() {
                return (FailureKind::Pin, other.to_string());
            }
            "its certificate is not accepted".into()
        }
        rustls::Error::InvalidCertificate(fault) => match fault {
            CertificateError::UnknownIssuer => "its certificate comes from no CA that this host trusts".into(),
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => "its certificate has expired".into(),
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "its certificate is not valid yet".into()
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "its certificate is for another name or address".into()
            }
            other => format!("its certificate is not accepted: {other}"),
        },
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => "what answers does not speak TLS".into(),
        rustls::Error::PeerIncompatible(_)
        | rustls::Error::AlertReceived(AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure) => {
            "it shares no version or cipher of TLS with this host (TLS 1.2 is the oldest)".into()
        }
        other => format!("the TLS handshake failed: {other}"),
    };

    (FailureKind::Tls, why)
}
