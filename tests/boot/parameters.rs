//! Kernel parameters on their whole way: from the repository through muster, iPXE and firmware to a kernel, which says what it
//! was told. What iPXE makes of many more of them is asked in `tests/wishes/parameters.rs`.

use std::time::Duration;

use crate::site::{NID0001, Site};
use crate::support::netns::isolated;
use crate::support::parts::{self, Part};
use crate::vm::{self, BootOptions, Console, Firmware, HandedOptions};

/// Each is one parameter with signs that mean something to iPXE, a shell, firmware or the kernel.
const PARAMETERS: [&str; 12] = [
    r#"dyndbg="file a.c +p; file b.c +p""#,
    r#"note="rack 7, no.#2 ;; x|y & z""#,
    "a='b'",
    r"path=C:\dir\",
    "cost=$5",
    "open=${",
    "percent=100%25%",
    "seq=[1-3]{4,5}",
    "semi=a;b",
    "hash=#1",
    "eq==x=y",
    "empty=",
];

fn site(parameters: &[&str]) -> Site {
    Site::configured(|wishes| {
        let list = serde_json::to_string(parameters).expect("texts are JSON, and these are TOML too");
        wishes.edit("cluster.toml", "\"site.colour=blue\"]", &format!("{}]", list.trim_matches(['[', ']'])));
        wishes.publish("odd parameters");
        None
    })
}

fn arrives(parameters: &[&str], console: &Console) {
    let expected = format!(" panic=1 {} xname=x1000c0s0b0n0 nid=1 ", parameters.join(" "));
    assert!(console.cmdline().contains(&expected), "{expected}\n{}\n{}", console.cmdline(), console.text);
}

#[test]
fn odd_parameters_arrive_at_the_kernel() {
    const NAME: &str = "parameters::odd_parameters_arrive_at_the_kernel";
    isolated(NAME, || {
        if vm::can_boot(NAME) && parts::all(NAME, &[Part::Ipxe]) {
            let site = site(&PARAMETERS);
            let ipxe = Part::Ipxe.find().expect("it was required");
            let within = Duration::from_secs(180);
            let macs = &[NID0001];
            let options = HandedOptions { ipxe, firmware: Firmware::Bios, macs, url: &site.bootfile(), within };
            arrives(&PARAMETERS, &vm::boot_handed(&options));
        }
    });
}

#[test]
fn odd_parameters_arrive_at_the_kernel_of_a_uefi_machine() {
    const NAME: &str = "parameters::odd_parameters_arrive_at_the_kernel_of_a_uefi_machine";
    isolated(NAME, || {
        if vm::can_boot(NAME) && parts::all(NAME, &[Part::Ovmf]) {
            let site = site(&PARAMETERS);
            let options = BootOptions { firmware: Firmware::Uefi, ..BootOptions::new(NID0001, &site.bootfile()) };
            arrives(&PARAMETERS, &vm::boot(&options));
        }
    });
}
