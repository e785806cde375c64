//! Machines that power on: what each of them boots, what muster then knows of it, and that a push changes the next boot.

use crate::site::{LOGIN, NID0001, NID0002, RETIRED, Site, UNKNOWN};
use crate::support::netns::isolated;
use crate::support::parts::{self, Part};
use crate::vm::qemu::End;
use crate::vm::{self, BootOptions, Console, Firmware};

/// What cloud-init on nid0001 is told, whole.
const META_DATA: &str = r#"instance-id: "attic-nid0001"
local-hostname: "nid0001"
hostname: "nid0001"
cluster-name: "attic""#;

fn power_on(site: &Site, mac: &str) -> Console {
    let console = vm::boot(&BootOptions::new(mac, &site.bootfile()));
    println!("{mac}: {:?} after {:?}", console.end, console.took);
    console
}

/// Finds what the kernel was told, and that it came to its end by itself.
fn params(console: &Console) -> Vec<&str> {
    let cmdline = console.cmdline();
    assert_eq!(console.end, End::Off, "{}", console.text);
    cmdline.split_whitespace().collect()
}

#[test]
fn a_push_changes_the_next_boot_and_a_broken_one_does_not() {
    const NAME: &str = "machines::a_push_changes_the_next_boot_and_a_broken_one_does_not";
    isolated(NAME, || {
        if vm::can_boot(NAME) {
            let site = Site::open();
            boots_as_declared(&site);
            boots_as_pushed(&site);
            boots_on_after_a_broken_push(&site);
        }
    });
}

fn boots_as_declared(site: &Site) {
    site.wishes.write("cloud-init/base.yaml.j2", "#cloud-config\nhostname: {{ name }}\nfqdn: {{ name }}.attic\n");
    site.wishes.edit("cluster.toml", "[unknown]", "[defaults.cloud_init]\nuser_data = \"base.yaml.j2\"\n\n[unknown]");
    let revision = site.wishes.publish("user-data");
    site.wait_for("the commit with user-data", "commit accepted", &revision);
    assert!(site.api("/api/v1/nodes/nid0001")["last_boot"].is_null());

    let console = power_on(site, NID0001);

    // The kernel of a BIOS machine gets its initial RAM disk by address, and the word stays on its line.
    let expected = "initrd=initrd console=ttyS0,115200 quiet panic=1 site.colour=blue xname=x1000c0s0b0n0 nid=1 \
                    BOOTIF=01-52-54-00-aa-00-01 ds=nocloud-net;s=http://10.0.2.2:8270/cloud-init/node/nid0001/";
    let told = params(&console).into_iter().skip_while(|word| !word.starts_with("initrd=")).collect::<Vec<_>>();
    assert_eq!(told.join(" "), expected);
    assert_eq!(console.section("meta-data"), Some(META_DATA), "{}", console.text);
    let user_data = "#cloud-config\nhostname: nid0001\nfqdn: nid0001.attic";
    assert_eq!(console.section("user-data"), Some(user_data), "{}", console.text);

    let node = site.api("/api/v1/nodes/nid0001");
    let boot = &node["last_boot"];
    assert_eq!(boot["address"], "127.0.0.1", "QEMU asks in the machine's place: {node:#}");
    assert_eq!(boot["mac"], NID0001, "{node:#}");
    assert_eq!(boot["revision"], revision, "{node:#}");
    assert_eq!(boot["script_digest"], node["script_digest"], "{node:#}");
    assert_eq!(boot["current"], true, "{node:#}");
    assert_eq!(boot["arch"], "i386", "a BIOS machine's iPXE has 32 bits: {node:#}");
    assert!(boot["user_agent"].as_str().is_some_and(|agent| agent.starts_with("iPXE/")), "{node:#}");
    assert!(site.api("/api/v1/nodes/nid0002")["last_boot"].is_null(), "nobody else booted");
    assert_eq!(site.api("/api/v1/status")["boots"], 1);
}

fn boots_as_pushed(site: &Site) {
    let before = site.api("/api/v1/nodes/nid0001")["script_digest"].clone();
    site.wishes.edit("cluster.toml", "site.colour=blue", "site.colour=green");
    let revision = site.wishes.publish("green");
    site.wait_for("the green commit", "commit accepted", &revision);
    let node = site.api("/api/v1/nodes/nid0001");
    assert_eq!(node["last_boot"]["current"], false, "it runs the script before this one: {node:#}");
    assert_eq!(node["last_boot"]["script_digest"], before, "{node:#}");

    let console = power_on(site, NID0001);

    let told = params(&console);
    assert!(told.contains(&"site.colour=green") && !told.contains(&"site.colour=blue"), "{told:?}");
    let node = site.api("/api/v1/nodes/nid0001");
    assert_ne!(node["script_digest"], before);
    assert_eq!(node["last_boot"]["revision"], revision, "{node:#}");
    assert_eq!(node["last_boot"]["current"], true, "{node:#}");
}

fn boots_on_after_a_broken_push(site: &Site) {
    let good = site.wishes.git(&["rev-parse", "HEAD"]);
    site.wishes.edit("cluster.toml", "site.colour=green", "site.colour=red");
    site.wishes.edit("boot/debian.toml", "kernel =", "kernal =");
    let broken = site.wishes.publish("a typo");
    site.wait_for("the refusal", "commit refused", &broken);

    let console = power_on(site, NID0002);

    let told = params(&console);
    assert!(told.contains(&"site.colour=green") && !told.contains(&"site.colour=red"), "{told:?}");
    assert!(told.contains(&"nid=2"), "{told:?}");
    let status = site.api("/api/v1/status");
    assert_eq!(status["served"]["id"], good, "{status:#}");
    assert_eq!(status["refused"]["revision"]["id"], broken, "{status:#}");
    assert_eq!(site.api("/api/v1/nodes/nid0002")["last_boot"]["revision"], good);
}

