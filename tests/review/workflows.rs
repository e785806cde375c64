//! The example's comment on a pull request: its script as a runner runs it, against an interface like GitHub's on loopback.

use crate::support::parts::{self, Part};
use crate::support::stub::{Reply, Seen, Stub};
use crate::support::wishes::Wishes;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

const SHA: &str = "0123456789abcdef0123456789abcdef01234567";
const MARKER: &str = "<!-- muster diff: larch . -->";
const SCRIPTS: [&str; 2] = [".github/muster-comment.sh", ".gitlab/muster-note.sh"];
/// Stands for two pull requests from one branch.
const TWICE: &str = "ada/fork, twice";
const BOT: &str = "github-actions[bot]";

fn example(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster-example").join(path)
}

/// A repository with one pull request, as its interface shows it.
struct Forge {
    stub: Stub,
    comments: Arc<Mutex<Vec<Value>>>,
}

struct Shown {
    /// The commit at the head of its pull request, and the repository it is in.
    head: (&'static str, &'static str),
    /// Who wrote which comments.
    comments: Vec<(&'static str, String)>,
    artifact: Option<Vec<u8>>,
}

impl Forge {
    fn start(shown: Shown) -> Self {
        let comment = |(at, (login, body)): (usize, (&str, String))| {
            let kind = if login == BOT { "Bot" } else { "User" };
            json!({"id": 100 + at, "user": {"login": login, "type": kind}, "body": body})
        };
        let comments: Vec<Value> = shown.comments.into_iter().enumerate().map(comment).collect();
        let comments = Arc::new(Mutex::new(comments));
        let (kept, head) = (Arc::clone(&comments), shown.head);
        let artifact = shown.artifact;
        let stub = Stub::start(move |seen| answer(seen, head, artifact.as_deref(), &kept));
        Self { stub, comments }
    }

