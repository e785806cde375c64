//! The schemas: fresh, and of one mind with the reader and with validators that are not ours.

use super::tree::{build, files_below, root};
use crate::support::parts::{self, Part};
use crate::support::wishes::Wishes;
use muster::desired::schema;
use muster::model::{Code, File, Tree};
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

#[test]
fn the_committed_schemas_are_fresh() {
    let folder = root("schemas");
    let all = schema::all();
    if env::var_os("UPDATE").is_some() {
        fs::create_dir_all(&folder).expect("the folder can be made");
        all.iter().for_each(|(name, text)| fs::write(folder.join(name), text).expect("the schema can be written"));
    }
    let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
    assert_eq!(files_below(&folder), names);
    for (name, text) in &all {
        let committed = fs::read_to_string(folder.join(name)).expect("the schema can be read");
        assert!(committed == *text, "schemas/{name} is stale: UPDATE=1 cargo test --test wishes schemas");
    }
}

#[test]
fn schemas_say_nothing_of_null_and_all_of_the_rest() {
    for (name, text) in schema::all() {
        let schema: Value = serde_json::from_str(&text).expect("a schema is JSON");
        assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#", "{name}");
        assert!(!text.contains("null"), "{name} knows null");
        each_table(&schema, &mut |at, table| {
            let closed =
                table["additionalProperties"] == Value::Bool(false) || table["additionalProperties"].is_object();
            assert!(closed, "{name} {at}: a table takes any key");
            for (key, value) in table["properties"].as_object().into_iter().flatten() {
                let told = value["description"].as_str().is_some_and(|text| !text.is_empty());
                assert!(told, "{name} {at}: nothing is said of `{key}`");
            }
        });
    }
}

