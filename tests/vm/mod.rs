//! Virtual machines with real firmware: a machine that iPXE boots over the network into a real kernel, and iPXE itself as
//! the judge of generated scripts.
//!
//! QEMU runs with `accel=tcg` always: KVM, where it seems to be there, may not carry real mode. Its user network maps the
//! address 10.0.2.2 to this machine's loopback and would map the rest to the world outside, so everything here insists on
//! running in a network namespace ([`crate::support::netns::isolated`]).
//!
//! It knows nothing of muster: URLs and scripts come in, console text goes out.

#![allow(dead_code, reason = "each test binary compiles this module for itself and uses a part of it")]
#![allow(clippy::disallowed_methods, reason = "tests touch the world")]

pub mod bridge;
pub mod initramfs;
pub mod interpret;
pub mod qemu;

use crate::support::parts::{self, Part};
use qemu::{End, Machine};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Where a machine finds this machine's loopback.
pub const HOST: &str = "10.0.2.2";

/// What OVMF keeps of its settings; each machine needs a copy.
const OVMF_VARS: &str = "/usr/share/OVMF/OVMF_VARS_4M.fd";

/// Returns the URL of `path` at a port of our loopback, as the machine must write it.
pub fn guest_url(port: u16, path: &str) -> String {
    format!("http://{HOST}:{port}{path}")
}

/// Names what starts a machine before iPXE does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Firmware {
    /// SeaBIOS; its iPXE has 32 bits.
    Bios,
    /// OVMF; its iPXE has 64 bits. Needs [`Part::Ovmf`].
    Uefi,
}

/// Describes one machine and what its DHCP server tells it to fetch.
#[derive(Debug, Clone)]
pub struct BootOptions {
    /// The NIC's address, in the usual notation.
    pub mac: String,
    /// The UUID that its firmware reports.
    pub uuid: String,
    /// The serial number that its firmware reports.
    pub serial: String,
    /// The URL that iPXE is told to load: [`guest_url`] of the server.
    pub bootfile_url: String,
    /// What starts it.
    pub firmware: Firmware,
    /// Memory; a kernel and busybox are content with 256.
    pub memory_mib: u32,
    /// How long the whole boot may take; it takes about ten seconds on an idle machine.
    pub within: Duration,
}

impl BootOptions {
    /// Describes a machine with this MAC; the rest as it is out of the box.
    pub fn new(mac: &str, bootfile_url: &str) -> Self {
        BootOptions {
            mac: mac.to_owned(),
            uuid: "5e0ad5f2-6a1b-4a5c-9d0e-52540000aa01".to_owned(),
            serial: "SN0001".to_owned(),
            bootfile_url: bootfile_url.to_owned(),
            firmware: Firmware::Bios,
            memory_mib: 384,
            within: Duration::from_secs(180),
        }
    }
}

/// Holds what a machine wrote on its serial line.
#[derive(Debug, Clone)]
pub struct Console {
    /// All of it, from the firmware on, without carriage returns and escape sequences.
    pub text: String,
    /// How the machine came to its end: [`End::Off`] after a whole boot.
    pub end: End,
    /// From power on to the end.
    pub took: Duration,
}

impl Console {
    /// Returns what our init wrote between its marks: `cmdline`, or a file's name as `meta-data`.
    pub fn section(&self, name: &str) -> Option<&str> {
        let start = format!("=== begin {name} ===\n");
        let from = self.text.find(&start)? + start.len();
        let length = self.text[from..].find(&format!("=== end {name} ==="))?;
        Some(self.text[from..from + length].trim_end_matches('\n'))
    }

    /// Returns the kernel's command line.
    ///
    /// # Panics
    /// When the machine never came to our init; the message holds its console.
    pub fn cmdline(&self) -> &str {
        self.section("cmdline").unwrap_or_else(|| panic!("no kernel command line ({:?}):\n{}", self.end, self.text))
    }
}

/// Tells whether all that [`boot`] needs is here; if not, `test` is skipped.
pub fn can_boot(test: &str) -> bool {
    parts::all(test, &[Part::Netns, Part::Qemu, Part::Kernel])
}

/// Tells whether all that [`interpret::interpret`] needs is here; if not, `test` is skipped.
pub fn can_interpret(test: &str) -> bool {
    parts::all(test, &[Part::Netns, Part::Qemu, Part::Ipxe])
}

