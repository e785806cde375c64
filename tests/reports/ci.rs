//! The example's pipelines: what GitHub and GitLab would refuse is refused here, and they ask muster for what it has.

use crate::support::parts::{self, Part};
use muster::report::Format;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const WORKFLOWS: [&str; 4] = [
    ".github/workflows/check.yml",
    ".github/workflows/drift.yml",
    ".github/workflows/review.yml",
    ".github/workflows/review-comment.yml",
];
const GITLAB: &str = ".gitlab-ci.yml";

fn example(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster-example").join(path)
}

fn text(path: &str) -> String {
    fs::read_to_string(example(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn said(command: &mut Command) -> (Option<i32>, String) {
    let output = command.output().expect("the validator starts");
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn github_and_gitlab_would_take_their_shape() {
    const NAME: &str = "ci::github_and_gitlab_would_take_their_shape";
    let Some(program) = parts::require(NAME, Part::CheckJsonschema) else { return };
    let judge =
        |schema: &str, paths: &[PathBuf]| said(Command::new(&program).arg("--builtin-schema").arg(schema).args(paths));
    let (code, text) = judge("vendor.github-workflows", &WORKFLOWS.map(example));
    assert_eq!(code, Some(0), "{text}");
    let (code, text) = judge("vendor.gitlab-ci", &[example(GITLAB)]);
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(judge("vendor.gitlab-ci", &[example(WORKFLOWS[0])]).0, Some(1), "the validator takes anything");
}

#[test]
fn actionlint_finds_nothing() {
    const NAME: &str = "ci::actionlint_finds_nothing";
    let Some(script) = parts::require(NAME, Part::Actionlint) else { return };
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let judge = || said(Command::new("node").current_dir(folder.path()).arg(&script).arg("*.yml"));
    for path in WORKFLOWS {
        let name = Path::new(path).file_name().expect("a file has a name");
        fs::copy(example(path), folder.path().join(name)).expect("the file can be copied");
    }
    let (code, said) = judge();
    assert_eq!(code, Some(0), "{said}");
    let broken = text(WORKFLOWS[0]).replace("runs-on:", "run-on:");
    fs::write(folder.path().join("check.yml"), broken).expect("the file can be written");
    assert_eq!(judge().0, Some(1), "the validator takes anything");
}

/// An action is somebody else's program with our token: each is named by commit, with its version beside.
#[test]
fn actions_are_pinned_and_rights_are_few() {
    for path in WORKFLOWS {
        let text = text(path);
        assert!(text.contains("\npermissions:\n  contents: read\n"), "{path}");
        let mut uses = 0;
        for line in text.lines().filter(|line| line.contains("uses:")) {
            let (_, action) = line.split_once('@').unwrap_or_else(|| panic!("{path}: {line}"));
            let (commit, version) = action.split_once(" # v").unwrap_or_else(|| panic!("{path}: {line}"));
            let is_commit = commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
            assert!(is_commit && version.split('.').count() == 3, "{path}: {line}");
            uses += 1;
        }
        assert!(uses > 0, "{path} checks nothing out");
    }
}

#[test]
fn pipelines_ask_for_formats_that_there_are() {
    let mut asked = 0;
    for path in WORKFLOWS.into_iter().chain([GITLAB]) {
        let text = text(path);
        for words in text.split_whitespace().collect::<Vec<_>>().windows(2) {
            // They are among those of `drift`.
            let is_ours = words[0] == "--format" || (words[0] == "--output" && words[1].contains('='));
            if is_ours {
                let format = words[1].split('=').next().unwrap_or_default();
                assert!(format.parse::<Format>().is_ok(), "{path}: {words:?}");
                asked += 1;
            }
        }
    }
    assert!(asked >= 5, "{asked}");
}
