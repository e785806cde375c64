//! `muster check` for programs: its JSON against the published schema, its annotations read as GitHub's runner reads them.

use super::support::muster;
use super::support::wishes::Wishes;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// One annotation: kind, properties, message.
type Annotation = (String, BTreeMap<String, String>, String);

/// Reads a line as GitHub's runner does (ActionCommand.cs): `::name key=value,key=value::data`, then the escapes.
fn parse(line: &str) -> Annotation {
    let rest = line.strip_prefix("::").unwrap_or_else(|| panic!("no command: {line}"));
    let end = rest.find("::").unwrap_or_else(|| panic!("no end: {line}"));
    let (head, data) = (&rest[..end], &rest[end + 2..]);
    let (name, properties) = head.split_once(' ').unwrap_or((head, ""));
    let data_of = |text: &str| text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%");
    let value_of = |text: &str| {
        let text = text.replace("%0D", "\r").replace("%0A", "\n");
        text.replace("%3A", ":").replace("%2C", ",").replace("%25", "%")
    };
    let split = |pair: &str| pair.split_once('=').map(|(key, value)| (key.to_owned(), value_of(value)));
    (name.to_owned(), properties.split(',').filter_map(split).collect(), data_of(data))
}

fn annotations(dir: &Path, more: &[&str]) -> (Option<i32>, Vec<Annotation>) {
    let output = muster::run(dir, &[&["check", "--format", "github"], more].concat());
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("it is UTF-8");
    (output.status.code(), text.lines().map(parse).collect())
}

const CLUSTER: (&str, &str) = ("cluster.toml", "name = \"small\"\n");

fn cluster(files: &[(&str, &str)]) -> Wishes {
    Wishes::of(&[&[CLUSTER], files].concat())
}

#[test]
fn an_error_is_an_annotation_on_its_line_from_the_root_of_the_repository() {
    let wishes = Wishes::of(&[
        ("sites/a,b:c/cluster.toml", "name = \"small\"\nlayers = [\"late\"]\n"),
        ("sites/a,b:c/groups/late.toml", "# 100 %\nparms = [\"late=1\"]\n"),
        ("sites/a,b:c/boot/spare.toml", "kind = \"local\"\n"),
    ]);
    let clone = wishes.clone_dir();
    let inside = clone.join("sites/a,b:c");
    let (from_root, from_inside) = (annotations(&clone, &["--path", "sites/a,b:c"]), annotations(&inside, &[]));
    assert_eq!(from_root, from_inside);
    assert_eq!(from_root, annotations(&clone, &["--path", "sites/a,b:c", "--rev", "main"]));
    let (code, all) = from_root;
    assert_eq!(code, Some(1));
    let (kind, properties, message) = &all[0];
    assert_eq!(kind, "error", "{all:?}");
    let properties: Vec<(&str, &str)> = properties.iter().map(|(key, value)| (&**key, &**value)).collect();
    let file = ("file", "sites/a,b:c/groups/late.toml");
    assert_eq!(properties, [("col", "1"), file, ("line", "2"), ("title", "unknown-key")]);
    assert_eq!(message, "there is no key `parms` here\nhelp: did you mean `params`?");
    let (kind, properties, message) = all.last().expect("there is a last line");
    assert_eq!((&**kind, &*properties["title"]), ("notice", "muster check"));
    let errors = all.iter().filter(|(kind, ..)| kind == "error").count();
    assert!(message.starts_with(&format!("{errors} error")), "{message}");
}

#[test]
fn no_more_than_github_shows_errors_first_and_the_rest_is_counted() {
    let spare: Vec<(String, &str)> = (10..35).map(|n| (format!("boot/a{n}.toml"), "kind = \"local\"\n")).collect();
    let late: Vec<(String, &str)> = (10..24).map(|n| (format!("groups/z{n}.toml"), "x\n")).collect();
    let files: Vec<(&str, &str)> = spare.iter().chain(&late).map(|(path, text)| (&**path, *text)).collect();
    let wishes = cluster(&files);
    let json = muster::run(&wishes.clone_dir(), &["check", "--format", "json"]);
    let json: Vec<serde_json::Value> = serde_json::from_slice(&json.stdout).expect("it is a list");
    let severe = |word: &str| json.iter().filter(|finding| finding["severity"] == word).count();
    let (errors, warnings) = (severe("error"), severe("warning"));
    assert!(errors > 10, "{json:#?}");
    let (code, all) = annotations(&wishes.clone_dir(), &[]);
    assert_eq!(code, Some(1));
    let kinds: Vec<&str> = all.iter().map(|(kind, ..)| &**kind).collect();
    let shown = 10 + warnings.min(10);
    let wanted = [vec!["error"; 10], vec!["warning"; warnings.min(10)], vec!["notice"]].concat();
    assert_eq!(kinds, wanted);
    let last = &all.last().expect("there is a last line").2;
    assert!(last.ends_with(&format!("; {} not shown, for GitHub shows 10 of a kind", json.len() - shown)), "{last}");
}

#[test]
fn where_nothing_is_wrong_the_nodes_are_counted() {
    let wishes = cluster(&[("nodes/a.toml", "[[node]]\nname = \"n[1-3]\"\nstate = \"retired\"\n")]);
    let (code, all) = annotations(&wishes.clone_dir(), &[]);
    let last = ("notice".to_owned(), BTreeMap::from([("title".to_owned(), "muster check".to_owned())]));
    assert_eq!((code, all), (Some(0), vec![(last.0, last.1, "3 nodes; 0 errors, 0 warnings".to_owned())]));
}

#[test]
fn json_is_what_the_published_schema_says_of_every_kind_of_finding() {
    let schema = super::text("schemas/findings.schema.json");
    let schema: serde_json::Value = serde_json::from_str(&schema).expect("a schema is JSON");
    let validator = jsonschema::draft7::new(&schema).expect("a schema is a schema");
    for files in [
        &[("nodes/a.toml", "[[node]]\nname = \"n[1-3]\"\nstate = \"retired\"\n")][..],
        &[("boot/spare.toml", "kind = \"local\"\n"), ("node/a.toml", "")],
        &[("groups/late.toml", "parms = 1\n"), ("nodes/a.toml", "[[node]]\nname = \"n[1-\"\n"), ("x/y.toml", "[")],
    ] {
        let wishes = cluster(files);
        let output = muster::run(&wishes.clone_dir(), &["check", "--format", "json"]);
        let findings = serde_json::from_slice(&output.stdout).expect("it is JSON");
        let faults: Vec<String> = validator.iter_errors(&findings).map(|error| error.to_string()).collect();
        assert!(faults.is_empty(), "{faults:?} in {findings:#}");
        assert_eq!(findings == serde_json::json!([]), files[0].0 == "nodes/a.toml" && files.len() == 1, "{findings:#}");
    }
    assert!(!validator.is_valid(&serde_json::json!([{ "code": 1 }])), "the schema takes anything");
}

#[test]
fn wishes_that_cannot_be_read_are_trouble_in_every_format() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    fs::write(folder.path().join("file"), "").expect("the file can be written");
    for format in ["text", "json", "github"] {
        let output = muster::run(folder.path(), &["check", "nowhere", "--format", format]);
        assert_eq!(output.status.code(), Some(2), "{format}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{format}");
    }
}
