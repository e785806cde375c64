//! Converts `[guard]` of `policy.toml` to [`Guard`].

use super::at::At;
use super::file::{InstallRail, PolicyGuard};
use super::sources::{Findings, Here};
use super::{BootConfiguration, Guard, cluster};
use crate::model::{Code, Diagnostic, Stated};

/// The hexadecimal digits of the digest of a change.
pub const DIGEST_DIGITS: usize = 16;

/// Checks the table.
pub fn lower(here: &Here<'_>, file: PolicyGuard, boots: &[BootConfiguration], findings: &mut Findings) -> Guard {
    let PolicyGuard { max_nodes, max_percent, max_removals, emptied, install, accounts, allow } = file;
    if let Some(share) = max_percent.as_ref().filter(|share| share.value > 100) {
        let message = format!("`max_percent` is 0 to 100, not {}", share.value);
        findings.push(Diagnostic::new(Code::BadValue, here.place(share.span), message));
    }

    let install = install.and_then(|rail| {
        let names = match rail.value {
            InstallRail::OfKind(false) => return None,
            InstallRail::OfKind(true) => Vec::new(),
            InstallRail::Named(names) => names_of(here, names, boots, findings),
        };
        Some(Stated::new(names, here.origin(rail.span)))
    });

    Guard {
        max_nodes: max_nodes.map(|at| Stated::new(at.value, here.origin(at.span))),
        max_percent: max_percent.map(|at| Stated::new(at.value, here.origin(at.span))),
        max_removals: max_removals.map(|at| Stated::new(at.value, here.origin(at.span))),
        emptied: emptied.filter(|at| at.value).map(|at| here.origin(at.span)),
        install,
        accounts: accounts.filter(|at| at.value).map(|at| here.origin(at.span)),
        allow: digests(here, allow.unwrap_or_default(), findings),
    }
}

fn names_of(
    here: &Here<'_>,
    names: Vec<At<String>>,
    boots: &[BootConfiguration],
    findings: &mut Findings,
) -> Vec<Box<str>> {
    let mut all: Vec<Box<str>> = Vec::with_capacity(names.len());
    for name in names {
        if !boots.iter().any(|boot| *boot.name == *name.value) {
            findings.push(cluster::no_such_boot(here.place(name.span), &name.value, boots));
        } else if all.iter().any(|known| **known == *name.value) {
            let message = format!("`{}` stands twice in one list", name.value);
            findings.push(Diagnostic::new(Code::DuplicateEntry, here.place(name.span), message));
        } else {
            all.push(name.value.into());
        }
    }

    all
}

fn digests(here: &Here<'_>, allow: Vec<At<String>>, findings: &mut Findings) -> Vec<Stated<Box<str>>> {
    let mut all: Vec<Stated<Box<str>>> = Vec::with_capacity(allow.len());
    for digest in allow {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if digest.value.len() != DIGEST_DIGITS || !digest.value.bytes().all(is_digit) {
            let message = format!("`{}` is no digest of a change", digest.value);
            let finding = Diagnostic::new(Code::BadValue, here.place(digest.span), message);
            findings.push(finding.hint("`muster diff` prints it: 16 digits of 0-9 and a-f, without the brackets"));
        } else if all.iter().any(|known| *known.value == *digest.value) {
            let message = format!("`{}` stands twice in one list", digest.value);
            findings.push(Diagnostic::new(Code::DuplicateEntry, here.place(digest.span), message));
        } else {
            let origin = here.origin(digest.span);
            all.push(Stated::new(digest.value.into(), origin));
        }
    }

    all
}

#[cfg(test)]
mod tests {
    use crate::desired::{Guard, load};
    use crate::model::Tree;

    fn guard(text: &str) -> Guard {
        let text = format!("//- cluster.toml\nname = \"a\"\n//- policy.toml\n{text}\n");
        let (desired, findings) = load(&Tree::from_fixture(&text));
        assert_eq!(findings, [], "{text}");
        desired.expect("there is a cluster").policy.guard
    }

    #[test]
    fn nothing_is_guarded_that_nobody_says() {
        for text in
            ["", "[drift]", "[guard]", "[guard]\nemptied = false\ninstall = false\naccounts = false\nallow = []"]
        {
            assert_eq!(guard(text), Guard::default(), "{text}");
            assert!(!guard(text).has_rails());
        }
    }

    #[test]
    fn what_is_said_counts_and_has_its_place() {
        let told = guard("[guard]\nmax_nodes = 0\ninstall = true\nallow = [\"00112233445566ff\"]");
        assert_eq!(told.max_nodes.map(|stated| (stated.value, stated.origin.at)), Some((0, 20)));
        assert_eq!(told.install.as_ref().map(|stated| stated.value.len()), Some(0));
        assert_eq!(&*told.allow[0].value, "00112233445566ff");
        assert!(told.has_rails() && guard("[guard]\naccounts = true").has_rails());
        assert!(!guard("[guard]\nallow = [\"00112233445566ff\"]").has_rails());
    }
}
