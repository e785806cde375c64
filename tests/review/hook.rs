//! `muster hook`: real pushes over a file, `git http-backend` and sshd to a repository that has it installed.

use crate::support::forge::Forge;
use crate::support::muster;
use crate::support::sshd::{self, Sshd};
use crate::support::wishes::Wishes;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn example() -> Wishes {
    Wishes::copy_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster-example"))
}

/// The example with the hook installed.
fn hooked(more: &[&str]) -> Wishes {
    let wishes = example();
    install(&wishes, more);
    wishes
}

fn install(wishes: &Wishes, more: &[&str]) {
    let (code, said) = hook(wishes.root(), &[&["install", "wishes.git"], more].concat());
    assert_eq!(code, 0, "{said}");
}

fn hook(dir: &Path, args: &[&str]) -> (i32, String) {
    told(&muster::run(dir, &[&["hook"], args].concat()))
}

fn told(output: &Output) -> (i32, String) {
    let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8(bytes.clone()).expect("it is text"));
    (output.status.code().expect("it ends"), said.concat())
}

/// Pushes; returns whether git took all of it, and what it said.
fn push(wishes: &Wishes, args: &[&str]) -> (bool, String) {
    let mut command = wishes.git_command(&wishes.clone_dir());
    let (code, said) = told(&command.arg("push").args(args).output().expect("git is here"));
    (code == 0, said)
}

