//! Where the status listener is.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// The address of the status listener: a unix socket, or an address and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiAddress {
    Unix(PathBuf),
    Tcp(SocketAddr),
}

/// A text that is no [`ApiAddress`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither unix:PATH nor an address and port such as 127.0.0.1:8271")]
pub struct NotAnAddress(String);

impl FromStr for ApiAddress {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let path = text.strip_prefix("unix:").or_else(|| text.starts_with('/').then_some(text));
        match path {
            Some("") => Err(NotAnAddress(text.into())),
            Some(path) => Ok(Self::Unix(path.into())),
            None => text.parse().map(Self::Tcp).map_err(|_| NotAnAddress(text.into())),
        }
    }
}

impl fmt::Display for ApiAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(address) => write!(f, "{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_addresses_read_and_print() {
        for (text, printed) in
            [("unix:/run/m.sock", "unix:/run/m.sock"), ("/run/m.sock", "unix:/run/m.sock"), ("[::1]:1", "[::1]:1")]
        {
            assert_eq!(text.parse::<ApiAddress>().unwrap().to_string(), printed);
        }
        for text in ["", "unix:", "localhost:80", "8271", "run/m.sock"] {
            let error = text.parse::<ApiAddress>().unwrap_err().to_string();
            assert!(error.contains("is neither unix:PATH nor"), "{text}: {error}");
        }
    }
}
