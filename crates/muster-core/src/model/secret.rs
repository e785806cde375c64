//! What must never be told: a password, and the account it belongs to.

use std::fmt;

use zeroize::Zeroizing;

/// A secret value, which prints as dots and is wiped from memory when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

/// An account on a BMC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// The name that git and this host give it.
    pub name: Box<str>,
    pub username: Box<str>,
    pub password: Secret,
}

impl Secret {
    /// Takes a value into keeping.
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(Zeroizing::new(value))
    }

    /// Returns the value, for the one place that sends it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("••••")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_as_dots() {
        let password = Secret::new("hunter2".into());
        let credential = Credential { name: "rack".into(), username: "root".into(), password };
        let text = format!("{credential:?} {credential:#?}");
        assert!(!text.contains("hunter2") && text.contains("••••"), "{text}");
        assert_eq!(credential.password.reveal(), "hunter2");
    }
}
