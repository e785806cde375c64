//! Whether edits do what they are to: what was adopted is no finding any more, and none came that was not there.

use std::collections::BTreeSet;

use super::{Adopted, Adoption};
use crate::drift::{Class, Drift, Finding, Subject, Verdict};

/// What is wrong with an adoption: a mistake of this room, and no reason to write anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    #[error("{0} is adopted, and the wishes with it still do not say what was seen")]
    Stays(String),
    #[error("{0} would be a new finding")]
    Comes(String),
}

/// Compares drift before and after an adoption, and returns what else the new nodes differ in from their layers.
///
/// Both comparisons are of the same observations at the same time; the second knows BMCs by their new names (see
/// [`crate::roll::declared()`]).
///
/// # Errors
/// Something adopted still differs, or who a machine is differs that did not.
pub fn proven<'a>(adoption: &Adoption, before: &Drift, after: &'a Drift) -> Result<Vec<&'a Finding>, Broken> {
    for adopted in &adoption.adopted {
        let stays = |finding: &Finding| match adopted {
            Adopted::Node { name, .. } => of_node(finding, name) && is_who(finding),
            Adopted::Bmc { name, .. } => matches!(&finding.subject, Subject::Bmc(bmc) if **bmc == **name),
            Adopted::Value { name, attribute, .. } => {
                let is_bmc = matches!(&finding.subject, Subject::Bmc(bmc) if **bmc == **name);
                *finding.attribute == **attribute && (is_bmc || of_node(finding, name))
            }
        };
        if let Some(finding) = after.findings.iter().find(|finding| stays(finding)) {
            return Err(Broken::Stays(told(finding)));
        }
    }
    let key = |finding: &Finding| (finding.subject.clone(), finding.attribute.clone());
    let known: BTreeSet<_> = before.findings.iter().map(key).collect();
    let came: Vec<&Finding> = after.findings.iter().filter(|finding| !known.contains(&key(finding))).collect();
    if let Some(finding) = came.iter().find(|finding| is_who(finding)) {
        return Err(Broken::Comes(told(finding)));
    }
    let adopted = adoption.adopted.iter().filter(|adopted| matches!(adopted, Adopted::Node { .. })).count();
    let (were, are) = (undeclared(before), undeclared(after));
    if were != are + adopted {
        return Err(Broken::Stays(format!("one of {were} Systems that nobody declares")));
    }
    Ok(came)
}

fn of_node(finding: &Finding, name: &str) -> bool {
    matches!(&finding.subject, Subject::Node(node) if **node == *name)
}

fn is_who(finding: &Finding) -> bool {
    matches!(finding.class, Class::Presence | Class::Identity)
}

fn undeclared(drift: &Drift) -> usize {
    drift.findings.iter().filter(|finding| matches!(finding.subject, Subject::System { .. })).count()
}

fn told(finding: &Finding) -> String {
    let subject = match &finding.subject {
        Subject::Node(name) | Subject::Bmc(name) => name.to_string(),
        Subject::System { bmc, system } => format!("System {system} of BMC {bmc}"),
        Subject::Mac(mac) => mac.to_string(),
    };
    let attribute = if finding.attribute.is_empty() { "presence" } else { &finding.attribute };
    let why = match &finding.verdict {
        Verdict::Unknown { why, .. } => format!(" ({why})"),
        Verdict::Drifted { .. } | Verdict::Pending | Verdict::Settling(_) | Verdict::Excepted(_) => String::new(),
    };
    format!("{attribute} of {subject}{why}")
}
