//! A server that surveys: it hands out what it saw, takes what others saw, sees changes, and bears a full disk.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Options, Plan, Served, Site, Value, found, muster, support};
use support::parts;

/// Surveys so seldom that a test sees none but the first.
const SELDOM: &str = "sweep = \"1h\"\ndeep = \"1h\"\n";

fn observed(served: &Served) -> String {
    served.get_api("/api/v1/observed").text().to_owned()
}

/// Waits until what a server remembers is as wanted.
#[track_caller]
fn until_seen(served: &Served, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    super::until(|| observed(served), what, |file| wanted(&file["observed"]["bmcs"]))
}

#[track_caller]
fn until_surveyed(site: &Site, served: &Served) {
    site.until(served, "all are seen", |status| status["survey"]["seen"] == site.fleet().len());
}

/// Waits until the report of a server is as wanted.
#[track_caller]
fn until_found(site: &Site, what: &str, wanted: &[(&str, &str)]) {
    let wanted: Vec<(String, String)> = wanted.iter().map(|(node, of)| ((*node).into(), (*of).into())).collect();
    super::until(
        || site.drift(&["--format", "json"]).out,
        what,
        |report| {
            let places: Vec<_> = found(report, "drifted").into_iter().map(|(node, of, ..)| (node, of)).collect();
            places == wanted
        },
    );
}

/// Boots a node by its name from its own address, as a proxy that is trusted passes it on, and lets its cloud-init speak
/// from there.
fn boots(served: &Served, node: &str) {
    let view: Value = serde_json::from_str(served.get_api(&format!("/api/v1/nodes/{node}")).text()).unwrap();
    let address = view["ips"][0].as_str().expect("git declares its address");
    let ask = |method, target: &str| {
        let head = [("User-Agent", "iPXE/1.21.1"), ("X-Forwarded-For", address)];
        let answer = support::http::request(served.boot(), method, target, &head, b"").unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
    };
    ask("GET", &format!("/boot/v1/bootscript?name={node}"));
    ask("POST", &format!("/cloud-init/node/{node}/phone-home"));
}

/// Waits until what a node runs is as wanted.
#[track_caller]
fn until_run(served: &Served, node: &str, what: &str, wanted: impl Fn(&Value) -> bool) {
    let ask = || served.get_api(&format!("/api/v1/boots?nodes={node}")).text().to_owned();
    super::until(ask, what, |page| wanted(&page["nodes"][0]));
}

#[test]
fn a_survey_hands_over_to_the_server_that_holds_the_store() {
    let site = Plan { drift: 4, ..Plan::default() }.site();
    site.loops(SELDOM);
    let served = site.serve();
    until_surveyed(&site, &served);
    let before: Value = serde_json::from_str(&observed(&served)).unwrap();
    let said = site.discover(&[]).exits(0);
    assert!(said.err.contains("handed to the server at"), "{said:?}");
    let name = "r0001b01";
    let tried = |file: &Value| file["observed"]["bmcs"][name]["tried"].as_i64().unwrap();
    let after: Value = serde_json::from_str(&observed(&served)).unwrap();
    assert!(tried(&after) > tried(&before), "{after:#}");
    // Through the server because it holds the store, and because it is named.
    let by_itself = site.drift(&["--at", "2031-02-03T04:05:06Z", "--format", "json"]).exits(1);
    assert_eq!(found(&by_itself.json(), "drifted").len(), 4);
    let server = served.api().to_owned();
    let mut command = muster::command(&site.wishes.clone_dir());
    command.args(["drift", "--server", &server, "--at", "2031-02-03T04:05:06Z", "--format", "json"]);
    let named = super::Said::of(command.output().unwrap()).exits(1);
    assert_eq!(named.out, by_itself.out);
    let settings = site.settings().display().to_string();
    let mut command = muster::command(&site.wishes.clone_dir());
    command.args(["discover", "--server", &server, "--config", &settings, "r0001b02"]);
    super::Said::of(command.output().unwrap()).exits(0);
    let (ended, _) = served.stop();
    assert!(ended.success());
    let of_store = site.drift(&["--at", "2031-02-03T04:05:06Z", "--format", "json"]).exits(1);
    assert_eq!(found(&of_store.json(), "drifted"), found(&by_itself.json(), "drifted"));
}

