//! Secrets that are known by their form, whatever stands around them.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::SecretSpan;

/// The longest secret that is followed; what is longer is one all the same.
const LONGEST: usize = 4096;

/// The longest private key that is followed: four times what RSA with 16,384 bits takes in base64.
const LONGEST_KEY: usize = 64 * 1024;

/// The shortest line that belongs to a text in base64 above it; shorter ones may be words.
const SHORTEST_LINE: usize = 16;

/// The longest crypt hash: its settings, salt and digest come to some 200 signs.
const LONGEST_HASH: usize = 256;

/// How much of a text in base64 is decoded: the first line of a PEM block is shorter.
const DECODED: usize = 88;

/// Tokens that begin with a fixed text: the text, how many signs at least follow, whether `-` and `_` are among them, and
/// whose the token is. Each form is the issuer's own documented one.
const TOKENS: &[(&str, usize, bool, &str)] = &[
    ("ghp_", 36, false, "a token of GitHub"),
    ("gho_", 36, false, "a token of GitHub"),
    ("ghu_", 36, false, "a token of GitHub"),
    ("ghs_", 36, false, "a token of GitHub"),
    ("ghr_", 36, false, "a token of GitHub"),
    ("github_pat_", 36, true, "a token of GitHub"),
    ("glpat-", 20, true, "a token of GitLab"),
    ("gldt-", 20, true, "a token of GitLab"),
    ("glrt-", 20, true, "a token of GitLab"),
    ("glcbt-", 20, true, "a token of GitLab"),
    ("glptt-", 20, true, "a token of GitLab"),
    ("gloas-", 20, true, "a token of GitLab"),
    ("glagent-", 20, true, "a token of GitLab"),
    ("AKIA", 16, false, "an access key of AWS"),
    ("ASIA", 16, false, "an access key of AWS"),
    ("AIza", 35, true, "an API key of Google"),
    ("xoxb-", 20, true, "a token of Slack"),
    ("xoxp-", 20, true, "a token of Slack"),
    ("xoxa-", 20, true, "a token of Slack"),
    ("xoxr-", 20, true, "a token of Slack"),
    ("xoxs-", 20, true, "a token of Slack"),
    ("xapp-", 20, true, "a token of Slack"),
    ("hvs.", 20, true, "a token of Vault"),
    ("npm_", 36, false, "a token of npm"),
    ("pypi-AgEI", 20, true, "a token of PyPI"),
    ("dckr_pat_", 20, true, "a token of Docker"),
    ("sk_live_", 20, false, "a key of Stripe"),
    ("hf_", 34, false, "a token of Hugging Face"),
    ("tskey-", 20, true, "a key of Tailscale"),
    ("AGE-SECRET-KEY-1", 40, false, "an age key"),
];

/// What begins a crypt hash, and how many signs its digest has at least (crypt(5)).
const CRYPT: &[(&str, usize)] = &[
    ("$1$", 22),
    ("$5$", 43),
    ("$6$", 86),
    ("$7$", 43),
    ("$y$", 43),
    ("$gy$", 43),
    ("$2a$", 53),
    ("$2b$", 53),
    ("$2x$", 53),
    ("$2y$", 53),
    ("$argon2i$", 22),
    ("$argon2id$", 22),
    ("$scrypt$", 22),
    ("$pbkdf2-sha512$", 43),
    ("$sha1$", 28),
];

/// The first signs of a PEM block in base64.
const PEM_IN_BASE64: &str = "LS0tLS1CRUdJTi";

/// Finds every secret of a known form, in the order of the text, none over another.
pub fn find(text: &str) -> Vec<SecretSpan> {
    let bytes = text.as_bytes();
    let mut all = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        // Signs that end a word inside a secret begin no other: without this, a text of beginnings would cost its square.
        let is_start = at == 0 || !is_word(bytes[at]) || !is_word(bytes[at - 1]) && bytes[at - 1] != b'-';
        let found = if is_start { at_place(text, at) } else { None };
        match found {
            Some(Form { length, secret, what }) => {
                let span = at..at + length;
                let secret = at + secret.start..at + secret.end;
                at = span.end.max(at + 1);
                all.push(SecretSpan { span, secrets: vec![secret], what: what.into() });
            }
            None => at += 1,
        }
    }
    all
}

