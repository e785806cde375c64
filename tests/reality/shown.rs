//! `muster show --bmc`: what is remembered of one BMC, for a person and for a program.

use super::Plan;

#[test]
fn a_bmc_is_shown_with_its_quirks_and_with_what_changed() {
    let site = Plan { models: "idrac", ..Plan::default() }.site();
    site.discover(&[]).exits(0);
    let node = site.fleet().bmc(0);
    let said = site.show("r0001b01", &[]).exits(0);
    for wanted in
        ["bmc          r0001b01", "logged in", "quirk        tag-in-sku: ", "ironic idrac-redfish-sku", "power"]
    {
        assert!(said.out.contains(wanted), "{node:?}: no {wanted} in {}", said.out);
    }
    assert!(!said.out.contains("change "), "{}", said.out);

    assert!(site.fleet().power("nid000001", false));
    site.discover(&["--sweep"]).exits(0);
    let said = site.show("r0001b01", &[]).exits(0);
    assert!(said.out.contains(" power: on -> off"), "{}", said.out);

    let all = site.show("r0001b[01-02]", &["--format", "json"]).exits(0).json();
    assert_eq!(all.as_array().map(Vec::len), Some(2));
    assert_eq!(all[0]["record"]["bmc"], "r0001b01");
    assert!(all[0]["quirks"].as_array().unwrap().iter().any(|quirk| quirk["name"] == "tag-in-sku"));
}

#[test]
fn a_bmc_that_nobody_saw_is_trouble_with_a_name_that_is_near() {
    let site = Plan::default().site();
    site.discover(&["r0001b01"]).exits(0);
    let said = site.show("r0001b1", &[]).exits(2);
    assert!(said.err.contains("nothing was seen of a BMC `r0001b1`") && said.err.contains("r0001b01"), "{said:?}");
}
