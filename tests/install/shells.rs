//! Manual pages as groff reads them, and completions as bash does.

use super::support::muster;
use super::support::parts::{self, Part};
use super::{said, text};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Runs `muster ARGS` in a folder of its own, and returns what it prints.
fn printed(args: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let output = muster::run(folder.path(), args);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it is UTF-8")
}

/// Returns the names of all commands, as the help has them.
fn commands() -> Vec<String> {
    let help = printed(&["--help"]);
    let list = help.split("Commands:\n").nth(1).expect("the help lists them");
    let names = list.lines().take_while(|line| line.starts_with("  ")).filter(|line| !line.starts_with("   "));
    let names = names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
    names.map(str::to_owned).collect()
}

#[test]
fn there_is_a_page_for_every_command_and_groff_has_nothing_against_it() {
    const NAME: &str = "shells::there_is_a_page_for_every_command_and_groff_has_nothing_against_it";
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let output = muster::run(folder.path(), &["man", "--write", "pages"]);
    assert_eq!(output.status.code(), Some(0));
    let files = fs::read_dir(folder.path().join("pages")).expect("the pages are there");
    let mut pages: Vec<PathBuf> = files.map(|file| file.expect("a file has a name").path()).collect();
    pages.sort();
    let mut wanted: Vec<String> = commands().iter().map(|name| format!("muster-{name}.1")).collect();
    wanted.extend(["muster.1".into(), "muster.toml.5".into()]);
    wanted.sort();
    assert_eq!(pages.iter().map(|page| page.file_name().unwrap().to_str().unwrap()).collect::<Vec<_>>(), wanted);
    let serve = fs::read_to_string(folder.path().join("pages/muster-serve.1")).expect("it can be read");
    assert_eq!(printed(&["man", "serve"]), serve);
    assert!(serve.contains("MUSTER_LISTEN") && printed(&["man", "toml"]).contains("bmc.requests"), "{serve}");
    if parts::require(NAME, Part::Groff).is_none() {
        return;
    }
    let judge = |pages: &[PathBuf]| {
        let (code, told) = said(Command::new("groff").args(["-man", "-Tutf8", "-ww", "-z"]).args(pages));
        // A long word leaves a line that cannot be stretched to both margins; that is for the eye to bear.
        (code, told.lines().filter(|line| !line.contains("cannot adjust line")).map(str::to_owned).collect::<String>())
    };
    assert_eq!(judge(&pages), (Some(0), String::new()));
    let broken = folder.path().join("broken.1");
    fs::write(&broken, ".TH X 1\n.frobnicate\n").expect("the page can be written");
    assert!(judge(&[broken]).1.contains("frobnicate"), "groff takes anything");
}

/// What bash offers after some words, by the script that `muster completions bash` prints.
fn offered(words: &[&str]) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    fs::write(folder.path().join("muster.bash"), printed(&["completions", "bash"])).expect("it can be written");
    // As bash itself does it: the words, which of them is asked for, then the function that `complete` named.
    let script = "source ./muster.bash && COMP_WORDS=(\"$@\") && COMP_CWORD=$(($# - 1)) && \
        f=$(complete -p muster | sed 's/.*-F \\([^ ]*\\).*/\\1/') && \
        \"$f\" muster \"${COMP_WORDS[COMP_CWORD]}\" \"${COMP_WORDS[COMP_CWORD-1]}\"; printf '%s\\n' \"${COMPREPLY[@]}\"";
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-uc", script, "bash"]).args(words).current_dir(folder.path());
    let output = bash.output().expect("bash starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_options_and_their_values() {
    assert_eq!(offered(&["muster", "comp"]), ["completions"]);
    assert_eq!(offered(&["muster", "check", "--for"]), ["--format"]);
    assert_eq!(offered(&["muster", "check", "--format", ""]), ["text", "json", "github"]);
    assert_eq!(offered(&["muster", "completions", "fi"]), ["fish"]);
    assert_eq!(offered(&["muster", "frob"]), Vec::<String>::new());
    let mut all = offered(&["muster", ""]);
    all.retain(|word| !word.starts_with('-') && word != "help");
    assert_eq!(all, commands());
}

#[test]
fn every_shell_has_a_script_and_bash_can_read_its_own() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(printed(&["completions", shell]).contains("completions"), "{shell}");
    }
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let script = folder.path().join("muster.bash");
    fs::write(&script, printed(&["completions", "bash"])).expect("it can be written");
    assert_eq!(said(Command::new("bash").arg("-n").arg(&script)), (Some(0), String::new()));
}

#[test]
fn the_scripts_of_packaging_are_sound() {
    const NAME: &str = "shells::the_scripts_of_packaging_are_sound";
    let Some(program) = parts::require(NAME, Part::Shellcheck) else { return };
    let scripts = ["stage.sh", "deb.sh", "debian/postinst", "debian/prerm", "debian/postrm"];
    for script in scripts {
        assert!(text(&format!("packaging/{script}")).starts_with("#!/bin/sh\n"), "{script}");
    }
    let (code, said) = said(Command::new(program).current_dir(super::ours("packaging")).args(scripts));
    assert_eq!(code, Some(0), "{said}");
}
