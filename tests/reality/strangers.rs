//! BMCs that nobody declares: found by address, trusted with nothing.

use super::{PASSWORD, Plan, Site};
use ::muster::simulate::Options;

fn plan(tls: bool) -> Site {
    Plan { nodes: 4, options: Options { tls, ..Options::default() }, ..Plan::default() }.site()
}

/// Says how many passwords the fleet was shown.
fn logins(site: &Site) -> u32 {
    (0..site.fleet().len()).map(|bmc| site.fleet().counts(bmc).logins).sum()
}

fn origin(site: &Site, bmc: usize) -> String {
    site.fleet().origin(bmc)
}

#[test]
fn a_stranger_is_seen_without_an_account_and_told_as_undeclared() {
    let site = plan(true);
    let (first, second) = (origin(&site, 0), origin(&site, 1));
    let summary = site.discover(&["--bmc", &first, "--bmc", &second, "--format", "json"]);
    assert_eq!(logins(&site), 0, "{summary:?}");
    let json = summary.json();
    assert_eq!((&json["targets"], &json["without_redfish"]), (&2.into(), &0.into()), "{json:#}");
    assert_eq!(json["api_version"], "v1");

    let said = site.discover(&["--bmc", &first, "--credential", "simulated", "--format", "json"]).exits(0);
    let json = said.json();
    assert_eq!((&json["seen"], &json["systems"], &json["not_read"]), (&1.into(), &1.into(), &0.into()), "{json:#}");
    assert_eq!(json["models"].as_object().unwrap().values().next(), Some(&1.into()), "{json:#}");
    assert_eq!(logins(&site), 1);
    site.discover(&[]).exits(0);
    let report = site.report(&[]);
    let undeclared: Vec<&str> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["class"] == "presence")
        .flat_map(|finding| finding["names"].as_array().unwrap())
        .filter_map(|name| name.as_str())
        .collect();
    assert!(undeclared.contains(&&*first), "{report:#}");
    assert_eq!(report["summary"]["in_sync"], 4);
    site.drift(&["--fail-on", "undeclared"]).exits(1);
}

#[test]
fn an_account_never_goes_where_the_certificate_is_not_verified() {
    let site = plan(true);
    let first = origin(&site, 0);
    // The command refuses to combine them.
    let said = site.discover(&["--bmc", &first, "--credential", "simulated", "--insecure"]).exits(2);
    assert!(said.err.contains("--insecure"), "{said:?}");
    site.discover(&["--bmc", &first, "--insecure"]);
    assert_eq!(logins(&site), 0);
    // A host that does not trust the fleet's CA.
    let text = std::fs::read_to_string(site.settings()).unwrap();
    let text: Vec<&str> = text.lines().filter(|line| !line.starts_with("ca =")).collect();
    std::fs::write(site.settings(), text.join("\n")).unwrap();
    let said = site.discover(&["--bmc", &first, "--credential", "simulated", "--format", "json"]).exits(3);
    assert_eq!(said.json()["failures"][0]["kind"], "tls", "{said:?}");
    assert!(!said.out.contains(PASSWORD));
    assert_eq!(logins(&site), 0);
}

#[test]
fn plain_http_never_gets_an_account() {
    let site = plan(false);
    site.discover(&["--bmc", &origin(&site, 0), "--credential", "simulated"]);
    site.discover(&["--bmc", &origin(&site, 1)]);
    assert_eq!(logins(&site), 0);
}

#[test]
fn a_range_counts_who_is_silent_and_remembers_who_is_not() {
    let site = plan(true);
    let port = site.fleet().port().to_string();
    // Four BMCs, and addresses behind them where nobody answers.
    let range = ["--range", "127.64.0.1-127.64.0.9", "--port", &port, "--credential", "simulated", "--format", "json"];
    let json = site.discover(&range).exits(0).json();
    assert_eq!(
        (&json["targets"], &json["seen"], &json["without_redfish"]),
        (&9.into(), &4.into(), &5.into()),
        "{json:#}"
    );
    let (store, _) = ::muster::store::Store::open_any(&site.store(), 0).unwrap();
    let known: Vec<Box<str>> = store.observed().unwrap().bmcs.into_keys().collect();
    assert_eq!(known, (0..4).map(|bmc| origin(&site, bmc).into()).collect::<Vec<Box<str>>>());
    drop(store);
    let net = ["--cidr", "127.64.0.0/29", "--port", &port, "--credential", "simulated", "--format", "json"];
    let json = site.discover(&net).exits(0).json();
    assert_eq!(
        (&json["targets"], &json["seen"], &json["without_redfish"]),
        (&6.into(), &4.into(), &2.into()),
        "{json:#}"
    );
    // An address that a person names one by one is expected to answer.
    let silent = format!("https://127.64.0.200:{port}");
    site.discover(&["--bmc", &silent]).exits(3);
    assert_eq!(::muster::store::Store::open_any(&site.store(), 0).unwrap().0.observed().unwrap().bmcs.len(), 4);
    for wrong in
        [["--bmc", "ftp://x"], ["--range", "127.0.0.9-3"], ["--cidr", "127.0.0.0/2"], ["--bmc", "https://u:p@h"]]
    {
        let said = site.discover(&wrong).exits(2);
        assert!(said.err.starts_with("error: "), "{said:?}");
    }
}
