//! The annotated settings file: it can be used as it is shipped, and names every setting with its flag and its variable.

use super::support::muster;
use super::text;
use std::collections::BTreeSet;
use std::fs;

const FILE: &str = "packaging/muster.toml";

/// Returns the keys of every setting, those of tables with a point.
fn keys() -> BTreeSet<String> {
    let schema: serde_json::Value = serde_json::from_str(&text("schemas/settings.schema.json")).expect("it is JSON");
    let mut keys = BTreeSet::new();
    for (key, about) in schema["properties"].as_object().expect("a schema has keys") {
        let table = about.to_string();
        let table = table.split("#/definitions/").nth(1).and_then(|rest| rest.split('"').next());
        match table.and_then(|table| schema["definitions"][table]["properties"].as_object()) {
            Some(inner) => keys.extend(inner.keys().map(|name| format!("{key}.{name}"))),
            None => drop(keys.insert(key.clone())),
        }
    }
    keys
}

/// Takes the mark of a comment away from every line that is a setting.
fn uncommented() -> String {
    let is_key = |text: &str| {
        text.split_once(" = ").is_some_and(|(key, _)| key.chars().all(|c| c == '_' || c.is_ascii_lowercase()))
    };
    let line = |line: &str| match line.strip_prefix('#').filter(|rest| is_key(rest)) {
        Some(setting) => format!("{setting}\n"),
        None => format!("{line}\n"),
    };
    text(FILE).lines().map(line).collect()
}

/// What `muster settings` makes of a file.
fn taken(text: &str) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    fs::write(folder.path().join("muster.toml"), text).expect("it can be written");
    let output = muster::run(folder.path(), &["settings", "--config", "muster.toml"]);
    let text = |bytes| String::from_utf8(bytes).expect("it is UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn it_can_be_used_as_it_is_once_a_repository_is_named() {
    let (code, _, said) = taken(&text(FILE));
    assert_eq!(code, Some(2));
    assert!(said.contains("repository"), "{said}");
    let (code, printed, said) = taken(&text(FILE).replace("#repo =", "repo ="));
    assert_eq!((code, &*said), (Some(0), ""), "{printed}");
    let lines: Vec<&str> = printed.lines().collect();
    let store = "store = \"/var/lib/muster/muster.redb\"";
    assert_eq!(lines, ["repo = \"/srv/cluster.git\"", store, "api = \"unix:/run/muster/muster.sock\""]);
}

#[test]
fn every_line_of_it_can_be_used_and_every_setting_is_there() {
    let all = uncommented();
    // A branch and a tag are one too many.
    let (branch, tag) = ("branch = \"main\"\n", "tag = \"production\"\n");
    assert!(all.contains(branch) && all.contains(tag), "{all}");
    for left_out in [branch, tag] {
        let (code, printed, said) = taken(&all.replace(left_out, ""));
        assert_eq!((code, &*said), (Some(0), ""), "{printed}");
    }
    let table: toml::Table = all.parse().expect("it is TOML");
    let named = table.iter().flat_map(|(key, value)| match value.as_table() {
        // The keys of this one are names of the site's.
        Some(_) if key == "credentials" => vec![key.clone()],
        Some(inner) => inner.keys().map(|name| format!("{key}.{name}")).collect(),
        None => vec![key.clone()],
    });
    assert_eq!(named.collect::<BTreeSet<_>>(), keys());
}

#[test]
fn beside_each_setting_stand_its_flag_and_its_variable() {
    let help = muster::run(std::path::Path::new("."), &["serve", "--help"]);
    let help = String::from_utf8(help.stdout).expect("it is UTF-8");
    let (file, mut comment, mut seen) = (text(FILE), String::new(), 0);
    let mut table = String::new();
    for line in file.lines() {
        if let Some(rest) = line.strip_prefix("# ") {
            comment.push_str(rest);
            comment.push(' ');
            continue;
        }
        if let Some(name) = line.strip_prefix('[') {
            table = format!("{}-", name.trim_end_matches(']'));
        } else if let Some((key, _)) = line.trim_start_matches('#').split_once(" = ") {
            let flag = format!("--{table}{key}").replace('_', "-");
            let variable = format!("MUSTER_{}", flag[2..].replace('-', "_").to_uppercase());
            for word in [&flag, &variable] {
                let stands = |text: &str| {
                    text.split(|c: char| !c.is_ascii_alphanumeric() && !"-_".contains(c)).any(|w| w == word)
                };
                assert!(stands(&comment), "{word} does not stand at {key}: {comment}");
                assert!(stands(&help), "{word} is nothing that muster serve has");
            }
            seen += 1;
        }
        comment.clear();
    }
    assert_eq!(seen, keys().len());
}

#[test]
fn its_manual_page_has_every_key() {
    let page = muster::run(std::path::Path::new("."), &["man", "toml"]);
    let page = String::from_utf8(page.stdout).expect("it is UTF-8").replace("\\-", "-");
    for key in keys() {
        assert!(page.contains(&format!("\\fB{key}\\fR")), "{key} is not in {page}");
    }
}
