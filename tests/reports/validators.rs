//! Each format judged by others: the standard's schema, the one that Jenkins uses, and our own published one.

use super::hostile;
use super::scene::Scene;
use crate::support::parts::{self, Part};
use muster::drift::Drift;
use muster::report::Format;
use muster::view::DriftView;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Comparisons that show all that a format can hold.
fn all(scene: &Scene) -> Vec<Drift> {
    let mut all = vec![scene.of_everything(), scene.drift(12, Vec::new()), scene.drift(0, Vec::new())];
    all.extend(hostile::texts().iter().map(|text| hostile::saying(scene, text)));
    all
}

/// Writes all comparisons in a format; returns the folder and the paths.
fn written(format: Format) -> (tempfile::TempDir, Vec<String>) {
    let (scene, folder) = (Scene::new(), tempfile::tempdir().expect("a temporary folder can be made"));
    let write = |(at, drift): (usize, Drift)| {
        let path = folder.path().join(format!("{at}.{format}"));
        fs::write(&path, scene.write(&drift, format)).expect("the file can be written");
        path.display().to_string()
    };
    let paths = all(&scene).into_iter().enumerate().map(write).collect();
    (folder, paths)
}

fn said(command: &mut Command) -> (Option<i32>, String) {
    let output = command.output().expect("the validator starts");
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn sarif_is_what_the_standard_says() {
    const NAME: &str = "validators::sarif_is_what_the_standard_says";
    let Some(program) = parts::require(NAME, Part::CheckJsonschema) else { return };
    let Some(schema) = parts::require(NAME, Part::SarifSchema) else { return };
    let judge = |paths: &[String]| {
        let mut command = Command::new(&program);
        said(command.args(["--regex-variant", "python", "--schemafile"]).arg(&schema).args(paths))
    };
    let (folder, paths) = written(Format::Sarif);
    let (code, text) = judge(&paths);
    assert_eq!(code, Some(0), "{text}");
    let broken = folder.path().join("broken.sarif");
    let sarif =
        fs::read_to_string(&paths[0]).expect("it can be read").replace("\"level\": \"error\"", "\"level\": \"bad\"");
    fs::write(&broken, sarif).expect("the file can be written");
    assert_eq!(judge(&[broken.display().to_string()]).0, Some(1), "the validator takes anything");
}

#[test]
fn junit_is_what_jenkins_takes() {
    const NAME: &str = "validators::junit_is_what_jenkins_takes";
    let Some(program) = parts::require(NAME, Part::Xmllint) else { return };
    let Some(schema) = parts::require(NAME, Part::JunitSchema) else { return };
    let judge = |paths: &[String]| {
        let mut command = Command::new(&program);
        said(command.args(["--nonet", "--noout", "--schema"]).arg(&schema).args(paths))
    };
    let (folder, paths) = written(Format::Junit);
    let (code, text) = judge(&paths);
    assert_eq!(code, Some(0), "{text}");
    let broken = folder.path().join("broken.junit");
    let junit = fs::read_to_string(&paths[0])
        .expect("it can be read")
        .replace("<error ", "<fault ")
        .replace("</error>", "</fault>");
    fs::write(&broken, junit).expect("the file can be written");
    assert_eq!(judge(&[broken.display().to_string()]).0, Some(3), "the validator takes anything");
}

/// What GitHub's reader makes of a comment: our tables, with all else in `<code>`, where nothing becomes a link or mention.
#[test]
fn markdown_is_what_github_reads() {
    const NAME: &str = "validators::markdown_is_what_github_reads";
    const RENDER: &str = "import sys, cmarkgfm\nfor path in sys.argv[1:]:\n    \
        text = open(path, encoding='utf-8', newline='').read()\n    \
        open(path + '.html', 'w', encoding='utf-8').write(cmarkgfm.github_flavored_markdown_to_html(text, \
        cmarkgfm.cmark.Options.CMARK_OPT_UNSAFE))\n";
    let Some(python) = parts::require(NAME, Part::Cmarkgfm) else { return };
    let (_folder, paths) = written(Format::Markdown);
    let (code, text) = said(Command::new(python).arg("-c").arg(RENDER).args(&paths));
    assert_eq!(code, Some(0), "{text}");
    let tags = [
        "h2",
        "h3",
        "p",
        "strong",
        "code",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "ul",
        "li",
        "td align=\"right\"",
        "th align=\"right\"",
    ];
    for path in paths {
        let html = fs::read_to_string(format!("{path}.html")).expect("the page can be read");
        for tag in html.split('<').skip(1).map(|rest| rest.split('>').next().unwrap_or_default()) {
            assert!(tags.contains(&tag.trim_start_matches('/')), "<{tag}> in {html}");
        }
        let source = fs::read_to_string(&path).expect("it can be read");
        let rows = source.lines().filter(|line| line.starts_with("| ")).count();
        assert_eq!(html.matches("<tr>").count(), rows, "{html}");
        let cells = html.split("<tr>").skip(1).map(|row| row.matches("<td").count() + row.matches("<th>").count());
        let cells: Vec<usize> = cells.collect();
        assert!(cells.iter().all(|cells| [1, 2, 6].contains(cells)), "{cells:?}");
        let outside: String = html.split("<code>").map(|part| part.rsplit("</code>").next().unwrap_or(part)).collect();
        assert!(!outside.contains(['@', '&', '[', '`']), "{outside}");
    }
}

#[test]
fn json_is_what_our_schema_says() {
    let (name, text) = DriftView::schema();
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas").join(name);
    let committed = fs::read_to_string(committed).expect("the schema can be read");
    assert!(committed == text, "schemas/{name} is stale: muster schema --write .");
    let schema: Value = serde_json::from_str(&text).expect("a schema is JSON");
    let validator = jsonschema::draft7::new(&schema).expect("a schema is a schema");
    let scene = Scene::new();
    for drift in all(&scene) {
        let written = scene.write(&drift, Format::Json);
        let value: Value = serde_json::from_str(&written).expect("it is JSON");
        let faults: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
        assert_eq!(faults, [""; 0], "{written}");
        let read: DriftView = serde_json::from_str(&written).expect("what is written is read again");
        assert_eq!(read, scene.report(&drift).view());
    }
    let mut less = serde_json::to_value(scene.report(&scene.of_everything()).view()).expect("it is JSON");
    less["findings"][0].as_object_mut().expect("a finding is a table").remove("wished");
    assert!(!validator.is_valid(&less), "a key that is always there is not required");
}

#[test]
fn every_key_of_the_schema_is_explained() {
    let schema: Value = serde_json::from_str(&DriftView::schema().1).expect("a schema is JSON");
    let tables = schema["definitions"].as_object().expect("there are definitions").values();
    for table in tables.chain([&schema]).filter(|table| table["properties"].is_object()) {
        assert!(table["description"].is_string(), "{table}");
    }
}
