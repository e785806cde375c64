use proptest::prelude::*;

use super::*;

/// Texts that act on a terminal, a log, a CI system or a spreadsheet.
const HOSTILE: [&str; 14] = [
    "\u{1b}]0;title\u{7}",
    "\u{1b}[2J",
    "a\r\nb",
    "::add-mask::x",
    "  ::error::x",
    "x ##[stop-commands]y",
    "##vso[task.setvariable variable=a]b",
    "\u{202e}abc",
    "\u{200b}\u{feff}\u{2060}",
    "\u{2028}\u{2029}\u{85}",
    "\u{9b}31m",
    "\u{7f}\u{0}",
    "\u{fdd0}\u{e000}",
    "###[group]",
];

fn acts_nowhere(line: &str) -> bool {
    let is_command = line.trim_start().starts_with("::") || line.contains("##[") || line.contains("##vso[");
    line.chars().all(is_plain) && !is_command
}

#[test]
fn a_line_keeps_what_shows_itself() {
    for text in ["", "plain", "naïve Ωmega 漢字 …", "fe80::1", "a ## b", "# [x]", "it's \"quoted\" \\ here", "[::1]:80"]
    {
        assert_eq!(line(text), text);
    }
}

#[test]
fn what_acts_is_escaped() {
    assert_eq!(line("a\u{1b}[31m\r\n\tb"), "a\\u{1b}[31m\\r\\n\\tb");
    assert_eq!(line(" ::add-mask::x"), " \\u{3a}:add-mask::x");
    assert_eq!(line("x ##[group]"), "x \\u{23}#[group]");
    assert_eq!(line("###vso[a]"), "#\\u{23}#vso[a]");
    assert_eq!(shown("a\nb"), "\"a\\nb\"");
    assert_eq!(subject(&format!(" a\nb{}", "c".repeat(300))).chars().count(), 200);
    for text in HOSTILE {
        assert!(acts_nowhere(&line(text)), "{text:?}");
    }
}

#[test]
fn documents_keep_their_lines_and_commands_their_beginning() {
    assert_eq!(SafeText::document("a\n\tb\u{7}\n"), "a\n\tb\\u{7}\n");
    assert_eq!(SafeText::document("a\r\n::b::"), "a\\r\n\\u{3a}:b::");
    assert_eq!(SafeText::commands("::error title=a::b ##[c]\nx\u{7}\n"), "::error title=a::b \\u{23}#[c]\nx\\u{7}\n");
}

#[test]
fn cells_that_begin_as_formulas_do_are_known() {
    assert!(["=1", "+1", "-1", "@a", "\t=1"].iter().all(|cell| is_formula(cell)));
    assert!(!["", "a=1", "02:00:00:00:00:01"].iter().any(|cell| is_formula(cell)));
}

fn hostile() -> impl Strategy<Value = String> {
    let part = prop_oneof![proptest::sample::select(&HOSTILE[..]).prop_map(str::to_owned), any::<String>(), ".*"];
    proptest::collection::vec(part, 0..6).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn no_line_acts(text in hostile()) {
        prop_assert!(acts_nowhere(&line(&text)), "{:?}", line(&text));
        prop_assert!(acts_nowhere(&subject(&text)));
        prop_assert!(shown(&text).chars().all(is_plain));
        let once = line(&text);
        prop_assert_eq!(line(&once), once.clone());
    }

    #[test]
    fn json_and_toml_keep_the_value(text in hostile()) {
        let json = SafeText::json(&text).unwrap();
        prop_assert!(json.lines().all(acts_nowhere), "{}", json);
        prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text.clone());

        let toml = format!("a = {}", toml_string(&text));
        prop_assert!(acts_nowhere(&toml), "{}", toml);
        let table: toml::Table = toml.parse().unwrap();
        prop_assert_eq!(table["a"].as_str(), Some(&*text));
    }
}
