//! Parses the file of allowed signers in ssh-keygen's format (ssh-keygen(1), ALLOWED SIGNERS), and
//! finds the line that lets a key sign a commit.
//!
//! Stricter than ssh-keygen in one way: a malformed line invalidates the file, while ssh-keygen
//! skips the line.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::certificate::Certificate;
use super::key::{KeyFault, PublicKey};
use super::refusal::Why;

/// The namespace of all signatures that git makes.
pub(super) const NAMESPACE: &str = "git";

/// One line: who may sign with which key.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    principals: Box<str>,
    /// Whether the key signs certificates instead of commits.
    authority: bool,
    namespaces: Option<Box<str>>,
    /// The start of validity, in Unix seconds, as in all times here.
    after: Option<i64>,
    before: Option<i64>,
    key: PublicKey,
}

/// The lines of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Allowed(Vec<Line>);

/// The line number and message of a fault.
pub(super) type LineFault = (usize, String);

/// The identity of an accepted signer.
pub(super) type Principal = String;

impl Allowed {
    /// Parses a file; line numbers in faults start at 1.
    pub(super) fn read(text: &[u8]) -> Result<Self, LineFault> {
        let mut lines = Vec::new();
        for (at, bytes) in text.split(|byte| *byte == b'\n').enumerate() {
            let fault = |what: String| (at + 1, what);
            let line = std::str::from_utf8(bytes).map_err(|_| fault("is no text in UTF-8".into()))?.trim();
            if !line.is_empty() && !line.starts_with('#') {
                lines.push(read_line(line).map_err(fault)?);
            }
        }
        Ok(Self(lines))
    }

    /// Returns whether the file allows no signers.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Finds the line that lets a key sign at a time, in Unix seconds; otherwise returns the reason
    /// of the nearest line.
    pub(super) fn who(&self, key: &PublicKey, time: i64) -> Result<Principal, Why> {
        let lines = self.0.iter().filter(|line| !line.authority && line.key == *key);
        best(lines.map(|line| line.lets(key, time).map(|()| line.principals.to_string())), || Why::Unknown {
            key: key.to_string(),
        })
    }

    /// Finds the line whose authority issued a certificate for a principal that the line names.
    pub(super) fn who_by_certificate(&self, certificate: &Certificate, time: i64) -> Result<Principal, Why> {
        let Certificate { key, authority, principals, after, before } = certificate;
        let lines = self.0.iter().filter(|line| line.authority && line.key == *authority);
        let judged = lines.filter_map(|line| {
            let name = principals.iter().find(|name| matches_list(&line.principals, name))?;
            Some(line.lets(key, time).map(|()| name.to_string()))
        });
        let name = best(judged, || Why::UnknownAuthority { key: key.to_string(), authority: authority.to_string() })?;
        match u64::try_from(time) {
            Ok(time) if time < *after => Err(Why::TooEarly { who: name, key: key.to_string(), from: day(*after) }),
            Ok(time) if time < *before => Ok(name),
            Ok(_) | Err(_) => Err(Why::Expired { who: name, key: key.to_string(), until: day(*before) }),
        }
    }
}

/// Returns the first acceptance, otherwise the first reason.
fn best(judged: impl Iterator<Item = Result<Principal, Why>>, none: impl FnOnce() -> Why) -> Result<Principal, Why> {
    let mut first = None;
    for one in judged {
        match one {
            Ok(name) => return Ok(name),
            Err(why) => {
                first.get_or_insert(why);
            }
        }
    }
    Err(first.unwrap_or_else(none))
}

impl Line {
    fn lets(&self, key: &PublicKey, time: i64) -> Result<(), Why> {
        let (who, key) = (self.principals.to_string(), key.to_string());
        if self.namespaces.as_ref().is_some_and(|list| !matches_list(list, NAMESPACE)) {
            return Err(Why::NotForGit { who, key });
        }
        if let Some(from) = self.after.filter(|from| time < *from) {
            return Err(Why::TooEarly { who, key, from: moment(from) });
        }
        match self.before.filter(|until| time > *until) {
            Some(until) => Err(Why::Expired { who, key, until: moment(until) }),
            None => Ok(()),
        }
    }
}

fn moment(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| "forever".into(), |time| time.to_string())
}

fn day(seconds: u64) -> String {
    i64::try_from(seconds).map_or_else(|_| "forever".into(), moment)
}

