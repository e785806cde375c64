//! Values that stand under a name that only secrets have: `password`, `client_secret`, `munge_key`.

use std::ops::Range;

use super::{SecretSpan, munge, value};

/// The words that such a name ends with, in lower case and with `_` for other marks.
const WORDS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "api_key",
    "apikey",
    "secret_key",
    "private_key",
    "privatekey",
    "access_key",
    "auth_key",
    "munge_key",
    "psk",
];

/// Names that end like secrets and hold none: whether an account's password is locked.
const NONE: &[&str] = &["lock_passwd", "lock_password"];

/// The longest name that is looked at.
const LONGEST_NAME: usize = 64;

/// What is no secret, whatever its name says: nothing, a switch, or a locked account.
const EMPTY: &[&str] = &["", "true", "false", "yes", "no", "null", "none", "~", "*", "!", "!!", "x"];

/// How many names of secrets are looked at in one line; a line of names whose values are none would cost its square.
const MOST_IN_LINE: usize = 64;

/// Finds the values under such names, in the order of the text.
pub fn find(text: &str) -> Vec<SecretSpan> {
    let mut all: Vec<SecretSpan> = Vec::new();
    let (mut start, mut keys) = (0, 0);
    for line in text.split_inclusive('\n') {
        let end = start + line.len();
        // Prose about secrets has their names, too; and what a value spans is read already.
        let is_prose = line.trim_start().starts_with('#') && !line.starts_with("#!");
        let is_read = all.last().is_some_and(|last| last.span.end > start);
        if !is_prose && !is_read {
            if let Some(at) = munge::key(line) {
                keys += 1;
                let secrets = if keys <= munge::MOST_KEYS { munge::contents(text, start..end) } else { Vec::new() };
                all.push(SecretSpan { span: start + at..end, secrets, what: "the key of munge".into() });
            } else if let Some(NamedValue { at, value, name }) = of_line(text, start..end) {
                let what = format!("the value of `{name}`");
                all.push(SecretSpan { span: at..value.end.max(end), secrets: vec![value], what });
            }
        }
        start = end;
    }
    all
}

/// A value under the name of a secret.
struct NamedValue<'t> {
    /// Its first sign, which may be a quote.
    at: usize,
    /// Without its quotes.
    value: Range<usize>,
    name: &'t str,
}

/// Finds at most one value in a line.
fn of_line(text: &str, line: Range<usize>) -> Option<NamedValue<'_>> {
    let (start, line) = (line.start, &text[line]);
    let marks = line.bytes().enumerate().filter(|(_, byte)| matches!(byte, b'=' | b':')).map(|(at, _)| at);
    let places = marks.filter_map(|mark| Some((mark, value_after(line, mark)?)));
    let named = places.filter(|(mark, _)| is_secret_name(name_before(&line[..*mark])));
    for (mark, at) in named.take(MOST_IN_LINE) {
        let value = value::extent(text, start + mark, start + at);
        let written = &text[value.clone()];
        // A word decides for a value without quotes: what follows it may be anything.
        let is_quoted = line[at..].starts_with(['"', '\'']);
        let is_block = line[at..].starts_with(['|', '>']);
        let decides = if is_quoted || is_block { written.trim() } else { word(&line[at..]) };
        if is_in_clear(decides) {
            return Some(NamedValue { at: start + at, value, name: name_before(&line[..mark]) });
        }
    }
    None
}

/// Finds where the value begins after `=` or `:`.
fn value_after(line: &str, mark: usize) -> Option<usize> {
    let after = &line[mark + 1..];
    let is_quoted = line[..mark].ends_with(['"', '\'']);
    let is_mark = match line.as_bytes()[mark] {
        // A colon with no blank after it belongs to a URL, a time or an address.
        b':' => is_quoted || after.starts_with([' ', '\t']),
        _ => !after.starts_with(['=', '~']) && !line[..mark].ends_with(['=', '!', '<', '>', ':', '+']),
    };
    let blanks = after.len() - after.trim_start_matches([' ', '\t']).len();
    (is_mark && !after.trim_start().is_empty()).then_some(mark + 1 + blanks)
}

fn name_before(text: &str) -> &str {
    let text = text.trim_end_matches([' ', '\t']);
    let text = text.strip_suffix(['"', '\'']).unwrap_or(text);
    let is_name = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let length = text.chars().rev().take(LONGEST_NAME).take_while(is_name).count();
    // Signs of names are one byte each.
    &text[text.len() - length..]
}

pub fn is_secret_name(name: &str) -> bool {
    let plain = name.to_ascii_lowercase().replace(['-', '.'], "_");
    if NONE.contains(&plain.as_str()) {
        return false;
    }
    WORDS.iter().any(|word| {
        let Some(before) = plain.strip_suffix(word) else { return false };
        // `clientSecret` begins a word by its capital.
        let is_capital = name.as_bytes()[before.len()].is_ascii_uppercase();
        before.is_empty() || before.ends_with('_') || is_capital && !before.ends_with(|c: char| c.is_ascii_uppercase())
    })
}

/// Takes the first word of a value without quotes.
fn word(value: &str) -> &str {
    let value = value.trim_end();
    match value.chars().next() {
        // A template is one word, whatever blanks it holds.
        Some('{') if value.starts_with("{{") => value,
        Some(_) | None => value.split([' ', '\t', ',', '}', ']', '"', '\'']).next().unwrap_or_default(),
    }
}

