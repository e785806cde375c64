//! Machines that ask again: however often an attempt fails, the next one that can succeed does, and it boots what it was given
//! then and nothing that an earlier attempt had fetched.
//!
//! A front stands between the machines and muster, which cuts each `sleep` of a script short. Everything else they run is
//! muster's own text.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::http;
use crate::support::muster::Served;
use crate::support::netns::isolated;
use crate::support::parts::{self, Part};
use crate::support::stub::{Reply, Seen, Stub};
use crate::support::wishes::Wishes;
use crate::vm::qemu::End;
use crate::vm::{self, Console, Firmware, HandedOptions, guest_url, initramfs};

/// The ports of muster, and of the front that machines reach it by; in a network namespace every port is free.
const MUSTER: u16 = 8270;
const FRONT: u16 = 8280;

const NODE: &str = "52:54:00:aa:00:01";
const UNKNOWN: &str = "52:54:00:bb:00:01";

/// How often everything fails: several times what killed a BIOS machine while scripts nested.
const FAILURES: usize = 100;

/// What a busy machine may take.
const WITHIN: Duration = Duration::from_secs(180);

/// Holds a site whose servers fail as they are told to.
struct Outage {
    wishes: Wishes,
    muster: Served,
    front: Stub,
    images: Stub,
}

/// Says what fails.
#[derive(Clone, Default)]
struct Faults {
    /// How many requests for the kernel are refused, the first ones.
    kernels: usize,
    /// After those, how many requests for the initial RAM disk are refused.
    initrds: usize,
    /// Which questions of a machine, counted from 0, find muster away; it stays away for as many requests.
    away: Option<(usize, usize)>,
    /// What becomes of `sleep N`, in seconds.
    sleep: u32,
}

impl Outage {
    fn start(faults: &Faults) -> Outage {
        let images = Stub::start(images(faults.clone()));
        let wishes = Wishes::new();
        let url = |path: &str| guest_url(images.addr().port(), path);
        wishes.write("cluster.toml", CLUSTER.replace("FRONT", &guest_url(FRONT, "")));
        wishes.write("nodes/all.toml", NODES);
        wishes.write("boot/debian.toml", boot_of(&url("/vmlinuz"), &[url("/initramfs.img")]));
        wishes.publish("the first wishes");

        let (listen, advertise) = (format!("127.0.0.1:{MUSTER}"), guest_url(FRONT, ""));
        let store = wishes.root().join("muster.redb");
        let muster = Served::start(&wishes.bare(), &store, &["--listen", &listen, "--advertise", &advertise]);
        let front = Stub::start_at(SocketAddr::from(([127, 0, 0, 1], FRONT)), front(muster.boot(), faults.clone()));
        let outage = Outage { wishes, muster, front, images };
        outage.wait_for_commit();
        outage
    }

    fn wait_for_commit(&self) {
        let head = self.wishes.git(&["rev-parse", "HEAD"]);
        self.muster.wait_for("the commit", |fields| {
            fields["revision"].as_str() == Some(&head) && fields["message"] == "commit accepted"
        });
    }

    /// Counts the questions of machines so far.
    fn asked(&self) -> usize {
        self.front.seen().iter().filter(|seen| seen.target.starts_with("/boot/v1/bootscript")).count()
    }

    /// Counts how often a file was asked for.
    fn fetched(&self, path: &str) -> usize {
        self.images.seen().iter().filter(|seen| seen.target == path).count()
    }
}

fn power_on(ipxe: PathBuf, firmware: Firmware, mac: &str) -> Console {
    let url = guest_url(FRONT, "/boot.ipxe");
    let console = vm::boot_handed(&HandedOptions { ipxe, firmware, macs: &[mac], url: &url, within: WITHIN });
    println!("{mac}: {:?} after {:?}", console.end, console.took);
    console
}

fn images(faults: Faults) -> impl Fn(&Seen) -> Reply + Send + Sync {
    let (kernel, initrd): (Arc<[u8]>, Arc<[u8]>) = (vm::kernel().into(), initramfs::build().into());
    let (kernels, initrds) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let is_refused = |count: &AtomicUsize, most: usize| count.fetch_add(1, Ordering::Relaxed) < most;
    move |seen| match &*seen.target {
        "/vmlinuz" if is_refused(&kernels, faults.kernels) => Reply::not_found(),
        "/vmlinuz" => Reply::ok(Arc::clone(&kernel)),
        "/initramfs.img" if is_refused(&initrds, faults.initrds) => Reply::not_found(),
        "/initramfs.img" => Reply::ok(Arc::clone(&initrd)),
        path => path.strip_prefix("/images/").map_or_else(Reply::not_found, |name| Reply::ok(initramfs::image(name))),
    }
}

