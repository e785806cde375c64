//! Splits the bytes of a commit object into the signed payload and the signature.

/// The parts of a commit object. The payload is the commit before it was signed, as git-commit
/// builds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parts {
    /// The object without its signature headers.
    pub payload: Vec<u8>,
    /// The text of the `gpgsig` header, if there is one.
    pub signature: Option<Vec<u8>>,
    /// The committer's name and address, for display.
    pub committer: String,
    /// The commit time according to the committer, in Unix seconds.
    pub time: i64,
}

const HEADER: &[u8] = b"gpgsig ";
/// The signature header of an object that also has a SHA-256 name; part of no payload (git's
/// `parse_buffer_signed_by_header`).
const OTHER: &[u8] = b"gpgsig-sha256 ";

/// Splits a commit; returns `None` if it has two signatures or no committer, because git creates no
/// such commit.
pub(super) fn split(object: &[u8]) -> Option<Parts> {
    let mut payload = Vec::with_capacity(object.len());
    let mut signature: Option<Vec<u8>> = None;
    let mut committer = None;
    let mut rest = object;

    /// The header that a continuation line (one that begins with a blank) belongs to.
    enum Inside {
        Kept,
        Signature,
        Other,
    }

    let mut inside = Inside::Kept;
    while !rest.is_empty() && rest[0] != b'\n' {
        let end = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| at + 1);
        let (line, after) = rest.split_at(end);
        rest = after;
        if let Some(more) = line.strip_prefix(b" ") {
            match (&inside, &mut signature) {
                (Inside::Signature, Some(signature)) => signature.extend_from_slice(more),
                (Inside::Other, _) => {}
                (Inside::Kept | Inside::Signature, _) => payload.extend_from_slice(line),
            }
        } else if let Some(first) = line.strip_prefix(HEADER) {
            if signature.replace(first.to_vec()).is_some() {
                return None;
            }
            inside = Inside::Signature;
        } else if line.starts_with(OTHER) {
            inside = Inside::Other;
        } else {
            if let Some(who) = line.strip_prefix(b"committer ")
                && committer.replace(person(who)?).is_some()
            {
                return None;
            }
            payload.extend_from_slice(line);
            inside = Inside::Kept;
        }
    }

    payload.extend_from_slice(rest);
    let (committer, time) = committer?;
    Some(Parts { payload, signature, committer, time })
}

/// Parses `Name <address> SECONDS +ZONE`.
fn person(line: &[u8]) -> Option<(String, i64)> {
    let close = line.iter().rposition(|byte| *byte == b'>')?;
    let (who, when) = line.split_at(close + 1);
    let seconds = std::str::from_utf8(when).ok()?.split_ascii_whitespace().next()?.parse().ok()?;
    Some((String::from_utf8_lossy(who).chars().map(|c| if c.is_control() { '?' } else { c }).collect(), seconds))
}
