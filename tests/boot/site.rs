//! A site of four nodes whose kernel, images and muster are all on this machine's loopback, where virtual machines find
//! them at one address.

use crate::support::muster::Served;
use crate::support::stub::Stub;
use crate::support::wishes::Wishes;
use crate::vm::{self, guest_url};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// The port of muster's boot listener; in a network namespace every port is free.
const PORT: u16 = 8270;

/// The MAC addresses of the nodes.
pub const NID0001: &str = "52:54:00:aa:00:01";
pub const NID0002: &str = "52:54:00:aa:00:02";
pub const LOGIN: &str = "52:54:00:aa:00:11";
pub const RETIRED: &str = "52:54:00:aa:00:99";
/// The MAC address of no node.
pub const UNKNOWN: &str = "52:54:00:bb:00:01";

/// Holds the repository of wishes, the server that follows it, and the server of images.
pub struct Site {
    pub wishes: Wishes,
    pub muster: Served,
    pub images: Stub,
    /// This host's settings, where there are any.
    settings: Option<PathBuf>,
}

impl Site {
    /// Commits the wishes, pushes them, and serves them.
    pub fn open() -> Site {
        Site::configured(|_| None)
    }

    /// Does the same after `prepare`, which may add to the wishes, and may write this host's settings and name their file.
    pub fn configured(prepare: impl FnOnce(&Wishes) -> Option<PathBuf>) -> Site {
        let images = Stub::files([("/vmlinuz", vm::kernel()), ("/initramfs.img", vm::initramfs::build())]);
        let wishes = Wishes::of(&files(images.addr().port()).each_ref().map(|(path, text)| (*path, text.as_str())));
        let settings = prepare(&wishes);
        let muster = serve(&wishes, settings.as_deref());
        let site = Site { wishes, muster, images, settings };
        site.wait_for("the first commit", "commit accepted", &site.wishes.git(&["rev-parse", "HEAD"]));
        site
    }

    /// Stops the server, and starts it again with what the settings say now.
    pub fn restarted(self) -> Site {
        let Site { wishes, muster, images, settings } = self;
        muster.stop();
        let muster = serve(&wishes, settings.as_deref());
        let site = Site { wishes, muster, images, settings };
        site.wait_for("it serves again", "serving the last good commit", &site.wishes.git(&["rev-parse", "HEAD"]));
        site
    }

    /// Returns what DHCP tells machines to fetch.
    pub fn bootfile(&self) -> String {
        guest_url(PORT, "/boot.ipxe")
    }

    /// Waits until the server says `message` of the commit `id`.
    pub fn wait_for(&self, what: &str, message: &str, id: &str) {
        self.muster.wait_for(what, |fields| {
            fields["revision"].as_str() == Some(id)
                && fields["message"].as_str().is_some_and(|text| text.starts_with(message))
        });
    }

    /// Waits until something is so.
    ///
    /// # Panics
    /// When it is not in a minute; the message holds `what` and the log.
    pub fn wait_until(&self, what: &str, is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !is_so() {
            assert!(Instant::now() < deadline, "{what} does not come:\n{}", self.muster.log().join("\n"));
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Returns what the api says at a path.
    pub fn api(&self, path: &str) -> Value {
        let answer = self.muster.get_api(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        serde_json::from_str(answer.text()).expect("the api answers with JSON")
    }
}

fn serve(wishes: &Wishes, settings: Option<&Path>) -> Served {
    let (listen, advertise) = (format!("127.0.0.1:{PORT}"), guest_url(PORT, ""));
    let mut more = vec!["--listen", &listen, "--advertise", &advertise];
    let settings = settings.map(|file| file.display().to_string());
    more.extend(settings.iter().flat_map(|file| ["--config", file]));
    Served::start(&wishes.bare(), &wishes.root().join("muster.redb"), &more)
}

fn files(images: u16) -> [(&'static str, String); 6] {
    let (kernel, initrd) = (guest_url(images, "/vmlinuz"), guest_url(images, "/initramfs.img"));
    let (muster, own) = (guest_url(PORT, ""), |text: &str| text.to_owned());
    [
        ("cluster.toml", own(CLUSTER)),
        ("nodes/all.toml", own(NODES)),
        ("networks/node.toml", format!("cidr = \"10.0.2.0/24\"\nadvertise = \"{muster}\"\n")),
        ("boot/debian.toml", format!("kind = \"live\"\nkernel = \"{kernel}\"\ninitrd = \"{initrd}\"\n")),
        ("boot/disk.toml", own("kind = \"local\"\n")),
        ("boot/discovery.toml", DISCOVERY.replace("KERNEL", &kernel).replace("INITRD", &initrd)),
    ]
    .map(|(path, text)| (path, text))
}

const CLUSTER: &str = r##"name = "attic"
retry_delay = 2

[defaults]
boot = "debian"
params = ["console=ttyS0,115200", "quiet", "panic=1", "site.colour=blue"]
nics = [{ name = "eth0", network = "node", boot = true }]

[unknown]
action = "boot"
boot = "discovery"
"##;

const NODES: &str = r#"[[node]]
name = "nid[0001-0002]"
xname = "x1000c0s0b0n[0-1]"
nid = "[1-2]"
nics = [{ name = "eth0", mac = "52:54:00:aa:00:0[1-2]", ip = "10.0.2.[15-16]" }]

[[node]]
name = "login01"
boot = "disk"
nics = [{ name = "eth0", mac = "52:54:00:aa:00:11" }]

[[node]]
name = "worn"
state = "retired"
nics = [{ name = "eth0", mac = "52:54:00:aa:00:99" }]
"#;

const DISCOVERY: &str = r#"kind = "live"
sealed = true
initrd = "INITRD"

[arch.x86_64]
kernel = "KERNEL"
params = ["console=ttyS0,115200", "quiet", "discovery.report={{ server }}", "discovery.arch=x86_64"]

[arch.aarch64]
kernel = "KERNEL.arm"
params = ["discovery.arch=aarch64"]
"#;
