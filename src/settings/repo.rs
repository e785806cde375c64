//! The repository's address as written, which may contain a password.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use super::SettingsError;
use crate::model::{RepoAddress, Secret};

/// The text of an address. Any text will do until the settings are completed, since a reader of flags would print what it
/// refuses; and it prints as the address does, without its account.
#[derive(Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(from = "String")]
#[schemars(with = "String", inline)]
pub struct GivenRepo(Secret);

impl GivenRepo {
    /// Parses the address.
    ///
    /// # Errors
    /// It is not an address, or one that is not accepted.
    pub fn read(&self) -> Result<RepoAddress, SettingsError> {
        self.0.reveal().parse().map_err(SettingsError::Repository)
    }

    /// Returns whether it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.reveal().is_empty()
    }
}

impl From<String> for GivenRepo {
    fn from(text: String) -> Self {
        Self(Secret::new(text))
    }
}

impl From<&str> for GivenRepo {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl FromStr for GivenRepo {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.into())
    }
}

impl fmt::Display for GivenRepo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.reveal().parse::<RepoAddress>() {
            Ok(address) => write!(f, "{address}"),
            Err(_) => f.write_str("(no address that can be shown)"),
        }
    }
}

impl fmt::Debug for GivenRepo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

impl Serialize for GivenRepo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_not_shown() {
        for text in ["https://ada:hunter2@h/a", "http://ada:hunter2@h/a", "ada:hunter2@h/a"] {
            let given = GivenRepo::from(text);
            let told = format!("{given} {given:?} {}", serde_json::to_string(&given).unwrap());
            assert!(!told.contains("hunter2"), "{told}");
        }
        assert_eq!(GivenRepo::from("a/b").to_string(), "a/b");
    }
}