pub fn is_in_clear(value: &str) -> bool {
    let value = value.trim();
    if EMPTY.contains(&value.to_ascii_lowercase().as_str()) {
        return false;
    }
    // The name of a secret, which `check` has a word of its own for.
    let is_secret_template = value.starts_with("{{") && value.contains("secret(");
    // A variable of the shell, an alias, a list, a table, a placeholder, a path, a URL, a call.
    let is_elsewhere = value.starts_with(['$', '&', '*', '[', '<', '/', '`'])
        || value.starts_with('{') && !value.starts_with("{{")
        || value.starts_with("http://")
        || value.starts_with("https://")
        || value.contains('(') && !value.starts_with("{{");
    !is_secret_template && !is_elsewhere
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> usize {
        find(text).len()
    }

    #[test]
    fn values_under_the_names_of_secrets_are_found() {
        for text in [
            "password: hunter2",
            "  - plain_text_passwd: 'hunter 2'",
            "vars = { site = \"a\", munge_key = \"abc\" }",
            "vars.munge-key = \"abc\"",
            "params = [\"quiet\", \"rd.token=abc\"]",
            "export API_TOKEN=abc",
            "{\"clientSecret\": \"abc\"}",
            "\"token\":\"abc\"",
            "password: {{ vars.root }}",
            "password: |\n  hunter2",
            "PrivateKey = abc=",
            "wpa_psk: 12345678",
            "- path: /etc/munge/munge.key",
            "- {path: /etc/munge/munge.key, encoding: b64, content: QUJD}",
            "- { content: QUJD, 'path' : \"/etc/munge/munge.key\" }",
            "{\"write_files\": [{\"path\":\"/etc/munge/munge.key\"}]}",
            "echo abc | base64 -d > /etc/munge/munge.key",
            "munge_key = \"\"\"\nabc\n\"\"\"",
        ] {
            assert_eq!(found(text), 1, "{text}");
        }
    }

    #[test]
    fn a_value_is_covered_whole() {
        for (text, want) in [
            ("password: hunter2", "hunter2"),
            ("password: correct horse # battery\nuser: a", "correct horse"),
            ("  - password: 'it''s'\n", "it''s"),
            ("x = { token = \"a\\\"b c\", y = 1 }", "a\\\"b c"),
            ("x: {token: a b, y: 1}", "a b"),
            ("PASSWORD=abc run it", "abc"),
            ("munge_key = \"\"\"\nabc\ndef\"\"\"\nnext = 1", "\nabc\ndef"),
            ("munge_key = '''abc'''", "abc"),
            ("- password: |\n    one\n\n    two\n  user: a\n", "    one\n\n    two\n"),
            ("password: >-\n  one\nuser: a\n", "  one\n"),
            ("- path: /etc/munge/munge.key\n  encoding: b64\n  content: QUJD\n- path: /x\n  content: D", "QUJD"),
            ("- content: |\n    QUJD\n    REVG\n  path: /etc/munge/munge.key\n", "    QUJD\n    REVG\n"),
            ("- {path: /etc/munge/munge.key, content: QUJD, encoding: b64}", "QUJD"),
            ("{\"path\": \"/etc/munge/munge.key\",\n \"content\": \"QUJD\"}", "QUJD"),
            ("echo 'QUJD' | base64 -d > /etc/munge/munge.key\n", "QUJD"),
            ("base64 -d > /etc/munge/munge.key <<EOF\nQUJD\nREVG\nEOF\nls\n", "QUJD\nREVG\n"),
        ] {
            let all = find(text);
            assert_eq!(all.len(), 1, "{text}");
            let secrets: Vec<&str> = all[0].secrets.iter().map(|secret| &text[secret.clone()]).collect();
            assert_eq!(secrets, [want], "{text}");
        }
    }

    #[test]
    fn what_is_no_secret_is_passed_over() {
        for text in [
            "# the password: see the page",
            "lock_passwd: true",
            "lock_passwd: x1",
            "passwd: '*'",
            "password:",
            "password: {{ secret(\"root\") }}",
            "password: $PASSWORD",
            "TOKEN=$(curl -s {{ server }})",
            "token = read_token()",
            "token_url: abc",
            "tokens: abc",
            "password_file: abc",
            "secret: /run/secrets/a",
            "token: https://a.example/",
            "if [ \"$token\" == abc ]; then",
            "url = \"http://token:8270/\"",
            "chown munge: /etc/munge/munge.key",
            "credentials = \"rack\"",
            "bypasswd: a",
            "password: \"\"",
        ] {
            assert_eq!(found(text), 0, "{text}");
        }
    }

    #[test]
    fn odd_texts_are_read_to_their_end() {
        for text in
            ["=", ":", "é=é", "token=é", "tokené: a", "password: é", "token:\té", "'token': é", "=:=:=:", "token: '"]
        {
            found(text);
        }
        assert_eq!(found(&format!("{}token=a", "x".repeat(100_000))), 0);
        for bomb in [
            "token=|",
            "token: $ ",
            "token: {{ ",
            "token=\"\" ",
            "token: |\n",
            "munge.key: path: munge.key\n",
            "token: a, ",
        ] {
            found(&bomb.repeat(500_000));
        }
        found(&format!("{}{}", "=".repeat(500_000), " ".repeat(500_000)));
    }
}
