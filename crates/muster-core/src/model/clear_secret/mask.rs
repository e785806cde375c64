//! Hides secrets in texts for people: those of known form or name, and those that were found elsewhere in the repository.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use aho_corasick::{AhoCorasick, MatchKind};

use super::names::{is_in_clear, is_secret_name};
use super::{SecretSpan, find, forms};

/// What stands in the place of a secret.
const HIDDEN: &str = "<secret>";

/// The fewest characters of a secret that is looked for wherever it may stand; a shorter one is hidden where it is found.
const MIN_LENGTH: usize = 6;

/// Words of at least so many letters are no words of a language.
const MIN_LETTERS: usize = 16;

/// The most secrets that are looked for, and the most bytes of them; a cluster has some ten. What is past that is hidden by
/// its form and its name.
pub const MAX_SECRETS: usize = 10_000;
const MAX_BYTES: usize = 256 * 1024;

/// What must not be shown of a repository.
#[derive(Clone, Default)]
pub struct SecretMask {
    is_found: bool,
    values: BTreeSet<Box<str>>,
    bytes: usize,
    search: OnceLock<Option<Arc<AhoCorasick>>>,
}

/// Numbers secrets as they come, so that one can be told from another.
#[derive(Default)]
pub struct SecretNumbers {
    known: HashMap<String, usize>,
}

/// Hides the secrets of known forms in a text that no repository's files explain, such as the subject of a commit.
#[must_use]
pub fn cover_forms(text: &str) -> Cow<'_, str> {
    replace(text, forms::find(text).into_iter().flat_map(|found| found.secrets).collect(), |_| HIDDEN.into())
}

impl SecretMask {
    /// Takes up what was found in a text.
    pub fn learn(&mut self, text: &str, found: &[SecretSpan]) {
        self.is_found |= !found.is_empty();
        for secret in found.iter().flat_map(|found| &found.secrets) {
            let written = &text[secret.clone()];
            // A template is no secret; what it comes to is found where it is written out.
            if written.contains("{{") {
                continue;
            }
            self.put(written);
            if written.contains('\\') {
                self.put(&unescaped(written));
            }
        }
    }

    /// Takes up the secrets of another mask.
    pub fn join(&mut self, other: &Self) {
        self.is_found |= other.is_found;
        other.values.iter().for_each(|value| self.put(value));
    }

    /// Tells whether nothing was found that looks like a secret.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        !self.is_found
    }

    fn put(&mut self, secret: &str) {
        for line in secret.lines().map(str::trim).filter(|line| is_distinct(line)) {
            let has_room = self.values.len() < MAX_SECRETS && self.bytes + line.len() <= MAX_BYTES;
            if has_room && self.values.insert(line.into()) {
                self.bytes += line.len();
                self.search = OnceLock::new();
            }
        }
    }

    /// Hides the secrets of a text.
    #[must_use]
    pub fn cover<'t>(&self, text: &'t str) -> Cow<'t, str> {
        replace(text, self.secrets(text), |_| HIDDEN.into())
    }

    /// Hides the secrets of a text, equal ones under one number. Lines stay as many as they are.
    #[must_use]
    pub fn cover_numbered<'t>(&self, text: &'t str, numbers: &mut SecretNumbers) -> Cow<'t, str> {
        let mut all = self.secrets(text);
        // What a text says by itself must not be taken for a secret that is hidden.
        all.extend(text.match_indices("<secret").map(|(at, word)| at..at + word.len()));
        replace(text, all, |secret| numbers.name(secret))
    }

    /// Hides the secrets of the text of a value, all of it if the key says that it is one: `vars.munge_key`.
    #[must_use]
    pub fn cover_value<'t>(&self, key: &str, text: &'t str, numbers: &mut SecretNumbers) -> Cow<'t, str> {
        if !is_whole_secret(key, text) {
            return self.cover_numbered(text, numbers);
        }
        // A text value is written in quotes, which are no part of it.
        match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
            Some(inner) => Cow::Owned(format!("\"{}\"", numbers.name(inner))),
            None => Cow::Owned(numbers.name(text)),
        }
    }

    /// Finds the secrets of a text, in no order.
    fn secrets(&self, text: &str) -> Vec<Range<usize>> {
        let mut all: Vec<Range<usize>> = find(text).into_iter().flat_map(|found| found.secrets).collect();
        if let Some(search) = self.search() {
            let is_alone = |at: &Range<usize>| {
                let (before, after) = (text[..at.start].chars().next_back(), text[at.end..].chars().next());
                let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
                !is_word(before) && !is_word(after) || at.len() >= MIN_LETTERS
            };
            all.extend(search.find_iter(text).map(|found| found.range()).filter(is_alone));
        }
        all
    }

    fn search(&self) -> Option<&AhoCorasick> {
        let build = || {
            if self.values.is_empty() {
                return None;
            }
            let search = AhoCorasick::builder()
                .match_kind(MatchKind::LeftmostLongest)
                .build(self.values.iter().map(|value| value.as_bytes()));
            search.ok().map(Arc::new)
        };
        self.search.get_or_init(build).as_deref()
    }
}

impl fmt::Debug for SecretMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretMask({} secrets)", self.values.len())
    }
}

