//! A password is in no output, no log and no file, but in the file that a person wrote it to.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{PASSWORD, Plan, Said, Site};
use ::muster::simulate::Options;

/// A password that no BMC takes.
const WRONG: &str = "Wq8-mauve.Tapir_37";

/// Encodes as RFC 4648, section 4, does.
fn base64(text: &str) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut coded = String::new();
    for part in text.as_bytes().chunks(3) {
        let bits = part.iter().fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte)) << (8 * (3 - part.len()));
        for at in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * at)) as usize & 63] as char;
            coded.push(if at <= part.len() { letter } else { '=' });
        }
    }
    coded
}

/// Tells that neither a password nor what Basic makes of it stands in some bytes.
#[track_caller]
fn assert_clean(what: &str, bytes: &[u8]) {
    for password in [PASSWORD, WRONG] {
        for secret in [password.to_owned(), base64(&format!("simulated:{password}"))] {
            let at = bytes.windows(secret.len()).position(|window| window == secret.as_bytes());
            let around = at.map(|at| String::from_utf8_lossy(&bytes[at.saturating_sub(200)..at]).into_owned());
            assert_eq!(around, None, "{what} holds the password, behind this");
        }
    }
}

/// Looks through every file of a folder but those where passwords belong.
#[track_caller]
fn assert_clean_folder(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match fs::symlink_metadata(&path).unwrap() {
            kind if kind.is_dir() => assert_clean_folder(&path),
            kind if kind.is_file() && !["credentials.toml", "ask.sh", "password"].contains(&&*name) => {
                assert_clean(&path.display().to_string(), &fs::read(&path).unwrap());
            }
            _ => {}
        }
    }
}

#[track_caller]
fn clean(said: Said) -> Said {
    assert_clean("stdout", said.out.as_bytes());
    assert_clean("stderr", said.err.as_bytes());
    said
}

/// Runs a survey with an environment of its own; all that it says is looked through.
fn discover(site: &Site, more: &[&str], envs: &[(&str, &str)]) -> Said {
    let mut command = site.command(&[&["discover"], more].concat());
    command.env("MUSTER_LOG", "trace").env("RUST_LOG", "trace").envs(envs.iter().copied());
    clean(Said::of(command.output().unwrap()))
}

/// Writes this host's settings anew, with other lines under `[bmc]`.
fn settings(site: &Site, keep: impl Fn(&str) -> bool, more: &str) {
    let text = fs::read_to_string(site.settings()).unwrap();
    let text: Vec<&str> = text.lines().filter(|line| keep(line)).collect();
    fs::write(site.settings(), text.join("\n").replacen("[bmc]", &format!("[bmc]\n{more}"), 1) + "\n").unwrap();
}

#[test]
fn base64_is_that_of_others() {
    assert_eq!(base64("simulated:Zq7"), "c2ltdWxhdGVkOlpxNw==");
    assert_eq!(base64("abc"), "YWJj");
}

