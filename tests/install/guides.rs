//! The guides: each configuration in them is one that its program takes, each link leads somewhere, and the README is true.

use super::support::parts::{self, Part};
use super::support::{muster, netns};
use super::{ours, said, text};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// The blocks of code of a language in a page.
pub fn blocks(page: &str, language: &str) -> Vec<String> {
    let text = text(page);
    let fence = format!("\n```{language}\n");
    text.split(&fence).skip(1).filter_map(|rest| rest.split("\n```").next()).map(|block| format!("{block}\n")).collect()
}

/// Every page, from the root of this repository.
fn pages() -> Vec<String> {
    let mut pages: Vec<String> =
        ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"].map(str::to_owned).to_vec();
    for folder in ["docs", "docs/wire"] {
        let files = fs::read_dir(ours(folder)).expect("there are guides").map(|file| file.expect("it can be read"));
        let names = files.map(|file| format!("{folder}/{}", file.file_name().display()));
        pages.extend(names.filter(|name| name.ends_with(".md")));
    }
    pages.sort();
    pages
}

/// Judges each block of a language by a program, and once a broken one, which it must refuse.
fn judged(language: &str, judge: impl Fn(&PathBuf) -> (Option<i32>, String)) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let file = folder.path().join("sample.conf");
    let mut seen = 0;
    for page in pages() {
        for block in blocks(&page, language) {
            fs::write(&file, &block).expect("the sample can be written");
            let (code, said) = judge(&file);
            assert_eq!(code, Some(0), "{page}: {said}\n{block}");
            seen += 1;
        }
    }
    assert!(seen > 0, "no page has a block of {language}");
    fs::write(&file, "frobnicate=yes {\n").expect("the sample can be written");
    assert_ne!(judge(&file).0, Some(0), "{language} takes anything");
}

#[test]
fn dnsmasq_takes_what_the_guides_say() {
    let Some(program) = parts::require("guides::dnsmasq_takes_what_the_guides_say", Part::Dnsmasq) else { return };
    judged("dnsmasq", |file| said(Command::new(&program).arg("--test").arg(format!("--conf-file={}", file.display()))));
}

#[test]
fn kea_takes_what_the_guides_say() {
    let Some(kea) = parts::require("guides::kea_takes_what_the_guides_say", Part::Kea) else { return };
    let folders = fs::read_dir(kea.join("usr/lib")).expect("it has libraries").map(|folder| folder.unwrap().path());
    let libraries = std::env::join_paths(folders.filter(|folder| folder.is_dir())).expect("paths have no colons");
    let run = tempfile::tempdir().expect("a temporary folder can be made");
    judged("kea", |file| {
        let mut command = Command::new(kea.join("usr/sbin/kea-dhcp4"));
        command.env("LD_LIBRARY_PATH", &libraries).env("KEA_PIDFILE_DIR", run.path()).env("KEA_LOCKFILE_DIR", "none");
        said(command.arg("-t").arg(file))
    });
}

#[test]
fn dhcpd_takes_what_the_guides_say() {
    let Some(program) = parts::require("guides::dhcpd_takes_what_the_guides_say", Part::Dhcpd) else { return };
    judged("dhcpd", |file| said(Command::new(&program).args(["-t", "-cf"]).arg(file)));
}

#[test]
fn every_link_between_the_pages_leads_somewhere() {
    for page in pages() {
        let (text, folder) = (text(&page), ours(&page));
        let folder = folder.parent().expect("a page is in a folder");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            if path.contains("://") {
                continue;
            }
            let target = if path.is_empty() { ours(&page) } else { folder.join(path) };
            assert!(target.exists(), "{page}: {link} leads nowhere");
            if !anchor.is_empty() {
                let there = fs::read_to_string(&target).expect("a page can be read");
                let headings = there.lines().filter_map(|line| line.strip_prefix('#'));
                let slug = |line: &str| line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
                let slugs: Vec<String> =
                    headings.map(|line| slug(line).replace(['`', ',', ':', '?', '.'], "")).collect();
                assert!(slugs.iter().any(|slug| slug == anchor), "{page}: {link}: no such heading in {slugs:?}");
            }
        }
    }
}

#[test]
fn the_page_of_commands_is_what_the_program_prints() {
    let output = muster::run(&ours("docs"), &["man", "--markdown"]);
    let printed = String::from_utf8(output.stdout).expect("it is UTF-8");
    assert_eq!(output.status.code(), Some(0), "{printed}");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(ours("docs/commands.md"), &printed).expect("the page can be written");
    }

    let page = text("docs/commands.md");
    let differs = page.lines().zip(printed.lines()).find(|(old, new)| old != new);
    assert!(
        page == printed,
        "docs/commands.md is out of date: `UPDATE=1 cargo test --test install commands` writes it; the first line that differs: \
         {differs:?}"
    );
}