impl SecretNumbers {
    fn name(&mut self, secret: &str) -> String {
        let next = self.known.len() + 1;
        let number = self.known.entry(secret.to_owned()).or_insert(next);
        // Without a blank: the number is a part of the word, and no number of a node.
        format!("<secret{number}>")
    }
}

/// Tells whether a key says that its value is a secret. A parameter of the kernel is a key and a value in one text.
fn is_whole_secret(key: &str, text: &str) -> bool {
    !key.starts_with("params.")
        && is_secret_name(key.rsplit('.').next().unwrap_or_default())
        && is_in_clear(text.trim_matches(['"', '\'']))
}

/// Tells whether a text may be looked for anywhere: it is no word that texts have by chance.
fn is_distinct(text: &str) -> bool {
    let is_word =
        text.bytes().all(|byte| byte.is_ascii_lowercase()) || text.bytes().all(|byte| byte.is_ascii_uppercase());
    let is_mark = text.bytes().all(|byte| !byte.is_ascii_alphanumeric());
    text.chars().count() >= MIN_LENGTH && !is_mark && (!is_word || text.len() >= MIN_LETTERS)
}

/// Replaces places of a text line by line, without the blanks around them.
fn replace<'t>(text: &'t str, places: Vec<Range<usize>>, mut name: impl FnMut(&str) -> String) -> Cow<'t, str> {
    let mut pieces: Vec<Range<usize>> = Vec::new();
    for place in places {
        let mut start = place.start;
        for line in text[place].split_inclusive('\n') {
            let blanks = line.len() - line.trim_start().len();
            let length = line.trim().len();
            if length > 0 {
                pieces.push(start + blanks..start + blanks + length);
            }
            start += line.len();
        }
    }
    if pieces.is_empty() {
        return Cow::Borrowed(text);
    }

    pieces.sort_by_key(|piece| (piece.start, piece.end));
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    let mut pieces = pieces.into_iter().peekable();
    while let Some(mut piece) = pieces.next() {
        while let Some(next) = pieces.next_if(|next| next.start < piece.end) {
            piece.end = piece.end.max(next.end);
        }
        out.push_str(&text[from..piece.start]);
        out.push_str(&name(&text[piece.clone()]));
        from = piece.end;
    }
    out.push_str(&text[from..]);
    Cow::Owned(out)
}

/// Takes the escapes out of a text in quotes, as TOML, JSON and YAML write them.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some(kind @ ('u' | 'U')) => {
                let digits: String = chars.clone().take(if kind == 'u' { 4 } else { 8 }).collect();
                if let Some(c) = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32) {
                    out.push(c);
                    chars.nth(digits.len() - 1);
                }
            }
            Some(other) => out.push(other),
            None => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(text: &str) -> SecretMask {
        let mut mask = SecretMask::default();
        mask.learn(text, &find(text));
        mask
    }

    #[test]
    fn what_was_found_once_is_hidden_everywhere() {
        let mask = mask("munge_key = \"TXVuZ2U-9\"\npassword: |\n  hunter2\n  more-2\ntoken = \"a\\u0062\\\"cdef\"\n");
        for (text, want) in [
            ("echo TXVuZ2U-9 > x", "echo <secret> > x"),
            ("  hunter2\n", "  <secret>\n"),
            ("xhunter2 hunter2x hunter2", "xhunter2 hunter2x <secret>"),
            ("x ab\"cdef y", "x <secret> y"),
            ("plain", "plain"),
            ("password: other", "password: <secret>"),
        ] {
            assert_eq!(mask.cover(text), want);
        }
        assert!(!format!("{mask:?}").contains("hunter2"));
    }

    #[test]
    fn one_secret_is_told_from_another_and_lines_stay() {
        let mask = SecretMask::default();
        let mut numbers = SecretNumbers::default();
        let key =
            |body: &str| format!("-----BEGIN PRIVATE KEY-----\n  {body}\n\n  {body}\n-----END PRIVATE KEY-----\n");
        let first = mask.cover_numbered(&key("QUJD"), &mut numbers).into_owned();
        assert_eq!(first, key("<secret1>"));
        assert_eq!(mask.cover_numbered(&key("REVG"), &mut numbers), key("<secret2>"));
        assert_eq!(mask.cover_numbered("token: QUJD", &mut numbers), "token: <secret1>");
        assert_eq!(mask.cover_numbered("say <secret1>", &mut numbers), "say <secret3>1>");
        assert_eq!(mask.cover_value("vars.root_password", "a b", &mut numbers), "<secret4>");
        assert_eq!(mask.cover_value("vars.munge_key", "\"QUJD\"", &mut numbers), "\"<secret1>\"");
        assert_eq!(mask.cover_value("params.rd.token", "rd.token=abc", &mut numbers), "rd.token=<secret5>");
        assert_eq!(mask.cover_value("vars.image", "a b", &mut numbers), "a b");
    }

    #[test]
    fn words_that_texts_have_by_chance_are_hidden_where_they_are_secrets() {
        let mask = mask("password: compute\n");
        assert_eq!(mask.cover("group compute; password: compute"), "group compute; password: <secret>");
    }

    #[test]
    fn many_secrets_are_bounded() {
        let text: String = (0..2 * MAX_SECRETS).map(|number| format!("token: secret-{number}\n")).collect();
        let mask = mask(&text);
        assert_eq!(mask.values.len(), MAX_SECRETS);
        assert!(!mask.cover(&text).contains("secret-"));
    }
}