#[test]
fn an_unknown_machine_boots_into_discovery() {
    const NAME: &str = "machines::an_unknown_machine_boots_into_discovery";
    isolated(NAME, || {
        if vm::can_boot(NAME) {
            let site = Site::open();
            let console = power_on(&site, UNKNOWN);
            let told = params(&console).into_iter().skip_while(|word| !word.starts_with("initrd=")).collect::<Vec<_>>();
            let expected = "initrd=initrd console=ttyS0,115200 quiet discovery.report=http://10.0.2.2:8270 \
                            discovery.arch=x86_64 ds=nocloud-net;s=http://10.0.2.2:8270/cloud-init/";
            assert_eq!(told.join(" "), expected);
            // It asks once, and says its architecture at once.
            let asked = console.text.matches("/boot/v1/bootscript...").count();
            assert_eq!(asked, 1, "{}", console.text);
            let status = site.api("/api/v1/status");
            assert_eq!(status["unknown_macs"], 1, "{status:#}");
            assert_eq!(status["boots"], 0, "no node booted: {status:#}");
        }
    });
}

/// Machines of no known MAC address: one is declared by its UUID, which its firmware shows in the other byte order, the
/// other by a serial number with a blank in it.
const BY_FIRMWARE: &str = r#"[[node]]
name = "keyed1"
nid  = 7
uuid = "33221100-5544-7766-8899-aabbccddeeff"

[[node]]
name   = "keyed2"
boot   = "disk"
serial = "SN 0007"
"#;

#[test]
fn a_machine_boots_by_what_its_firmware_says() {
    const NAME: &str = "machines::a_machine_boots_by_what_its_firmware_says";
    isolated(NAME, || {
        if vm::can_boot(NAME) {
            let site = Site::configured(|wishes| {
                wishes.write("nodes/keyed.toml", BY_FIRMWARE);
                wishes.publish("nodes without addresses");
                None
            });
            let machine = |uuid: &str, serial: &str| BootOptions {
                uuid: uuid.into(),
                serial: serial.into(),
                ..BootOptions::new(UNKNOWN, &site.bootfile())
            };
            let console = vm::boot(&machine("00112233-4455-6677-8899-aabbccddeeff", "To be filled by O.E.M."));
            let told = params(&console);
            assert!(told.contains(&"nid=7") && told.contains(&"BOOTIF=01-52-54-00-bb-00-01"), "{told:?}");
            let boot = &site.api("/api/v1/nodes/keyed1")["last_boot"];
            assert_eq!((boot["mac"].as_str(), boot["current"].as_bool()), (Some(UNKNOWN), Some(true)), "{boot:#}");

            let console = vm::boot(&machine("5e0ad5f2-6a1b-4a5c-9d0e-52540000aaff", "SN 0007"));
            assert!(console.text.contains("keyed2 boots from its local disk"), "{}", console.text);
            let status = site.api("/api/v1/status");
            assert_eq!((status["boots"].as_u64(), status["unknown_macs"].as_u64()), (Some(2), Some(0)), "{status:#}");
        }
    });
}

#[test]
fn a_machine_with_nothing_to_fetch_goes_on_to_its_disk() {
    const NAME: &str = "machines::a_machine_with_nothing_to_fetch_goes_on_to_its_disk";
    isolated(NAME, || {
        if vm::can_boot(NAME) {
            let site = Site::open();
            boots_from_its_disk(&site);
            is_refused(&site);
            assert!(site.images.seen().is_empty(), "neither fetches a kernel");
        }
    });
}

fn boots_from_its_disk(site: &Site) {
    let console = power_on(site, LOGIN);
    assert!(console.text.contains("login01 boots from its local disk"), "{}", console.text);
    // The firmware's own words, once iPXE is over: it has no disk here.
    assert_eq!(console.end, End::Watched, "{}", console.text);
    assert_eq!(console.text.matches("/boot/v1/bootscript...").count(), 1, "{}", console.text);
    assert_eq!(site.api("/api/v1/nodes/login01")["last_boot"]["current"], true);
}

fn is_refused(site: &Site) {
    let console = power_on(site, RETIRED);
    assert_eq!(console.end, End::Watched, "the firmware goes on: {}", console.text);
    assert!(console.text.contains("it goes on with the next boot device of its firmware"), "{}", console.text);
    // Once in each of two passes; then it waits and gives up.
    assert_eq!(console.text.matches("/boot/v1/bootscript...").count(), 2, "{}", console.text);
    assert!(site.api("/api/v1/nodes/worn")["last_boot"].is_null());
    let status = site.api("/api/v1/status");
    assert_eq!(status["unknown_macs"], 0, "a retired node is no unknown machine: {status:#}");
}

#[test]
fn a_machine_with_uefi_boots_too() {
    const NAME: &str = "machines::a_machine_with_uefi_boots_too";
    isolated(NAME, || {
        if vm::can_boot(NAME) && parts::all(NAME, &[Part::Ovmf]) {
            let site = Site::open();
            let options = BootOptions { firmware: Firmware::Uefi, ..BootOptions::new(NID0001, &site.bootfile()) };
            let console = vm::boot(&options);
            println!("UEFI: {:?} after {:?}", console.end, console.took);
            let told = params(&console);
            assert!(told.contains(&"site.colour=blue") && told.contains(&"nid=1"), "{told:?}");
            assert_eq!(console.section("meta-data"), Some(META_DATA), "{}", console.text);
            assert_eq!(site.api("/api/v1/nodes/nid0001")["last_boot"]["arch"], "x86_64");
        }
    });
}
