//! The schemas: fresh, and of one mind with the reader and with validators that are not ours.

use super::tree::{build, files_below, root};
use crate::support::parts::{self, Part};
use crate::support::wishes::Wishes;
use jsonschema::Validator;
use muster::desired::schema;
use muster::model::{Code, File, Tree};
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::LazyLock;
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
    let mut committed = files_below(&folder);
    // Of what muster prints; tests/reports, tests/review and tests/serve judge them.
    let printed = ["boots", "diff", "drift", "event", "findings", "log", "observed", "settings"]
        .map(|name| format!("{name}.schema.json"));
    committed.retain(|name| !printed.contains(name));
    assert_eq!(committed, names);
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
        None if path == "policy.toml" => "policy.schema.json",
        None => "cluster.schema.json",
        Some(("exceptions", _)) => "exceptions.schema.json",
        Some(("nodes", _)) => "nodes.schema.json",
        Some(("groups", _)) => "group.schema.json",
        Some(("boot", _)) => "boot.schema.json",
        Some(("networks", _)) => "network.schema.json",
        Some(_) => panic!("{path} has no schema"),
    }
}

fn faults(path: &str, text: &str) -> Vec<String> {
    static VALIDATORS: LazyLock<BTreeMap<&str, Validator>> = LazyLock::new(|| {
        let all = schema::all().into_iter().map(|(name, text)| {
            let schema: Value = serde_json::from_str(&text).expect("a schema is JSON");
            (name, jsonschema::draft7::new(&schema).expect("a schema is a schema"))
        });
        all.collect()
    });
    let validator = &VALIDATORS[schema_of(path)];
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
const BAD: [(&str, &str, Code); 31] = [
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
    ("groups/late.toml", "expect = { boot = { order = \"Boot0001\" } }\n", Code::WrongType),
    ("groups/late.toml", "expect = { boot = { target = \"PXE\" } }\n", Code::BadValue),
    ("policy.toml", "[drift]\nconfirm = 5\n", Code::BadValue),
    ("policy.toml", "[drift]\nfail_on = \"drift\"\n", Code::WrongType),
    ("policy.toml", "[limits]\n", Code::UnknownKey),
    ("exceptions/a.toml", "[[exceptions]]\n", Code::UnknownKey),
    ("exceptions/a.toml", "[exception]\n", Code::WrongType),
    (
        "exceptions/a.toml",
        "[[exception]]\nnodes = \"n1\"\nattribute = \"power\"\nseen = { a = 1 }\nowner = \"a\"\nexpires = \"2027-06-30\"\n",
        Code::WrongType,
    ),
    (
        "exceptions/a.toml",
        "[[exception]]\nnodes = \"n1\"\nattribute = \"power\"\nseen = \"off\"\nowner = \"a\"\n",
        Code::MissingKey,
    ),
];

/// Files without a mistake that a schema could see.
const GOOD: [(&str, &str); 11] = [
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
    (
        "groups/late.toml",
        "[expect.boot]\norder = [\"Boot0001\"]\noverride = \"Once\"\ntarget = \"Pxe\"\nmode = \"UEFI\"\n",
    ),
    ("policy.toml", "[drift]\nconfirm = 4\nfail_on = [\"unknown>0.5%\", \"stale\"]\nstale_after = \"1d12h\"\n"),
    (
        "exceptions/a.toml",
        "[[exception]]\nnodes = \"n1\"\nattribute = \"firmware.BMC\"\nseen = 1.5\nowner = \"a\"\nexpires = \"2027-06-30\"\n",
    ),
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

/// Every key of every file of the example and of the good ones misspelt once, and every value replaced by one of each other type.
#[test]
fn reader_and_schema_judge_every_mutation_of_the_example_alike() {
    let others = ["7", "-1", "1.5", "true", "\"text\"", "[]", "[7]", "{ a = 1 }"];
    let others = others.map(|text| toml::from_str::<toml::Table>(&format!("x = {text}")).expect("TOML")["x"].clone());
    let (mut judged, mut refused) = (0, 0);
    let good = GOOD.map(|(path, text)| (path.to_owned(), text.to_owned()));
    for (path, text) in example_files().into_iter().chain(good) {
        let whole: toml::Table = toml::from_str(&text).expect("the example is TOML");
        for at in paths(&toml::Value::Table(whole.clone())) {
            let mut mutants = vec![mutated(&whole, &at, None)];
            mutants.extend(others.iter().map(|other| mutated(&whole, &at, Some(other))));
            for mutant in mutants {
                let text = toml::to_string(&mutant).expect("a table is TOML");
                let by_schema = !faults(&path, &text).is_empty();
                let told = told(&path, &text);
                let by_shape = told.iter().any(|code| matches!(code, Code::UnknownKey | Code::WrongType));
                // An interface's numbers are judged where a node has the interface.
                let is_judged_later = at.last().is_some_and(|key| key == "mtu");
                assert!(
                    !by_schema || is_judged_later || !told.is_empty(),
                    "the schema alone refuses {path} {at:?}:\n{text}"
                );
                assert!(by_schema || !by_shape, "the reader alone refuses {path} {at:?} ({told:?}):\n{text}");
                judged += 1;
                refused += usize::from(by_schema);
            }
        }
    }
    assert!(refused > 500 && judged - refused > 100, "{refused} of {judged}");
}

/// Returns the path of every value in a table.
fn paths(value: &toml::Value) -> Vec<Vec<String>> {
    let children: Vec<(String, &toml::Value)> = match value {
        toml::Value::Table(table) => table.iter().map(|(key, inner)| (key.clone(), inner)).collect(),
        toml::Value::Array(items) => items.iter().enumerate().map(|(at, inner)| (at.to_string(), inner)).collect(),
        _ => Vec::new(),
    };
    let mut all = Vec::new();
    for (key, inner) in children {
        all.push(vec![key.clone()]);
        all.extend(paths(inner).into_iter().map(|rest| [vec![key.clone()], rest].concat()));
    }
    all
}

/// Replaces the value at a path, or misspells its key.
fn mutated(whole: &toml::Table, path: &[String], other: Option<&toml::Value>) -> toml::Value {
    let mut root = toml::Value::Table(whole.clone());
    let (last, parents) = path.split_last().expect("a path has a key");
    let step = |value, key: &String| match value {
        &mut toml::Value::Array(ref mut items) => &mut items[key.parse::<usize>().expect("a place in a list")],
        value => &mut value[key.as_str()],
    };
    let parent = parents.iter().fold(&mut root, step);
    match (parent, other) {
        (toml::Value::Table(table), None) => {
            let value = table.remove(last).expect("the key is there");
            table.insert(format!("{last}_"), value);
        }
        (parent, Some(other)) => *step(parent, last) = other.clone(),
        (_, None) => {}
    }
    root
}

/// The example and every bad sample as files of one folder, beside the schemas that their first lines name.
fn samples() -> (tempfile::TempDir, Vec<String>, Vec<String>) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("a file stands in a folder")).expect("the folder can be made");
        fs::write(path, text).expect("the file can be written");
    };
    schema::all().iter().for_each(|(name, text)| write(&format!("schemas/{name}"), text));
    let mut good = Vec::new();
    for (path, text) in example_files() {
        write(&path, &text);
        good.push(path);
    }
    let mut bad = Vec::new();
    for (number, (path, text, _)) in BAD.into_iter().enumerate() {
        let name = schema_of(path).replace(".schema.json", "");
        let sample = format!("bad/{name}-{number}.toml");
        write(&sample, &format!("#:schema ../schemas/{}\n{text}", schema_of(path)));
        bad.push(sample);
    }
    (folder, good, bad)
}

