//! The unit as systemd reads it, and muster as a service: what it says to systemd, and that it runs with what the unit
//! leaves it. systemd itself does not run here: its namespaces and filters of system calls are judged, not lived in.

use super::support::muster::{self, Served};
use super::support::parts::{self, Part};
use super::support::wishes::Wishes;
use super::{ours, said, text};
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Lays the unit where `systemd-analyze` finds all that it names.
fn root(unit: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a temporary folder can be made");
    let write = |path: &str, text: &str| {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("the folder can be made");
        fs::write(&path, text).expect("the file can be written");
        path
    };
    let program = write("usr/bin/muster", "#!/bin/sh\n");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&program, executable).expect("it can be made a program");
    write("muster.service", &unit.replace("/usr/bin/muster", &program.display().to_string()));
    root
}

/// What `systemd-analyze verify` has against a unit, but for manual pages that are not installed and targets of others.
fn verified(analyze: &Path, unit: &str) -> Vec<String> {
    let root = root(unit);
    let (_, said) = said(Command::new(analyze).args(["verify", "--man=no"]).arg(root.path().join("muster.service")));
    let counts = |line: &&str| line.contains("muster.service") || line.contains("nknown");
    said.lines().filter(counts).map(str::to_owned).collect()
}

#[test]
fn systemd_has_nothing_against_it() {
    const NAME: &str = "unit::systemd_has_nothing_against_it";
    let Some(analyze) = parts::require(NAME, Part::SystemdAnalyze) else { return };
    let unit = text("packaging/muster.service");
    assert_eq!(verified(&analyze, &unit), Vec::<String>::new());
    let every = unit.replace("\n#LoadCredential", "\nLoadCredential").replace("\n#Environment", "\nEnvironment");
    assert_ne!(every, unit);
    assert_eq!(verified(&analyze, &every), Vec::<String>::new());
    let port = unit.clone() + &text("packaging/port-80.conf");
    assert_eq!(verified(&analyze, &port), Vec::<String>::new());
    assert_ne!(verified(&analyze, &unit.replace("Restart=always", "Restart=often")), Vec::<String>::new());
}

#[test]
fn it_exposes_little() {
    const NAME: &str = "unit::it_exposes_little";
    let Some(analyze) = parts::require(NAME, Part::SystemdAnalyze) else { return };
    // Of 100, the less the better: 20 is what systemd calls OK.
    let judge = |unit: &str| {
        let root = root(unit);
        let args = ["security", "--offline=true", "--threshold=20", "--no-pager"];
        said(Command::new(&analyze).args(args).arg(root.path().join("muster.service")))
    };
    let unit = text("packaging/muster.service");
    let (code, said) = judge(&unit);
    assert_eq!(code, Some(0), "{said}");
    let loose = unit.replace("\nCapabilityBoundingSet=\n", "\n").replace("\nSystemCallFilter=", "\n#SystemCallFilter=");
    assert_eq!(judge(&loose).0, Some(1), "systemd takes anything");
}

#[test]
fn accounts_and_folders_are_as_systemd_reads_them() {
    const NAME: &str = "unit::accounts_and_folders_are_as_systemd_reads_them";
    let (Some(sysusers), Some(tmpfiles)) = (parts::program("systemd-sysusers"), parts::program("systemd-tmpfiles"))
    else {
        return parts::skip(
            NAME,
            Part::SystemdAnalyze.name(),
            "systemd-sysusers and systemd-tmpfiles are in its package",
        );
    };
    let root = tempfile::tempdir().expect("a temporary folder can be made");
    fs::create_dir(root.path().join("etc")).expect("the folder can be made");
    let prefix = format!("--root={}", root.path().display());
    let (code, told) = said(Command::new(sysusers).arg(&prefix).arg(ours("packaging/muster.sysusers")));
    assert_eq!(code, Some(0), "{told}");
    let accounts = fs::read_to_string(root.path().join("etc/passwd")).expect("there is an account");
    assert!(accounts.contains("muster") && accounts.contains(":/var/lib/muster:"), "{accounts}");
    let (code, told) = said(Command::new(tmpfiles).arg(&prefix).arg("--create").arg(ours("packaging/muster.tmpfiles")));
    // Only root can give a folder away; everyone can read the file.
    assert!(code == Some(0) || !told.contains("muster.tmpfiles:"), "{told}");
}

#[test]
fn systemd_is_told_when_it_serves_that_it_lives_and_that_it_ends() {
    let wishes = Wishes::of(&[("cluster.toml", "name = \"small\"\n")]);
    let socket = UnixDatagram::bind(wishes.root().join("notify")).expect("a socket can be made");
    socket.set_read_timeout(Some(Duration::from_secs(30))).expect("a socket has a time-out");
    let next = || {
        let mut word = [0; 200];
        let length = socket.recv(&mut word).expect("muster says something in half a minute");
        String::from_utf8_lossy(&word[..length]).trim().to_owned()
    };
    let mut command = muster::command(wishes.root());
    command.args(["serve", "--listen", "127.0.0.1:0", "--store", "muster.redb", "--repo"]).arg(wishes.bare());
    command.env("NOTIFY_SOCKET", wishes.root().join("notify")).env("WATCHDOG_USEC", "200000");
    let served = Served::spawn(command);
    assert_eq!(next(), "READY=1");
    assert_eq!(served.get("/healthz").status, 200, "it is ready and does not answer");
    assert_eq!([next(), next(), next()], ["WATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1"]);
    let (status, _) = served.stop();
    assert_eq!(status.code(), Some(0));
    let last = std::iter::repeat_with(next).find(|word| word != "WATCHDOG=1");
    assert_eq!(last.as_deref(), Some("STOPPING=1"));
}

#[test]
fn it_runs_without_a_right_and_without_a_home() {
    const NAME: &str = "unit::it_runs_without_a_right_and_without_a_home";
    let Some(setpriv) = parts::program("setpriv") else {
        return parts::skip(NAME, Part::Netns.name(), "setpriv is in util-linux");
    };
    let wishes = Wishes::copy_of(&ours("cluster-example"));
    let mut command = Command::new(setpriv);
    command.arg("--no-new-privs");
    if said(Command::new("id").arg("-u")).1.trim() == "0" {
        // Root without capabilities owns its own files, and nothing more.
        command.args(["--inh-caps=-all", "--bounding-set=-all", "--securebits=+noroot,+noroot_locked"]);
    }
    command.arg(muster::command(wishes.root()).get_program()).env_clear().current_dir(wishes.root());
    command.args(["serve", "--listen", "127.0.0.1:0", "--store", "muster.redb", "--repo"]).arg(wishes.bare());
    command.env("HOME", "/nonexistent").env("PATH", "/usr/bin:/bin");
    let served = Served::spawn(command);
    served.wait_for("the first commit", |fields| fields["message"] == "commit accepted");
    assert_eq!(served.get("/boot/v1/bootscript?mac=02:1a:10:00:00:09").status, 200);
}