fn read_line(line: &str) -> Result<Line, String> {
    let (principals, rest) = word(line).ok_or("its quotes do not end")?;
    if principals.is_empty() {
        return Err("names nobody".into());
    }
    let first = rest.split_ascii_whitespace().next().unwrap_or_default();
    let (options, rest) = if is_kind(first) { ("", rest) } else { options_of(rest).ok_or("its quotes do not end")? };
    let mut words = rest.split_ascii_whitespace();

    let (Some(kind), Some(base64)) = (words.next(), words.next()) else {
        if is_kind(principals) {
            return Err(
                "names nobody: whose key it is stands before it, such as `ada@site.example ssh-ed25519 AAAA...`".into(),
            );
        }
        return Err(
            "holds no key; a line is: PRINCIPALS [OPTIONS] KIND KEY, such as `ada@site.example ssh-ed25519 AAAA...`"
                .into(),
        );
    };

    if !is_kind(kind) {
        return Err(format!("`{}` is no kind of key", kind.escape_debug()));
    }
    let key = PublicKey::read_text(kind, base64).map_err(|fault: KeyFault| fault.to_string())?;
    let blank =
        Line { principals: principals.into(), authority: false, namespaces: None, after: None, before: None, key };

    with_options(blank, options)
}

/// Returns whether a word is a kind of key rather than an option; an unsupported kind is rejected
/// with its key.
fn is_kind(word: &str) -> bool {
    ["ssh-", "ecdsa-", "sk-"].iter().any(|start| word.starts_with(start))
}

/// Splits off the first word, which may be in double quotes; returns the rest without leading
/// blanks.
fn word(text: &str) -> Option<(&str, &str)> {
    let blank = |c: char| c == ' ' || c == '\t';
    let (first, rest) = match text.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"')?,
        None => text.split_at(text.find(blank).unwrap_or(text.len())),
    };
    Some((first, rest.trim_start_matches(blank)))
}

/// Splits off the options, which end at the first blank outside double quotes; returns the rest
/// too.
fn options_of(text: &str) -> Option<(&str, &str)> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ' ' | '\t' if !quoted => return Some((&text[..at], text[at..].trim_start_matches([' ', '\t']))),
            _ => {}
        }
    }
    if quoted { None } else { Some((text, "")) }
}

fn with_options(mut line: Line, mut rest: &str) -> Result<Line, String> {
    while !rest.is_empty() {
        let end = rest.find(['=', ',']).unwrap_or(rest.len());
        let name = rest[..end].to_ascii_lowercase();
        rest = &rest[end..];
        let value = match rest.strip_prefix('=') {
            Some(after) => {
                let (value, after) =
                    quoted(after).ok_or_else(|| format!("the value of `{name}` stands in no quotes"))?;
                rest = after;
                Some(value)
            }
            None => None,
        };
        let twice = || format!("has the option `{name}` twice");
        match (&*name, value) {
            ("cert-authority", None) => line.authority = true,
            ("namespaces", Some(list)) if line.namespaces.is_none() => line.namespaces = Some(list.into()),
            ("valid-after", Some(when)) if line.after.is_none() => line.after = Some(time(&when)?),
            ("valid-before", Some(when)) if line.before.is_none() => line.before = Some(time(&when)?),
            ("namespaces" | "valid-after" | "valid-before", Some(_)) => return Err(twice()),
            ("namespaces" | "valid-after" | "valid-before", None) => return Err(format!("`{name}` needs a value")),
            _ => return Err(format!("`{}` is no option of a signer", name.escape_debug())),
        }
        rest = match rest.strip_prefix(',') {
            Some("") => return Err("ends its options with a comma".into()),
            Some(after) => after,
            None if rest.is_empty() => rest,
            None => return Err(format!("holds `{}` after an option", rest.escape_debug())),
        };
    }

    match (line.after, line.before) {
        (Some(after), Some(before)) if after >= before => Err("ends to count before it begins".into()),
        _ => Ok(line),
    }
}

/// Splits off a value in double quotes, in which `\"` is a quote.
fn quoted(text: &str) -> Option<(String, &str)> {
    let text = text.strip_prefix('"')?;
    let mut value = String::new();
    let mut chars = text.char_indices().peekable();

    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' if chars.peek().is_some_and(|(_, next)| *next == '"') => {
                chars.next();
                value.push('"');
            }
            c => value.push(c),
        }
    }

    None
}

/// Parses `YYYYMMDD[HHMM[SS]]` in this host's time zone, or in UTC with a trailing `Z`; returns
/// Unix seconds.
fn time(text: &str) -> Result<i64, String> {
    let fault = || {
        format!("`{}` is no time, which is written as 20261231, 202612312359 or 20261231235959Z", text.escape_debug())
    };
    let (digits, zone) = match text.strip_suffix(['Z', 'z']) {
        Some(digits) => (digits, TimeZone::UTC),
        None => (text, TimeZone::system()),
    };

    if !matches!(digits.len(), 8 | 12 | 14) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(fault());
    }
    let part = |range: std::ops::Range<usize>| digits.get(range).map_or(Ok(0), str::parse::<i16>);
    let small = |range| part(range).ok().and_then(|number| i8::try_from(number).ok()).ok_or_else(fault);
    let year = part(0..4).map_err(|_| fault())?;
    let date = DateTime::new(year, small(4..6)?, small(6..8)?, small(8..10)?, small(10..12)?, small(12..14)?, 0);

    let zoned = date.and_then(|date| date.to_zoned(zone)).map_err(|_| fault())?;
    Ok(zoned.timestamp().as_second())
}

