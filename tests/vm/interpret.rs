//! The real iPXE as the judge of generated scripts: there is no `ipxe --check`, so it runs them, many in one machine.
//!
//! A script is run as it stands but for two things: `sleep N` becomes `sleep 0`, and where the first URL of a command (or of
//! a `set`) names a server, ours takes its place, which answers with a tiny script. That script is a kernel to iPXE, too: so
//! `kernel`, `initrd`, `imgstat` and `boot` really fetch, list and run, and the script goes on after `boot` as after a failed
//! one. Each script has several passes: one in which all is served, one for each image that is refused, one in which
//! `boot` fails, and one in which no `chain` is answered, where there are several. So each `|| goto` is taken once, and a label that is missing is found. Of scripts that differ in nothing but
//! the arguments of their commands, the first alone has the failing passes.
//!
//! A script that hangs or ends the machine costs itself alone: the rest runs in the next machine.

use super::{guest_url, qemu::End, qemu::Machine};
use crate::support::parts::Part;
use crate::support::stub::{Reply, Seen, Stub};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

/// A pass takes some hundredths of a second; this bounds a busy machine.
const SILENCE: Duration = Duration::from_secs(30);
/// A machine for a thousand passes would be at work for two minutes.
const WITHIN: Duration = Duration::from_secs(600);
/// iPXE breaks lines at the width of its console.
const COLUMNS: usize = 80;

/// Says what a run was meant to meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// Everything is served, and what is booted returns.
    Served,
    /// The image of this number, from 0 (`kernel`, `initrd`), is answered with 404.
    Refused(usize),
    /// Everything is served, and what is booted fails.
    BootFails,
    /// Every `chain` is answered with 404: for a script that has another way to try. It may fail in the end.
    ChainsRefused,
}

/// Says how a script came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Its last command, or `exit`, said success.
    Well,
    /// A command failed with nothing after it to catch that, or `exit 1`.
    Failed,
    /// It powered off or rebooted the machine.
    Machine,
    /// It went silent, as a prompt does.
    Hung,
}

/// Holds what came of one script in one pass.
#[derive(Debug, Clone)]
pub struct Run {
    /// The caller's name of the script.
    pub name: String,
    /// What it met.
    pub pass: Pass,
    /// How it ended.
    pub ended: Ended,
    /// What iPXE wrote meanwhile, line by line.
    pub console: Vec<String>,
    /// What it fetched: `image0 /path?query`, `chain /path?query`, in order.
    pub fetched: Vec<String>,
}

impl Run {
    /// Returns what iPXE found wrong; nothing, where the script is sound and always goes on.
    pub fn complaints(&self) -> Vec<String> {
        let place = |what: &str| format!("{} ({:?}): {what}", self.name, self.pass);
        let wrong = self.console.iter().filter(|line| self.is_complaint(line)).map(|line| place(line));
        let ended = match self.ended {
            Ended::Well => None,
            Ended::Failed if self.pass == Pass::ChainsRefused => None,
            Ended::Failed => Some(place("ends in failure: the machine would fall through to its next boot device")),
            Ended::Machine => Some(place("ends the machine")),
            Ended::Hung => Some(place("hangs")),
        };
        wrong.chain(ended).collect()
    }

    fn is_complaint(&self, line: &str) -> bool {
        const WRONG: [&str; 7] = [
            "command not found",
            "nrecognised option",
            "Ambiguous option",
            "rgument required",
            "Usage:",
            "invalid",
            "No image selected",
        ];
        // Every error carries a link to its page. Those that the pass provokes are no fault of the script's.
        let refused = line.contains("No such file or directory (http://ipxe.org/2d0c613b)");
        let gave_up = line.contains("Error 0x00000001 (http://ipxe.org/00000001)");
        let provoked = match self.pass {
            Pass::Served => false,
            Pass::Refused(_) => refused,
            Pass::BootFails => gave_up,
            Pass::ChainsRefused => refused || gave_up,
        };
        let is_error = line.contains("(http://ipxe.org/") && !provoked;
        is_error || WRONG.iter().any(|wrong| line.contains(wrong))
    }
}

/// Runs each of these (name, text) through all its passes.
///
/// # Panics
/// Outside of a network namespace, or when iPXE does not start.
pub fn interpret(scripts: &[(&str, &str)]) -> Vec<Run> {
    interpret_within(scripts, SILENCE)
}