/// Returns Debian's kernel, to be served to a machine.
pub fn kernel() -> Vec<u8> {
    std::fs::read(parts::folder().join("vmlinuz")).expect("the part was required")
}

/// Describes a machine that starts with an iPXE and its first commands at hand, and so without firmware's seconds of looking
/// for both.
#[derive(Debug, Clone)]
pub struct HandedOptions<'a> {
    /// `ipxe.lkrn` of BIOS, or `ipxe.efi` of UEFI.
    pub ipxe: PathBuf,
    /// What starts it; its iPXE must be of the same kind.
    pub firmware: Firmware,
    /// The addresses of its NICs, the first of which is `net0`.
    pub macs: &'a [&'a str],
    /// The URL that it loads by `net0`: [`guest_url`] of the server.
    pub url: &'a str,
    /// How long the whole boot may take.
    pub within: Duration,
}

/// Powers such a machine on and waits as [`boot`] does.
///
/// # Panics
/// Outside of a network namespace, or when QEMU does not start.
pub fn boot_handed(options: &HandedOptions<'_>) -> Console {
    let HandedOptions { ipxe, firmware, macs, url, within } = options;
    let start = Instant::now();
    // Without DHCP, and so without its seconds of waiting.
    let commands = ["set net0/ip 10.0.2.15", "set net0/netmask 255.255.255.0", "ifopen net0", &format!("chain {url}")];
    let script = tempfile::NamedTempFile::new().expect("a temporary file can be made");
    std::fs::write(script.path(), format!("#!ipxe\n{}\n", commands.join("\n"))).expect("the file can be written");
    let (script, append) =
        (script.path().to_str().expect("it is a plain path"), format!("ipxe {}", commands.join(" && ")));

    let nic = |(number, mac): (usize, &&str)| {
        let device = format!("virtio-net-pci,netdev=n{number},mac={mac},romfile=");
        [("-netdev", format!("user,id=n{number}")), ("-device", device)]
    };
    let nics: Vec<(&str, String)> = macs.iter().enumerate().flat_map(nic).collect();
    let mut given = vec![("-m", "512"), ("-kernel", ipxe.to_str().expect("it is a plain path"))];
    given.extend(nics.iter().map(|(name, value)| (*name, value.as_str())));
    let flash;
    match firmware {
        Firmware::Bios => given.push(("-initrd", script)),
        // An iPXE of UEFI reads its commands from its command line, past the first word.
        Firmware::Uefi => {
            flash = ovmf();
            given.extend([("-drive", &*flash), ("-append", &*append)]);
        }
    }
    let has_given_up = |text: &str| text.contains("No bootable device") || text.contains("UEFI Interactive Shell");
    let ended = Machine::start(&given).wait(*within, *within, has_given_up);
    Console { text: ended.text, end: ended.end, took: start.elapsed() }
}

fn ovmf() -> String {
    let code = Part::Ovmf.find().expect("the part was required");
    format!("if=pflash,format=raw,unit=0,readonly=on,file={}", code.display())
}

/// Powers a machine on and waits until it powers itself off, finds nothing to boot, or runs out of time.
///
/// # Panics
/// Outside of a network namespace, or when QEMU does not start.
pub fn boot(options: &BootOptions) -> Console {
    let BootOptions { mac, uuid, serial, bootfile_url, firmware, memory_mib, within } = options;
    let start = Instant::now();
    let (memory, smbios) =
        (memory_mib.to_string(), format!("type=1,manufacturer=Acme,product=Box9000,serial={serial},uuid={uuid}"));
    let netdev = format!("user,id=n0,bootfile={}", bootfile_url.replace(',', ",,"));
    let device = format!("virtio-net-pci,netdev=n0,mac={mac}");
    let mut given =
        vec![("-m", &*memory), ("-uuid", uuid), ("-smbios", &*smbios), ("-netdev", &*netdev), ("-device", &*device)];
    let flash;
    match firmware {
        Firmware::Bios => {}
        Firmware::Uefi => {
            flash = ovmf();
            given.push(("-drive", &*flash));
        }
    }
    let machine = Machine::start(&given);
    // SeaBIOS then waits for ever.
    let ended = machine.wait(*within, *within, |text| text.contains("No bootable device"));
    Console { text: ended.text, end: ended.end, took: start.elapsed() }
}
