//! Every source with real files, modes and programs; nothing that is printed has a password in it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Instant;

use tempfile::TempDir;

use super::*;
use crate::settings::GivenBmc;

/// What every planted password has in it.
const PLANTED: &str = "hunter2";

struct Host {
    folder: TempDir,
    given: GivenBmc,
    environment: Vec<(OsString, OsString)>,
}

impl Host {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), given: GivenBmc::default(), environment: Vec::new() }
    }

    fn write(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }

    fn file(mut self, text: &str) -> Self {
        self.given.credentials_file = Some(self.write("credentials.toml", text, 0o600));
        self
    }

    fn variable(mut self, key: &str, value: &str) -> Self {
        self.environment.push((key.into(), value.into()));
        self
    }

    fn systemd(self, name: &str, text: &str) -> Self {
        self.write(name, text, 0o400);
        let folder = self.folder.path().to_str().unwrap().to_owned();
        self.variable("CREDENTIALS_DIRECTORY", &folder)
    }

    /// Names a program: a shell script that notes each of its runs.
    fn command(mut self, script: &str) -> Self {
        let runs = self.folder.path().join("runs");
        let script = format!("echo \"$*\" >> {}\n{script}\n", runs.display());
        let path = self.write("ask.sh", &script, 0o600);
        self.given.credentials_command = Some(vec!["sh".into(), path.to_str().unwrap().into(), "extra".into()]);
        self
    }

    fn runs(&self) -> String {
        fs::read_to_string(self.folder.path().join("runs")).unwrap_or_default()
    }

    fn load(&self) -> Result<Credentials, SettingsError> {
        Credentials::load(&self.given.clone().complete(BTreeMap::new()).unwrap(), self.environment.clone())
    }

    fn loaded(&self) -> Credentials {
        let credentials = self.load().unwrap();
        assert!(!format!("{credentials:?}").contains(PLANTED), "{credentials:?}");
        credentials
    }
}

/// Returns the found account as `user:password`.
fn pair(found: Result<Credential, NoCredential>) -> String {
    let found = found.unwrap_or_else(|error| panic!("{error}"));
    assert!(!format!("{found:?} {found:#?}").contains(PLANTED));
    format!("{}:{}", found.username, found.password.reveal())
}

