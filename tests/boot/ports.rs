//! Machines with several ports: whichever of them comes up, a declared machine boots as its node.

use std::time::Duration;

use crate::site::{NID0002, Site, UNKNOWN};
use crate::support::netns::isolated;
use crate::support::parts::{self, Part};
use crate::vm::{self, Firmware, HandedOptions};

/// A port of no node.
const SPARE: &str = "52:54:00:bb:00:02";

#[test]
fn a_machine_that_comes_up_by_another_port_boots_as_its_node() {
    const NAME: &str = "ports::a_machine_that_comes_up_by_another_port_boots_as_its_node";
    isolated(NAME, || {
        if vm::can_boot(NAME) && parts::all(NAME, &[Part::Ipxe]) {
            // Unknown machines boot discovery here.
            let site = Site::open();
            let console = power_on(&site, &[UNKNOWN, NID0002]);
            let told = console.cmdline();
            assert!(told.contains(" nid=2 BOOTIF=01-52-54-00-aa-00-02 "), "{told}\n{}", console.text);
            assert!(!told.contains("discovery"), "{told}");
            let status = site.api("/api/v1/status");
            assert_eq!((status["boots"].as_u64(), status["unknown_macs"].as_u64()), (Some(1), Some(0)), "{status:#}");

            let console = power_on(&site, &[UNKNOWN, SPARE]);
            assert!(console.cmdline().contains(" discovery.arch=x86_64 "), "{}", console.text);
            let status = site.api("/api/v1/status");
            assert_eq!(status["unknown_macs"], 1, "one machine, by the port that it booted by: {status:#}");
        }
    });
}

fn power_on(site: &Site, macs: &[&str]) -> vm::Console {
    let ipxe = Part::Ipxe.find().expect("it was required");
    let within = Duration::from_secs(180);
    vm::boot_handed(&HandedOptions { ipxe, firmware: Firmware::Bios, macs, url: &site.bootfile(), within })
}
