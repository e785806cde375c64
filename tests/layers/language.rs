//! The language of messages and documentation: a short list of banned words, and a thermometer.
//!
//! `docs/style.md` has the rules. Banned words do not occur in documentation. In messages they are being removed: the list
//! in `tests/layers/banned.txt` has the number that each room still contains, and no room may exceed it. After removing
//! some, `UPDATE=1 cargo test --test layers language` writes the smaller numbers.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::source::source_files;

/// Words and phrases that make a text read as if it were translated.
const BANNED: &[&str] = &[
    "nobody",
    "somebody",
    "told",
    "tells",
    "stands",
    "anew",
    "beside",
    "borne",
    "wish",
    "wished",
    "wishes",
    "whom",
    "strewn",
    "for want of",
    "is none",
    "is no number",
    "what was seen",
    "was seen",
    "of then",
];

/// Words to count in addition, with the direction in which a text should move.
const COUNTED: &[&str] = &["what", "where", "if", "because"];

/// Pages that quote banned words, to say what to write instead.
const QUOTING: &[&str] = &["docs/style.md", "docs/glossary.md"];

/// The most of each kind per 1,000 words of documentation: banned words, `what`, `where`.
const LIMITS: [f64; 3] = [1.0, 6.0, 5.0];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Counts a word or phrase, as whole words in any letter case.
fn count(text: &str, phrase: &str) -> usize {
    let is_edge = |c: Option<char>| !c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let text = text.to_lowercase();
    let matches = text.match_indices(phrase).filter(|(at, _)| {
        is_edge(text[..*at].chars().next_back()) && is_edge(text[at + phrase.len()..].chars().next())
    });
    matches.count()
}

fn banned(text: &str) -> usize {
    BANNED.iter().map(|phrase| count(text, phrase)).sum()
}

/// Returns the sentences of a page without code, the targets of links, and comments.
fn prose(page: &str) -> String {
    let mut text = String::new();
    let mut is_code = false;
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if !is_code {
            let words = line.split('`').step_by(2).collect::<Vec<_>>().join(" ");
            let mut parts = words.split("](");
            text.push_str(parts.next().unwrap_or_default());
            for part in parts {
                text.push_str(part.split_once(')').map_or("", |(_, rest)| rest));
            }
            text.push('\n');
        }
    }
    text
}

/// Every page of documentation, from the root of the repository.
fn pages() -> Vec<String> {
    fn below(folder: &Path, all: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("the folder can be read") {
            let path = entry.expect("the folder can be read").path();
            if path.is_dir() {
                below(&path, all);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                all.push(path);
            }
        }
    }
    let mut all = Vec::new();
    below(&root().join("docs"), &mut all);
    below(&root().join(".github"), &mut all);
    for page in ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"] {
        all.push(root().join(page));
    }
    let shown = |path: PathBuf| path.strip_prefix(root()).expect("it is below the root").display().to_string();
    let mut all: Vec<String> = all.into_iter().map(shown).collect();
    all.sort();
    all
}

/// The two kinds of English in a file of source.
#[derive(Default)]
struct SourceText {
    comments: String,
    /// String literals with at least two words, one per line.
    messages: String,
}

/// Takes comments and string literals out of a file, up to its tests.
fn source_text(file: &str) -> SourceText {
    let code = file.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let mut text = SourceText::default();
    let mut rest = code;
    while let Some(at) = rest.find(['/', '"', '\'', 'r']) {
        let before = rest[..at].chars().next_back();
        let from = &rest[at..];
        let is_raw = (from.starts_with("r\"") || from.starts_with("r#"))
            && !before.is_some_and(|c| c.is_alphanumeric() || c == '_');

        let length = if from.starts_with("//") {
            let line = from.lines().next().unwrap_or_default();
            let _ = writeln!(text.comments, "{}", prose(line.trim_start_matches(['/', '!'])));
            line.len()
        } else if is_raw {
            raw_literal(from, &mut text)
        } else if from.starts_with('"') {
            literal(from, &mut text)
        } else if from.starts_with('\'') {
            character(from)
        } else {
            1
        };
        rest = &from[length..];
    }
    text
}

