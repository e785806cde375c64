//! What each format says, whole. `UPDATE=1` writes it anew.

use super::scene::Scene;
use muster::drift::Drift;
use muster::report::Format;
use std::path::Path;
use std::{env, fs};

fn file_name(format: Format) -> &'static str {
    match format {
        Format::Text => "drift.txt",
        Format::Json => "drift.json",
        Format::Markdown => "drift.md",
        Format::Junit => "drift.junit.xml",
        Format::Sarif => "drift.sarif",
        Format::Github => "drift.github",
    }
}

fn judge(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reports/golden").join(name);
    if env::var_os("UPDATE").is_some() {
        fs::write(&path, text).expect("the text can be written");
    }
    let golden = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}; UPDATE=1 writes it"));
    assert!(golden == text, "{name} was\n{golden}\nand is\n{text}");
}

#[test]
fn every_format_says_what_it_should() {
    let scene = Scene::new();
    let drift = scene.of_everything();
    for format in Format::ALL {
        judge(file_name(format), &scene.write(&drift, format));
    }
    judge("drift.colour.txt", &scene.report(&drift).write(Format::Text, true));
}

#[test]
fn a_cluster_in_sync_is_told_in_a_few_lines() {
    let scene = Scene::new();
    let drift = scene.drift(12, Vec::new());
    for format in [Format::Text, Format::Markdown, Format::Github] {
        judge(&format!("sync.{}", file_name(format)), &scene.write(&drift, format));
    }
    let none = Drift { nodes: Vec::new(), coverage: muster::drift::Coverage::default(), ..drift };
    judge("none.drift.txt", &scene.write(&none, Format::Text));
}

#[test]
fn the_same_inputs_give_the_same_bytes() {
    let (one, other) = (Scene::new(), Scene::new());
    for format in Format::ALL {
        let text = one.write(&one.of_everything(), format);
        assert_eq!(text, other.write(&other.of_everything(), format), "{format}");
        assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{format} ends in one newline");
        assert_eq!(format.as_str().parse(), Ok(format));
    }
    assert!("yaml".parse::<Format>().is_err());
}

/// Colour carries nothing: without it the text is the same.
#[test]
fn colour_only_colours() {
    let scene = Scene::new();
    let drift = scene.of_everything();
    let mut plain = String::new();
    let mut is_escape = false;
    for c in scene.report(&drift).write(Format::Text, true).chars() {
        match (is_escape, c) {
            (false, '\x1b') => is_escape = true,
            (true, 'm') => is_escape = false,
            (true, _) => {}
            (false, c) => plain.push(c),
        }
    }
    assert_eq!(plain, scene.write(&drift, Format::Text));
}
