//! Values that stand under a name that only secrets have: `password`, `client_secret`, `munge_key`.

use super::SecretSpan;

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

/// Finds the values under such names, in the order of the text.
pub fn find(text: &str) -> Vec<SecretSpan> {
    let mut all = Vec::new();
    let mut start = 0;
    let mut lines = text.split_inclusive('\n').peekable();
    while let Some(line) = lines.next() {
        let next = lines.peek().copied().unwrap_or_default();
        // Prose about secrets has their names, too.
        if !line.trim_start().starts_with('#') || line.starts_with("#!") {
            all.extend(
                of_line(line, next)
                    .into_iter()
                    .map(|(at, what)| SecretSpan { span: start + at..start + line.len(), what }),
            );
        }
        start += line.len();
    }
    all
}

/// Finds at most one value in a line, and where it begins.
fn of_line(line: &str, next: &str) -> Option<(usize, String)> {
    if let Some(at) = munge_key(line) {
        return Some((at, "the key of munge".into()));
    }
    let marks = line.bytes().enumerate().filter(|(_, byte)| matches!(byte, b'=' | b':')).map(|(at, _)| at);
    for mark in marks {
        let Some(value) = value_after(line, mark) else { continue };
        let name = name_before(&line[..mark]);
        if !is_secret_name(name) {
            continue;
        }
        // The text of a block stands in the lines below.
        let is_block = line[value..].starts_with(['|', '>']);
        let text = if is_block { next.trim() } else { word(&line[value..]) };
        if is_in_clear(text) {
            return Some((value, format!("the value of `{name}`")));
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
    (is_mark && !after.trim().is_empty()).then_some(mark + 1 + blanks)
}

fn name_before(text: &str) -> &str {
    let text = text.trim_end_matches([' ', '\t']);
    let text = text.strip_suffix(['"', '\'']).unwrap_or(text);
    let is_name = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let length = text.chars().rev().take(LONGEST_NAME).take_while(is_name).count();
    // Signs of names are one byte each.
    &text[text.len() - length..]
}

fn is_secret_name(name: &str) -> bool {
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

/// Takes the value as it is written: what stands in quotes, or the first word.
fn word(value: &str) -> &str {
    let value = value.trim_end();
    match value.chars().next() {
        Some(quote @ ('"' | '\'')) => value[1..].split(quote).next().unwrap_or_default(),
        // A template is one word, whatever blanks it holds.
        Some('{') if value.starts_with("{{") => value,
        Some(_) | None => value.split([' ', '\t', ',', '}', ']', '"', '\'']).next().unwrap_or_default(),
    }
}

fn is_in_clear(value: &str) -> bool {
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

/// Finds a file for munge's key that a document brings along, or that a script writes out of itself.
fn munge_key(line: &str) -> Option<usize> {
    let at = line.find("munge.key")?;
    // Block style, flow style (`{path: /etc/munge/munge.key, ...}`) and JSON name the file alike.
    let key = line[..at].rsplit_once(':').map_or("", |(key, _)| key.trim_end());
    let is_path = key.trim_end_matches(['"', '\'']).ends_with("path");
    let writes = ["echo ", "printf ", "base64 ", "<<"].iter().any(|word| line.contains(word));
    let is_redirected = line[..at].contains('>') || line[..at].contains("tee ");
    (is_path || writes && is_redirected).then_some(at)
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
        ] {
            assert_eq!(found(text), 1, "{text}");
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
    }
}
