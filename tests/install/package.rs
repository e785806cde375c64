//! The package: nothing that lintian calls an error, all of its files where they belong, and a muster that serves from there
//! with the settings file edited as the guide says.

use super::guides::blocks;
use super::support::muster::{self, Served};
use super::support::parts::{self, Part};
use super::support::wishes::Wishes;
use super::{ours, said, text};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Builds the package of the program under test, once; nothing where a part lacks.
fn package(test: &str) -> Option<&'static Path> {
    static BUILT: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    parts::require(test, Part::Lintian)?;
    let (_, package) = BUILT.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let program = muster::command(folder.path()).get_program().to_owned();
        let mut build = Command::new("sh");
        build.arg(ours("packaging/deb.sh")).arg(program).arg(folder.path()).env("DEB_COMPRESS", "gzip");
        let output = build.output().expect("sh starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let path = String::from_utf8(output.stdout).expect("a path of ours is UTF-8").trim().into();
        (folder, path)
    });
    Some(package)
}

/// Unpacks the package under a folder of its own.
fn unpacked(package: &Path) -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a temporary folder can be made");
    let (code, told) = said(Command::new("dpkg").arg("-x").arg(package).arg(root.path()));
    assert_eq!(code, Some(0), "{told}");
    root
}

#[test]
fn lintian_finds_no_error() {
    let Some(package) = package("package::lintian_finds_no_error") else { return };
    let lintian = |package: &Path| said(Command::new("lintian").args(["--fail-on", "error", "--no-cfg"]).arg(package));
    let (code, told) = lintian(package);
    assert_eq!(code, Some(0), "{told}");
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let (tree, broken) = (folder.path().join("tree"), folder.path().join("broken.deb"));
    fs::create_dir_all(tree.join("DEBIAN")).expect("the folder can be made");
    fs::write(
        tree.join("DEBIAN/control"),
        "Package: x\nVersion: 1\nArchitecture: all\nMaintainer: x\nDescription: x\n",
    )
    .expect("it can be written");
    let built = said(Command::new("dpkg-deb").args(["--build", "--root-owner-group"]).arg(&tree).arg(&broken));
    assert_eq!(built.0, Some(0), "{}", built.1);
    assert_ne!(lintian(&broken).0, Some(0), "lintian takes anything");
}

#[test]
fn it_asks_for_the_libc_that_the_program_needs_and_keeps_the_settings() {
    let Some(package) = package("package::it_asks_for_the_libc_that_the_program_needs_and_keeps_the_settings") else {
        return;
    };
    let field = |name: &str| said(Command::new("dpkg-deb").arg("-f").arg(package).arg(name)).1.trim().to_owned();
    let depends = field("Depends");
    assert!(depends.starts_with("libc6 (>= 2."), "{depends}");
    assert_eq!(field("Version"), env!("CARGO_PKG_VERSION"));
    let info = |file: &str| said(Command::new("dpkg-deb").arg("-I").arg(package).arg(file)).1;
    assert_eq!(info("conffiles"), "/etc/muster/muster.toml\n");
    for script in ["postinst", "prerm", "postrm"] {
        assert_eq!(info(script), text(&format!("packaging/debian/{script}")));
    }
}

