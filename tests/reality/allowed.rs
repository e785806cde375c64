//! Which BMCs are asked and where accounts go is this host's to say, whatever a commit declares.

use std::fs;

use super::support::stub::{Reply, Stub};
use super::{Plan, Said, Site};
use ::muster::simulate::Options;

/// A BMC that takes any account and remembers who asked.
fn stranger() -> Stub {
    Stub::start_at(std::net::SocketAddr::from(([127, 0, 0, 1], 0)), |_| {
        Reply::ok(&br#"{"RedfishVersion":"1.9.0"}"#[..])
    })
}

/// Declares a BMC at a URL, as a commit of anybody's could, and surveys all.
fn pushed(site: &Site, url: &str, tls: &str) -> Said {
    let text = format!("[[bmc]]\nname = \"evil1\"\nurl = \"{url}\"\ntls = \"{tls}\"\n");
    fs::write(site.wishes.clone_dir().join("nodes/evil.toml"), text).unwrap();
    site.discover(&[])
}

/// Where a stub listens, by a name: addresses of a cluster's BMCs are in its networks.
fn by_name(stub: &Stub, scheme: &str) -> String {
    format!("{scheme}://localhost:{}", stub.addr().port())
}

/// Replaces lines of this host's settings.
fn settings(site: &Site, edit: impl Fn(&str) -> String) {
    let text = fs::read_to_string(site.settings()).unwrap();
    fs::write(site.settings(), edit(&text)).unwrap();
}

#[test]
fn a_staged_server_asks_no_bmc_but_those_of_its_fleet() {
    let site = Plan { nodes: 2, options: Options { tls: true, ..Options::default() }, ..Plan::default() }.site();
    let stub = stranger();
    let said = pushed(&site, &by_name(&stub, "http"), "verify").exits(3);
    assert!(said.out.contains("not-allowed") && said.out.contains("`bmc.only`"), "{}", said.out);
    assert_eq!(stub.seen().len(), 0, "nobody knocked there");
    let drift = site.drift(&[]);
    assert!(drift.out.contains("bmc.only") && drift.code == Some(3), "{}\n{}", drift.out, drift.err);
}

#[test]
fn no_account_travels_in_clear_or_where_its_rule_does_not_let_it() {
    let site = Plan { nodes: 2, options: Options { tls: true, ..Options::default() }, ..Plan::default() }.site();
    let stub = stranger();
    // Everything may be asked, and the account has no rule: plain http is still none of its ways.
    settings(&site, |text| text.replace("only = [\"127.64.0.0/10\"]\n", ""));
    let said = pushed(&site, &by_name(&stub, "http"), "verify").exits(3);
    assert!(said.out.contains("not-allowed") && said.out.contains("bmc.plain"), "{}", said.out);
    assert_eq!(stub.seen().len(), 0);

    // Nor does TLS help at an address that the account's rule does not name.
    let name = site.names[0].to_string();
    let rule = format!("[credentials.\"{name}\"]\nonly = [\"127.64.0.0/10\"]\ntls = \"verify\"\n");
    settings(&site, |text| format!("{text}\n{rule}"));
    let said = pushed(&site, &by_name(&stub, "https"), "insecure").exits(3);
    assert!(said.out.contains("not-allowed") && said.out.contains("only"), "{}", said.out);
    // Nor does its address where git lets anybody answer.
    let own = format!("[bmc.rewrite]\n\"https://10.128.1.250\" = \"{}\"\n", site.fleet().origin(0));
    settings(&site, |text| text.replacen("[bmc.rewrite]\n", &own, 1));
    let said = pushed(&site, "https://10.128.1.250", "insecure").exits(3);
    assert!(said.out.contains("tls = \"verify\""), "{}", said.out);
    assert_eq!(stub.seen().len(), 0);

    // What the settings name is asked as before.
    fs::remove_file(site.wishes.clone_dir().join("nodes/evil.toml")).unwrap();
    site.discover(&[]).exits(0);

    // A host that says so by origin sends it in clear.
    settings(&site, |text| {
        text.replace(&rule, "")
            .replacen("[bmc]", "[bmc]\nplain = [\"PLACE\"]", 1)
            .replace("PLACE", &by_name(&stub, "http"))
    });
    pushed(&site, &by_name(&stub, "http"), "verify");
    assert!(!stub.seen().is_empty());
}
