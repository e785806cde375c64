//! Accounts: one per BMC, tried once, and never locked by us.

use std::fs;
use std::time::Duration;

use super::{PASSWORD, Plan, Site, Value};
use ::muster::simulate::Counts;

/// Sums up what all BMCs saw.
fn counts(site: &Site) -> Vec<Counts> {
    (0..site.fleet().len()).map(|bmc| site.fleet().counts(bmc)).collect()
}

/// Writes another password into this host's file of accounts.
fn give_password(site: &Site, password: &str) {
    let path = site.root().join("credentials.toml");
    let text = fs::read_to_string(&path).expect("it is there");
    let mut kept: Vec<&str> = text.lines().filter(|line| !line.starts_with("password")).collect();
    let line = format!("password = {}", toml::Value::from(password));
    kept.insert(kept.iter().position(|line| line.starts_with("username")).expect("there is a name") + 1, &line);
    fs::write(&path, kept.join("\n") + "\n").expect("it can be written");
}

#[test]
fn a_name_that_this_host_lacks_makes_its_bmcs_unknown_and_nothing_is_sent() {
    let site = Plan::default().site();
    fs::write(site.root().join("credentials.toml"), "[other]\nusername = \"a\"\npassword = \"b\"\n").unwrap();
    let summary = site.discover(&["--format", "json"]).exits(2).json();
    assert_eq!((&summary["seen"], &summary["not_read"]), (&0.into(), &8.into()));
    for failure in summary["failures"].as_array().unwrap() {
        assert_eq!(failure["kind"], "no-credential");
        assert!(failure["why"].as_str().unwrap().contains("simulated"), "{failure}");
    }
    assert!(counts(&site).iter().all(|counts| counts.requests == 0 && counts.connections == 0), "{:?}", counts(&site));
    let report = site.drift(&["--format", "json"]).exits(3).json();
    assert_eq!(report["summary"]["unknown"], 8);
    // A commit is no worse for it.
    site.run_plain(&["check"]).exits(0);
    site.loops("sweep = \"1s\"\n");
    let served = site.serve();
    site.until(&served, "it serves", |status| status["state"] == "serving");
    let known = site
        .until(&served, "it knows", |status| status["survey"]["failing"] == 8 && !status["survey"]["last"].is_null());
    std::thread::sleep(Duration::from_secs(4));
    let later = site.until(&served, "it still knows", |status| status["survey"]["failing"] == 8);
    assert_eq!(later["survey"]["last"], known["survey"]["last"], "what is not asked is not written again and again");
    let told = |text: &str| served.log().iter().filter(|line| line.contains(text)).count();
    assert_eq!((told("no account for some BMCs"), told("cannot be surveyed")), (1, 0), "{:#?}", served.log());
    assert!(counts(&site).iter().all(|counts| counts.requests == 0));
}

/// A new site whose account is missing: what to do fits on a screen, however many nodes there are.
#[test]
fn two_thousand_nodes_without_an_account_are_a_few_lines() {
    const NODES: usize = 2112;
    let mut site = Plan { nodes: NODES, ..Plan::default() }.site();
    fs::write(site.root().join("credentials.toml"), "[other]\nusername = \"a\"\npassword = \"b\"\n").unwrap();
    site.stop_fleet();
    site.discover(&[]).exits(2);

    let said = site.drift(&[]).exits(3);
    assert!(said.out.lines().count() <= 16, "{} lines:\n{}", said.out.lines().count(), said.out);
    let why = "no credential `simulated`";
    assert!(said.out.contains(why) && said.out.contains("nid[000001-002112]"), "{}", said.out);
    assert!(said.out.contains(&format!("{NODES} nodes: {NODES} unknown")), "{}", said.out);

    // Nothing is lost for programs.
    let report = site.report(&[]);
    let named = |finding: &Value| finding["names"].as_array().map_or(0, Vec::len);
    let most = report["findings"].as_array().unwrap().iter().map(named).max();
    assert_eq!((&report["summary"]["unknown"], most), (&NODES.into(), Some(NODES)));
}

#[test]
fn a_wrong_password_is_sent_once_until_a_person_says_so() {
    let site = Plan::default().site();
    let sent = |times: u32, when: &str| {
        for (bmc, counts) in counts(&site).iter().enumerate() {
            assert_eq!((counts.refused_logins, counts.locks), (times, 0), "BMC {bmc}, {when}: {counts:?}");
        }
    };
    give_password(&site, "not it");
    let unauthorised = |said: &super::Said| {
        let failures = said.json()["failures"].as_array().unwrap().clone();
        failures.iter().filter(|failure| failure["kind"] == "unauthorised").count()
    };
    for run in ["the first survey", "the second", "the third", "the fourth"] {
        let said = site.discover(&["--format", "json"]).exits(3);
        assert_eq!(unauthorised(&said), 8, "{said:?}");
        sent(1, run);
    }
    site.discover(&["--sweep", "--format", "json"]).exits(3);
    sent(1, "a sweep");
    site.loops("sweep = \"100ms\"\ndeep = \"200ms\"\n");
    for start in ["a server", "a server that was started again"] {
        let served = site.serve();
        let first = site.until(&served, "it surveys", |status| {
            status["survey"]["failing"] == 8 && status["survey"]["last"].is_string()
        });
        site.until(&served, "it surveys again", |status| status["survey"]["last"] != first["survey"]["last"]);
        sent(1, start);
        // A survey that hands over knows as little of the refusal, or as much.
        let said = site.discover(&["--format", "json"]).exits(3);
        assert_eq!(unauthorised(&said), 8, "{said:?}");
        sent(1, "handed over");
        let (ended, _) = served.stop();
        assert!(ended.success());
    }
    give_password(&site, PASSWORD);
    site.discover(&[]).exits(3);
    sent(1, "the right one, unasked");
    site.discover(&["--retry-logins"]).exits(0);
    sent(1, "the right one");
    // The server that wrote the store booted nobody; all else is as wished.
    let report = site.report(&[]);
    let classes: Vec<_> = report["findings"].as_array().unwrap().iter().map(|finding| &finding["class"]).collect();
    assert_eq!(classes, ["stale_boot"], "{report:#}");
}

#[test]
fn a_server_tries_again_when_it_is_told() {
    let site = Plan::default().site();
    give_password(&site, "not it");
    site.loops("sweep = \"100ms\"\ndeep = \"200ms\"\n");
    let served = site.serve();
    site.until(&served, "it was refused", |status| status["survey"]["failing"] == 8);
    give_password(&site, PASSWORD);
    let said = site.discover(&["--retry-logins"]);
    assert!(matches!(said.code, Some(0 | 3)), "{said:?}");
    site.until(&served, "it is let in", |status| status["survey"]["seen"] == 8);
    let all: Vec<Value> = counts(&site).iter().map(|counts| counts.refused_logins.into()).collect();
    assert_eq!(all, vec![Value::from(1); 8]);
}