/// A secret at the head of a text.
struct Form {
    length: usize,
    /// The part that must not be shown.
    secret: Range<usize>,
    what: &'static str,
}

impl Form {
    fn whole(length: usize, what: &'static str) -> Self {
        Self { length, secret: 0..length, what }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Finds the secret that begins at a place that begins a word.
fn at_place(text: &str, at: usize) -> Option<Form> {
    // Bytes of longer characters begin none of the forms.
    let rest = text.get(at..)?;
    let whole = |(length, what)| Form::whole(length, what);
    match rest.as_bytes()[0] {
        b'-' => pem(rest),
        b'$' => crypt(rest).map(whole),
        b':' => password_in_url(rest),
        b'e' => jwt(rest).map(whole),
        b'L' if rest.starts_with(PEM_IN_BASE64) => pem_in_base64(rest).map(whole),
        b'P' if rest.starts_with("PuTTY-User-Key-File-") => Some(putty(rest)),
        b'h' if rest.starts_with("https://hooks.slack.com/services/T") => {
            let is_sign = |byte: u8| is_word(byte) || matches!(byte, b'/' | b':' | b'.');
            Some(Form::whole(run(rest.as_bytes(), LONGEST, is_sign), "a webhook of Slack"))
        }
        _ => token(rest).map(whole),
    }
}

/// `-----BEGIN OPENSSH PRIVATE KEY-----` and its kin (RFC 7468), OpenPGP's too; the secret is what stands below.
fn pem(rest: &str) -> Option<Form> {
    let label = rest.strip_prefix("-----BEGIN ")?;
    let end =
        label.bytes().take(64).position(|byte| !byte.is_ascii_uppercase() && !byte.is_ascii_digit() && byte != b' ')?;
    let is_private = label[..end].ends_with("PRIVATE KEY") || label[..end].ends_with("PRIVATE KEY BLOCK");
    if !is_private || !label[end..].starts_with("-----") {
        return None;
    }

    let head = end + 16;
    let body = &rest[head..];
    let body = &body[..body.floor_char_boundary(LONGEST_KEY.min(body.len()))];
    // The last line of a block, or the first of the next one.
    let length = body.find("-----").unwrap_or_else(|| lines_of_base64(body));
    Some(Form { length: head + length, secret: head..head + length, what: "a private key (PEM)" })
}

/// Counts the bytes of the lines at the head of a text that may be base64, wherever they are indented.
fn lines_of_base64(text: &str) -> usize {
    let mut lines = text.split_inclusive('\n');
    let first = lines.next().map_or(0, str::len);
    let is_code = |line: &&str| {
        let line = line.trim();
        line.len() >= SHORTEST_LINE && line.bytes().all(is_base64)
    };
    let mut length = first;
    for line in lines.by_ref().take_while(|line| is_code(line)) {
        length += line.len();
    }
    // The last line is as short as it comes.
    let last = text[length..].split_inclusive('\n').next().filter(|line| {
        let line = line.trim();
        length > first && !line.is_empty() && line.bytes().all(is_base64)
    });
    length + last.map_or(0, str::len)
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

fn pem_in_base64(rest: &str) -> Option<(usize, &'static str)> {
    let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let head = run(rest.as_bytes(), DECODED, is_sign) / 4 * 4;
    let decoded = STANDARD.decode(&rest[..head]).ok()?;
    if !decoded.windows(11).any(|part| part == b"PRIVATE KEY") {
        return None;
    }

    let line = run(rest.as_bytes(), LONGEST_KEY, is_base64);
    let is_broken = rest[line..].starts_with(['\r', '\n']);
    let bounded = &rest[..rest.floor_char_boundary(LONGEST_KEY.min(rest.len()))];
    Some((if is_broken { lines_of_base64(bounded) } else { line }, "a private key (PEM in base64)"))
}

/// A file of PuTTY: the secret is the lines below `Private-Lines`.
fn putty(rest: &str) -> Form {
    const START: &str = "PuTTY-User-Key-File-";
    let bounded = &rest[..rest.floor_char_boundary(LONGEST_KEY.min(rest.len()))];
    // Another file may begin before this one's secret does.
    let own = bounded[START.len()..].find(START).map_or(bounded, |next| &bounded[..START.len() + next]);
    let secret = own.find("Private-Lines:").map(|at| {
        let start = own[at..].find('\n').map_or(own.len(), |line| at + line);
        start..start + lines_of_base64(&own[start..])
    });
    let secret = secret.unwrap_or(START.len()..START.len());
    Form { length: own.len().min(secret.end.max(START.len())), secret, what: "a private key (PuTTY)" }
}

/// `$ID$...$DIGEST`; the positional parameters of a shell script (`$1$2`) have no digest.
fn crypt(rest: &str) -> Option<(usize, &'static str)> {
    let (start, digest) = CRYPT.iter().find(|(start, _)| rest.starts_with(start))?;
    let is_sign =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/' | b'$' | b'=' | b',' | b'-' | b'+');
    let body = &rest[start.len()..];
    let body = &body[..run(body.as_bytes(), LONGEST_HASH, is_sign)];
    let last = body.rsplit('$').next().unwrap_or_default();
    (last.len() >= *digest).then_some((start.len() + body.len(), "a crypt hash of a password"))
}

/// `://user:password@host`, but for a password that a template writes.
fn password_in_url(rest: &str) -> Option<Form> {
    let authority = rest.strip_prefix("://")?;
    let end =
        authority.bytes().take(256).position(|byte| matches!(byte, b'/' | b'?' | b'#' | b'"' | b'\'' | b' ' | b'\n'));
    let authority = &authority[..authority.floor_char_boundary(end.unwrap_or(authority.len().min(256)))];
    let (account, _) = authority.rsplit_once('@')?;
    let (user, password) = account.split_once(':')?;
    let is_plain = !password.is_empty() && !password.starts_with(['$', '{', '<']);
    let length = 3 + account.len();
    is_plain.then_some(Form { length, secret: 3 + user.len() + 1..length, what: "a password in a URL" })
}

/// Three parts in base64url of which the first two are JSON objects (RFC 7519).
fn jwt(rest: &str) -> Option<(usize, &'static str)> {
    let mut length = 0;
    for part in 0..3 {
        let text = &rest[length..];
        if part < 2 && !text.starts_with("eyJ") {
            return None;
        }
        let signs = run(text.as_bytes(), LONGEST, |byte| is_word(byte) || byte == b'-');
        if signs < 10 {
            return None;
        }
        length += signs;
        if part < 2 {
            if rest.as_bytes().get(length) != Some(&b'.') {
                return None;
            }
            length += 1;
        }
    }
    Some((length, "a signed token (JWT)"))
}

fn token(rest: &str) -> Option<(usize, &'static str)> {
    let (start, least, with_marks, what) = TOKENS.iter().find(|(start, ..)| rest.starts_with(start))?;
    let body = &rest.as_bytes()[start.len()..];
    let signs = run(body, LONGEST, |byte| byte.is_ascii_alphanumeric() || *with_marks && matches!(byte, b'-' | b'_'));
    // A longer word of another alphabet is something else, such as a name that begins alike.
    let is_whole = signs == LONGEST || body.get(signs).is_none_or(|next| !is_word(*next));
    let is_key_id =
        !what.ends_with("AWS") || signs == *least && body[..signs].iter().all(|byte| !byte.is_ascii_lowercase());
    (signs >= *least && is_whole && is_key_id).then_some((start.len() + signs, what))
}

fn run(bytes: &[u8], most: usize, is_sign: impl Fn(u8) -> bool) -> usize {
    bytes.iter().take(most).take_while(|byte| is_sign(**byte)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whats(text: &str) -> Vec<(&str, String)> {
        find(text).into_iter().map(|found| (&text[found.secrets[0].clone()], found.what)).collect()
    }

    #[test]
    fn each_form_is_found_whole() {
        let digest = |signs: usize| "aZ09./".repeat(20)[..signs].to_owned();
        let all = [
            format!("$6$rounds=5000$saltsalt${}", digest(86)),
            format!("$5$saltsalt${}", digest(43)),
            format!("$1$saltsalt${}", digest(22)),
            format!("$y$j9T$F5Jx5fExrKuPp53xLKQ..1${}", digest(43)),
            format!("$2b$12${}", digest(53)),
            format!("ghp_{}", "a1B2".repeat(9)),
            format!("github_pat_{}", "a1B2_".repeat(10)),
            format!("glpat-{}", "a-B_2".repeat(4)),
            "AKIAIOSFODNN7EXAMPLE".to_owned(),
            format!("xoxb-{}", "123456789012-".repeat(2)),
            format!("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.{}", "s-_9".repeat(10)),
        ];
        for secret in &all {
            for text in
                [secret.clone(), format!("x: \"{secret}\"\n"), format!("root:{secret}:19000"), format!("é {secret}é")]
            {
                let found = whats(&text);
                assert_eq!(found.len(), 1, "{text}: {found:?}");
                assert_eq!(found[0].0, secret, "{text}");
            }
        }
        for label in ["", "RSA ", "OPENSSH ", "EC ", "ENCRYPTED "] {
            let pem = format!("-----BEGIN {label}PRIVATE KEY-----\nAAAA\n-----END {label}PRIVATE KEY-----\n");
            assert_eq!(whats(&pem).len(), 1, "{pem}");
            assert_eq!(whats(&format!("content: {}\n", STANDARD.encode(&pem))).len(), 1, "{pem}");
        }
        assert_eq!(whats("-----BEGIN PGP PRIVATE KEY BLOCK-----").len(), 1);
        assert_eq!(whats("root=live:http://boot:hunter2@images.example/x")[0].0, "hunter2");
    }

    #[test]
    fn a_key_is_covered_to_its_last_line() {
        let lines = format!("{0}\n  {0}\n  QUJD", "QUJD".repeat(12));
        let block =
            format!("  -----BEGIN RSA PRIVATE KEY-----\n  {lines}\n  -----END RSA PRIVATE KEY-----\nruncmd: []\n");
        assert_eq!(whats(&block)[0].0.trim(), lines);
        let without_end = format!("-----BEGIN PRIVATE KEY-----\n  {lines}\nruncmd: []\n");
        assert_eq!(whats(&without_end)[0].0.trim(), lines);
        let on_one_line = "key = \"-----BEGIN PRIVATE KEY-----\\nQUJD\\n-----END PRIVATE KEY-----\"";
        assert_eq!(whats(on_one_line)[0].0, "\\nQUJD\\n");

        let code = STANDARD.encode(block.trim_start());
        let wrapped: Vec<&str> = code.as_bytes().chunks(60).map(|line| std::str::from_utf8(line).unwrap()).collect();
        let wrapped = wrapped.join("\n    ");
        assert_eq!(whats(&format!("content: |\n    {wrapped}\n  path: /x\n"))[0].0.trim(), wrapped);
        let long = STANDARD.encode(format!("-----BEGIN PRIVATE KEY-----\n{}", "QUJD".repeat(4000)));
        assert_eq!(whats(&format!("content: {long}\n"))[0].0.trim(), long);

        let putty = format!(
            "PuTTY-User-Key-File-3: ssh-rsa\nPublic-Lines: 1\nAAAA\nPrivate-Lines: 2\n{0}\n{0}\nPrivate-MAC: ab\n",
            "QUJD".repeat(12)
        );
        assert!(whats(&putty)[0].0.trim().lines().all(|line| line == "QUJD".repeat(12)), "{putty}");
    }

    #[test]
    fn what_only_looks_alike_is_none() {
        for text in [
            "echo \"$1$2$3\" $6$7",
            "-----BEGIN CERTIFICATE-----",
            "-----BEGIN PUBLIC KEY-----",
            "-----BEGIN PRIVATE KEY",
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGxhcmNoIGV4YW1wbGUga2V5",
            "AKIA_is_a_name AKIAshort xghp_0123456789012345678901234567890123456",
            "eyJhbGciOiJIUzI1NiJ9.notjson.signature",
            "http://images.example:8080/a@b http://{{ server }}/x https://u:{{ vars.p }}@h/ http://user@host/",
            "02:00:00:00:00:01 fd00::1 $y$ $6$ ghp_",
            "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUJ=",
        ] {
            assert_eq!(whats(text), [], "{text}");
        }
    }

    #[test]
    fn a_text_of_beginnings_costs_no_more_than_its_length() {
        for start in [
            "$6$",
            "eyJ.",
            "eyJ-",
            "-----BEGIN ",
            "://a:",
            "ghp_",
            "glpat-",
            "LS0tLS1CRUdJTi",
            "LS0tLS1CRUdJTi+",
            "-----BEGIN PRIVATE KEY-----",
            "PuTTY-User-Key-File-3 ",
        ] {
            find(&start.repeat(200_000));
        }
    }
}
