//! The commands on wishes of all kinds, as a person or a CI job runs them.

use super::*;
use std::fs;
use std::process::Command;

#[test]
fn check_says_what_is_wrong_and_exits_by_it() {
    let wishes = cluster();
    let dir = wishes.clone_dir();
    let check = |args: &[&str]| {
        let output = ends(&dir, &[&["check"], args].concat(), &[]);
        let all = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&all).into_owned();
        assert!(!said.contains("panicked"), "{said}");
        (output.status.code(), said)
    };
    assert_eq!(check(&[]).0, Some(0));
    wishes.write("nodes/a.toml", broken());
    let (code, said) = check(&[]);
    assert!(code == Some(1) && said.contains("nodes/a.toml:4:1"), "{said}");
    assert_eq!(check(&["--rev", "HEAD"]).0, Some(0), "the commit is read, not the files");
    wishes.commit("broken");
    wishes.write("nodes/a.toml", NODES);
    assert_eq!(check(&[]).0, Some(0), "the files are read, not the commit");
    let (code, said) = check(&["--rev", "HEAD"]);
    assert!(code == Some(1) && said.contains("nodes/a.toml:4:1"), "{said}");
    assert_eq!(check(&["--rev", "HEAD~1"]).0, Some(0));
    let (code, said) = check(&["--rev", "HEAD~7"]);
    assert!(code == Some(2) && said.contains("HEAD~7"), "{said}");
    let (code, said) = check(&["--rev", "mian"]);
    assert!(code == Some(2) && said.contains("there is `main`"), "{said}");

    wishes.write("nodes/b.toml", b"# Rechnerraum f\xfcr alle\n");
    let (code, said) = check(&[]);
    assert!(code == Some(1) && said.contains("nodes/b.toml") && said.contains("not-utf8]: line 1 "), "{said}");
    wishes.write("nodes/b.toml", format!("x = \"{}\"\n", "y".repeat(10_000_000)));
    let (code, said) = check(&[]);
    assert!(code == Some(1) && said.contains("nodes/b.toml") && said.contains("file-too-large"), "{said}");
    assert!(said.len() < 10_000, "a long line is not printed whole: {} bytes", said.len());
    wishes.write("nodes/b.toml", format!("x = \"{}\"\n", "y".repeat(5_000_000)));
    let (code, said) = check(&[]);
    assert!(code == Some(1) && said.contains("nodes/b.toml:1:"), "{} bytes", said.len());
    assert!(said.len() < 10_000, "a long line is not printed whole: {} bytes", said.len());
    wishes.remove("nodes/b.toml");

    let (code, said) = check(&["nowhere"]);
    assert!(code == Some(2) && said.contains("nowhere: no such folder"), "{said}");
    let (code, said) = check(&["cluster.toml"]);
    assert!(code == Some(2) && said.contains("cluster.toml") && said.contains("hint: "), "{said}");
    let (code, said) = check(&["--path", "nowhere"]);
    assert!(code == Some(2) && said.contains("nowhere"), "{said}");
    let (code, said) = check(&["nodes"]);
    assert!(code == Some(1) && said.contains("no-cluster"), "{said}");
}

#[test]
fn check_and_show_need_no_repository() {
    let wishes = cluster();
    fs::remove_dir_all(wishes.clone_dir().join(".git")).expect("it is there");
    let output = ends(&wishes.clone_dir(), &["check"], &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let output = ends(wishes.root(), &["show", "n1", "--repo", "clone", "--script"], &[]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.code() == Some(0) && said.contains("/one/vmlinuz"), "{said}");
    let output = ends(&wishes.clone_dir(), &["check", "--rev", "HEAD"], &[]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && said.contains("is not a git repository"), "{said}");
}

#[test]
fn show_prints_what_serve_sends() {
    let wishes = cluster();
    let first = wishes.git(&["rev-parse", "HEAD"]);
    let served = serve(&wishes, &["--advertise", "http://boot.example:8270"]);
    until_serving(&served, &first);
    let output = ends(&wishes.clone_dir(), &["show", "n2", "--cloud-init", "--format", "json"], &[]);
    let shown: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    for document in ["meta-data", "user-data", "network-config"] {
        let sent = served.get(&format!("/cloud-init/node/n2/{document}"));
        let shown = shown[0]["cloud_init"][document].as_str().expect("it is shown");
        assert_eq!(shown.replace("<server>", "http://boot.example:8270"), sent.text(), "{document}");
    }
    let output = ends(&wishes.clone_dir(), &["show", "n2", "--script"], &[]);
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    let sent = served.get("/boot/v1/bootscript?nid=2");
    let kernel = |text: &str| text.lines().find(|line| line.starts_with("kernel ")).map(str::to_owned);
    assert!(kernel(sent.text()).is_some());
    // Asked for by number, there is no MAC address that it could boot by again.
    let filled = shown.replace("<server>", "http://boot.example:8270").replace("<bootif>", "");
    assert_eq!(kernel(&filled), kernel(sent.text()));
}

#[test]
fn a_reader_that_goes_away_is_no_trouble() {
    let wishes = cluster();
    wishes.write("nodes/b.toml", "[[node]]\nname = \"m[1-5000]\"\n");
    let program = muster::command(&wishes.clone_dir()).get_program().to_owned();
    let piped = |script: &str| {
        let mut bash = Command::new("bash");
        bash.arg("-c").arg(format!("set -o pipefail; {script}")).arg(&program);
        bash.current_dir(wishes.clone_dir()).env("HOME", wishes.root()).stdin(Stdio::null());
        let output = bash.output().expect("bash starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!said.contains("panicked") && !said.contains("error: "), "{script}: {said}");
        output.status.code()
    };
    for script in [
        "\"$0\" show 'm[1-5000]' | head -1",
        "\"$0\" show 'm[1-5000]' --format json | head -1",
        "\"$0\" show 'm[1-5000]' --script --cloud-init --blame | head -1",
        "\"$0\" schema | head -1",
        "\"$0\" check --format json | head -1",
        "\"$0\" --help | true",
    ] {
        assert_eq!(piped(script), Some(0), "{script}");
    }
    // Nobody hears the complaint; the exit code stays.
    for script in ["\"$0\" show nobody 2>&1 >/dev/null", "\"$0\" check nowhere 2>&1", "\"$0\" status 2>&1"] {
        let script = format!("{script} | {{ exec <&-; sleep 0.5; }}");
        assert_eq!(piped(&script), Some(2), "{script}");
    }
}
