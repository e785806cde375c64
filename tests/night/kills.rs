//! Killed at random, under pushes and boots: every commit that was acknowledged as stored is there again, the store opens, and
//! whatever is served is what some commit says, under that commit's name.
//!
//! `MUSTER_KILLS` says how often; 40 where nobody says.

use super::*;
use ::muster::store::Opened;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// What is known of all commits that were made, whether they were ever served or not.
#[derive(Default)]
struct Known {
    /// The image that a commit names.
    images: HashMap<String, String>,
    /// The commits in the order in which they were made.
    order: Vec<String>,
}

/// Held while a push runs and while the repository is moved: git's own lock would be moved with it, and stay for ever.
static MOVING: Mutex<()> = Mutex::new(());

/// One who commits and pushes without end.
fn pusher(wishes: &Wishes, known: &Arc<Mutex<Known>>, stop: &Arc<AtomicBool>) -> thread::JoinHandle<()> {
    let (clone, bare) = (wishes.clone_dir(), wishes.bare());
    let (known, stop) = (Arc::clone(known), Arc::clone(stop));
    let home = wishes.root().to_owned();
    let git = move |args: &[&str]| {
        let mut command = Command::new("git");
        command
            .current_dir(&clone)
            .env("HOME", &home)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null");
        command.env("GIT_AUTHOR_NAME", "Ada").env("GIT_AUTHOR_EMAIL", "ada@site.example");
        command.env("GIT_COMMITTER_NAME", "Ada").env("GIT_COMMITTER_EMAIL", "ada@site.example");
        let output = command.args(args).output().expect("git is here");
        (output.status.success(), String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let file = wishes.clone_dir().join("cluster.toml");
    thread::spawn(move || {
        for number in 0.. {
            if stop.load(Ordering::SeqCst) {
                return;
            }
            let image = format!("image{number}");
            std::fs::write(&file, CLUSTER.replace("one", &image)).expect("it can be written");
            assert!(git(&["commit", "-q", "-a", "-m", &image]).0, "it can be committed");
            let id = git(&["rev-parse", "HEAD"]).1;
            let mut known = known.lock().expect("nobody panics with it");
            known.images.insert(id.clone(), image);
            known.order.push(id);
            drop(known);
            // The repository may be away; then a later push brings this commit too.
            let still = MOVING.lock().expect("nobody panics with it");
            if bare.exists() {
                let _ = git(&["push", "-q", "--force", "origin", "main"]);
            }
            drop(still);
            thread::sleep(Duration::from_millis(fastrand::u64(0..120)));
        }
    })
}

/// Asks for scripts and documents until the server is gone, and counts the answers, all of which must be right.
fn booter(
    address: SocketAddr,
    known: &Arc<Mutex<Known>>,
    script: &Arc<str>,
    right: &Arc<AtomicU64>,
    stop: &Arc<AtomicBool>,
) -> thread::JoinHandle<()> {
    let (known, script, right, stop) = (Arc::clone(known), Arc::clone(script), Arc::clone(right), Arc::clone(stop));
    thread::spawn(move || {
        while !stop.load(Ordering::SeqCst) {
            let node = fastrand::usize(1..=NODES);
            let is_script = fastrand::bool();
            let target = if is_script { script_of(node) } else { document_of(node, "user-data") };
            let Ok(answer) = ipxe(address, &target) else { continue };
            // An answer that was cut by the kill is none: its length says so.
            let length = answer.header("content-length").and_then(|length| length.parse().ok());
            if answer.status == 503 || length != Some(answer.body.len()) {
                continue;
            }
            let text = answer.text();
            let revision =
                answer.header("x-muster-revision").unwrap_or_else(|| panic!("no commit is named: {answer:?}"));
            let known = known.lock().expect("nobody panics with it");
            let image =
                known.images.get(revision).unwrap_or_else(|| panic!("{revision} was never made: {text}")).clone();
            drop(known);
            assert_eq!(answer.status, 200, "{text}");
            if is_script {
                let wanted = script.replace("NODE", &format!("n{node:02}")).replace("MAC", &mac(node));
                let wanted = wanted.replace("NID", &node.to_string()).replace("DASHED", &mac(node).replace(':', "-"));
                let shown: Vec<&str> = text.lines().map(|line| line.split("&ts=").next().unwrap_or(line)).collect();
                assert_eq!(shown.join("\n"), wanted.replace("IMAGE", &image), "{revision}");
            } else {
                assert_eq!(text, format!("#cloud-config\nhostname: n{node:02}\n# image {image}\n"), "{revision}");
            }
            right.fetch_add(1, Ordering::SeqCst);
        }
    })
}

/// What the script of any node is, with words for what differs.
fn pattern(served: &Served) -> String {
    let text = served.get(&script_of(7)).text().to_owned();
    let lines: Vec<&str> = text.lines().map(|line| line.split("&ts=").next().unwrap_or(line)).collect();
    let plain = lines.join("\n").replace("n07", "NODE").replace(&mac(7), "MAC");
    plain.replace("nid=7 BOOTIF=01-02-00-00-00-00-07", "nid=NID BOOTIF=01-DASHED").replace("/one/", "/IMAGE/")
}

/// The commits that a server's log says are stored.
fn stored(log: &[String]) -> Vec<String> {
    let lines = log.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let stored = lines.filter(|line| line["fields"]["message"] == "commit stored");
    stored.filter_map(|line| line["fields"]["revision"].as_str().map(str::to_owned)).collect()
}

/// Waits until a server has given answers and, if git is there, stored a commit.
fn until_much_happened(served: &Served, right: &AtomicU64, is_away: bool) {
    let (enough, deadline) = (right.load(Ordering::SeqCst) + 100, Instant::now() + PATIENCE);
    while right.load(Ordering::SeqCst) < enough || (!is_away && stored(&served.log()).is_empty()) {
        assert!(Instant::now() < deadline, "too little happens:\n{}", served.log().join("\n"));
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn whatever_was_stored_survives_being_killed_and_nothing_wrong_is_served() {
    let kills: u32 = std::env::var("MUSTER_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(40);
    let started = Instant::now();
    let wishes = cluster();
    let first = wishes.git(&["rev-parse", "HEAD"]);
    let served = serve(&wishes, &[]);
    until_serving(&served, &first);
    until_stored(&served, &first);
    let script: Arc<str> = pattern(&served).into();
    assert!(script.contains("NODE") && script.contains("IMAGE"), "{script}");
    let (ended, _) = served.stop();
    assert!(ended.success());

    let known =
        Arc::new(Mutex::new(Known { images: [(first.clone(), "one".to_owned())].into(), order: vec![first.clone()] }));
    let stop = Arc::new(AtomicBool::new(false));
    let pushing = pusher(&wishes, &known, &stop);
    let right = Arc::new(AtomicU64::new(0));
    let (mut acknowledged, mut away_starts, mut longest) = (vec![first], 0, 0);
    for round in 0..kills {
        // Now and then git is away, so that it starts from the store alone.
        let away = wishes.root().join("away.git");
        let is_away = round % 7 == 3 && {
            let _still = MOVING.lock().expect("nobody panics with it");
            std::fs::rename(wishes.bare(), &away).is_ok()
        };
        let mut spawned = muster::command(wishes.root());
        spawned.arg("serve").arg("--repo").arg(wishes.bare()).arg("--store").arg(store(&wishes));
        spawned.args(["--listen", "127.0.0.1:0"]).args(ADVERTISE);
        let log;
        if round % 5 == 4 {
            // Before it listens, perhaps before it opened anything.
            let mut child =
                spawned.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped()).spawn().unwrap();
            thread::sleep(Duration::from_millis(fastrand::u64(0..60)));
            child.kill().expect("our child can be killed");
            let output = child.wait_with_output().expect("our child can be waited for");
            log = String::from_utf8_lossy(&output.stderr).lines().map(str::to_owned).collect::<Vec<_>>();
        } else {
            let served = Served::spawn(spawned);
            let done = Arc::new(AtomicBool::new(false));
            let booters: Vec<_> = (0..2).map(|_| booter(served.boot(), &known, &script, &right, &done)).collect();
            // Long enough now and then for answers and whole commits, however slow the machine; mostly not.
            if round % 4 == 1 {
                until_much_happened(&served, &right, is_away);
            }
            thread::sleep(Duration::from_millis(fastrand::u64(0..400)));
            log = served.killed();
            done.store(true, Ordering::SeqCst);
            booters.into_iter().for_each(|booter| booter.join().expect("nothing wrong is served"));
        }
        if is_away {
            away_starts += 1;
            std::fs::rename(&away, wishes.bare()).expect("it can be moved back");
        }
        assert!(!log.iter().any(|line| line.contains("moved aside")), "round {round}: {log:#?}");
        acknowledged.extend(stored(&log));
        let (store, opened) = open(&wishes);
        assert_eq!(opened, Opened::Existing, "round {round}");
        let list: Vec<String> =
            store.accepted(usize::MAX).unwrap().iter().map(|one| one.revision.to_string()).collect();
        // The oldest of a thousand are forgotten.
        longest = longest.max(list.len());
        let missing: Vec<&String> = acknowledged.iter().rev().take(900).filter(|id| !list.contains(id)).collect();
        assert!(missing.is_empty(), "round {round}: {missing:?} were stored, and are not there");
        let last = store.last_good().unwrap().expect("a commit is stored");
        assert_eq!(last.accepted.revision.as_str(), list[0]);
        let order = &known.lock().unwrap().order;
        let place = |id: &String| order.iter().position(|other| other == id).expect("it was made");
        assert!(
            list.windows(2).all(|pair| place(&pair[0]) > place(&pair[1])),
            "round {round}: the list is out of order"
        );
    }
    stop.store(true, Ordering::SeqCst);
    pushing.join().expect("the pusher does not panic");
    wishes.push();
    let last = known.lock().unwrap().order.last().expect("commits were made").clone();
    let served = serve(&wishes, &[]);
    until_serving(&served, &last);
    until_stored(&served, &last);
    acknowledged.dedup();
    eprintln!(
        "{kills} kills in {:?}: {} commits made, {} acknowledged as stored, {} answers right, {away_starts} starts without git",
        started.elapsed(),
        known.lock().unwrap().order.len(),
        acknowledged.len(),
        right.load(Ordering::SeqCst)
    );
    let right = right.load(Ordering::SeqCst);
    assert!(right > u64::from(kills) && longest > 1, "{right} answers, {longest} commits: too little happened");
}