fn said(mut command: Command) -> (Option<i32>, String) {
    let output = command.output().expect("the validator starts");
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn check_jsonschema_agrees() {
    let Some(program) = parts::require("schemas::check_jsonschema_agrees", Part::CheckJsonschema) else { return };
    let (folder, good, bad) = samples();
    for (schema, _) in schema::all() {
        let judge = |files: &[&String]| {
            let mut command = Command::new(&program);
            command.current_dir(folder.path()).arg("--schemafile").arg(format!("schemas/{schema}")).args(files);
            said(command)
        };
        let sound: Vec<&String> = good.iter().filter(|path| schema_of(path) == schema).collect();
        let (code, text) = judge(&sound);
        assert_eq!(code, Some(0), "{sound:?}: {text}");
        let name = schema.replace(".schema.json", "");
        let broken: Vec<&String> = bad.iter().filter(|path| path.starts_with(&format!("bad/{name}-"))).collect();
        let (code, text) = judge(&broken);
        assert_eq!(code, Some(1), "{broken:?}: {text}");
        let missed: Vec<_> = broken.iter().filter(|path| !text.contains(path.as_str())).collect();
        assert!(missed.is_empty(), "{missed:?} are taken: {text}");
    }
}

/// taplo finds each file's schema by the file's own first line, as an editor does.
#[test]
fn taplo_agrees() {
    let Some(program) = parts::require("schemas::taplo_agrees", Part::Taplo) else { return };
    let (folder, good, bad) = samples();
    let judge = |files: &[String]| {
        let mut command = Command::new(&program);
        command.current_dir(folder.path()).arg("lint").args(files);
        said(command)
    };
    let (code, text) = judge(&good);
    assert_eq!(code, Some(0), "{text}");
    let (code, text) = judge(&bad);
    assert_eq!(code, Some(1), "{text}");
    let refused =
        |path: &&String| text.lines().any(|line| line.contains("invalid file") && line.contains(path.as_str()));
    let missed: Vec<&String> = bad.iter().filter(|path| !refused(path)).collect();
    assert!(missed.is_empty(), "{missed:?} are taken: {text}");
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
