//! A network of virtual machines: a bridge in the test's own network namespace, with dnsmasq for DHCP, TFTP and router
//! advertisements, and machines whose firmware finds all it boots by what these say.
//!
//! Bridge and taps go with the namespace; dnsmasq and the machines with whoever started them.

use super::qemu::Machine;
use super::{Console, OVMF_VARS};
use crate::support::netns;
use crate::support::parts::{Part, program};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const CONFIG: &str = include_str!("dnsmasq.conf");

/// Where muster listens; machines reach it there.
pub const MUSTER: SocketAddr = at(8270);

/// Where a server of images listens.
pub const IMAGES: SocketAddr = at(8080);

const fn at(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(172, 31, 77, 1)), port)
}

/// Longer than a machine takes to boot beside others on a busy host.
const PATIENCE: Duration = Duration::from_secs(600);

/// Says by which way a machine comes to iPXE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// SeaBIOS, and the iPXE of the NIC's ROM.
    Rom,
    /// The same, which DHCP takes for a ROM without iPXE: it fetches `undionly.kpxe` by TFTP.
    Pxe,
    /// OVMF's own PXE, which fetches `snponly.efi` by TFTP.
    UefiPxe,
    /// OVMF's own HTTP boot, which fetches `ipxe.efi`.
    UefiHttp,
}

/// Describes one machine on the bridge.
#[derive(Debug, Clone, Copy)]
pub struct Wired {
    /// The NIC's address, in the usual notation.
    pub mac: &'static str,
    /// The address that DHCP gives it.
    pub ip: &'static str,
    /// How it comes to iPXE.
    pub start: Start,
    /// Memory in MiB.
    pub memory: u32,
}

/// Holds the network; it ends when this is dropped.
pub struct Bridge {
    dir: PathBuf,
    dnsmasq: Mutex<Child>,
}

impl Bridge {
    /// Makes the bridge and a tap for each machine, and starts dnsmasq; `dir` is a folder for its files.
    ///
    /// # Panics
    /// Outside of a network namespace, or when the machine allows no bridge.
    pub fn open(dir: &Path, machines: &[Wired]) -> Bridge {
        assert!(netns::inside(), "a bridge is made in a network namespace: wrap the test in netns::isolated");
        ip("link add br0 type bridge forward_delay 0");
        ip("addr add 172.31.77.1/24 dev br0");
        ip("addr add fd77:77::1/64 dev br0 nodad");
        ip("link set br0 up");
        for machine in machines {
            let tap = machine.tap();
            ip(&format!("tuntap add {tap} mode tap"));
            ip(&format!("link set {tap} master br0"));
            ip(&format!("link set {tap} up"));
        }
        let tftp = dir.join("tftp");
        fs::create_dir_all(&tftp).expect("the folder can be made");
        let loaders = Part::Loaders.find().expect("the part was required");
        for name in ["undionly.kpxe", "snponly.efi"] {
            fs::copy(loaders.join(name), tftp.join(name)).expect("the file can be copied");
        }
        let hosts: String = machines.iter().map(|machine| machine.lease(true)).collect();
        let own = format!("tftp-root={}\ndhcp-hostsfile={}\n", tftp.display(), dir.join("hosts").display());
        fs::write(dir.join("dnsmasq.conf"), format!("{CONFIG}{own}")).expect("the file can be written");
        let bridge = Bridge { dir: dir.to_owned(), dnsmasq: Mutex::new(dnsmasq(dir, &hosts)) };
        bridge.wait_for("started");
        bridge
    }

    /// Returns what dnsmasq wrote so far.
    pub fn log(&self) -> String {
        fs::read(self.dir.join("dnsmasq.log"))
            .map_or_else(|_| String::new(), |log| String::from_utf8_lossy(&log).into())
    }

