//! A user and a password, from the notations that sources have.

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

/// A table that is no account: the byte of the text that shows it, and what is wrong there.
#[derive(Debug)]
pub struct Fault {
    pub at: usize,
    pub text: &'static str,
}

impl Account {
    /// Makes an account; both parts say something.
    pub fn new(username: &str, password: &str) -> Result<Self, &'static str> {
        match (username, password) {
            ("", _) => Err("has no user name"),
            (_, "") => Err("has no password"),
            _ => Ok(Self { username: username.into(), password: Secret::new(password.to_owned()) }),
        }
    }

    /// Reads `user:password`; the password may have colons. One line break at the end is none of it.
    pub fn from_pair(text: &str) -> Result<Self, &'static str> {
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        let (username, password) = text.split_once(':').ok_or("is not user:password")?;
        if text.contains(['\n', '\r', '\0']) {
            return Err("has more than one line");
        }
        Self::new(username, password)
    }

    /// Reads `user:password`, or TOML with `username` and `password`.
    pub fn from_text(text: &str) -> Result<Self, &'static str> {
        match DeTable::parse(text) {
            Ok(table) if !table.get_ref().is_empty() => Self::from_table(&table).map_err(|fault| fault.text),
            Ok(_) | Err(_) => Self::from_pair(text),
        }
    }

    /// Reads a table with `username` and `password`, and nothing else.
    pub fn from_table(table: &Spanned<DeTable<'_>>) -> Result<Self, Fault> {
        let fault = |at, text| Fault { at, text };
        let (mut username, mut password) = (None, None);
        for (key, value) in table.get_ref() {
            let slot = match key.get_ref().as_ref() {
                "username" => &mut username,
                "password" => &mut password,
                // What stands there may be a password in the wrong place.
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

    /// Reads JSON with `username` and `password`, among other keys.
    pub fn from_json(bytes: &[u8]) -> Result<Self, &'static str> {
        #[derive(Deserialize)]
        struct Told {
            username: String,
            password: String,
        }
        // The reason that the library gives can quote what it read.
        let told: Told =
            serde_json::from_slice(bytes).map_err(|_| "printed no JSON with the texts `username` and `password`")?;
        Self::new(&told.username, &Zeroizing::new(told.password))
    }

    /// Gives the account the name by which it was found.
    pub fn named(self, name: &str) -> Credential {
        Credential { name: name.into(), username: self.username, password: self.password }
    }

    /// Returns the password, to keep it out of what is told.
    pub fn password(&self) -> &Secret {
        &self.password
    }
}
