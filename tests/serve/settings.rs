//! Every setting is a key of the settings file, a flag and a variable, and says the same by each; a flag wins over a variable,
//! and that over the file.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::*;

/// Two values for every setting: as the file has them, and as a flag or a variable does.
const VALUES: &[(&str, [(&str, &str); 2])] = &[
    ("repo", [("\"/srv/a\"", "/srv/a"), ("\"/srv/b\"", "/srv/b")]),
    ("branch", [("\"a\"", "a"), ("\"b\"", "b")]),
    ("tag", [("\"a\"", "a"), ("\"b\"", "b")]),
    ("path", [("\"a\"", "a"), ("\"b/c\"", "b/c")]),
    ("store", [("\"/a.redb\"", "/a.redb"), ("\"/b.redb\"", "/b.redb")]),
    ("api", [("\"127.0.0.1:1\"", "127.0.0.1:1"), ("\"unix:/b\"", "unix:/b")]),
    ("listen", [("\"127.0.0.1:1\"", "127.0.0.1:1"), ("\"[::1]:2\"", "[::1]:2")]),
    ("advertise", [("\"http://a:1\"", "http://a:1"), ("\"http://b\"", "http://b")]),
    ("connections", [("1", "1"), ("20000", "20000")]),
    ("trusted_proxies", [("[\"10.0.0.0/8\"]", "10.0.0.0/8"), ("[\"::1/128\", \"10.0.0.0/8\"]", "::1/128,10.0.0.0/8")]),
    ("metrics", [("\"127.0.0.1:1\"", "127.0.0.1:1"), ("\"0.0.0.0:9\"", "0.0.0.0:9")]),
    ("webhook_secret_file", [("\"/a\"", "/a"), ("\"/b\"", "/b")]),
    ("require_signed", [("\"/a\"", "/a"), ("\"/b\"", "/b")]),
    ("revoked_signers", [("\"/a\"", "/a"), ("\"/b\"", "/b")]),
    ("gpg_keyring", [("\"/a\"", "/a"), ("\"/b\"", "/b")]),
    ("boot_only", [("true", "true"), ("false", "false")]),
    ("log", [("\"debug\"", "debug"), ("\"warn\"", "warn")]),
    (
        "credentials",
        [
            ("{ rack = { only = [\"10.1.0.0/16\"] } }", "{ rack = { only = [\"10.1.0.0/16\"] } }"),
            ("{ rack = { tls = \"verify\" }, x = {} }", "{ rack = { tls = \"verify\" }, x = {} }"),
        ],
    ),
    ("fetch.interval", [("\"10s\"", "10s"), ("\"1m\"", "1m")]),
    ("fetch.timeout", [("\"10s\"", "10s"), ("\"1m\"", "1m")]),
    ("fetch.max_mib", [("1", "1"), ("4096", "4096")]),
    ("build.timeout", [("\"10s\"", "10s"), ("\"1m\"", "1m")]),
    ("build.max_mib", [("64", "64"), ("8192", "8192")]),
    ("bmc.ca", [("[\"/a.pem\"]", "/a.pem"), ("[\"/b.pem\", \"/c.pem\"]", "/b.pem,/c.pem")]),
    ("bmc.credentials_file", [("\"/a\"", "/a"), ("\"/b\"", "/b")]),
    ("bmc.credentials_command", [("[\"ask\"]", "ask"), ("[\"/bin/ask\", \"-x\"]", "/bin/ask -x")]),
    (
        "bmc.rewrite",
        [
            ("{ \"https://a\" = \"https://b\" }", "https://a=https://b"),
            (
                "{ \"https://c\" = \"https://d\", \"https://e\" = \"http://f:1\" }",
                "https://c=https://d,https://e=http://f:1",
            ),
        ],
    ),
    ("bmc.only", [("[\"10.1.0.0/16\"]", "10.1.0.0/16"), ("[\"::1\", \"https://a\"]", "::1,https://a")]),
    ("bmc.plain", [("[\"http://a\"]", "http://a"), ("[\"10.0.0.1\", \"http://b\"]", "10.0.0.1,http://b")]),
    ("bmc.requests", [("1", "1"), ("200", "200")]),
    ("bmc.requests_per_bmc", [("1", "1"), ("2", "2")]),
    ("bmc.connect_timeout", [("\"1s\"", "1s"), ("\"2s\"", "2s")]),
    ("bmc.timeout", [("\"1s\"", "1s"), ("\"2s\"", "2s")]),
    ("bmc.login", [("\"basic\"", "basic"), ("\"session\"", "session")]),
    ("survey.sweep", [("\"10s\"", "10s"), ("\"off\"", "off")]),
    ("survey.deep", [("\"1h\"", "1h"), ("\"off\"", "off")]),
    ("survey.jitter", [("0.5", "0.5"), ("1.0", "1.0")]),
    ("survey.surveys", [("1", "1"), ("200", "200")]),
];

/// What one run of `muster settings` is told.
#[derive(Default)]
struct Told<'a> {
    file: Option<&'a str>,
    variable: Option<&'a str>,
    flag: Option<&'a str>,
}