/// Does as [`interpret`], but takes a script that is silent for so long for one that hangs.
pub fn interpret_within(scripts: &[(&str, &str)], silence: Duration) -> Vec<Run> {
    let mut shapes = BTreeSet::new();
    let mut plans = Vec::new();
    for (name, text) in scripts {
        let passes = if shapes.insert(shape(text)) { passes(text) } else { vec![Pass::Served] };
        plans.extend(passes.into_iter().map(|pass| Plan { name, text, pass }));
    }
    let mut runs = Vec::new();
    while runs.len() < plans.len() {
        let before = runs.len();
        runs.extend(one_machine(&plans, before, silence));
        assert!(runs.len() > before, "iPXE did not start");
    }
    runs
}

/// Runs a script once, with everything served.
///
/// # Panics
/// As [`interpret`] does.
pub fn interpret_served(name: &str, text: &str) -> Run {
    let mut runs = one_machine(&[Plan { name, text, pass: Pass::Served }], 0, SILENCE);
    runs.pop().expect("iPXE starts")
}

/// Runs all of these, and fails with every complaint of all of them.
pub fn assert_sound(scripts: &[(&str, &str)]) {
    let complaints: Vec<String> = interpret(scripts).iter().flat_map(Run::complaints).collect();
    assert!(complaints.is_empty(), "iPXE finds fault with these scripts:\n{}", complaints.join("\n"));
}

struct Plan<'a> {
    name: &'a str,
    text: &'a str,
    pass: Pass,
}

fn passes(text: &str) -> Vec<Pass> {
    let commands: Vec<&str> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let images = commands.iter().filter(|command| is_image(command)).count();
    let boots = commands.contains(&"boot");
    let chains = text.split_whitespace().filter(|word| *word == "chain").count();
    let mut passes = vec![Pass::Served];
    passes.extend((0..images).map(Pass::Refused));
    passes.extend(boots.then_some(Pass::BootFails));
    passes.extend((chains > 1).then_some(Pass::ChainsRefused));
    passes
}

// Each line's command, and what follows it whether it fails or not.
fn shape(text: &str) -> Vec<(&str, &str)> {
    let after = |line: &str| [" || ", " && "].iter().filter_map(|mark| line.find(mark)).min().unwrap_or(line.len());
    text.lines().map(|line| (line.split_whitespace().next().unwrap_or_default(), &line[after(line)..])).collect()
}

fn is_image(command: &str) -> bool {
    matches!(command, "kernel" | "initrd" | "imgfetch" | "imgselect" | "module")
}

