//! Converts `policy.toml` to [`Policy`].

use std::time::Duration;

use super::at::At;
use super::fail_on::{Condition, FailOn, Over};
use super::file::PolicyFile;
use super::sources::{Findings, Here};
use super::{BootConfiguration, Guard, Policy, guard};
use crate::model::{Code, Diagnostic, parse_duration};

/// The most surveys that a difference can be required to persist: [`crate::observed`] keeps no more
/// runs of a flapping machine.
pub const MAX_CONFIRM: u8 = 4;

impl Default for Policy {
    fn default() -> Self {
        Self { confirm: 1, fail_on: Vec::new(), stale_after: None, guard: Guard::default() }
    }
}

/// Checks the file.
pub fn lower(here: &Here<'_>, file: PolicyFile, boots: &[BootConfiguration], findings: &mut Findings) -> Policy {
    let drift = file.drift.map(|at| at.value).unwrap_or_default();
    let stale_after = drift.stale_after.and_then(|text| age(here, &text, findings));
    let guard = file.guard.map(|at| guard::lower(here, at.value, boots, findings)).unwrap_or_default();
    let mut policy = Policy { stale_after, guard, ..Policy::default() };

    if let Some(confirm) = drift.confirm {
        if (1..=MAX_CONFIRM).contains(&confirm.value) {
            policy.confirm = confirm.value;
        } else {
            let message = format!("`confirm` is 1 to {MAX_CONFIRM} surveys");
            findings.push(Diagnostic::new(Code::BadValue, here.place(confirm.span), message));
        }
    }

    for text in drift.fail_on.into_iter().flatten() {
        match FailOn::parse(&text.value) {
            Ok(told) => {
                let is_never = told.condition == Condition::Stale && !matches!(told.over, Over::Age(_));
                if is_never && policy.stale_after.is_none() {
                    let message = "nothing is ever stale without an age";
                    let finding = Diagnostic::new(Code::BadValue, here.place(text.span), message);
                    findings.push(finding.hint("state `stale_after = \"24h\"`, or write \"stale>24h\""));
                }
                if policy.fail_on.contains(&told) {
                    let message = format!("`{told}` stands twice in one list");
                    findings.push(Diagnostic::new(Code::DuplicateEntry, here.place(text.span), message));
                } else {
                    policy.fail_on.push(told);
                }
            }
            Err(fault) => findings.push(Diagnostic::new(Code::BadValue, here.place(text.span), fault)),
        }
    }

    policy
}

fn age(here: &Here<'_>, text: &At<String>, findings: &mut Findings) -> Option<Duration> {
    let fault = match parse_duration(&text.value) {
        Ok(age) if age.is_zero() => "what was just seen is not stale".to_owned(),
        Ok(age) => return Some(age),
        Err(fault) => fault,
    };
    findings.push(Diagnostic::new(Code::BadValue, here.place(text.span), fault));
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::load;
    use crate::model::Tree;

    fn policy(text: &str) -> Policy {
        let (desired, findings) = load(&Tree::from_fixture(&format!("//- cluster.toml\nname = \"a\"\n{text}")));
        assert_eq!(findings, [], "{text}");
        desired.expect("there is a cluster").policy
    }

    #[test]
    fn what_nobody_says_is_the_default() {
        for text in ["", "//- policy.toml\n", "//- policy.toml\n[drift]\n"] {
            assert_eq!(policy(text), Policy::default(), "{text}");
        }
    }

    #[test]
    fn what_is_said_counts() {
        let told = policy(
            "//- policy.toml\ndrift = { confirm = 4, fail_on = [\"stale\", \"drift>2\"], stale_after = \"36h\" }\n",
        );
        let fail_on = ["stale", "drift>2"].map(|text| FailOn::parse(text).unwrap());
        let stale_after = Some(Duration::from_secs(36 * 3600));
        assert_eq!(told, Policy { confirm: 4, fail_on: fail_on.into(), stale_after, guard: Guard::default() });
    }
}
