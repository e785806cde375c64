//! The host file: TOML that only its owner reads.
//!
//! ```toml
//! [rack-x1000]
//! username = "root"
//! password = "..."
//!
//! [bmc."x1000c0s0b0"] # one BMC has another
//! username = "root"
//! password = "..."
//! ```

use std::collections::BTreeMap;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::account::{Account, Fault};
use crate::settings::SettingsError;
use crate::settings::private::{self, Fault as Refused};

/// The maximum length in bytes: some hundred for each of 50,000 BMCs.
const MAX_BYTES: u64 = 8 * 1024 * 1024;

/// The accounts of the host file.
#[derive(Debug, Default)]
pub struct HostFile {
    names: BTreeMap<Box<str>, Account>,
    bmcs: BTreeMap<Box<str>, Account>,
}

impl HostFile {
    /// Reads the file; for a symbolic link, its target's permissions count.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let unreadable = |source| SettingsError::CredentialsUnreadable { path: path.into(), source };
        let refuse = |fault: String, hint| SettingsError::Credentials { path: path.into(), fault, hint };
        let bytes = private::read(path, MAX_BYTES).map_err(|fault| match fault {
            Refused::Unreadable(source) => unreadable(source),
            Refused::Refused(fault, hint) => refuse(fault, hint),
        })?;

        let shape = "an account is a table: [NAME] with username = \"...\" and password = \"...\"";
        let Ok(text) = std::str::from_utf8(&bytes) else {
            return Err(refuse("it is not UTF-8".into(), shape));
        };

        Self::parse(text).map_err(|Fault { at, text: fault }| {
            let (line, column) = place(text, at);
            refuse(format!("line {line}, column {column} {fault}"), shape)
        })
    }

    /// Parses the text. A fault never contains any of it, so the library's errors, which quote the
    /// line, are not used.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let parsed = DeTable::parse(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            Fault { at, text: "is not TOML" }
        })?;

        let mut all = Self::default();
        for (key, value) in parsed.into_inner() {
            let value = inner_table(value)?;
            let is_of_bmcs = key.get_ref() == "bmc"
                && value.get_ref().values().all(|inner| matches!(inner.get_ref(), DeValue::Table(_)));
            if is_of_bmcs {
                for (bmc, account) in value.into_inner() {
                    all.bmcs.insert(bmc.into_inner().into(), Account::from_table(&inner_table(account)?)?);
                }
            } else {
                all.names.insert(key.into_inner().into(), Account::from_table(&value)?);
            }
        }

        Ok(all)
    }

    /// Returns the account of a name.
    pub fn of_name(&self, name: &str) -> Option<&Account> {
        self.names.get(name)
    }

    /// Returns the account of one particular BMC.
    pub fn of_bmc(&self, bmc: &str) -> Option<&Account> {
        self.bmcs.get(bmc)
    }
}

fn inner_table<'t>(value: Spanned<DeValue<'t>>) -> Result<Spanned<DeTable<'t>>, Fault> {
    let span = value.span();
    match value.into_inner() {
        DeValue::Table(table) => Ok(Spanned::new(span, table)),
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_) => Err(Fault { at: span.start, text: "is no table" }),
    }
}

/// Returns the line and column of a byte, counted from 1; columns in characters.
fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}