// Runs what it can of the plans from `first` on; at least one, if iPXE starts at all.
fn one_machine(plans: &[Plan<'_>], first: usize, silence: Duration) -> Vec<Run> {
    let served: Vec<(Pass, String)> = plans.iter().map(|plan| (plan.pass, plan.text.to_owned())).collect();
    let stub = Stub::start(move |seen| answer(&served, seen));
    let port = stub.addr().port();
    let master = tempfile::NamedTempFile::new().expect("a temporary file can be made");
    std::fs::write(master.path(), master_script(port, first, plans.len())).expect("the file can be written");
    let ipxe = Part::Ipxe.find().expect("the part was required");
    let machine = Machine::start(&[
        ("-m", "128"),
        ("-netdev", "user,id=n0"),
        // Not the ROM's iPXE: the one given as the kernel.
        ("-device", "virtio-net-pci,netdev=n0,romfile="),
        ("-kernel", ipxe.to_str().expect("it is a plain path")),
        ("-initrd", master.path().to_str().expect("it is a plain path")),
    ]);
    let ended = machine.wait(WITHIN, silence, |_| false);
    let lines = unbroken(&ended.text);
    let fetched = stub.seen();
    let last = match ended.end {
        End::Off => Ended::Machine,
        End::Watched | End::Silent | End::Late => Ended::Hung,
    };
    let mut runs = Vec::new();
    for (number, plan) in plans.iter().enumerate().skip(first) {
        let Some((console, ended)) = find_run(&lines, number, last) else { break };
        let fetched = fetched.iter().filter_map(|seen| fetched_by(number, &seen.target)).collect();
        runs.push(Run { name: plan.name.to_owned(), pass: plan.pass, ended, console, fetched });
    }
    runs
}

fn master_script(port: u16, first: usize, end: usize) -> String {
    let mut script = String::from("#!ipxe\n");
    for number in first..end {
        // Without DHCP, and so without its seconds of waiting; again each time, as a script may have changed it.
        let _ = writeln!(script, "imgfree\nset net0/ip 10.0.2.15\nset net0/netmask 255.255.255.0\nifopen net0");
        let url = guest_url(port, &format!("/{number}/script"));
        let _ =
            writeln!(script, "echo <<< {number}\nchain {url} && echo >>> {number} well || echo >>> {number} failed");
    }
    // The last line may be lost when the machine ends; a reboot ends it at once.
    script + "echo <<< all done\necho\nreboot\n"
}

fn answer(served: &[(Pass, String)], seen: &Seen) -> Reply {
    let mut segments = seen.target.trim_start_matches('/').splitn(3, '/');
    let number = segments.next().and_then(|number| number.parse::<usize>().ok());
    let Some((pass, text)) = number.and_then(|number| served.get(number)) else { return Reply::not_found() };
    let host = seen.headers.iter().find(|(name, _)| name == "host").map_or("", |(_, host)| host);
    let base = format!("http://{host}/{}", number.unwrap_or_default());
    match (segments.next().unwrap_or_default(), *pass) {
        ("script", _) => Reply::ok(redirected(text, &base).into_bytes()),
        (kind, Pass::Refused(image)) if kind == format!("image{image}") => Reply::not_found(),
        ("chain", Pass::ChainsRefused) => Reply::not_found(),
        (kind, Pass::BootFails) if kind.starts_with("image") => Reply::ok(&b"#!ipxe\nexit 1\n"[..]),
        (_, Pass::Served | Pass::Refused(_) | Pass::BootFails | Pass::ChainsRefused) => {
            Reply::ok(&b"#!ipxe\nimgstat\n"[..])
        }
    }
}

/// Puts `base` in the place of the server in each command's first URL, and 0 in the place of each number of seconds.
fn redirected(text: &str, base: &str) -> String {
    let mut images = 0..;
    let mut script = String::new();
    for line in text.split_inclusive('\n') {
        let (mut command, mut is_first, mut has_url) = (String::new(), true, false);
        for token in line.split_inclusive([' ', '\t', '\n', '\r']) {
            let word = token.trim_end();
            let blank = &token[word.len()..];
            let mut new = word.to_owned();
            if is_first && !word.is_empty() {
                (command, is_first, has_url) = (word.to_owned(), false, false);
            } else if matches!(word, "||" | "&&") {
                is_first = true;
            } else if command == "sleep" && !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit()) {
                new = "0".to_owned();
            } else if let (false, Some((_, rest))) = (has_url, word.split_once("://")) {
                has_url = true;
                let path = rest.find(['/', '?']).map_or("/", |at| &rest[at..]);
                let kind = if is_image(&command) {
                    format!("image{}", images.next().unwrap_or_default())
                } else {
                    command.clone()
                };
                let slash = if path.starts_with('/') { "" } else { "/" };
                new = format!("{base}/{kind}{slash}{path}");
            }
            script.push_str(&new);
            script.push_str(blank);
        }
    }
    script
}

fn fetched_by(number: usize, target: &str) -> Option<String> {
    let rest = target.strip_prefix(&format!("/{number}/"))?;
    let (kind, path) = rest.split_once('/')?;
    Some(format!("{kind} /{path}"))
}

// The console of one run, and how it ended; `last` where its end is missing.
fn find_run(lines: &[String], number: usize, last: Ended) -> Option<(Vec<String>, Ended)> {
    let start = lines.iter().position(|line| *line == format!("<<< {number}"))? + 1;
    let mark = format!(">>> {number} ");
    let length = lines[start..].iter().position(|line| line.starts_with(&mark));
    let end = length.map_or(lines.len(), |length| start + length);
    let ended = match lines.get(end).map(|line| &line[mark.len()..]) {
        Some("well") => Ended::Well,
        Some(_) => Ended::Failed,
        None => last,
    };
    Some((lines[start..end].to_vec(), ended))
}

fn unbroken(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for line in text.split('\n') {
        let last = lines.last_mut().expect("there is one");
        last.push_str(line);
        if line.chars().count() < COLUMNS {
            lines.push(String::new());
        }
    }
    lines
}