/// Commands and what they say: `$ ` begins a command, what follows is its output to the byte.
fn session(block: &str) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    for line in block.lines() {
        match (line.strip_prefix("$ "), all.last_mut()) {
            (Some(command), _) => all.push((command.to_owned(), String::new())),
            (None, Some((_, said))) => said.push_str(&format!("{line}\n")),
            (None, None) => panic!("output before a command: {line}"),
        }
    }
    all
}

/// All blocks of code of a page in their order, each with its language.
fn ordered_blocks(page: &str) -> Vec<(String, String)> {
    let text = text(page);
    let (mut all, mut open) = (Vec::new(), None::<(String, String)>);

    for line in text.lines() {
        match (line.strip_prefix("```"), open.as_mut()) {
            (Some(language), None) => open = Some((language.to_owned(), String::new())),
            (Some(_), Some(_)) => all.extend(open.take()),
            (None, Some((_, block))) => block.push_str(&format!("{line}\n")),
            (None, None) => {}
        }
    }
    all
}

/// Starts the server that a page starts in another terminal, in place of the one that runs.
const START_SERVER: &str = r#"
if [ -n "${SERVER-}" ]; then kill "$SERVER"; wait "$SERVER"; fi
(serve_as_the_page_says) >../log 2>&1 &
SERVER=$!
trap 'kill "$SERVER"' EXIT
until curl -sf -o ../ready http://127.0.0.1:8270/readyz; do sleep 0.1; kill -0 "$SERVER" || exit; done
"#;

/// The script of a reader who follows the pages, and what a terminal then shows.
fn followed() -> (String, String) {
    let mut script = String::from("exec 2>&1\n");
    let mut shown = String::new();

    for page in ["README.md", "docs/from-zero.md", "docs/serving.md"] {
        for (language, block) in ordered_blocks(page) {
            match language.as_str() {
                "console" => run_session(&block, &mut script, &mut shown),
                "sh" if page == "docs/from-zero.md" && block.contains("muster serve") => {
                    let serve = block.replace("muster serve", "exec muster serve");
                    script.push_str(&START_SERVER.replace("serve_as_the_page_says", &format!("\n{serve}")));
                }
                "toml" if page == "docs/from-zero.md" => write_file(&block, &mut script),
                _ => {}
            }
        }
    }
    assert_eq!(script.matches("exec muster serve").count(), 2, "the page serves two repositories");
    (script, shown)
}

/// Waits for the commit that the page has just made, in place of a reader's three seconds.
const UNTIL_SERVED: &str = "until muster status --store ../muster.redb | grep -q \"^serves.*$(git log -1 --format=%s)\"; \
    do sleep 0.1; kill -0 \"$SERVER\" || exit; done";

fn run_session(block: &str, script: &mut String, shown: &mut String) {
    for (command, output) in session(block) {
        let run = if command == "sleep 3" { UNTIL_SERVED } else { &command };
        script.push_str(&format!("printf '%s\\n' '$ {}'\n{run}\n", command.replace('\'', "'\\''")));
        shown.push_str(&format!("$ {command}\n{output}"));
    }
}

/// Writes a file whose first line is a comment with its path.
fn write_file(block: &str, script: &mut String) {
    let path = block.lines().next().and_then(|line| line.strip_prefix("# ")).expect("a file begins with its path");
    script.push_str(&format!("cat >'{path}' <<'END_OF_FILE'\n{block}END_OF_FILE\n"));
}

#[test]
fn what_the_pages_show_of_a_terminal_is_what_it_shows() {
    const NAME: &str = "guides::what_the_pages_show_of_a_terminal_is_what_it_shows";
    // The port of the page is free in a network of its own.
    netns::isolated(NAME, || {
        let (script, shown) = followed();
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let clone = folder.path().join("clone");
        fs::create_dir(&clone).expect("the folder can be made");
        assert_eq!(said(Command::new("cp").arg("-R").arg(ours("cluster-example")).arg(&clone)).0, Some(0));
        let program = PathBuf::from(muster::command(&clone).get_program());
        let path =
            [program.parent().expect("a program is in a folder").into(), PathBuf::from("/usr/bin"), "/bin".into()];
        let mut bash = Command::new("bash");
        bash.args(["-c", &script]).current_dir(&clone).env_clear().env("HOME", folder.path()).env("LC_ALL", "C.UTF-8");
        bash.env("PATH", std::env::join_paths(path).expect("paths have no colons"));
        for who in ["AUTHOR", "COMMITTER"] {
            bash.env(format!("GIT_{who}_NAME"), "A Reader").env(format!("GIT_{who}_EMAIL"), "reader@site.example");
        }
        let output = bash.output().expect("bash starts");
        let log = fs::read_to_string(folder.path().join("log")).unwrap_or_default();
        similar(&String::from_utf8_lossy(&output.stdout), &shown, &log);
    });
}

/// Fails at the first line that differs.
fn similar(said: &str, shown: &str, log: &str) {
    for (at, (said_line, shown_line)) in said.lines().zip(shown.lines()).enumerate() {
        assert_eq!(said_line, shown_line, "line {at} of\n{said}\n{log}");
    }
    assert_eq!(said.lines().count(), shown.lines().count(), "{said}\n{log}");
}