/// Returns what `muster settings` says of one setting.
fn said(dir: &Path, key: &str, told: &Told<'_>) -> Value {
    let mut command = muster::command(dir);
    command.args(["settings", "--format", "json"]);
    if let Some(value) = told.file {
        let (table, name) = key.split_once('.').unwrap_or(("", key));
        let head = if table.is_empty() { String::new() } else { format!("[{table}]\n") };
        fs::write(dir.join("muster.toml"), format!("{head}{name} = {value}\n")).expect("it can be written");
        command.args(["--config", "muster.toml"]);
    }
    if let Some(value) = told.variable {
        command.env(format!("MUSTER_{}", key.replace('.', "_").to_uppercase()), value);
    }
    if let Some(value) = told.flag {
        command.arg(format!("--{}", key.replace(['.', '_'], "-"))).arg(value);
    }
    // A repository is always needed.
    if key != "repo" {
        command.args(["--repo", "x"]);
    }
    if key == "listen" || key == "metrics" {
        command.args(["--advertise", "http://x"]);
    }
    // Who may sign besides, and who no longer may, is asked where a signature is required.
    if key == "gpg_keyring" || key == "revoked_signers" {
        command.args(["--require-signed", "x"]);
    }
    let output = command.output().expect("muster starts");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{key}: {errors}");
    let all: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    all.pointer(&format!("/{}", key.replace('.', "/"))).unwrap_or_else(|| panic!("{key} is shown")).clone()
}

/// Returns every key of the settings' schema, with its table before it.
fn keys(dir: &Path) -> Vec<String> {
    let output = muster::run(dir, &["schema", "settings"]);
    let schema: Value = serde_json::from_slice(&output.stdout).expect("the schema is JSON");
    let mut keys = Vec::new();
    for (key, of) in schema["properties"].as_object().expect("settings are a table") {
        let name = of.pointer("/allOf/0/$ref").or(of.get("$ref")).and_then(Value::as_str);
        let table = name.and_then(|name| schema.pointer(name.trim_start_matches('#'))?.get("properties")?.as_object());
        match table {
            Some(inner) => keys.extend(inner.keys().map(|inner| format!("{key}.{inner}"))),
            None => keys.push(key.clone()),
        }
    }
    keys.sort_unstable();
    keys
}

#[test]
fn every_setting_is_a_key_a_flag_and_a_variable() {
    let dir = tempfile::tempdir().expect("a folder");
    let values: BTreeMap<&str, _> = VALUES.iter().copied().collect();
    assert_eq!(keys(dir.path()), values.keys().map(ToString::to_string).collect::<Vec<_>>(), "a setting has no test");
    for (key, [(in_file, text), (other_in_file, other)]) in values {
        let by = |told: Told<'_>| said(dir.path(), key, &told);
        let by_file = by(Told { file: Some(in_file), ..Told::default() });
        assert_ne!(by_file, Value::Null, "{key}");
        assert_eq!(by(Told { variable: Some(text), ..Told::default() }), by_file, "{key} as a variable");
        assert_eq!(by(Told { flag: Some(text), ..Told::default() }), by_file, "{key} as a flag");
        let by_other = by(Told { file: Some(other_in_file), ..Told::default() });
        assert_ne!(by_file, by_other, "{key}");
        let over_file = Told { file: Some(other_in_file), variable: Some(text), flag: None };
        assert_eq!(by(over_file), by_file, "{key}: a variable wins over the file");
        let over_variable = Told { file: Some(other_in_file), variable: Some(other), flag: Some(text) };
        assert_eq!(by(over_variable), by_file, "{key}: a flag wins over a variable");
        let empty = Told { file: Some(in_file), variable: Some(""), flag: None };
        assert_eq!(by(empty), by_file, "{key}: an empty variable says nothing");
    }
}

#[test]
fn settings_that_are_shown_are_a_settings_file() {
    let dir = tempfile::tempdir().expect("a folder");
    let flags = ["--repo", "/srv/w", "--bmc-rewrite", "https://a=https://b", "--survey-sweep", "off", "--boot-only"];
    let all = [&["settings"][..], &flags[..]].concat();
    let text = muster::run(dir.path(), &all).stdout;
    fs::write(dir.path().join("muster.toml"), &text).expect("it can be written");
    let again = muster::run(dir.path(), &["settings", "--config", "muster.toml"]).stdout;
    assert_eq!(String::from_utf8_lossy(&again), String::from_utf8_lossy(&text));
    assert_eq!(String::from_utf8_lossy(&text).lines().filter(|line| line.contains('=')).count(), 4, "{text:?}");
}

#[test]
fn a_branch_and_a_tag_are_one_wish() {
    let dir = tempfile::tempdir().expect("a folder");
    fs::write(dir.path().join("muster.toml"), "repo = \"/srv/w\"\nbranch = \"main\"\n").expect("it can be written");
    let run = |more: &[&str]| muster::run(dir.path(), &[&["settings", "--config", "muster.toml"], more].concat());
    let output = run(&["--tag", "prod"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains("tag = \"prod\"") && !text.contains("branch"), "{text}");
    let output = run(&["--tag", "prod", "--branch", "main"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && text.contains("a branch and a tag"), "{text}");
}