fn each_table(schema: &Value, visit: &mut dyn FnMut(&str, &Value)) {
    let mut open = vec![(String::new(), schema)];
    while let Some((at, value)) = open.pop() {
        if value.get("properties").is_some_and(Value::is_object) && value.get("type").is_some() {
            visit(&at, value);
        }
        match value {
            Value::Object(entries) => open.extend(entries.iter().map(|(key, inner)| (format!("{at}/{key}"), inner))),
            Value::Array(items) => open.extend(items.iter().map(|inner| (format!("{at}/-"), inner))),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

/// Returns the schema that a file of the wishes is judged by.
fn schema_of(path: &str) -> &'static str {
    match path.split_once('/') {
        None => "cluster.schema.json",
        Some(("nodes", _)) => "nodes.schema.json",
        Some(("groups", _)) => "group.schema.json",
        Some(("boot", _)) => "boot.schema.json",
        Some(("networks", _)) => "network.schema.json",
        Some(_) => panic!("{path} has no schema"),
    }
}

fn faults(path: &str, text: &str) -> Vec<String> {
    let name = schema_of(path);
    let (_, schema) = schema::all().into_iter().find(|(known, _)| *known == name).expect("the schema is there");
    let schema: Value = serde_json::from_str(&schema).expect("a schema is JSON");
    let validator = jsonschema::draft7::new(&schema).expect("a schema is a schema");
    let value: toml::Value = toml::from_str(text).expect("a sample is TOML");
    let value = serde_json::to_value(value).expect("our samples have no dates");
    validator.iter_errors(&value).map(|error| format!("{path}: {}: {error}", error.instance_path())).collect()
}

fn example_files() -> Vec<(String, String)> {
    let folder = root("cluster-example");
    let mut all = files_below(&folder);
    all.retain(|path| path.ends_with(".toml"));
    all.into_iter()
        .map(|path| (fs::read_to_string(folder.join(&path)).expect("the file can be read"), path))
        .map(|(text, path)| (path, text))
        .collect()
}

#[test]
fn the_example_is_valid_and_names_its_schemas() {
    for (path, text) in example_files() {
        assert_eq!(faults(&path, &text), [""; 0]);
        let first = text.lines().next().unwrap_or_default();
        let named = first.strip_prefix("#:schema ").unwrap_or_else(|| panic!("{path} does not begin with #:schema"));
        let depth = path.matches('/').count();
        let up = if depth == 0 { String::new() } else { "../".repeat(depth) };
        assert_eq!(named, format!("{up}schemas/{}", schema_of(&path)), "{path}");
    }
}

/// Files with one mistake each that a schema can see, and what the reader calls it.
const BAD: [(&str, &str, Code); 22] = [
    ("cluster.toml", "name = \"a\"\nnmae = \"b\"\n", Code::UnknownKey),
    ("cluster.toml", "layers = []\n", Code::MissingKey),
    ("cluster.toml", "name = 7\n", Code::WrongType),
    ("cluster.toml", "name = \"a\"\nretry_delay = 0\n", Code::BadValue),
    ("cluster.toml", "name = \"a\"\n[defaults]\nparams = \"quiet\"\n", Code::WrongType),
    ("cluster.toml", "name = \"a\"\n[defaults.bmc]\ntls = \"maybe\"\n", Code::BadValue),
    ("cluster.toml", "name = \"a\"\n[unknown]\naction = \"ignore\"\n", Code::BadValue),
    ("nodes/a.toml", "[[node]]\nxname = \"x1000c0s0b0n0\"\n", Code::MissingKey),
    ("nodes/a.toml", "[[node]]\nname = \"n1\"\ncolour = \"red\"\n", Code::UnknownKey),
    ("nodes/a.toml", "[[node]]\nname = \"n1\"\nstate = \"tired\"\n", Code::BadValue),
    ("nodes/a.toml", "[[node]]\nname = \"n1\"\nnid = true\n", Code::WrongType),
    ("nodes/a.toml", "[[node]]\nname = \"n1\"\nbmc = { url = \"https://b\", colour = 1 }\n", Code::UnknownKey),
    ("nodes/a.toml", "[[node]]\nname = \"n1\"\nnics = [{ network = \"node\" }]\n", Code::MissingKey),
    ("nodes/a.toml", "[[node]]\nname = \"n1\"\nnics = [{ name = \"eth0\", ip = 7 }]\n", Code::WrongType),
    ("nodes/a.toml", "[node]\nname = \"n1\"\n", Code::WrongType),
    ("nodes/a.toml", "[[bmc]]\nname = \"b1\"\nurl = \"https://b\"\nkind = \"toaster\"\n", Code::BadValue),
    ("groups/late.toml", "nodes = [\"n1\"]\n", Code::WrongType),
    ("groups/late.toml", "expect = { memory = 7 }\n", Code::UnknownKey),
    ("boot/rocky9.toml", "kernel = \"http://a/b\"\n", Code::MissingKey),
    ("boot/rocky9.toml", "kind = \"love\"\n", Code::BadValue),
    ("networks/node.toml", "gateway = \"10.0.0.1\"\n", Code::MissingKey),
    ("networks/node.toml", "cidr = \"10.0.0.0/24\"\nvlan = 4095\n", Code::BadValue),
];

/// Files without a mistake that a schema could see.
const GOOD: [(&str, &str); 8] = [
    (
        "cluster.toml",
        "name = \"a\"\nlayers = []\n[defaults]\nvars = { a = 1, b = [1, \"c\"], d = { e = 1.5, f = true } }\n",
    ),
    ("cluster.toml", "name = \"a\"\n[unknown]\naction = \"retry\"\n"),
    ("nodes/a.toml", ""),
    ("nodes/a.toml", "[[node]]\nname = \"n[1-2]\"\nnid = \"[1-2]\"\n[[node]]\nname = \"n3\"\nnid = 3\nbmc = \"b1\"\n"),
    (
        "nodes/a.toml",
        "[[node]]\nname = \"n1\"\nbmc = { url = \"https://b\" }\nnics = [{ name = \"eth0\", ip = [\"10.0.0.1\"] }]\n",
    ),
    ("groups/late.toml", "nodes = \"n1\"\nunset = [\"vars.a\"]\nmacs = \"from-bmc\"\n"),
    ("boot/rocky9.toml", "kind = \"live\"\ninitrd = \"http://a/b\"\n[arch.aarch64]\ninitrd = [\"http://a/c\"]\n"),
    ("networks/node.toml", "cidr = [\"10.0.0.0/24\", \"fd00::/64\"]\ndns = \"10.0.0.1\"\nvlan = 4094\n"),
];

/// What the reader alone, without the other files, says of a file: the codes that a schema knows too.
fn told(path: &str, text: &str) -> Vec<Code> {
    let mut tree = Tree::default();
    tree.insert("cluster.toml", File::Bytes(b"name = \"a\"\n"[..].into()));
    tree.insert(path, File::Bytes(text.as_bytes().into()));
    let shape = [Code::UnknownKey, Code::MissingKey, Code::WrongType, Code::BadValue];
    let (_, findings) = build(&tree);
    findings
        .iter()
        .filter(|finding| *finding.place.file == *path)
        .map(|finding| finding.code)
        .filter(|code| shape.contains(code))
        .collect()
}

#[test]
fn reader_and_schema_are_of_one_mind() {
    for (path, text, code) in BAD {
        assert!(!faults(path, text).is_empty(), "the schema takes {path}:\n{text}");
        assert_eq!(told(path, text), [code], "the reader on {path}:\n{text}");
    }
    for (path, text) in GOOD {
        assert_eq!(faults(path, text), [""; 0], "{text}");
        let told = told(path, text);
        // A live boot configuration needs a kernel for some architecture, which the schema leaves to the reader.
        let beyond = path.starts_with("boot/") && told == [Code::MissingKey];
        assert!(told.is_empty() || beyond, "the reader on {path}: {told:?}\n{text}");
    }
}

#[test]
fn check_jsonschema_agrees() {
    let Some(program) = parts::require("schemas::check_jsonschema_agrees", Part::CheckJsonschema) else { return };
    judge(&|schema, file| {
        let mut command = Command::new(&program);
        command.arg("--schemafile").arg(schema).arg(file);
        command
    });
}

#[test]
fn taplo_agrees() {
    let Some(program) = parts::require("schemas::taplo_agrees", Part::Taplo) else { return };
    judge(&|schema, file| {
        let mut command = Command::new(&program);
        command.arg("lint").arg("--schema").arg(format!("file://{}", schema.display())).arg(file);
        command
    });
}

/// Lets another program judge the example's files together, and some of the samples each.
fn judge(command: &dyn Fn(&Path, &Path) -> Command) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let verdict = |path: &str, text: &str| {
        let file = folder.path().join("sample.toml");
        fs::write(&file, text).expect("the sample can be written");
        let schema = root("schemas").join(schema_of(path));
        let output = command(&schema, &file).current_dir(folder.path()).output().expect("the validator starts");
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&said).into_owned())
    };
    let mut seen = std::collections::BTreeSet::new();
    for (path, text) in example_files() {
        // One of each kind is enough for a program that takes its second to start; the rest is the crate's.
        if seen.insert(schema_of(&path)) || path.contains("x3000") {
            let (code, said) = verdict(&path, &text);
            assert_eq!(code, Some(0), "{path}: {said}");
        }
    }
    for (path, text, _) in BAD.into_iter().step_by(4) {
        let (code, said) = verdict(path, text);
        assert_eq!(code, Some(1), "{path} is taken:\n{text}\n{said}");
    }
}

#[test]
fn every_schema_line_resolves_in_a_clone() {
    let wishes = Wishes::copy_of(&root("cluster-example"));
    for (name, text) in schema::all() {
        wishes.write(&format!("schemas/{name}"), text);
    }
    wishes.publish("schemas");
    let clone = wishes.root().join("another");
    wishes.git_in(wishes.root(), &["clone", "-q", "wishes.git", "another"]);
    let mut lines = 0;
    for path in files_below(&clone).iter().filter(|path| path.ends_with(".toml")) {
        let text = fs::read_to_string(clone.join(path)).expect("the file can be read");
        let named = text.lines().next().and_then(|line| line.strip_prefix("#:schema ")).expect("a schema line");
        let folder = clone.join(path).parent().expect("a file stands in a folder").to_owned();
        let found = folder.join(named).canonicalize().unwrap_or_else(|error| panic!("{path}: {named}: {error}"));
        assert_eq!(found, clone.join("schemas").join(schema_of(path)).canonicalize().expect("the schema is there"));
        lines += 1;
    }
    assert_eq!(lines, example_files().len());
}