fn tip(wishes: &Wishes, reference: &str) -> Option<String> {
    let mut command = wishes.git_command(&wishes.bare());
    let output = command.args(["rev-parse", "-q", "--verify", reference]).output().expect("git is here");
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn typo(wishes: &Wishes) {
    wishes.edit("groups/compute.toml", "\"selinux=1\"", "\"selinux=1\", x = ");
    wishes.commit("a typo");
}

fn mended(wishes: &Wishes) {
    wishes.git(&["reset", "-q", "--hard", "origin/main"]);
}

/// A push that is told what it does, and one that is refused with the place of its mistake.
fn judge_pushes(wishes: &Wishes, to: &str) {
    wishes.edit("groups/compute.toml", "\"selinux=1\"", "\"selinux=0\"");
    let good = wishes.commit("no SELinux on compute");
    let (is_taken, said) = push(wishes, &[to, "main"]);
    assert!(is_taken && said.contains("remote: 110 nodes change: script"), "{said}");
    assert_eq!(tip(wishes, "main"), Some(good.clone()));
    wishes.edit("groups/compute.toml", "\"selinux=0\"", "\"selinux=0\", x = ");
    wishes.commit("a typo");
    let (is_taken, said) = push(wishes, &[to, "main"]);
    assert!(!is_taken && said.contains("pre-receive hook declined"), "{said}");
    assert!(said.contains("remote: error[toml-syntax]") && said.contains("groups/compute.toml:5:"), "{said}");
    assert!(said.contains("main is not moved to ") && said.contains("1 error"), "{said}");
    assert_eq!(tip(wishes, "main"), Some(good));
}

#[test]
fn pushes_over_a_file_are_judged() {
    judge_pushes(&hooked(&[]), "origin");
}

#[test]
fn pushes_over_http_are_judged() {
    let wishes = hooked(&[]);
    wishes.git_in(&wishes.bare(), &["config", "http.receivepack", "true"]);
    let name = "hook::pushes_over_http_are_judged";
    let Some(forge) = Forge::plain_or_not(name, &wishes, "forge", &["plain"]) else { return };
    judge_pushes(&wishes, &format!("http://127.0.0.1:{}/wishes.git", forge.port));
}

#[test]
fn pushes_over_ssh_are_judged() {
    let wishes = hooked(&[]);
    sshd::keygen(&wishes.root().join("key"));
    let Some(sshd) = Sshd::start("hook::pushes_over_ssh_are_judged", &wishes, None) else { return };
    fs::copy(wishes.root().join("key.pub"), wishes.root().join("authorized")).expect("the key is there");
    sshd::configure(&wishes, &sshd);
    sshd::know(&wishes, &sshd);
    let ssh = format!("ssh -F {}/.ssh/config -o BatchMode=yes", wishes.root().display());
    wishes.git(&["config", "core.sshCommand", &ssh]);
    judge_pushes(&wishes, &format!("forge:{}", wishes.bare().display()));
}

#[test]
fn only_the_branch_that_is_served_is_judged() {
    let wishes = hooked(&[]);
    typo(&wishes);
    wishes.git(&["tag", "v1"]);
    let (is_taken, said) = push(&wishes, &["origin", "HEAD:refs/heads/work", "v1"]);
    assert!(is_taken && !said.contains("remote:"), "{said}");
    // All of a push is refused with one of its references.
    let (is_taken, said) = push(&wishes, &["origin", "HEAD:refs/heads/other", "main"]);
    assert!(!is_taken && said.contains("main is not moved"), "{said}");
    assert_eq!((tip(&wishes, "other"), tip(&wishes, "work").is_some()), (None, true));
    let (is_taken, said) = push(&wishes, &["origin", ":work"]);
    assert!(is_taken, "{said}");
    let before = tip(&wishes, "main");
    let (is_taken, said) = push(&wishes, &["origin", ":main"]);
    assert!(!is_taken && said.contains("remote: main is not deleted: nodes boot by it"), "{said}");
    assert_eq!(tip(&wishes, "main"), before);
}

#[test]
fn a_branch_that_begins_and_one_that_goes_back() {
    let wishes = hooked(&["--branch", "live"]);
    let (is_taken, said) = push(&wishes, &["origin", "main:live"]);
    assert!(is_taken && said.contains("checks; there is no commit before it"), "{said}");
    wishes.edit("groups/compute.toml", "\"selinux=1\"", "\"selinux=0\"");
    wishes.commit("no SELinux on compute");
    assert!(push(&wishes, &["origin", "main:live"]).0);
    let (is_taken, said) = push(&wishes, &["--force", "origin", "main~1:live"]);
    assert!(is_taken && said.contains("live leaves what it was: 1 commit is left out"), "{said}");
    assert!(said.contains("110 nodes change"), "{said}");
    // An empty repository whose HEAD names a branch that is not there yet.
    let root = wishes.root().to_owned();
    wishes.git_in(&root, &["init", "-q", "--bare", "-b", "main", "empty.git"]);
    assert_eq!(hook(&root, &["install", "empty.git"]).0, 0);
    let (is_taken, said) = push(&wishes, &["../empty.git", "main"]);
    assert!(is_taken && said.contains("there is no commit before it"), "{said}");
}

#[test]
fn a_guard_rail_refuses_until_it_is_allowed() {
    let wishes = hooked(&[]);
    wishes.edit(
        "policy.toml",
        "# max_nodes = 100, max_percent = 10: the number of nodes that one commit may change",
        "max_nodes = 20",
    );
    wishes.edit("groups/compute.toml", "\"selinux=1\"", "\"selinux=0\"");
    wishes.commit("no SELinux on compute");
    let (is_taken, said) = push(&wishes, &["origin", "main"]);
    assert!(!is_taken && said.contains("error[guard-rail]") && said.contains("`max_nodes` is 20"), "{said}");
    assert!(said.contains("110 nodes change: script"), "{said}");
    let hint = said.split("of policy.toml: \"").nth(1).expect("the digest is told");
    let digest = &hint[..16];
    // One that is not checked in the time that it may take is refused.
    let folder = wishes.root().join("other");
    fs::create_dir_all(&folder).expect("it can be made");
    wishes.git_in(&folder, &["clone", "-q", "--bare", "../wishes.git", "."]);
    assert_eq!(hook(&folder, &["install", "."]).0, 0);
    let script = folder.join("hooks/pre-receive");
    let text = fs::read_to_string(&script).expect("it is there");
    fs::write(&script, text.replace("pre-receive\n", "pre-receive --within 0s\n")).expect("it can be written");
    let (is_taken, said) = push(&wishes, &["../other", "main"]);
    assert!(!is_taken && said.contains("the commit is not checked within 0ns, so nothing is taken"), "{said}");

    wishes.edit("policy.toml", "allow = []", &format!("allow = [\"{digest}\"]"));
    wishes.commit("it is wished");
    let (is_taken, said) = push(&wishes, &["origin", "main"]);
    assert!(is_taken && !said.contains("guard-rail"), "{said}");
}

#[test]
fn a_branch_that_takes_minutes_to_build_can_be_mended_and_its_comparison_is_skipped_loudly() {
    let wishes = example();
    let slow = "#cloud-config\nn: {% for i in range(9000) %}{% if i + 1 == 0 %}{{ name }}{% endif %}{% endfor %}1\n";
    wishes.write("cloud-init/slow.yaml.j2", slow);
    wishes.write("nodes/slow.toml", "[[node]]\nname = \"s[1-40000]\"\ncloud_init = { user_data = \"slow.yaml.j2\" }\n");
    wishes.publish("slow");
    assert_eq!(hook(&wishes.bare(), &["install", "."]).0, 0);
    let script = wishes.bare().join("hooks/pre-receive");
    let text = fs::read_to_string(&script).expect("it is there");
    fs::write(&script, text.replace("pre-receive\n", "pre-receive --within 20s\n")).expect("it can be written");
    wishes.edit("groups/compute.toml", "\"selinux=1\"", "\"selinux=0\"");
    wishes.commit("slow still");
    let (is_taken, said) = push(&wishes, &["origin", "main"]);
    assert!(!is_taken && said.contains("is not checked within 20s"), "{said}");

    wishes.git(&["revert", "--no-edit", "HEAD", "HEAD~1"]);
    let (is_taken, said) = push(&wishes, &["origin", "main"]);
    assert!(is_taken && said.contains("SKIPPED") && said.contains("guard rails"), "{said}");
}

/// Runs `muster check` in the clone.
fn check(wishes: &Wishes, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_muster"));
    let output = command.arg("check").args(arguments).current_dir(wishes.clone_dir()).output().expect("muster runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_check_that_passes_the_bounds_of_a_build_names_them_and_the_commit() {
    let wishes = example();
    let slow = "#cloud-config\nn: {% for i in range(9000) %}{% if i + 1 == 0 %}{{ name }}{% endif %}{% endfor %}1\n";
    wishes.write("cloud-init/slow.yaml.j2", slow);
    wishes.write("nodes/slow.toml", "[[node]]\nname = \"s[1-40000]\"\ncloud_init = { user_data = \"slow.yaml.j2\" }\n");
    wishes.commit("slow");
    let (code, _, said) = check(&wishes, &["--build-timeout", "1s"]);
    assert_eq!(code, Some(2), "{said}");
    let expected = "error: building the files in ./ takes longer than 1s, as `--build-timeout` allows";
    assert!(said.contains(expected) && said.contains("hint: "), "{said}");
    let (code, _, said) = check(&wishes, &["--build-timeout", "1s", "--rev", "HEAD"]);
    assert!(code == Some(2) && said.contains("error: building commit "), "{said}");
    let (code, _, said) = check(&wishes, &["--build-timeout", "soon"]);
    assert!(code == Some(2) && said.contains("build.timeout"), "{said}");

    wishes.git(&["revert", "--no-edit", "HEAD"]);
    let numbers = format!("vars = {{ a = [{}] }}\n", "1,".repeat(3_900_000));
    wishes.write("nodes/big.toml", format!("[[node]]\nname = \"big\"\n{numbers}"));
    let (code, _, said) = check(&wishes, &["--build-max-mib", "200"]);
    assert_eq!(code, Some(2), "{said}");
    let expected = "the build of the files in ./ overflowed its stack, or needs more than 200 MiB";
    assert!(said.contains(expected), "{said}");
}

#[test]
fn a_mistake_that_repeats_is_counted_and_listed_as_json() {
    let wishes = example();
    let keys: String = (0..3_000).map(|at| format!("k{at} = 1\n")).collect();
    wishes.write("nodes/wrong.toml", format!("[[node]]\nname = \"w\"\n{keys}"));
    let (code, text, _) = check(&wishes, &[]);
    assert_eq!(code, Some(1), "{text:.2000}");
    assert_eq!(text.matches("error[unknown-key]").count(), 50, "{text:.2000}");
    let last: Vec<&str> = text.lines().rev().take(4).collect();
    assert_eq!(last[0], "3000 errors, 0 warnings");
    assert_eq!(last[3], "… and 2950 more `unknown-key` in nodes/wrong.toml");
    let (code, json, _) = check(&wishes, &["--format", "json"]);
    let findings: Vec<serde_json::Value> = serde_json::from_str(&json).expect("it is JSON");
    assert_eq!((code, findings.len()), (Some(1), 3_000));
}

#[test]
fn a_check_that_takes_all_memory_says_so_in_words() {
    let wishes = example();
    let numbers = format!("vars = {{ a = [{}] }}\n", "1,".repeat(3_900_000));
    for name in ["a", "b"] {
        wishes.write(&format!("nodes/big{name}.toml"), format!("[[node]]\nname = \"big{name}\"\n{numbers}"));
    }
    wishes.commit("big");
    let mut command = std::process::Command::new("sh");
    let check = format!("ulimit -d 300000; exec '{}' check .", env!("CARGO_BIN_EXE_muster"));
    command.args(["-c", &check]).current_dir(wishes.clone_dir());
    let output = command.output().expect("sh runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("error: this command came to no result") && said.contains("hint: "), "{said}");
}

#[test]
fn a_broken_branch_can_be_mended() {
    let wishes = example();
    typo(&wishes);
    wishes.push();
    install(&wishes, &[]);
    wishes.git(&["revert", "--no-edit", "HEAD"]);
    let (is_taken, said) = push(&wishes, &["origin", "main"]);
    assert!(is_taken && said.contains("does not check (1 error") && said.contains("no guard rail is judged"), "{said}");

    // So can one whose objects are damaged.
    wishes.edit("groups/compute.toml", "\"selinux=1\"", "\"selinux=0\"");
    wishes.commit("no SELinux on compute");
    let old = wishes.git_in(&wishes.bare(), &["rev-parse", "main:groups/compute.toml"]);
    let object = wishes.bare().join("objects").join(&old[..2]).join(&old[2..]);
    assert!(object.is_file(), "small pushes are kept loose");
    fs::remove_file(object).expect("it is there");
    let (is_taken, said) = push(&wishes, &["--no-thin", "origin", "main"]);
    assert!(is_taken && said.contains("cannot be read"), "{said}");
}

#[test]
fn a_cluster_in_a_folder_of_its_own() {
    let wishes = Wishes::new();
    let cluster = |name: &str| format!("name = \"{name}\"\n");
    wishes.write("clusters/west/cluster.toml", cluster("west"));
    wishes.publish("west");
    install(&wishes, &["--path", "clusters/west"]);
    wishes.write("clusters/east/cluster.toml", "name = ");
    wishes.commit("of another hook");
    let (is_taken, said) = push(&wishes, &["origin", "main"]);
    assert!(is_taken, "{said}");
    wishes.write("clusters/west/cluster.toml", "name = ");
    wishes.commit("a typo");
    let (is_taken, said) = push(&wishes, &["origin", "main"]);
    assert!(!is_taken && said.contains("clusters/west/cluster.toml:1:"), "{said}");
    wishes.git(&["rm", "-rq", "clusters/west"]);
    wishes.commit("no more");
    let (is_taken, said) = push(&wishes, &["origin", "main"]);
    assert!(!is_taken && said.contains("clusters/west"), "{said}");
}

/// Runs the hook by hand, as git does but for the quarantine.
fn by_hand(wishes: &Wishes, lines: &str, errors: Stdio) -> Output {
    let mut command = muster::command(&wishes.bare());
    command.env("GIT_DIR", ".").args(["hook", "pre-receive"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(errors).spawn().expect("muster starts");
    child.stdin.take().expect("a pipe").write_all(lines.as_bytes()).expect("it reads");
    child.wait_with_output().expect("it ends")
}

#[test]
fn a_pusher_who_goes_away_changes_nothing_of_the_answer() {
    let wishes = example();
    let old = wishes.git(&["rev-parse", "HEAD"]);
    typo(&wishes);
    let new = wishes.git(&["rev-parse", "HEAD"]);
    assert!(push(&wishes, &["origin", "main:work"]).0);
    let lines = format!("{old} {new} refs/heads/main\n");
    let (closed, pipe) = std::io::pipe().expect("a pipe");
    drop(closed);
    assert_eq!(by_hand(&wishes, &lines, pipe.into()).status.code(), Some(1));
    for bad in ["main\n", "1 2 refs/heads/main\n", &format!("{old} {old}\n")] {
        let (code, said) = told(&by_hand(&wishes, bad, Stdio::piped()));
        assert!(code == 2 && said.contains("is no line of a push"), "{said}");
    }
    let absent = "1".repeat(40);
    let (code, said) = told(&by_hand(&wishes, &format!("{old} {absent} refs/heads/main\n"), Stdio::piped()));
    assert!(code == 2 && said.contains(&absent), "{said}");
}

#[test]
fn it_is_installed_once_and_taken_away_again() {
    let wishes = Wishes::new();
    let root = wishes.root().join("it's a \"place\"");
    fs::create_dir_all(&root).expect("it can be made");
    wishes.git_in(&root, &["init", "-q", "--bare", "-b", "main", "wishes.git"]);
    let place = root.join("wishes.git/hooks/pre-receive");
    let (code, said) = hook(&root, &["install", "wishes.git", "--dry-run", "--branch", "it's"]);
    assert!(code == 0 && said.contains("--branch 'it'\\''s'") && !place.exists(), "{said}");
    for (said, file) in [("is judged from now on", "hooks/pre-receive"), ("is as it should be", "hooks/pre-receive")] {
        let (code, out) = hook(&root, &["install", "wishes.git"]);
        assert!(code == 0 && out.contains(said) && out.contains(file), "{out}");
    }
    assert_eq!(fs::metadata(&place).expect("it is there").permissions().mode() & 0o777, 0o755);
    let (code, said) = hook(&root, &["install", "wishes.git", "--branch", "live"]);
    assert!(code == 0 && fs::read_to_string(&place).expect("it is there").contains("--branch 'live'"), "{said}");
    assert!(hook(&root, &["uninstall", "wishes.git"]).1.contains("removed"));
    assert!(!place.exists());
    let (code, said) = hook(&root, &["uninstall", "wishes.git"]);
    assert!(code == 0 && said.contains("there is no hook"), "{said}");
    let (code, said) = hook(&root, &["install", "nowhere.git"]);
    assert!(code == 2 && said.contains("nowhere.git"), "{said}");
}

#[test]
fn what_others_wrote_is_left_alone() {
    let wishes = example();
    let place = wishes.bare().join("hooks/pre-receive");
    fs::write(&place, "#!/bin/sh\nexit 0\n").expect("it can be written");
    for of in ["install", "uninstall"] {
        let (code, said) = hook(wishes.root(), &[of, "wishes.git"]);
        assert!(code == 2 && said.contains("muster did not write"), "{said}");
    }
    assert_eq!(fs::read_to_string(&place).expect("it is there"), "#!/bin/sh\nexit 0\n");
    fs::remove_file(&place).expect("it is there");
    symlink("/bin/true", &place).expect("it can be made");
    assert_eq!(hook(wishes.root(), &["install", "wishes.git"]).0, 2);
    fs::remove_file(&place).expect("it is there");

    // A folder of hooks beside the repository may be everybody's.
    let shared = wishes.root().join("shared");
    wishes.git_in(&wishes.bare(), &["config", "core.hooksPath", &shared.display().to_string()]);
    let (code, said) = hook(wishes.root(), &["install", "wishes.git"]);
    assert!(code == 2 && said.contains("core.hooksPath") && said.contains("--shared"), "{said}");
    install(&wishes, &["--shared"]);
    assert!(shared.join("pre-receive").is_file() && !place.exists());
    typo(&wishes);
    assert!(!push(&wishes, &["origin", "main"]).0);
    mended(&wishes);
    // One that is named from the repository is its own.
    wishes.git_in(&wishes.bare(), &["config", "core.hooksPath", "own/hooks"]);
    install(&wishes, &[]);
    assert!(wishes.bare().join("own/hooks/pre-receive").is_file());
    typo(&wishes);
    assert!(!push(&wishes, &["origin", "main"]).0);
}

#[test]
fn without_its_program_nothing_is_taken() {
    let wishes = example();
    let program: PathBuf = wishes.root().join("muster");
    fs::copy(env!("CARGO_BIN_EXE_muster"), &program).expect("it can be copied");
    let output = Command::new(&program).current_dir(wishes.root()).args(["hook", "install", "wishes.git"]).output();
    assert!(output.expect("it runs").status.success());
    fs::remove_file(&program).expect("it is there");
    wishes.edit("groups/compute.toml", "\"selinux=1\"", "\"selinux=0\"");
    wishes.commit("no SELinux on compute");
    let (is_taken, said) = push(&wishes, &["origin", "main"]);
    assert!(!is_taken && said.contains("muster is not where it was, so nothing is taken"), "{said}");
}

/// A crypt hash, and the middle of it.
const SECRET: (&str, &str) = (
    "$6$saltsalt$Zq4711Xk0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567",
    "Zq4711Xk",
);

fn add_secret(wishes: &Wishes) -> String {
    wishes.write("cloud-init/secret.yaml", format!("#cloud-config\nusers:\n  - hashed_passwd: {}\n", SECRET.0));
    wishes.commit("a hash")
}

fn take_out_secret(wishes: &Wishes) {
    wishes.write("cloud-init/secret.yaml", "#cloud-config\nusers: []\n");
    wishes.commit("no hash");
}

#[test]
fn a_secret_that_goes_again_within_a_push_is_named_with_its_commit() {
    for more in [&[][..], &["--strict"]] {
        let wishes = hooked(more);
        let before = tip(&wishes, "main");
        let bad = add_secret(&wishes);
        take_out_secret(&wishes);
        // What a later commit repeats is told once.
        wishes.write("README.md", "x");
        wishes.commit("something else");
        let (is_taken, said) = push(&wishes, &["origin", "main"]);
        assert_eq!(is_taken, more.is_empty(), "{said}");
        assert_eq!(tip(&wishes, "main") == before, !is_taken);
        let place = format!("remote:   commit {}: cloud-init/secret.yaml:3: a crypt hash", &bad[..12]);
        assert_eq!(said.matches(&place).count(), 1, "{said}");
        assert!(said.contains("1 secret in 1 commit of this push") && !said.contains(SECRET.1), "{said}");
    }
}

#[test]
fn a_push_with_no_secret_says_nothing_of_its_history_and_an_old_secret_is_no_news() {
    let wishes = example();
    add_secret(&wishes);
    let (is_taken, said) = push(&wishes, &["origin", "main"]);
    assert!(is_taken, "{said}");
    install(&wishes, &[]);
    take_out_secret(&wishes);
    wishes.edit("groups/compute.toml", "\"selinux=1\"", "\"selinux=0\"");
    wishes.commit("no SELinux");
    let (is_taken, said) = push(&wishes, &["origin", "main"]);
    assert!(is_taken && !said.contains("commit ") && !said.contains("clear-secret"), "{said}");
}

#[test]
fn a_push_that_a_rail_refuses_shows_its_secrets_too() {
    let wishes = example();
    wishes.edit("policy.toml", "[guard]", "[guard]\nmax_nodes = 1");
    wishes.publish("a rail");
    install(&wishes, &[]);
    wishes.edit("groups/compute.toml", "\"selinux=1\"", "\"selinux=0\"");
    add_secret(&wishes);
    let (is_taken, said) = push(&wishes, &["origin", "main"]);
    assert!(!is_taken && said.contains("error[guard-rail]"), "{said}");
    assert!(said.contains("warning[clear-secret]") && said.contains("secret.yaml:3:20"), "{said}");
    assert!(!said.contains(SECRET.1), "{said}");
}