/// Reads a string literal and returns its length.
fn literal(from: &str, text: &mut SourceText) -> usize {
    let mut is_escaped = true; // the opening quote
    for (at, c) in from.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => {
                keep(&from[1..at], text);
                return at + 1;
            }
            _ => {}
        }
    }
    from.len()
}

/// Reads a raw string literal and returns its length; a raw identifier is one character of it.
fn raw_literal(from: &str, text: &mut SourceText) -> usize {
    let hashes = from[1..].chars().take_while(|c| *c == '#').count();
    let Some(body) = from[1 + hashes..].strip_prefix('"') else { return 1 };
    let end = format!("\"{}", "#".repeat(hashes));
    let Some(length) = body.find(&end) else { return from.len() };
    keep(&body[..length], text);
    1 + hashes + 1 + length + end.len()
}

/// Returns the length of a character literal, or of the tick of a lifetime.
fn character(from: &str) -> usize {
    let mut chars = from.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some(_)) => chars.find(|(_, c)| *c == '\'').map_or(1, |(at, _)| at + 1),
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 1,
    }
}

/// Keeps a literal that is a text. What is in braces is a value.
fn keep(literal: &str, text: &mut SourceText) {
    let words = literal.split_whitespace().filter(|word| word.chars().all(|c| c.is_alphabetic() || ",.:;".contains(c)));
    if words.count() >= 2 {
        let mut depth = 0_usize;
        for c in literal.chars() {
            match c {
                '{' => depth += 1,
                '}' => depth = depth.saturating_sub(1),
                '\\' => {}
                _ if depth == 0 => text.messages.push(c),
                _ => {}
            }
        }
        text.messages.push('\n');
    }
}

/// The English of each room.
fn rooms() -> BTreeMap<String, SourceText> {
    let mut rooms = BTreeMap::<String, SourceText>::new();
    for file in source_files() {
        let found = source_text(&file.text());
        let room = rooms.entry(file.room.unwrap_or_else(|| "lib".into())).or_default();
        room.comments.push_str(&found.comments);
        room.messages.push_str(&found.messages);
    }
    rooms
}

/// The descriptions in all schemas.
fn descriptions() -> String {
    fn below(value: &serde_json::Value, all: &mut String) {
        match value {
            serde_json::Value::Object(fields) => {
                for (key, inner) in fields {
                    match inner.as_str().filter(|_| key == "description") {
                        Some(text) => all.push_str(&prose(text)),
                        None => below(inner, all),
                    }
                }
            }
            serde_json::Value::Array(items) => items.iter().for_each(|item| below(item, all)),
            _ => {}
        }
    }
    let mut all = String::new();
    for entry in fs::read_dir(root().join("schemas")).expect("there are schemas") {
        let text = read(&entry.expect("the folder can be read").path());
        below(&serde_json::from_str(&text).expect("a schema is JSON"), &mut all);
    }
    all
}

fn words(text: &str) -> usize {
    text.split(|c: char| !c.is_alphabetic() && c != '\'').filter(|word| !word.is_empty()).count()
}

/// Returns how often something occurs per 1,000 words.
fn rate(occurrences: usize, text: &str) -> f64 {
    occurrences as f64 * 1000.0 / words(text).max(1) as f64
}

fn documentation() -> String {
    let pages = pages().into_iter().filter(|page| !QUOTING.contains(&&**page));
    pages.map(|page| prose(&read(&root().join(page)))).collect()
}

#[test]
fn documentation_has_no_banned_word() {
    let mut faults = Vec::new();
    for page in pages().iter().filter(|page| !QUOTING.contains(&&***page)) {
        let text = prose(&read(&root().join(page)));
        for line in text.lines().filter(|line| banned(line) > 0) {
            let found: Vec<&&str> = BANNED.iter().filter(|phrase| count(line, phrase) > 0).collect();
            faults.push(format!("{page}: {found:?} in: {}", line.trim()));
        }
    }
    assert!(faults.is_empty(), "docs/style.md says what to write instead:\n{}", faults.join("\n"));

    let text = documentation();
    let rates = [rate(banned(&text), &text), rate(count(&text, "what"), &text), rate(count(&text, "where"), &text)];
    assert!(rates.iter().zip(LIMITS).all(|(rate, limit)| *rate <= limit), "{rates:.1?} exceeds {LIMITS:?}");
    assert!(count(&text, "if") > count(&text, "where"), "conditions begin with `if`");
}