/// Returns all that an error says, which has no password in it.
fn said(error: &(dyn std::error::Error + 'static)) -> String {
    let mut all = format!("{error:?}");
    let mut next = Some(error);
    while let Some(error) = next {
        all = format!("{all}\n{error}");
        next = error.source();
    }
    assert!(!all.contains(PLANTED), "{all}");
    all
}

#[test]
fn the_most_specific_source_counts() {
    let file = "[rack-1]\nusername = \"file\"\npassword = \"hunter2-f\"\n[only-here]\nusername = \"file\"\npassword = \"hunter2\"\n\
                [bmc.\"x1000c0s0b0\"]\nusername = \"one\"\npassword = \"hunter2-b\"\n";
    let asks = "printf '{\"username\": \"asked\", \"password\": \"hunter2\", \"lease\": 5}'";
    let mut host = Host::new().file(file).systemd("muster-rack-1", "systemd:hunter2:s\n").command(asks);
    host = host.variable("MUSTER_CREDENTIAL_RACK_1", "env:hunter2-e");
    let all = host.loaded();
    assert_eq!(pair(all.for_bmc("x1000c0s0b0", Some("rack-1"))), "one:hunter2-b");
    assert_eq!(pair(all.for_bmc("x1000c0s0b0", None)), "one:hunter2-b");
    assert_eq!(&*all.for_bmc("x1000c0s0b0", None).unwrap().name, "bmc/x1000c0s0b0");
    assert_eq!(pair(all.for_bmc("x1000c0s1b0", Some("rack-1"))), "env:hunter2-e");
    host.environment.pop();
    assert_eq!(pair(host.loaded().get("rack-1")), "systemd:hunter2:s");
    host.environment.clear();
    assert_eq!(pair(host.loaded().get("rack-1")), "file:hunter2-f");
    assert_eq!(pair(host.loaded().get("only-here")), "file:hunter2");
    assert_eq!(host.runs(), "", "nobody is asked for what is known");
    assert_eq!(pair(host.loaded().get("elsewhere")), "asked:hunter2");
    assert_eq!(&*host.loaded().get("elsewhere").unwrap().name, "elsewhere");
}

#[test]
fn what_is_lacking_says_where_it_was_looked_for() {
    let host = Host::new().file("");
    let error = host.loaded().for_bmc("b1", Some("rack-x1000")).unwrap_err();
    let text = said(&error);
    for part in ["`rack-x1000`", "MUSTER_CREDENTIAL_RACK_X1000 is not set", "CREDENTIALS_DIRECTORY", "[rack-x1000]"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(error.hint().contains("MUSTER_CREDENTIAL_RACK_X1000=user:password"));
    let text = said(&host.loaded().for_bmc("b1", None).unwrap_err());
    assert!(text.contains("no [bmc.\"b1\"]"), "{text}");
    let text = said(&Host::new().loaded().for_bmc("b1", None).unwrap_err());
    assert!(text.contains("the wishes name none"), "{text}");
    let outside = Host::new().systemd("muster-x", "a:hunter2");
    outside.write("secret", "a:hunter2", 0o400);
    fs::create_dir(outside.folder.path().join("muster-x.d")).unwrap();
    assert!(outside.loaded().get("x.d/../secret").is_err());
}

#[test]
fn a_source_that_cannot_be_read_ends_the_search() {
    let file = "[rack]\nusername = \"weaker\"\npassword = \"hunter2\"\n";
    for (host, told) in [
        (Host::new().variable("MUSTER_CREDENTIAL_RACK", "hunter2"), "is not user:password"),
        (Host::new().variable("MUSTER_CREDENTIAL_RACK", ":hunter2"), "has no user name"),
        (Host::new().variable("MUSTER_CREDENTIAL_RACK", "root:"), "has no password"),
        (Host::new().systemd("muster-rack", "root:hunter2\nroot:hunter2\n"), "has more than one line"),
        (Host::new().systemd("muster-rack", "username = \"root\"\npasswrd = \"hunter2\"\n"), "neither `username`"),
        (Host::new().systemd("muster-rack", "password = 5\n"), "is no string"),
        (Host::new().systemd("muster-rack", ""), "is not user:password"),
    ] {
        let error = host.file(file).loaded().get("rack").unwrap_err();
        assert!(said(&error).contains(told), "{error}");
    }
    let host = Host::new().systemd("muster-rack", "username = \"root\"\npassword = \"hunter2:x\"\n");
    assert_eq!(pair(host.loaded().get("rack")), "root:hunter2:x");
}

#[test]
fn the_host_file_is_its_owners_alone() {
    for mode in [0o640, 0o604, 0o620, 0o602, 0o666, 0o644] {
        let mut host = Host::new();
        let path = host.write("c.toml", "[a]\nusername = \"u\"\npassword = \"hunter2\"\n", mode);
        let link = host.folder.path().join("link.toml");
        symlink(&path, &link).unwrap();
        for path in [&path, &link] {
            host.given.credentials_file = Some(path.clone());
            let error = host.load().unwrap_err();
            assert!(said(&error).contains(&format!("mode {mode:03o}")), "{error}");
            assert!(error.hint().unwrap().starts_with("chmod 600"), "{error}");
        }
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        assert_eq!(pair(host.loaded().get("a")), "u:hunter2");
    }
    let mut host = Host::new();
    host.given.credentials_file = Some(host.folder.path().join("nowhere.toml"));
    assert!(said(&host.load().unwrap_err()).contains("cannot be read"));
    host.given.credentials_file = Some(host.folder.path().to_owned());
    assert!(said(&host.load().unwrap_err()).contains("is no file"));
}

#[test]
fn a_broken_host_file_is_told_by_line_and_column_alone() {
    for (text, told) in [
        ("[a]\nusername = \"u\"\npassword = \"hunter2\n", "line 3, column "),
        ("[a]\nusername = \"u\"\npassword = hunter2\n", "line 3, column 12 is not TOML"),
        ("[a]\nusername = \"u\"\npassword = \"hunter2\"\npassword = \"hunter2\"\n", "line 4, column 1 is not TOML"),
        ("root:hunter2\n", "line 1, column 13 is not TOML"),
        ("a = \"hunter2\"\n", "line 1, column 5 is no table"),
        ("[[a]]\nusername = \"u\"\npassword = \"hunter2\"\n", "is no table"),
        ("[a]\nusername = \"u\"\nhunter2 = \"password\"\n", "line 3, column 1 has a key that is neither"),
        ("[a]\nusername = \"u\"\npassword = [\"hunter2\"]\n", "line 3, column 12 has a value that is no string"),
        ("[a]\npassword = \"hunter2\"\n", "line 1, column 1 has no `username`"),
        ("[a]\nusername = \"hunter2\"\n", "line 1, column 1 has no `password`"),
        ("[bmc.b1]\nusername = \"hunter2\"\n", "has no `password`"),
        ("[bmc]\nb1 = \"root:hunter2\"\n", "line 2, column 1 has a key that is neither"),
    ] {
        let error = Host::new().file(text).load().unwrap_err();
        assert!(said(&error).contains(told), "{text}: {error}");
    }
    let host = Host::new().file("[bmc]\nusername = \"u\"\npassword = \"hunter2\"\n");
    assert_eq!(pair(host.loaded().get("bmc")), "u:hunter2", "a credential can be called `bmc`");
}

#[test]
fn the_program_is_asked_once_for_each_name() {
    let host =
        Host::new().command("printf '{\"username\": \"%s\", \"password\": \"hunter2\"}' \"$2\"; echo hunter2 >&2");
    let all = host.loaded();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(pair(all.get("rack")), "rack:hunter2"));
        }
    });
    assert_eq!(pair(all.get("other")), "other:hunter2");
    assert_eq!(host.runs(), "extra rack\nextra other\n");
    assert!(!format!("{all:?}").contains(PLANTED), "{all:?}");
}

