//! Hosts that are away, hang, lie, send without end or send harm: each is told, and what was good is served on.

use std::fs;
use std::net::TcpListener;
use std::process::Stdio;

use super::*;
use crate::support::forge::Forge;

/// Serves a first commit from the forge, then lets it misbehave and pushes another one.
fn served_then(test: &str, mode: &str, more: &[&str]) -> Option<(Wishes, Forge, Served)> {
    let wishes = cluster();
    let forge = Forge::start(test, &wishes)?;
    let served = serve(&wishes, &forge.url("wishes.git"), more);
    until_serving(&served, &wishes.git(&["rev-parse", "HEAD"]));
    forge.mode(mode);
    publish_image(&wishes, "two");
    Some((wishes, forge, served))
}

#[test]
fn a_host_that_answers_badly_is_told_and_the_good_is_served_on() {
    let name = "a_host_that_answers_badly_is_told_and_the_good_is_served_on";
    let Some((wishes, forge, served)) = served_then(name, "die", &[]) else { return };
    until_fails(&served, "ended in the middle");
    assert_boots(&served, "one");
    drop(forge);
    until_fails(&served, "cannot be reached");
    assert_boots(&served, "one");
    assert_eq!(leftovers(&wishes), Vec::<PathBuf>::new());
    let (_, log) = served.stop();
    let told = log.iter().filter(|line| line.contains("cannot be followed")).count();
    assert!(told <= 3, "a fault is told once:\n{}", log.join("\n"));
}

#[test]
fn a_status_of_http_is_said_in_words() {
    let wishes = cluster();
    let Some(forge) = Forge::start("a_status_of_http_is_said_in_words", &wishes) else { return };
    for (at, (mode, words)) in [
        ("status 404", "no such repository"),
        ("status 403", "refuses the account"),
        ("status 429", "asked too often"),
        ("status 500", "git cannot fetch"),
    ]
    .into_iter()
    .enumerate()
    {
        forge.mode(mode);
        let served = serve_at(&wishes, &format!("{at}.redb"), &forge.url("wishes.git"), &[]);
        until_fails(&served, words);
    }
    // No CA of ours signs for it.
    fs::remove_file(wishes.root().join(".gitconfig")).unwrap();
    let served = serve_at(&wishes, "tls.redb", &forge.url("wishes.git"), &[]);
    let error = until_fails(&served, "certificate is not trusted");
    assert!(error.contains(&format!("http.https://127.0.0.1:{}.sslCAInfo", forge.port)), "{error}");
}

#[test]
fn a_host_that_never_answers_is_given_up_and_nothing_of_git_is_left() {
    let wishes = cluster();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    for (at, url) in
        [format!("https://127.0.0.1:{port}/mute.git"), format!("ssh://127.0.0.1:{port}/mute.git")].iter().enumerate()
    {
        let served = serve_at(&wishes, &format!("{at}.redb"), url, &["--fetch-timeout", "2s"]);
        let error = until_fails(&served, "no end after 2s");
        assert!(error.contains("`fetch.timeout`"), "{error}");
        assert_eq!(processes(&format!("{port}/mute.git")), Vec::<String>::new());
        assert_eq!(served.get("/healthz").status, 200);
    }
    // A server that is told to end does not wait for a look.
    let served = serve_at(&wishes, "2.redb", &format!("https://127.0.0.1:{port}/mute.git"), &[]);
    let deadline = Instant::now() + PATIENCE;
    while processes(&format!("{port}/mute.git")).is_empty() {
        assert!(Instant::now() < deadline, "git never ran");
    }
    served.stop();
    assert_eq!(processes(&format!("{port}/mute.git")), Vec::<String>::new());
}

/// Lists the command lines of processes, other than muster, that hold a text.
fn processes(text: &str) -> Vec<String> {
    let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let lines = entries.map(|entry| fs::read(entry.path().join("cmdline")).unwrap_or_default());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines.filter(|line| line.contains(text) && !line.contains(" serve ")).collect()
}