#[test]
fn messages_of_a_room_lose_banned_words_and_gain_none() {
    let path = root().join("tests/layers/banned.txt");
    let found: BTreeMap<String, usize> =
        rooms().into_iter().map(|(room, text)| (room, banned(&text.messages))).filter(|(_, n)| *n > 0).collect();
    if std::env::var_os("UPDATE").is_some() {
        let lines: String = found.iter().map(|(room, n)| format!("{room} {n}\n")).collect();
        fs::write(&path, lines).expect("the list can be written");
    }

    let allowed: BTreeMap<String, usize> = read(&path)
        .lines()
        .map(|line| {
            let (room, n) = line.split_once(' ').expect("a line is a room and a number");
            (room.to_owned(), n.parse().expect("a line is a room and a number"))
        })
        .collect();
    let more: Vec<String> = found
        .iter()
        .map(|(room, n)| (room, n, allowed.get(room).copied().unwrap_or_default()))
        .filter(|(_, n, allowed)| *n > allowed)
        .map(|(room, n, allowed)| format!("{room}: {n} banned words in messages, {allowed} at most"))
        .collect();
    assert!(more.is_empty(), "docs/style.md says what to write instead of {BANNED:?}\n{}", more.join("\n"));
}

#[test]
fn thermometer() {
    let rooms = rooms();
    let all = |part: fn(&SourceText) -> &str| rooms.values().map(part).collect::<String>();
    let kinds = [
        ("comments", all(|text| &text.comments)),
        ("messages", all(|text| &text.messages)),
        ("documentation", documentation()),
        ("schemas", descriptions()),
    ];
    let mut table = format!("{:<14} {:>7} {:>7}", "per 1,000", "words", "banned");
    for word in COUNTED {
        let _ = write!(table, " {word:>7}");
    }
    for (kind, text) in &kinds {
        let _ = write!(table, "\n{kind:<14} {:>7} {:>7.1}", words(text), rate(banned(text), text));
        for word in COUNTED {
            let _ = write!(table, " {:>7.1}", rate(count(text, word), text));
        }
        assert!(words(text) > 1000, "the count finds no {kind}");
    }
    println!("{table}");
}

#[test]
fn the_count_knows_text_from_code() {
    let page = "He told `wishes` [them](wishes.md).\n```sh\nwishes\n```\nToldhim, TOLD\n";
    assert_eq!((banned(page), banned(&prose(page))), (5, 2));

    let text = source_text(
        "//! Nobody `told`.\nconst A: char = '\"'; // told\nfn f<'a>() { g(\"told\", \"it is told \\\" {wishes}\", r#\"two \"words\" told\"#) }\n\
         \n#[cfg(test)]\nmod tests { \"all of this is told\" }\n",
    );
    assert_eq!(text.comments.split_whitespace().collect::<Vec<_>>(), ["Nobody", ".", "told"]);
    assert_eq!(text.messages, "it is told \" \ntwo \"words\" told\n");
}

/// What a comment cites can be opened: documents of this repository exist, and no others are cited by a path.
#[test]
fn comments_cite_documents_that_exist() {
    let mut faults = Vec::new();
    let mut cited = 0;
    for file in source_files() {
        let comments = source_text(&file.text()).comments;
        let words = comments.split(|c: char| c.is_whitespace() || "(),;".contains(c));
        for word in words.map(|word| word.trim_end_matches(['.', ':'])) {
            let is_document = word.ends_with(".md") && !word.contains("://");
            if is_document && !root().join(word).is_file() {
                faults.push(format!("{}: {word} does not exist", file.path.display()));
            }
            cited += usize::from(is_document);
        }
        for unknown in ["wire notes", "DESIGN", "../shared"] {
            if comments.contains(unknown) {
                faults.push(format!("{}: readers cannot open `{unknown}`", file.path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(cited > 5, "the search finds {cited} citations");
}
