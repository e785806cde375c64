//! What a commit costs that is refused because building it takes all it may: memory of the server, and of the process that
//! builds.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::landing::{self, git};
use crate::process::{Muster, children, peak_mib, peak_mib_so_far, resident_mib};
use crate::table::{Row, Spread};

const NODES: usize = 1_000;

/// Lines of user-data, each small, that grow to more than any machine has.
const BOMBS: [(&str, &str); 3] = [
    (
        "doubled",
        "{% set ns = namespace(s='x') %}{% for i in range(40) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s|length }}",
    ),
    (
        "joined",
        "{% set ns = namespace(s=[1]) %}{% for i in range(40) %}{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s|length }}",
    ),
    ("repeated", "{{ ('x' * 1000000) * 1000000 }}"),
];

pub fn measure(folder: &Path, rows: &mut Vec<Row>) {
    let repository = landing::repository(folder, NODES);
    let clone = clone(folder);
    let muster =
        Muster::start_with(&repository, &folder.join("bomb.redb"), &["--api", "127.0.0.1:0", "--build-timeout", "20s"]);
    let before = peak_mib(muster.pid);
    let sound = build(
        &muster,
        || {
            landing::edit_and_push(&repository, NODES, 300);
        },
        "served",
        &clone,
    );
    let template = clone.join("cloud-init/compute.yaml.j2");
    let text = std::fs::read_to_string(&template).expect("the template is there");
    let (mut child, mut server) = (Vec::new(), Vec::new());
    for (name, bomb) in BOMBS {
        std::fs::write(&template, format!("{text}# {bomb}\n")).expect("the template can be written");
        git(&clone, &["commit", "--quiet", "--all", "--message", name]);
        let push = || git(&clone, &["push", "--quiet", &repository.display().to_string(), "main"]);
        child.push(build(&muster, push, "refused", &clone));
        server.push(resident_mib(muster.pid));
    }
    let grown = Spread::of(vec![peak_mib(muster.pid) - before]);
    rows.push(Row::plain("a refused bomb, peak of the process that builds", Spread::of(child), "MiB"));
    rows.push(Row::plain("a sound commit of 1,000 nodes, the same", Spread::of(vec![sound]), "MiB"));
    rows.push(Row::plain("a refused bomb, resident memory of the server", Spread::of(server), "MiB"));
    rows.push(Row::plain("by which the server's peak grew, over four commits", grown, "MiB"));
}

fn clone(folder: &Path) -> PathBuf {
    folder.join(format!("{NODES}.clone"))
}

/// Pushes, and watches the process that builds until the commit is judged; returns the most memory that it had.
fn build(muster: &Muster, push: impl FnOnce(), outcome: &str, clone: &Path) -> f64 {
    push();
    let head = std::process::Command::new("git").args(["rev-parse", "HEAD"]).current_dir(clone).output();
    let head = String::from_utf8(head.expect("git runs").stdout).expect("an id is text");
    let (started, mut peak, mut looks) = (Instant::now(), 0.0_f64, 0_u32);
    loop {
        let building = children(muster.pid).into_iter().filter_map(peak_mib_so_far);
        peak = building.fold(peak, f64::max);
        looks += 1;
        if looks.is_multiple_of(20) && is_judged(muster, head.trim(), outcome) {
            return peak;
        }
        assert!(started.elapsed() < Duration::from_secs(180), "the commit is never judged: {outcome}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn is_judged(muster: &Muster, head: &str, outcome: &str) -> bool {
    let mut status = std::process::Command::new(env!("CARGO_BIN_EXE_muster"));
    let output = status.args(["status", "--format", "json", "--api", &muster.api]).output().expect("muster runs");
    let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let revision = if outcome == "refused" { &status["refused"]["revision"] } else { &status["served"] };
    revision["id"] == head
}