#[test]
fn no_command_writes_a_password() {
    let tls = Options { tls: true, ..Options::default() };
    let mut site = Plan { drift: 6, options: tls, ..Plan::default() }.site();
    let export = site.file("seen.json");
    let variable = "MUSTER_CREDENTIAL_SIMULATED";
    discover(&site, &["--export", &export], &[]).exits(0);
    for format in ["text", "json", "markdown", "junit", "sarif", "github"] {
        clean(site.drift(&["--format", format, "--output", &format!("{format}={}", site.file(format))])).exits(1);
    }
    // A wrong one, in the environment; and one that is none.
    discover(&site, &["--format", "json"], &[(variable, &format!("simulated:{WRONG}"))]).exits(3);
    clean(site.drift(&["--format", "json"])).exits(3);
    discover(&site, &["--retry-logins"], &[(variable, WRONG)]).exits(2);
    // A program that tells it; one that fails and complains with it; one that tells it and more.
    let script = site.root().join("ask.sh");
    let ask = |text: &str| {
        fs::write(&script, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).unwrap();
    };
    settings(&site, |line| !line.starts_with("credentials_file"), "credentials_command = [\"./ask.sh\"]");
    let account = format!(r#"{{"username":"simulated","password":"{PASSWORD}"}}"#);
    ask(&format!("echo '{account}'"));
    discover(&site, &["--retry-logins"], &[]).exits(0);
    ask(&format!("echo '{account}'; echo 'no: {PASSWORD}' >&2; exit 1"));
    discover(&site, &["--format", "json"], &[]).exits(2);
    ask(&format!("echo '{account} {PASSWORD}'"));
    discover(&site, &["--format", "json"], &[]).exits(2);
    ask(&format!("echo '{PASSWORD}'"));
    discover(&site, &[], &[]).exits(2);
    // A file that is none.
    settings(&site, |line| !line.starts_with("credentials_command"), "credentials_file = \"credentials.toml\"");
    let file = site.root().join("credentials.toml");
    let sound = fs::read_to_string(&file).unwrap();
    for broken in [
        format!("[simulated]\nusername = \"simulated\"\npassword = \"{PASSWORD}\n"),
        format!("[simulated]\nusername = \"simulated\"\npassword = {PASSWORD}\n"),
        format!("[simulated]\nusername = \"simulated\"\npasswort = \"{PASSWORD}\"\n"),
        format!("[simulated]\nusername = \"simulated\"\npassword = [\"{PASSWORD}\"]\n"),
        format!("simulated = \"{PASSWORD}\"\n"),
    ] {
        fs::write(&file, &broken).unwrap();
        discover(&site, &[], &[]).exits(2);
    }
    fs::write(&file, sound).unwrap();
    // Silence, and certificates that nobody vouches for.
    settings(&site, |_| true, "timeout = \"300ms\"\nconnect_timeout = \"300ms\"");
    (0..site.fleet().len()).for_each(|bmc| site.fleet().kill(bmc, true));
    discover(&site, &["--format", "json"], &[]).exits(3);
    (0..site.fleet().len()).for_each(|bmc| site.fleet().kill(bmc, false));
    settings(&site, |line| !line.starts_with("ca ="), "");
    let said = discover(&site, &["--format", "json"], &[]).exits(3);
    assert!(said.out.contains("\"tls\""), "{said:?}");
    let first = site.fleet().origin(0);
    discover(&site, &["--bmc", &first, "--credential", "simulated"], &[]);
    site.stop_fleet();
    discover(&site, &["--format", "json"], &[]).exits(3);
    for node in [&["show", "nid000001", "--format", "json"][..], &["show", "@generic", "--blame"]] {
        clean(site.run_plain(node)).exits(0);
    }
    assert_clean_folder(site.root());
}

#[test]
fn neither_a_server_nor_a_fleet_writes_a_password() {
    let site = Plan { drift: 3, ..Plan::default() }.site();
    site.loops("sweep = \"100ms\"\ndeep = \"300ms\"\n");
    let dir = site.root().display().to_string();
    for login in [None, Some(WRONG)] {
        let mut command = super::muster::command(site.root());
        command.args(["serve", "--repo", &format!("{dir}/wishes.git"), "--store", &format!("{dir}/muster.redb")]);
        command.args(["--listen", "127.0.0.1:0", "--config", &format!("{dir}/settings.toml")]);
        command.env("MUSTER_LOG", "trace");
        if let Some(wrong) = login {
            command.env("MUSTER_CREDENTIAL_SIMULATED", format!("simulated:{wrong}"));
        }
        let served = super::Served::spawn(command);
        let key = if login.is_some() { "failing" } else { "seen" };
        site.until(&served, "it surveyed", |status| status["survey"][key] == 8);
        for path in ["status", "observed", "nodes", "nodes/nid000001", "revisions"] {
            assert_clean(path, &served.get_api(&format!("/api/v1/{path}")).body);
        }
        clean(site.drift(&["--format", "json"]));
        clean(site.discover(&["--export", &site.file("seen.json")]));
        clean(site.run(&["status"]));
        let (ended, log) = served.stop();
        assert!(ended.success());
        assert_clean("the log", log.join("\n").as_bytes());
        assert!(log.iter().any(|line| line.contains("TRACE") || line.contains("DEBUG")), "it logs all it can");
    }
    let password = site.root().join("password");
    fs::write(&password, format!("{PASSWORD}\n")).unwrap();
    let mut command = super::muster::command(site.root());
    command.args(["simulate", "--nodes", "2", "--settings-out", "fleet/settings.toml", "--wishes-out", "fleet/wishes"]);
    command.args(["--drift", "1", "--drift-out", "fleet/drift.json", "--password-file", "password"]);
    let mut fleet = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(fleet.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("2 BMCs"), "{line}");
    assert!(Command::new("kill").arg(fleet.id().to_string()).status().unwrap().success());
    let ended = Said::of(fleet.wait_with_output().unwrap());
    assert_clean("the fleet's line", line.as_bytes());
    clean(ended);
    assert_clean_folder(site.root());
}