#[test]
fn a_program_that_fails_is_a_reason_and_no_secret() {
    for (script, told) in [
        ("echo 'the vault is sealed' >&2; exit 3", "the vault is sealed"),
        ("echo '{\"username\": \"u\", \"password\": \"hunter2\"}'; echo 'hunter2 is old' >&2; exit 1", "•••• is old"),
        ("echo 'hunter2'; echo 'got hunter2' >&2; exit 1", "got ••••"),
        ("echo 'hunter2'", "printed no JSON"),
        ("echo '{\"username\": \"u\", \"password\": [\"hunter2\"]}'", "printed no JSON"),
        ("echo '{\"username\": \"\", \"password\": \"hunter2\"}'", "has no user name"),
        ("head -c 100000 /dev/zero", "printed over"),
    ] {
        let host = Host::new().command(script);
        let all = host.loaded();
        let error = all.get("rack").unwrap_err();
        assert!(said(&error).contains(told), "{script}: {error}");
        assert_eq!(all.get("rack").unwrap_err(), error);
        assert_eq!(host.runs(), "extra rack\n", "a failure is kept for a while");
        assert!(!format!("{all:?}").contains(PLANTED), "{all:?}");
    }
    let mut host = Host::new();
    host.given.credentials_command = Some(vec!["/nowhere/ask".into()]);
    assert!(said(&host.loaded().get("rack").unwrap_err()).contains("cannot be started"));
}

#[test]
fn a_program_that_hangs_ends_with_all_that_it_started() {
    let host = Host::new().command("sleep 300 & echo $! > \"$(dirname \"$0\")/pid\"; wait");
    let all = host.loaded();
    let start = Instant::now();
    let error = all.get("rack").unwrap_err();
    assert!(said(&error).contains("took over 10 s"), "{error}");
    assert!(start.elapsed().as_secs() < 60, "it hangs");
    let pid = fs::read_to_string(host.folder.path().join("pid")).unwrap();
    let gone = || match fs::read_to_string(Path::new("/proc").join(pid.trim()).join("stat")) {
        Ok(stat) => stat.contains(") Z "),
        Err(_) => true,
    };
    while !gone() {
        assert!(start.elapsed().as_secs() < 60, "the program's child lives on");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
