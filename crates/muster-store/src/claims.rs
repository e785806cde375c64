//! Stores claimed MAC addresses, and the logins that BMCs refused.

use redb::{ReadableTable, ReadableTableMetadata};

use super::seen::oldest;
use super::tables::{CLAIMS, REFUSED, later};
use super::unreadable::Table;
use super::{Store, StoreError, codec};
use muster_core::observed::Claim;

/// The most refused logins; the oldest are removed first. Ten credentials for each BMC of the
/// largest site.
pub const MAX_REFUSED: usize = 100_000;

/// A credential that a BMC refused, and that is not tried again until a person allows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RefusedLogin {
    /// The name of the BMC.
    pub bmc: Box<str>,
    /// The name of the credential, never its value.
    pub credential: Box<str>,
    /// The time of the refusal, in Unix milliseconds.
    pub at: i64,
}

impl Store {
    /// Lists the claims, by node.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn claims(&self) -> Result<Vec<Claim>, StoreError> {
        let mut lost = Vec::new();
        let claims = self.read("read the claims", |txn| super::surveys::read_claims(txn, &mut lost))?;
        self.all_unreadable(&[Table::Claims], lost);
        Ok(claims)
    }

    /// Records claims, replacing the earlier ones of each node, in one transaction.
    ///
    /// # Errors
    /// The disk refused, or it is too early to try again. Nothing was changed.
    pub fn put_claims(&self, claims: &[Claim]) -> Result<(), StoreError> {
        if claims.is_empty() {
            return Ok(());
        }
        self.write("record claims", |txn, _| {
            let mut table = txn.open_table(CLAIMS)?;
            for claim in claims {
                table.insert(&*claim.node, &*codec::pack(claim, "a claim")?)?;
            }
            Ok(())
        })?;
        self.rewritten(Table::Claims, claims.iter().map(|claim| &*claim.node));
        Ok(())
    }

    /// Removes the claims of some nodes, in one transaction.
    ///
    /// # Errors
    /// The disk refused, or it is too early to try again. Nothing was changed.
    pub fn forget_claims(&self, nodes: &[&str]) -> Result<(), StoreError> {
        if nodes.is_empty() {
            return Ok(());
        }
        self.write("forget claims", |txn, _| {
            let mut table = txn.open_table(CLAIMS)?;
            for node in nodes {
                table.remove(node)?;
            }
            Ok(())
        })?;
        self.rewritten(Table::Claims, nodes.iter().copied());
        Ok(())
    }

    /// Lists the refused logins, by BMC and credential.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn refused_logins(&self) -> Result<Vec<RefusedLogin>, StoreError> {
        self.read("read the refused logins", |txn| {
            let Some(table) = later(txn, REFUSED)? else { return Ok(Vec::new()) };
            table
                .iter()?
                .map(|row| {
                    let (key, at) = row?;
                    let (bmc, credential) = key.value();
                    Ok(RefusedLogin { bmc: bmc.into(), credential: credential.into(), at: at.value() })
                })
                .collect()
        })
    }

    /// Records that a BMC refused a credential.
    ///
    /// # Errors
    /// The disk refused, or it is too early to try again. Nothing was changed.
    pub fn set_refused_login(&self, refused: &RefusedLogin) -> Result<(), StoreError> {
        self.write("record a refused login", |txn, _| {
            let mut table = txn.open_table(REFUSED)?;
            table.insert((&*refused.bmc, &*refused.credential), refused.at)?;
            if table.len()? > MAX_REFUSED as u64 {
                let mut all = Vec::new();
                for row in table.iter()? {
                    let (key, at) = row?;
                    let (bmc, credential) = key.value();
                    all.push((at.value(), (bmc.to_owned(), credential.to_owned())));
                }
                for (bmc, credential) in oldest(all, MAX_REFUSED, refused.at) {
                    table.remove((&*bmc, &*credential))?;
                }
            }
            Ok(())
        })
    }

    /// Removes the refusals of some BMCs, so that their logins are tried again.
    ///
    /// # Errors
    /// The disk refused, or it is too early to try again. Nothing was changed.
    pub fn forget_refused_logins(&self, bmcs: &[&str]) -> Result<(), StoreError> {
        if bmcs.is_empty() {
            return Ok(());
        }
        self.write("forget refused logins", |txn, _| {
            txn.open_table(REFUSED)?.retain(|(bmc, _), _| !bmcs.contains(&bmc))?;
            Ok(())
        })
    }
}