/// Returns whether a word matches a list of patterns (ssh_config(5), PATTERNS): `*`, `?`, and `!`
/// for exclusion.
fn matches_list(list: &str, word: &str) -> bool {
    let mut found = false;
    for pattern in list.split(',') {
        match pattern.strip_prefix('!') {
            Some(pattern) if matches_pattern(pattern.as_bytes(), word.as_bytes()) => return false,
            Some(_) => {}
            None => found |= matches_pattern(pattern.as_bytes(), word.as_bytes()),
        }
    }
    found
}

/// Matches in time bounded by the product of the lengths: only the last star is ever retried.
fn matches_pattern(pattern: &[u8], word: &[u8]) -> bool {
    let (mut p, mut w) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while w < word.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, w));
                p += 1;
            }
            Some(c) if *c == b'?' || *c == word[w] => (p, w) = (p + 1, w + 1),
            Some(_) | None => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (p, w) = (at + 1, from + 1);
                }
                None => return false,
            },
        }
    }

    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPh2WJoJg+u4rOb0vXe42XpluijDVo50IOyswBgNAdc7";

    fn one(line: &str) -> Result<Line, String> {
        match Allowed::read(line.as_bytes()) {
            Ok(Allowed(mut lines)) => Ok(lines.remove(0)),
            Err((_, what)) => Err(what),
        }
    }

    #[test]
    fn lines_are_read_as_ssh_keygen_writes_of_them() {
        let line = one(&format!("a@x,b@x {KEY} a comment")).unwrap();
        assert_eq!((&*line.principals, line.authority, &line.namespaces), ("a@x,b@x", false, &None));
        let line = one(&format!("\"Ada Lovelace,*@x\"\tcert-authority,Namespaces=\"file,git\" {KEY}")).unwrap();
        assert_eq!((&*line.principals, line.authority), ("Ada Lovelace,*@x", true));
        assert_eq!(line.namespaces.as_deref(), Some("file,git"));
        let line = one(&format!("a valid-after=\"20260101Z\",valid-before=\"202601020304Z\" {KEY}")).unwrap();
        assert_eq!((line.after, line.before), (Some(1_767_225_600), Some(1_767_323_040)));
        let many = format!("# nobody\n\n  # {KEY}\na {KEY}\r\nb {KEY}\n");
        assert_eq!(Allowed::read(many.as_bytes()).unwrap().0.len(), 2);
    }

    #[test]
    fn what_cannot_be_read_says_what_and_in_which_line() {
        for (line, word) in [
            ("a".to_owned(), "holds no key"),
            ("a ssh-ed25519".into(), "holds no key"),
            (KEY.into(), "names nobody"),
            (format!("{KEY} ada"), "names nobody"),
            (format!("\"a {KEY}"), "quotes do not end"),
            (format!("a namespaces=git {KEY}"), "stands in no quotes"),
            (format!("a namespaces=\"git {KEY}"), "quotes do not end"),
            (format!("a namespaces {KEY}"), "needs a value"),
            (format!("a namespaces=\"a\",namespaces=\"b\" {KEY}"), "twice"),
            (format!("a namespace=\"git\" {KEY}"), "no option of a signer"),
            (format!("a cert-authority, {KEY}"), "comma"),
            (format!("a valid-after=\"2026\" {KEY}"), "no time"),
            (format!("a valid-after=\"20261301Z\" {KEY}"), "no time"),
            (format!("a valid-after=\"20260102Z\",valid-before=\"20260101Z\" {KEY}"), "before it begins"),
            (KEY.replace("AAAAIPh2", "AAAAIPh").replace("ssh-ed", "a ssh-ed"), "cannot be read"),
            ("a ssh-dss AAAAB3NzaC1kc3M=".into(), "`ssh-dss` do not count"),
        ] {
            let said = one(&line).expect_err(&line);
            assert!(said.contains(word), "{line}: {said}");
        }

        assert_eq!(Allowed::read(b"# a\n\n\xff").unwrap_err().0, 3);
    }

    #[test]
    fn patterns_match_as_in_ssh() {
        for (list, word, wanted) in [
            ("git", "git", true),
            ("file,git", "git", true),
            ("*", "git", true),
            ("g?t", "git", true),
            ("*,!git", "git", false),
            ("!file", "git", false),
            ("", "git", false),
            ("*@x.example", "ada@x.example", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
        ] {
            assert_eq!(matches_list(list, word), wanted, "{list} {word}");
        }
    }

    proptest! {
        #[test]
        fn no_file_is_too_odd(text in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Allowed::read(&text);
        }

        #[test]
        fn no_line_is_too_odd(line in "[a@*\", \t=#\\\\Zgit0-9-]{0,40}(cert-authority|valid-after=\"[0-9]{0,15}Z?\"|namespaces=\"|)[ ,\"]{0,2}(ssh-ed25519|)[ A/+=]{0,30}") {
            let _ = Allowed::read(line.as_bytes());
        }
    }
}