#[test]
fn what_is_handed_over_claims_nothing() {
    let mix = "generic".parse().unwrap();
    let (mut files, models) = ::muster::simulate::wishes(4, &mix, 1);
    let cluster = files.get_mut("cluster.toml").unwrap();
    *cluster = cluster.replace("[defaults]\n", "[defaults]\nmacs = \"from-bmc\"\n");
    let facts = files.get_mut("nodes/rack0001.facts.csv").unwrap();
    // Without addresses in git, so that they come from the BMCs.
    let cut = |line: &str| {
        line.split(',').enumerate().filter(|(at, _)| *at != 1).map(|(_, cell)| cell).collect::<Vec<_>>().join(",")
    };
    *facts = facts.lines().map(cut).collect::<Vec<_>>().join("\n") + "\n";
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let choices = ::muster::simulate::Choices { seed: 1, models, surplus: super::FEW, ..Default::default() };
    let options = Options { tls: true, ..Options::default() };
    let site = Plan { nodes: 4, options, ..Plan::default() }.of(&files, &choices);
    let claims = |served: &Served| {
        let file: Value = serde_json::from_str(&observed(served)).unwrap();
        file["observed"]["claims"].as_array().unwrap().len()
    };
    // This server surveys nobody by itself.
    let own = fs::read_to_string(site.settings()).unwrap();
    fs::write(site.settings(), own.replace("10.128.0.", "10.129.0.") + "\n[survey]\nsweep = \"off\"\ndeep = \"off\"\n")
        .unwrap();
    let served = site.serve();
    site.until(&served, "it serves", |status| status["state"] == "serving");
    fs::write(site.settings(), &own).unwrap();
    site.discover(&[]).exits(0);
    until_seen(&served, "it took them", |bmcs| bmcs.as_object().unwrap().len() == 4);
    assert_eq!(claims(&served), 0);
    drop(served);
    site.loops(SELDOM);
    fs::remove_file(site.store()).unwrap();
    let served = site.serve();
    super::until(
        || observed(&served),
        "its own surveys claim",
        |file| file["observed"]["claims"].as_array().unwrap().len() == 4,
    );
}

#[test]
fn a_server_sees_what_changes_and_is_gentle() {
    let mut site = Plan { models: "idrac", ..Plan::default() }.site();
    site.loops("sweep = \"1s\"\ndeep = \"3s\"\n");
    let settings = site.settings().display().to_string();
    let proxied = ["--config", &settings, "--trusted-proxies", "127.0.0.1"];
    let served = Served::start(&site.wishes.bare(), &site.store(), &proxied);
    until_surveyed(&site, &served);
    let first: Value = serde_json::from_str(&observed(&served)).unwrap();
    let seen = |bmcs: &Value| bmcs["r0001b01"]["seen"].as_i64().unwrap();
    let before = seen(&first["observed"]["bmcs"]);
    until_seen(&served, "a sweep came by", |bmcs| seen(bmcs) > before);
    // The server booted nobody yet, so what they run is unknown; all else is as wished.
    let unbooted = site.drift(&["--format", "json"]).exits(3).json();
    assert!(found(&unbooted, "unknown").into_iter().all(|(_, of, ..)| of == "script"), "{unbooted:#}");
    boots(&served, "nid000003");
    until_run(&served, "nid000003", "it booted", |row| row["state"] == "current");
    assert!(site.fleet().power("nid000003", false));
    until_found(&site, "it is off", &[("nid000003", "power")]);
    until_run(&served, "nid000003", "what it booted ended", |row| row["why"] == "reset");
    let off = site.drift(&["nid000003", "--format", "json"]).exits(1).json();
    assert!(found(&off, "unknown").is_empty(), "one that is off runs nothing: {off:#}");
    let group = site.wishes.read("groups/idrac.toml");
    let (_, attributes) = group.split_once("[expect.bios.attributes]\n").unwrap();
    let path = format!("bios.attributes.{}", attributes.split(" = ").next().unwrap());
    assert!(site.fleet().plant("nid000005", &path, 7).is_some());
    until_found(&site, "its BIOS is another", &[("nid000003", "power"), ("nid000005", &path)]);
    assert!(site.fleet().power("nid000003", true));
    until_found(&site, "it is on again", &[("nid000005", &path)]);
    // While commands are asked for all the time, surveys go on.
    let file: Value = serde_json::from_str(&observed(&served)).unwrap();
    let before = seen(&file["observed"]["bmcs"]);
    until_seen(&served, "nobody who asks holds up the surveys", |bmcs| seen(bmcs) > before + 2_000);
    for bmc in 0..site.fleet().len() {
        let counts = site.fleet().counts(bmc);
        assert!(counts.most_in_flight <= 2, "{counts:?}");
        assert!(counts.sessions_opened - counts.sessions_closed <= 2, "{counts:?}");
        assert_eq!((counts.locks, counts.refused_logins), (0, 0));
    }
    site.stop_fleet();
    let status = site.until(&served, "all are failing", |status| status["survey"]["failing"] == 8);
    assert_eq!(status["survey"]["seen"], 0);
    let text = site.run(&["status"]).out;
    assert!(text.contains("8 not read"), "{text}");
    site.drift(&[]).exits(3);
    let (ended, _) = served.stop();
    assert!(ended.success());
}

/// Mounts a small file system in a mount namespace of its own, and becomes the program.
const SMALL: &str = r#"mount -t tmpfs -o size=12m,mode=0755 tmpfs "$0" && exec "$@""#;