    /// Runs the script as the workflow does; returns its exit code and what it said.
    fn run(&self) -> (Option<i32>, String) {
        let mut script = Command::new("sh");
        script.arg(example(".github/muster-comment.sh")).arg("77").env("GITHUB_API_URL", self.stub.url(""));
        script.env("GITHUB_REPOSITORY", "site/wishes").env("TOKEN", "secret-of-the-run").env("HEAD_SHA", SHA);
        script.env("HEAD_BRANCH", "a-branch&state=all").env("HEAD_OWNER", "ada").env("HEAD_REPOSITORY", "ada/fork");
        script.env_remove("http_proxy").env_remove("HTTP_PROXY").env("no_proxy", "*");
        let output = script.output().expect("sh is here");
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&said).into_owned())
    }

    /// What was written, as method and path.
    fn written(&self) -> Vec<String> {
        let seen = self.stub.seen();
        let is_ours = |seen: &Seen| seen.headers.contains(&("authorization".into(), "Bearer secret-of-the-run".into()));
        assert!(seen.iter().all(is_ours), "every request is signed");
        let written = seen.iter().filter(|seen| seen.method != "GET");
        written.map(|seen| format!("{} {}", seen.method, seen.target)).collect()
    }

    fn bodies(&self) -> Vec<String> {
        let comments = self.comments.lock().expect("no thread panics with it");
        comments.iter().map(|comment| comment["body"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

fn answer(
    seen: &Seen,
    (sha, repository): (&str, &str),
    artifact: Option<&[u8]>,
    comments: &Mutex<Vec<Value>>,
) -> Reply {
    let (path, query) = seen.target.split_once('?').unwrap_or((&seen.target, ""));
    let Some(path) = path.strip_prefix("/repos/site/wishes/") else { return Reply::not_found() };
    let body = || serde_json::from_slice::<Value>(&seen.body).expect("it is JSON")["body"].clone();
    let mut comments = comments.lock().expect("no thread panics with it");
    let shown = match (seen.method.as_str(), path) {
        ("GET", "pulls") => {
            assert!(query.to_lowercase().contains("head=ada%3aa-branch%26state%3dall"), "{query}");
            json!([
                {"number": 4, "head": {"sha": SHA, "repo": null}},
                {"number": 5, "head": {"sha": sha, "repo": {"full_name": if repository == TWICE { "ada/fork" } else { repository }}}},
                {"number": 6, "head": {"sha": sha, "repo": {"full_name": if repository == TWICE { "ada/fork" } else { "eve/fork" }}}},
            ])
        }
        ("GET", "actions/runs/77/artifacts") => match artifact {
            None => json!({"artifacts": []}),
            Some(bytes) => json!({"artifacts": [
                {"id": 8, "name": "muster-diff", "expired": true, "size_in_bytes": 9},
                {"id": 9, "name": "muster-diff", "expired": false, "size_in_bytes": bytes.len()},
            ]}),
        },
        ("GET", "actions/artifacts/9/zip") => return Reply::ok(artifact.expect("it was listed")),
        ("GET", "issues/5/comments") => {
            let page = query.rsplit_once("&page=").and_then(|(_, page)| page.parse::<usize>().ok()).expect("a page");
            Value::Array(comments.iter().skip(100 * (page - 1)).take(100).cloned().collect())
        }
        ("POST", "issues/5/comments") => {
            comments.push(json!({"id": 999, "user": {"login": BOT, "type": "Bot"}, "body": body()}));
            json!({})
        }
        ("PATCH", path) => {
            let id = path.strip_prefix("issues/comments/").and_then(|id| id.parse::<u64>().ok());
            let known = comments.iter_mut().find(|comment| comment["id"].as_u64() == id).expect("it is there");
            known["body"] = body();
            json!({})
        }
        _ => return Reply::not_found(),
    };
    Reply::ok(shown.to_string().into_bytes())
}

/// Packs one file as GitHub packs an artifact.
fn zip(name: &str, text: &[u8]) -> Vec<u8> {
    let mut checksum = flate2::Crc::new();
    checksum.update(text);
    let mut packed = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut packed, text).expect("memory takes it");
    let packed = packed.finish().expect("memory takes it");
    let common = |out: &mut Vec<u8>| {
        out.extend([20, 0, 0, 0, 8, 0, 0, 0, 0, 0]);
        for number in [checksum.sum(), packed.len() as u32, text.len() as u32, name.len() as u32] {
            out.extend(number.to_le_bytes());
        }
    };
    let mut out = b"PK\x03\x04".to_vec();
    common(&mut out);
    out.extend(name.bytes());
    out.extend(&packed);
    let from = out.len() as u32;
    out.extend(b"PK\x01\x02\x14\x00");
    common(&mut out);
    out.extend([0; 14]);
    out.extend(name.bytes());
    let length = out.len() as u32 - from;
    out.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    out.extend(length.to_le_bytes());
    out.extend(from.to_le_bytes());
    out.extend([0, 0]);
    out
}

fn said(text: &str) -> Option<Vec<u8>> {
    Some(zip("diff.md", format!("{MARKER}\n{text}\n").as_bytes()))
}

fn has_tools(test: &str) -> bool {
    parts::all(test, &[Part::Curl, Part::Jq, Part::Unzip])
}

const HEAD: (&str, &str) = (SHA, "ada/fork");

#[test]
fn the_first_comment_is_made_and_then_kept_up_to_date() {
    if !has_tools("workflows::the_first_comment_is_made_and_then_kept_up_to_date") {
        return;
    }
    // Nothing in it is a command, whoever wrote it.
    let text = "$(touch /tmp/x) `id` \"quoted\" \\n %s ${{ secrets.A }} é\u{fffd}";
    let forge = Forge::start(Shown { head: HEAD, comments: Vec::new(), artifact: said(text) });
    let (code, told) = forge.run();
    assert_eq!((code, &*told), (Some(0), "pull request 5: commented\n"));
    assert_eq!(forge.written(), ["POST /repos/site/wishes/issues/5/comments"]);
    let first = forge.bodies();
    let said_by = format!("<sub>Said by the pull request's own run, of its commit {SHA}.</sub>");
    assert_eq!(first, [format!("{MARKER}\n\n{said_by}\n\n{text}\n")]);
    let (code, told) = forge.run();
    assert_eq!((code, &*told), (Some(0), "pull request 5: comment 999 is up to date\n"));
    assert_eq!(forge.written().last().map(String::as_str), Some("PATCH /repos/site/wishes/issues/comments/999"));
    assert_eq!(forge.bodies(), first);
}

#[test]
fn only_our_own_comment_is_written_over() {
    if !has_tools("workflows::only_our_own_comment_is_written_over") {
        return;
    }
    let mut comments: Vec<(&str, String)> = vec![
        ("mallory", format!("{MARKER}\nours, really")),
        (BOT, "something else, of another workflow".into()),
        (BOT, "<!-- muster diff: other . -->\nanother cluster".into()),
        (BOT, format!("quoted: {MARKER}")),
    ];
    // The page after the first is read too.
    comments.extend((0..150).map(|_| ("bob", "hm".to_owned())));
    comments.push((BOT, format!("{MARKER}\nold")));
    let before: Vec<String> = comments.iter().map(|(_, body)| body.clone()).collect();
    let forge = Forge::start(Shown { head: HEAD, comments, artifact: said("new") });
    assert_eq!(forge.run().0, Some(0));
    assert_eq!(forge.written(), ["PATCH /repos/site/wishes/issues/comments/254"]);
    let after = forge.bodies();
    assert_eq!(after.len(), before.len());
    assert_eq!(after[..154], before[..154]);
    assert!(after[154].contains("\nnew\n"), "{}", after[154]);
}

#[test]
fn without_its_pull_request_nothing_is_said() {
    if !has_tools("workflows::without_its_pull_request_nothing_is_said") {
        return;
    }
    for head in [("ffffffffffffffffffffffffffffffffffffffff", "ada/fork"), (SHA, "mallory/fork")] {
        let forge = Forge::start(Shown { head, comments: Vec::new(), artifact: said("new") });
        let (code, told) = forge.run();
        assert!(code == Some(0) && told.contains("nothing to say"), "{told}");
        assert!(forge.written().is_empty());
    }
    let forge = Forge::start(Shown { head: HEAD, comments: Vec::new(), artifact: None });
    let (code, told) = forge.run();
    assert!(code == Some(0) && told.contains("kept no artifact"), "{told}");
    assert!(forge.written().is_empty());
}

#[test]
fn what_was_said_of_an_older_commit_does_not_stand() {
    if !has_tools("workflows::what_was_said_of_an_older_commit_does_not_stand") {
        return;
    }
    let comments = vec![("mallory", format!("{MARKER}\nold")), (BOT, format!("{MARKER}\nold"))];
    let forge = Forge::start(Shown { head: HEAD, comments, artifact: None });
    let (code, told) = forge.run();
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(forge.written(), ["PATCH /repos/site/wishes/issues/comments/101"]);
    let after = &forge.bodies()[1];
    assert!(after.starts_with(&format!("{MARKER}\n")) && after.contains("cannot be told"), "{after}");
    assert!(after.contains(SHA) && !after.contains("\nold"), "{after}");
}

#[test]
fn of_several_pull_requests_none_is_guessed() {
    if !has_tools("workflows::of_several_pull_requests_none_is_guessed") {
        return;
    }
    let forge = Forge::start(Shown { head: (SHA, TWICE), comments: Vec::new(), artifact: said("new") });
    let (code, told) = forge.run();
    assert!(code == Some(0) && told.contains("several open pull requests"), "{told}");
    assert!(forge.written().is_empty());
}

#[test]
fn what_muster_would_not_write_is_refused() {
    if !has_tools("workflows::what_muster_would_not_write_is_refused") {
        return;
    }
    let mut noise = fastrand::Rng::with_seed(1);
    let noise: Vec<u8> = (0..300_000).map(|_| noise.u8(..)).collect();
    let artifacts = [
        (zip("diff.md", &noise), "larger than"),
        // A bomb: small, and not so inside.
        (said(&"a".repeat(5_000_000)).expect("there is one"), "longer than"),
        (zip("diff.md", b"<!-- other -->\nhello"), "none of muster diff"),
        (zip("diff.md", format!("hello\n{MARKER}\n").as_bytes()), "none of muster diff"),
        (zip("diff.md", b""), "none of muster diff"),
        (zip("../diff.md", format!("{MARKER}\n").as_bytes()), "none of muster diff"),
        (b"no archive".to_vec(), "none of muster diff"),
    ];
    for (artifact, why) in artifacts {
        let forge = Forge::start(Shown { head: HEAD, comments: Vec::new(), artifact: Some(artifact) });
        let (code, told) = forge.run();
        assert!(code == Some(1) && told.contains(why), "{why}: {told}");
        assert!(forge.written().is_empty(), "{why}");
    }
}

/// GitLab's own: notes of a merge request, by who wrote them.
#[test]
fn gitlab_gets_one_note() {
    if !has_tools("workflows::gitlab_gets_one_note") {
        return;
    }
    let written = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&written);
    let stub = Stub::start(move |seen| {
        assert!(seen.headers.contains(&("private-token".into(), "secret".into())), "{seen:?}");
        let path = seen.target.split('?').next().unwrap_or_default();
        let mut log = log.lock().expect("no thread panics with it");
        let note = |id: u64, author: u64, body: &str| json!({"id": id, "author": {"id": author}, "body": body});
        let shown = match (seen.method.as_str(), path) {
            ("GET", "/user") => json!({"id": 7}),
            ("GET", "/projects/3/merge_requests/2/notes") if log.is_empty() => {
                json!([note(1, 8, MARKER), note(2, 7, "other")])
            }
            ("GET", "/projects/3/merge_requests/2/notes") => json!([note(1, 8, MARKER), note(4, 7, MARKER)]),
            ("POST", "/projects/3/merge_requests/2/notes") | ("PUT", "/projects/3/merge_requests/2/notes/4") => {
                let body: Value = serde_json::from_slice(&seen.body).expect("it is JSON");
                log.push((seen.method.clone(), body["body"].as_str().unwrap_or_default().to_owned()));
                json!({})
            }
            _ => return Reply::not_found(),
        };
        Reply::ok(shown.to_string().into_bytes())
    });
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let file = folder.path().join("diff.md");
    let note = |text: &str| {
        std::fs::write(&file, text).expect("the file can be written");
        let mut script = Command::new("sh");
        script.arg(example(SCRIPTS[1])).arg(&file).env("CI_API_V4_URL", stub.url("")).env("MUSTER_TOKEN", "secret");
        script.env("CI_PROJECT_ID", "3").env("CI_MERGE_REQUEST_IID", "2").env("no_proxy", "*");
        let output = script.output().expect("sh is here");
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let text = |words: &str| format!("{MARKER}\n{words}\n");
    assert_eq!(note(&text("one")), (Some(0), "noted\n".into()));
    assert_eq!(note(&text("two")), (Some(0), "note 4 is up to date\n".into()));
    std::fs::remove_file(&file).expect("it is there");
    let mut script = Command::new("sh");
    script.arg(example(SCRIPTS[1])).arg(&file).env("CI_API_V4_URL", stub.url("")).env("MUSTER_TOKEN", "secret");
    script.env("CI_PROJECT_ID", "3").env("CI_MERGE_REQUEST_IID", "2").env("CI_COMMIT_SHA", SHA).env("no_proxy", "*");
    assert!(script.status().expect("sh is here").success());
    let gone =
        format!("{MARKER}\n\nWhat {SHA} means for machines cannot be told: it does not check, or the job failed.\n");
    assert_eq!(note("anything").0, Some(1));
    assert_eq!(note(&text(&"a".repeat(65_000))).0, Some(1));
    let want = [("POST".to_owned(), text("one")), ("PUT".to_owned(), text("two")), ("PUT".to_owned(), gone)];
    assert_eq!(*written.lock().expect("no thread panics with it"), want);
}

#[test]
fn shellcheck_finds_nothing() {
    let Some(program) = parts::require("workflows::shellcheck_finds_nothing", Part::Shellcheck) else { return };
    let output = Command::new(program).args(SCRIPTS.map(example)).output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// Reads the script of one step.
fn step(text: &str, name: &str) -> String {
    let from = text.split_once(&format!("- name: {name}\n")).unwrap_or_else(|| panic!("{name} in {text}")).1;
    let script = from.split_once("run: |\n").expect("the step is a script").1;
    let lines = script.lines().take_while(|line| line.is_empty() || line.starts_with("          "));
    lines.map(|line| format!("{}\n", line.trim_start())).collect()
}

/// The steps between fetching muster and keeping its text, on a clone as GitHub's checkout leaves it: both sides merged.
#[test]
fn the_review_runs_as_it_is_written() {
    let wishes = Wishes::copy_of(&example(""));
    wishes.git(&["fetch", "-q"]);
    wishes.git(&["checkout", "-q", "-b", "work"]);
    wishes.edit("groups/compute.toml", "\"selinux=1\"", "\"selinux=0\"");
    wishes.edit("policy.toml", "allow = []", "max_nodes = 20\nallow = []");
    wishes.commit("no SELinux");
    wishes.git(&["checkout", "-q", "--detach", "origin/main"]);
    wishes.git(&["merge", "-q", "--no-ff", "-m", "merged", "work"]);
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_muster"), wishes.root().join("muster")).expect("it can be linked");
    let text = std::fs::read_to_string(example(".github/workflows/review.yml")).expect("it is there");
    let run = |name: &str| {
        let mut bash = Command::new("bash");
        bash.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", &step(&text, name)]);
        bash.current_dir(wishes.clone_dir()).env("RUNNER_TEMP", wishes.root()).env("BASE", "main");
        bash.env("GITHUB_STEP_SUMMARY", wishes.root().join("summary")).env("MUSTER_PATH", "");
        let output = bash.output().expect("bash is here");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (code, said) = run("Check the cluster repository and the guard rails");
    assert!(code == Some(1) && said.contains("::error file=policy.toml,line="), "{said}");
    const TELL: &str = "Show the effect on machines";
    let (code, said) = run(TELL);
    assert!(code == Some(0) && said.contains("::warning file=groups/compute.toml,line=5,"), "{said}");
    let kept = std::fs::read_to_string(wishes.root().join("diff.md")).expect("it is kept");
    assert!(kept.starts_with(MARKER) && kept.contains("### 1 guard rail broken"), "{kept}");
    assert_eq!(std::fs::read_to_string(wishes.root().join("summary")).expect("there is one"), kept);
    wishes.write("groups/login.toml", "paramz = []\n");
    assert_eq!(run(TELL).0, Some(2));
    assert!(!wishes.root().join("diff.md").exists(), "what does not check has no text");
}

/// Expressions are put into a script before a shell reads it; variables are not.
#[test]
fn no_expression_stands_in_a_script() {
    for name in ["review.yml", "review-comment.yml"] {
        let text = std::fs::read_to_string(example(".github/workflows").join(name)).expect("it is there");
        let mut script: Option<usize> = None;
        for line in text.lines() {
            let indent = line.len() - line.trim_start().len();
            if script.is_some_and(|from| !line.trim().is_empty() && indent <= from) {
                script = None;
            }
            if line.trim_start().trim_start_matches("- ").starts_with("run:") {
                script = Some(indent);
            }
            assert!(script.is_none() || !line.contains("${{"), "{name}: {line}");
        }
        assert!(!text.contains("secrets.") && !text.contains("pull_request_target"), "{name}");
    }
    let text = std::fs::read_to_string(example(".github/workflows/review.yml")).expect("it is there");
    assert!(!text.contains(": write"), "a stranger's pull request writes nothing");
}
