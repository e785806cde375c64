//! Which System behind a BMC is a node.

use crate::observed::{Failure, FailureKind, Reading, Service, System, Unread};

/// Why a node's System was not found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfound {
    /// The BMC has several servers, and the node does not say which it is, or says it of several.
    #[error("the BMC has several Systems that it could be; state `system` for the node")]
    Several,
    /// The BMC answered and has no such System.
    #[error("the BMC has no such System")]
    None,
    /// What the BMC has could not be read in full, so nobody knows.
    #[error("the BMC's Systems could not be read: {0}")]
    Unread(Failure),
}

/// Finds the System of a node by what the node's `system` says, if it does.
///
/// The wanted text is a System's Id, else its Id in other letters, else the last part of its URI. Where nothing is wanted
/// the node is the only server.
///
/// # Errors
/// None or several are it, or a System could not be read that might be it.
pub fn system_of<'o>(wanted: Option<&str>, service: &'o Service) -> Result<&'o System, Unfound> {
    let systems = match &service.systems {
        Reading::Seen(systems) => systems,
        // Service roots lose their links until the BMC is reset: what is not linked may be there.
        Reading::Absent => {
            let why = "its service root links to no Systems";
            return Err(Unfound::Unread(Failure::new(FailureKind::Missing, why)));
        }
        Reading::Failed(failure) => return Err(Unfound::Unread(failure.clone())),
        Reading::Unasked => {
            return Err(Unfound::Unread(Failure::new(FailureKind::Cancelled, "no survey asked for them yet")));
        }
    };
    let unread = || service.unread.iter().find(|unread| is_system(&unread.uri));
    let missing = || unread().map_or(Unfound::None, |unread| Unfound::Unread(unread.failure.clone()));
    let Some(wanted) = wanted else {
        // Some services list what is not there (quirk dead-members); what fails in other ways may be a server.
        let mut there = systems.iter().filter(|system| unread_of(service, system).is_none());
        let is_open = |unread: &&Unread| {
            is_system(&unread.uri) && (systems.len() == 1 || unread.failure.kind != FailureKind::Missing)
        };
        return match (there.next(), there.next(), service.unread.iter().find(is_open)) {
            (Some(_), Some(_), _) => Err(Unfound::Several),
            (_, None, Some(open)) => Err(Unfound::Unread(open.failure.clone())),
            (Some(one), None, None) => Ok(one),
            (None, _, _) => Err(missing()),
        };
    };
    let ways: [&dyn Fn(&System) -> bool; 3] =
        [&|system| *system.id == *wanted, &|system| system.id.eq_ignore_ascii_case(wanted), &|system| {
            last_part(&system.uri).eq_ignore_ascii_case(wanted)
        }];
    for is_it in ways {
        let mut found = systems.iter().filter(|system| is_it(system));
        match (found.next(), found.next()) {
            (Some(system), None) => return Ok(system),
            (Some(_), Some(_)) => return Err(Unfound::Several),
            (None, _) => {}
        }
    }
    Err(missing())
}

/// Says why a System is listed and could not be read, so that nothing of it is known; none where it was read.
#[must_use]
pub fn unread_of<'o>(service: &'o Service, system: &System) -> Option<&'o Failure> {
    let plain = |uri: &str| uri.trim_end_matches('/').to_ascii_lowercase();
    let unread = service.unread.iter().find(|unread| plain(&unread.uri) == plain(&system.uri));
    unread.map(|unread| &unread.failure)
}

fn last_part(uri: &str) -> &str {
    let uri = uri.trim_end_matches('/');
    uri.rsplit_once('/').map_or(uri, |(_, last)| last)
}

/// Tells whether a URI is that of the collection of Systems or of one of them, and not of a part of one.
fn is_system(uri: &str) -> bool {
    let mut parts = uri.trim_end_matches('/').rsplit('/');
    let ends = [parts.next(), parts.next()].into_iter().flatten();
    let is_collection = |part: &str| part.eq_ignore_ascii_case("Systems");
    ends.into_iter().any(is_collection)
}