#[test]
fn what_is_installed_serves_with_the_settings_that_the_guide_makes() {
    let Some(package) = package("package::what_is_installed_serves_with_the_settings_that_the_guide_makes") else {
        return;
    };
    let root = unpacked(package);
    let at = |path: &str| root.path().join(path);
    for path in [
        "usr/share/man/man1/muster.1.gz",
        "usr/share/man/man1/muster-serve.1.gz",
        "usr/share/man/man5/muster.toml.5.gz",
        "usr/share/bash-completion/completions/muster",
        "lib/systemd/system/muster.service",
        "usr/lib/sysusers.d/muster.conf",
        "usr/lib/tmpfiles.d/muster.conf",
        "usr/share/doc/muster/copyright",
    ] {
        assert!(at(path).is_file(), "{path} is missing");
    }
    let settings = at("etc/muster/muster.toml");
    assert_eq!(fs::read_to_string(&settings).expect("it is there"), text("packaging/muster.toml"));
    // The two edits, as they stand in the guide.
    let guide = blocks("docs/first-boot.md", "sh").concat();
    let edits: Vec<&str> = guide.lines().filter(|line| line.starts_with("sed -i")).collect();
    assert_eq!(edits.len(), 2, "{edits:?}");
    let script = edits.join("\n").replace("/etc/muster/", &format!("{}/etc/muster/", root.path().display()));
    assert_eq!(said(Command::new("sh").args(["-euc", &script])), (Some(0), String::new()));
    let wishes = Wishes::copy_of(&at("usr/share/doc/muster/examples/cluster"));
    // The places of a real host lie under the folder.
    let mut edited = fs::read_to_string(&settings).expect("it is there");
    for (said, here) in [
        ("\nrepo = \"/srv/cluster.git\"\n", format!("\nrepo = \"{}\"\n", wishes.bare().display())),
        ("\nlisten = \"10.64.3.250:8270\"\n", "\nlisten = \"127.0.0.1:0\"\n".to_owned()),
        ("\"/var/lib/muster/", format!("\"{}/", wishes.root().display())),
        ("\"unix:/run/muster/", format!("\"unix:{}/", wishes.root().display())),
    ] {
        assert!(edited.contains(said), "{said} is not in {edited}");
        edited = edited.replace(said, &here);
    }
    fs::write(&settings, edited).expect("it can be written");
    let mut command = Command::new(at("usr/bin/muster"));
    command
        .env_clear()
        .env("HOME", wishes.root())
        .args(["serve", "--config"])
        .arg(&settings)
        .current_dir(wishes.root());
    let served = Served::spawn(command);
    served.wait_for("the first commit", |fields| fields["message"] == "commit accepted");
    assert_eq!(served.socket(), wishes.root().join("muster.sock"));
    assert_eq!(served.get("/boot.ipxe").status, 200);
    let script = served.get("/boot/v1/bootscript?mac=02:1a:10:00:00:09");
    assert!(script.status == 200 && script.text().contains("\nkernel "), "{}", script.text());
    let mut status = Command::new(at("usr/bin/muster"));
    let (code, told) = said(status.env_clear().args(["status", "--config"]).arg(&settings));
    assert_eq!(code, Some(0), "{told}");
}

#[test]
fn an_installation_keeps_the_settings_that_are_there() {
    const NAME: &str = "package::an_installation_keeps_the_settings_that_are_there";
    if parts::require(NAME, Part::Lintian).is_none() {
        return;
    }
    let root = tempfile::tempdir().expect("a temporary folder can be made");
    let program = muster::command(root.path()).get_program().to_owned();
    let settings = root.path().join("opt/etc/muster/muster.toml");
    fs::create_dir_all(settings.parent().expect("a file is in a folder")).expect("the folder can be made");
    fs::write(&settings, "repo = \"mine\"\n").expect("it can be written");
    let mut stage = Command::new("sh");
    stage.arg(ours("packaging/stage.sh")).arg(program).arg(root.path());
    let (code, told) = said(stage.env("PREFIX", "/opt").env("SYSCONFDIR", "/opt/etc"));
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(fs::read_to_string(&settings).expect("it is there"), "repo = \"mine\"\n");
    assert!(told.contains("muster.toml.new") && settings.with_extension("toml.new").is_file(), "{told}");
    let unit = fs::read_to_string(root.path().join("opt/lib/systemd/system/muster.service")).expect("it is there");
    assert!(unit.contains("ExecStart=/opt/bin/muster serve --config /opt/etc/muster/muster.toml\n"), "{unit}");
}