    /// Waits until dnsmasq wrote a text.
    ///
    /// # Panics
    /// When it does not for ten minutes; the message holds its log.
    pub fn wait_for(&self, text: &str) {
        let begin = Instant::now();
        while !self.log().contains(text) {
            assert!(begin.elapsed() < PATIENCE, "dnsmasq does not say {text:?}:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Lets DHCP take a machine that [starts by PXE](Start::Pxe) for the iPXE that it has become: dnsmasq starts anew.
    pub fn became_ipxe(&self, machine: &Wired) {
        let mut running = self.dnsmasq.lock().expect("no thread panics with the lock");
        end(&mut running);
        *running = dnsmasq(&self.dir, &machine.lease(false));
    }

    /// Powers a machine on, and waits until it powers itself off, finds nothing to boot, or runs out of time.
    pub fn power_on(&self, machine: &Wired) -> Console {
        let begin = Instant::now();
        let (memory, tap) = (machine.memory.to_string(), machine.tap());
        let netdev = format!("tap,id=n0,ifname={tap},script=no,downscript=no");
        let mut device = format!("virtio-net-pci,netdev=n0,mac={}", machine.mac);
        let code = Part::Ovmf.find().map(|code| code.display().to_string()).unwrap_or_default();
        let code = format!("if=pflash,format=raw,unit=0,readonly=on,file={code}");
        let vars = self.dir.join(format!("{tap}.vars"));
        let drive = format!("if=pflash,format=raw,unit=1,file={}", vars.display());
        let mut more: Vec<(&str, &str)> = Vec::new();
        if matches!(machine.start, Start::UefiPxe | Start::UefiHttp) {
            fs::copy(OVMF_VARS, &vars).expect("it comes with the part");
            // The firmware's own driver, not QEMU's iPXE.
            device.push_str(",romfile=");
            more.extend([("-drive", &*code), ("-drive", &*drive)]);
        }
        if machine.start == Start::UefiHttp {
            // Without PXE, HTTP comes first in its boot order.
            more.push(("-fw_cfg", "name=opt/org.tianocore/IPv4PXESupport,string=n"));
            more.push(("-fw_cfg", "name=opt/org.tianocore/IPv6PXESupport,string=n"));
        }
        let shared = [("-m", &*memory), ("-netdev", &*netdev), ("-device", &*device)];
        let running = Machine::start(&[&shared[..], &more].concat());
        let ended = running.wait(PATIENCE, PATIENCE, |text| text.contains("No bootable device"));
        Console { text: ended.text, end: ended.end, took: begin.elapsed() }
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        end(self.dnsmasq.get_mut().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Starts dnsmasq with these lines for machines; it goes on with the log that there is.
fn dnsmasq(dir: &Path, hosts: &str) -> Child {
    fs::write(dir.join("hosts"), hosts).expect("the file can be written");
    let log = fs::OpenOptions::new().create(true).append(true).open(dir.join("dnsmasq.log"));
    let log = log.expect("the file can be made");
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(Part::Dnsmasq.find().expect("the part was required"));
    command.arg("-C").arg(dir.join("dnsmasq.conf")).stdin(Stdio::null());
    command.stdout(log.try_clone().expect("a file has two names")).stderr(log);
    command.spawn().expect("setpriv starts")
}

fn end(dnsmasq: &mut Child) {
    // Both fail only where it has ended already.
    let _ = dnsmasq.kill();
    let _ = dnsmasq.wait();
}

impl Wired {
    fn tap(&self) -> String {
        format!("tap{}", self.ip.rsplit('.').next().unwrap_or_default())
    }

    /// Writes the machine's line for dnsmasq.
    fn lease(&self, is_plain: bool) -> String {
        let tag = if is_plain && self.start == Start::Pxe { "set:plain," } else { "" };
        format!("{},{tag}{}\n", self.mac, self.ip)
    }
}

fn ip(args: &str) {
    let ip = program("ip").expect("the part was required");
    let output = Command::new(ip).args(args.split(' ')).output().expect("ip starts");
    assert!(output.status.success(), "ip {args}: {}", String::from_utf8_lossy(&output.stderr));
}