/// Passes questions on to muster, and its answers back with short sleeps.
fn front(muster: SocketAddr, faults: Faults) -> impl Fn(&Seen) -> Reply + Send + Sync {
    let (questions, lost) = (AtomicUsize::new(0), AtomicUsize::new(0));
    move |seen| {
        let is_question = seen.target.starts_with("/boot/v1/bootscript");
        let number =
            if is_question { questions.fetch_add(1, Ordering::Relaxed) } else { questions.load(Ordering::Relaxed) };
        if faults.away.is_some_and(|(from, most)| number >= from && lost.fetch_add(1, Ordering::Relaxed) < most) {
            return Reply { status: 503, body: Arc::from(&b""[..]) };
        }
        let answer = http::get(muster, &seen.target);
        let line = |line: &str| match line.trim_end().strip_prefix("sleep ") {
            Some(_) => format!("sleep {}\n", faults.sleep),
            None => line.to_owned(),
        };
        let text: String = answer.text().split_inclusive('\n').map(line).collect();
        // Documents are fetched from here too.
        Reply { status: answer.status, body: text.into_bytes().into() }
    }
}

fn boot_of(kernel: &str, initrds: &[String]) -> String {
    format!("kind = \"live\"\nkernel = \"{kernel}\"\ninitrd = {initrds:?}\n")
}

const CLUSTER: &str = r##"name = "attic"
retry_delay = 1
advertise = "FRONT"

[defaults]
boot = "debian"
params = ["console=ttyS0,115200", "quiet", "panic=1", "commit=a"]

[unknown]
action = "retry"
"##;

const NODES: &str = r#"[[node]]
name = "nid0001"
nid = 1
nics = [{ name = "eth0", mac = "52:54:00:aa:00:01" }]
"#;

#[test]
fn a_bios_machine_survives_a_hundred_failures() {
    const NAME: &str = "retry::a_bios_machine_survives_a_hundred_failures";
    isolated(NAME, || {
        if vm::can_boot(NAME) && parts::all(NAME, &[Part::Ipxe]) {
            survives(Part::Ipxe.find().expect("it was required"), Firmware::Bios);
        }
    });
}

#[test]
fn a_bios_machine_with_a_newer_ipxe_survives_a_hundred_failures() {
    const NAME: &str = "retry::a_bios_machine_with_a_newer_ipxe_survives_a_hundred_failures";
    isolated(NAME, || {
        if vm::can_boot(NAME) && parts::all(NAME, &[Part::IpxeNewer]) {
            survives(newer("ipxe.lkrn"), Firmware::Bios);
        }
    });
}

#[test]
fn a_uefi_machine_with_a_newer_ipxe_survives_a_hundred_failures() {
    const NAME: &str = "retry::a_uefi_machine_with_a_newer_ipxe_survives_a_hundred_failures";
    isolated(NAME, || {
        if vm::can_boot(NAME) && parts::all(NAME, &[Part::Ovmf, Part::IpxeNewer]) {
            survives(newer("ipxe.efi"), Firmware::Uefi);
        }
    });
}

#[test]
fn a_uefi_machine_survives_a_hundred_failures() {
    const NAME: &str = "retry::a_uefi_machine_survives_a_hundred_failures";
    isolated(NAME, || {
        if vm::can_boot(NAME) && parts::all(NAME, &[Part::Ovmf]) {
            let outage = Outage::start(&faults());
            // By the iPXE of QEMU's own NIC, which firmware loads.
            let url = guest_url(FRONT, "/boot.ipxe");
            let options =
                vm::BootOptions { firmware: Firmware::Uefi, memory_mib: 512, ..vm::BootOptions::new(NODE, &url) };
            let console = vm::boot(&options);
            println!("UEFI: {:?} after {:?}", console.end, console.took);
            booted_at_last(&outage, &console);
        }
    });
}

fn newer(name: &str) -> PathBuf {
    Part::IpxeNewer.find().expect("it was required").join(name)
}

/// Most attempts fail at the first file, and some when they hold one already.
fn faults() -> Faults {
    Faults { kernels: FAILURES - 4, initrds: 4, ..Faults::default() }
}