#[test]
fn an_answer_without_end_is_cut() {
    let wishes = cluster();
    let Some(forge) = Forge::start("an_answer_without_end_is_cut", &wishes) else { return };
    forge.mode("endless");
    let served = serve(&wishes, &forge.url("wishes.git"), &["--fetch-timeout", "6s"]);
    let error = until_fails(&served, "wishes.git: ");
    assert!(error.contains("no end after 6s") || error.contains("list of branches and tags is larger"), "{error}");
    assert_eq!(served.get("/healthz").status, 200);
}

#[test]
fn a_repository_past_the_bound_is_refused_and_served_again_once_it_is_small() {
    let name = "a_repository_past_the_bound_is_refused_and_served_again_once_it_is_small";
    let Some((wishes, _forge, served)) = served_then(name, "ok", &["--fetch-max-mib", "1"]) else { return };
    let first = wishes.git(&["rev-parse", "HEAD"]);
    // What no compression makes small.
    let mut noise = vec![0_u8; 3 << 20];
    fastrand::Rng::with_seed(7).fill(&mut noise);
    wishes.write("noise.bin", &noise);
    wishes.publish("too large");
    let error = until_fails(&served, "larger than the 1 MB");
    assert!(error.contains("`fetch.max_mib`"), "{error}");
    assert_eq!(leftovers(&wishes), Vec::<PathBuf>::new());
    wishes.git(&["reset", "-q", "--hard", &first]);
    let small = publish_image(&wishes, "three");
    until_serving(&served, &small);
    assert_boots(&served, "three");
}

#[test]
fn a_harmful_repository_is_refused() {
    let name = "a_harmful_repository_is_refused";
    let Some((wishes, _forge, served)) = served_then(name, "ok", &[]) else { return };
    until_serving(&served, &wishes.git(&["rev-parse", "HEAD"]));
    // A blob that unpacks to a gigabyte is no wish, and costs no memory.
    let zeros = wishes.root().join("zeros");
    fs::File::create(&zeros).unwrap().set_len(256 << 20).unwrap();
    let mut hash = wishes.git_command(&wishes.clone_dir());
    let blob = hash.args(["hash-object", "-w"]).arg(&zeros).output().unwrap();
    let blob = String::from_utf8(blob.stdout).unwrap().trim().to_owned();
    wishes.git(&["update-index", "--add", "--cacheinfo", &format!("100644,{blob},boot/bomb.toml")]);
    wishes.git(&["commit", "-q", "-m", "bomb"]);
    wishes.push();
    let bomb = wishes.git(&["rev-parse", "HEAD"]);
    let status = until(&served, "it is refused", |status| status["refused"]["revision"]["id"] == *bomb);
    assert!(status["refused"]["diagnostics"].to_string().contains("boot/bomb.toml"), "{status:#}");
    assert!(peak_of(&served) < 200 << 10, "it took {} kB", peak_of(&served));

    // A tree that names `.git`, which no git makes.
    wishes.git(&["reset", "-q", "--hard", "HEAD~1"]);
    let tree = tree_of(&wishes, &["100644 .git"]);
    let evil = wishes.git(&["commit-tree", "-p", "HEAD", "-m", "evil", &tree]);
    wishes.git(&["push", "-q", "-f", "origin", &format!("{evil}:refs/heads/main")]);
    let error = until_fails(&served, "malformed or harmful");
    assert!(error.contains("hasDotgit"), "{error}");
    assert_boots(&served, "two");
}

/// Makes a tree by hand, each entry naming the same small file.
fn tree_of(wishes: &Wishes, entries: &[&str]) -> String {
    use std::io::Write;
    let blob = wishes.git(&["rev-parse", "HEAD:cluster.toml"]);
    let id: Vec<u8> = (0..40).step_by(2).map(|at| u8::from_str_radix(&blob[at..at + 2], 16).unwrap()).collect();
    let bytes: Vec<u8> = entries.iter().flat_map(|entry| [entry.as_bytes(), b"\0", &id].concat()).collect();
    let mut command = wishes.git_command(&wishes.clone_dir());
    command.args(["hash-object", "-w", "--literally", "-t", "tree", "--stdin"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&bytes).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap().trim().to_owned()
}

/// Returns the most memory that the server had so far, in kB.
fn peak_of(served: &Served) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/status", served.pid())).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