#[test]
fn a_full_disk_keeps_serving_while_surveys_wait_to_be_written() {
    const NAME: &str = "serving::a_full_disk_keeps_serving_while_surveys_wait_to_be_written";
    let works = |flag: &&str| {
        let script = "mount -t tmpfs -o size=1m tmpfs /tmp";
        Command::new("unshare").args([*flag, "sh", "-c", script]).output().is_ok_and(|output| output.status.success())
    };
    let Some(flag) = ["-m", "-rm"].into_iter().find(|flag| works(flag)) else {
        return parts::skip(NAME, "mount-namespace", "needs `unshare -m` or `unshare -rm`, and tmpfs");
    };
    let site = Plan { nodes: 40, ..Plan::default() }.site();
    site.loops("sweep = \"1s\"\ndeep = \"2s\"\n");
    let state = site.root().join("state");
    fs::create_dir(&state).unwrap();
    let inner = muster::command(site.root());
    let mut command = Command::new("unshare");
    command.args([flag, "sh", "-c", SMALL]).arg(&state).arg(inner.get_program()).arg("serve");
    command.arg("--repo").arg(site.wishes.bare()).arg("--store").arg(state.join("muster.redb"));
    command.args(["--listen", "127.0.0.1:0", "--api", "127.0.0.1:0", "--config"]).arg(site.settings());
    command.env("HOME", site.root()).stdin(Stdio::null());
    let served = Served::spawn(command);
    until_surveyed(&site, &served);
    let inside = PathBuf::from(format!("/proc/{}/root{}", served.pid(), state.display()));
    let ballast = inside.join("ballast");
    fill(&ballast);
    // What fits into pages that the store has is still written; news of every machine is not.
    for node in 1..=40 {
        for (seed, path) in ["serial", "model", "uuid", "memory_gib"].into_iter().enumerate() {
            let _ = site.fleet().plant(&format!("nid{node:06}"), path, node * 10 + seed as u64);
        }
    }
    let status = site.until(&served, "its store fails", |status| status["store"]["state"] == "failing");
    assert_eq!(status["state"], "degraded", "{status:#}");
    for node in ["nid000001", "nid000040"] {
        assert_eq!(served.get(&format!("/boot/v1/bootscript?name={node}")).status, 200, "boots go on");
    }
    fs::remove_file(&ballast).unwrap();
    site.until(&served, "it recovered", |status| status["state"] == "serving" && status["store"]["state"] == "ok");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
    until_seen(&served, "surveys are stored again", |bmcs| {
        bmcs.as_object().unwrap().values().all(|bmc| bmc["seen_deep"].as_i64().is_some_and(|seen| seen > now))
    });
}

/// Writes until nothing more fits.
fn fill(path: &Path) {
    let mut file = fs::File::create(path).unwrap();
    for size in [65_536, 4096, 1] {
        while file.write(&vec![b'x'; size]).is_ok_and(|written| written > 0) {}
    }
}

#[test]
fn a_running_server_forgets_bmcs_and_surveys_the_declared_ones_at_once() {
    let mut site = Plan::default().site();
    site.loops(SELDOM);
    let served = site.serve();
    until_surveyed(&site, &served);
    let file: Value = serde_json::from_str(&observed(&served)).unwrap();
    let bmcs = file["observed"]["bmcs"].as_object().expect("records by name");
    let (name, record) = bmcs.iter().next().expect("there are some");
    let seen = |bmcs: &Value| bmcs[name.as_str()]["seen"].as_i64();
    let before = record["seen"].as_i64().expect("it was seen");

    // The server holds the store, so the command asks it.
    let said = site.run(&["forget", name]).exits(0);
    assert!(said.out.starts_with(&format!("{name}: ")) && said.out.ends_with("forgot 1 BMC\n"), "{said:?}");
    until_seen(&served, "it is surveyed again, though its time is in an hour", |bmcs| seen(bmcs) > Some(before));
    let said = site.run(&["forget", "nosuch"]).exits(2);
    assert!(said.err.contains("nothing is remembered of a BMC `nosuch`"), "{said:?}");
    assert_eq!(site.run(&["forget", &format!("{name},nosuch")]).exits(2).out, "");
    let kept: Value = serde_json::from_str(&observed(&served)).unwrap();
    assert!(seen(&kept["observed"]["bmcs"]).is_some(), "one unknown name, and none is forgotten");

    site.stop_fleet();
    site.run(&["forget", name]).exits(0);
    until_seen(&served, "it is gone", |bmcs| seen(bmcs).is_none());
    let (ended, log) = served.stop();
    assert!(ended.success(), "{}", log.join("\n"));
    let served = site.serve();
    until_seen(&served, "the others are kept over a restart", |others| {
        seen(others).is_none() && others.as_object().is_some_and(|all| all.len() + 1 >= bmcs.len())
    });
}
