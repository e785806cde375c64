//! A user and a password, parsed from the notations of all sources.

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use zeroize::Zeroizing;

use crate::model::{Credential, Secret};

/// A user and a password, before they have a name.
#[derive(Debug, Clone)]
pub struct Account {
    username: Box<str>,
    password: Secret,
}

/// A table that is not an account: the offset of the fault in the text, and the fault.
#[derive(Debug)]
pub struct Fault {
    pub at: usize,
    pub text: &'static str,
}

impl Account {
    /// Creates an account; neither part may be empty.
    pub fn new(username: &str, password: &str) -> Result<Self, &'static str> {
        match (username, password) {
            ("", _) => Err("has no user name"),
            (_, "") => Err("has no password"),
            _ => Ok(Self { username: username.into(), password: Secret::new(password.to_owned()) }),
        }
    }

    /// Parses `user:password`; the password may have colons. One line break at the end is not part
    /// of it.
    pub fn from_pair(text: &str) -> Result<Self, &'static str> {
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        let (username, password) = text.split_once(':').ok_or("is not user:password")?;
        if text.contains(['\n', '\r', '\0']) {
            return Err("has more than one line");
        }
        Self::new(username, password)
    }

    /// Parses `user:password`, or TOML with `username` and `password`.
    pub fn from_text(text: &str) -> Result<Self, &'static str> {
        match DeTable::parse(text) {
            Ok(table) if !table.get_ref().is_empty() => Self::from_table(&table).map_err(|fault| fault.text),
            Ok(_) | Err(_) => Self::from_pair(text),
        }
    }

    /// Parses a table with `username` and `password`, and nothing else.
    pub fn from_table(table: &Spanned<DeTable<'_>>) -> Result<Self, Fault> {
        let fault = |at, text| Fault { at, text };
        let (mut username, mut password) = (None, None);
        for (key, value) in table.get_ref() {
            let slot = match key.get_ref().as_ref() {
                "username" => &mut username,
                "password" => &mut password,
                // The key may be a misplaced password.
                _ => return Err(fault(key.span().start, "has a key that is neither `username` nor `password`")),
            };
            let DeValue::String(text) = value.get_ref() else {
                return Err(fault(value.span().start, "has a value that is no string"));
            };
            *slot = Some(text.as_ref());
        }

        let at = table.span().start;
        let username = username.ok_or_else(|| fault(at, "has no `username`"))?;
        let password = password.ok_or_else(|| fault(at, "has no `password`"))?;
        Self::new(username, password).map_err(|text| fault(at, text))
    }

    /// Parses JSON with `username` and `password`, among other keys.
    pub fn from_json(bytes: &[u8]) -> Result<Self, &'static str> {
        #[derive(Deserialize)]
        struct Told {
            username: String,
            password: String,
        }
        // The library's error may quote its input.
        let told: Told =
            serde_json::from_slice(bytes).map_err(|_| "printed no JSON with the texts `username` and `password`")?;
        Self::new(&told.username, &Zeroizing::new(told.password))
    }

    /// Gives the account the name by which it was found.
    pub fn named(self, name: &str) -> Credential {
        Credential { name: name.into(), username: self.username, password: self.password }
    }

    /// Returns the password, so that messages can omit it.
    pub fn password(&self) -> &Secret {
        &self.password
    }
}