fn survives(ipxe: PathBuf, firmware: Firmware) {
    let outage = Outage::start(&faults());
    let console = power_on(ipxe, firmware, NODE);
    booted_at_last(&outage, &console);
}

fn booted_at_last(outage: &Outage, console: &Console) {
    assert!(console.cmdline().contains(" commit=a nid=1 "), "{}", console.text);
    assert_eq!(console.end, End::Off, "{}", console.text);
    assert_eq!(outage.asked(), FAILURES + 1, "each failure is one question, and then it boots");
    assert_eq!((outage.fetched("/vmlinuz"), outage.fetched("/initramfs.img")), (FAILURES + 1, 5));
}

#[test]
fn a_machine_that_is_unknown_asks_until_it_is_declared() {
    const NAME: &str = "retry::a_machine_that_is_unknown_asks_until_it_is_declared";
    isolated(NAME, || {
        if vm::can_boot(NAME) && parts::all(NAME, &[Part::Ipxe]) {
            let outage = Outage::start(&Faults::default());
            let console = std::thread::scope(|scope| {
                let ipxe = Part::Ipxe.find().expect("it was required");
                let machine = scope.spawn(|| power_on(ipxe, Firmware::Bios, UNKNOWN));
                while outage.asked() <= FAILURES && !machine.is_finished() {
                    std::thread::sleep(Duration::from_millis(20));
                }
                outage.wishes.edit("nodes/all.toml", NODE, UNKNOWN);
                outage.wishes.publish("the machine is declared");
                machine.join().expect("the machine does not panic")
            });
            assert!(console.cmdline().contains(" commit=a nid=1 "), "{}", console.text);
            assert!(outage.asked() > FAILURES, "it asked {} times", outage.asked());
        }
    });
}

#[test]
fn a_machine_whose_server_goes_away_between_two_attempts_waits_for_it() {
    const NAME: &str = "retry::a_machine_whose_server_goes_away_between_two_attempts_waits_for_it";
    isolated(NAME, || {
        if vm::can_boot(NAME) && parts::all(NAME, &[Part::Ipxe]) {
            let _outage = Outage::start(&Faults { kernels: 4, away: Some((3, 30)), ..Faults::default() });
            let console = power_on(Part::Ipxe.find().expect("it was required"), Firmware::Bios, NODE);
            assert!(console.cmdline().contains(" commit=a nid=1 "), "{}", console.text);
            assert!(console.text.contains("does not answer; this machine asks again in 15 s"), "{}", console.text);
            assert!(!console.text.contains("has nothing for this machine"), "{}", console.text);
        }
    });
}

#[test]
fn a_machine_boots_nothing_that_an_earlier_attempt_fetched() {
    const NAME: &str = "retry::a_machine_boots_nothing_that_an_earlier_attempt_fetched";
    isolated(NAME, || {
        if vm::can_boot(NAME) && parts::all(NAME, &[Part::Ipxe]) {
            boots_the_second_commit_alone();
        }
    });
}

/// Commit A has a RAM disk and one that is missing; commit B, which comes while the machine tries, has others.
fn boots_the_second_commit_alone() {
    let outage = Outage::start(&Faults { sleep: 1, ..Faults::default() });
    let url = |path: &str| guest_url(outage.images.addr().port(), path);
    let write = |initrds: &[String]| outage.wishes.write("boot/debian.toml", boot_of(&url("/vmlinuz"), initrds));
    write(&[url("/images/a"), url("/missing.img")]);
    outage.wishes.publish("commit A");
    outage.wait_for_commit();

    let console = std::thread::scope(|scope| {
        let ipxe = Part::Ipxe.find().expect("it was required");
        let machine = scope.spawn(|| power_on(ipxe, Firmware::Bios, NODE));
        while outage.fetched("/missing.img") == 0 && !machine.is_finished() {
            std::thread::sleep(Duration::from_millis(20));
        }
        write(&[url("/initramfs.img"), url("/images/b")]);
        outage.wishes.edit("cluster.toml", "commit=a", "commit=b");
        outage.wishes.publish("commit B");
        machine.join().expect("the machine does not panic")
    });

    assert!(outage.fetched("/images/a") > 0, "an attempt with commit A went before: {}", console.text);
    assert!(console.cmdline().contains(" commit=b nid=1 "), "{}", console.text);
    assert_eq!(console.section("images"), Some("b"), "{}", console.text);
}
