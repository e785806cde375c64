//! Boots real machines: real firmware, real iPXE, a real kernel, in a network of their own.

#![allow(clippy::disallowed_methods, reason = "tests touch the world")]

mod support;
mod vm;

use support::netns::isolated;
use support::stub::Stub;
use vm::qemu::End;
use vm::{BootOptions, guest_url};

#[test]
fn real_kernel_boots_over_ipxe() {
    const NAME: &str = "real_kernel_boots_over_ipxe";
    isolated(NAME, || {
        if vm::can_boot(NAME) {
            boot_by_hand_written_script();
        }
    });
}

fn boot_by_hand_written_script() {
    let images = Stub::files([("/vmlinuz", vm::kernel()), ("/initramfs", vm::initramfs::build())]);
    let image = |path| guest_url(images.addr().port(), path);
    let script = format!(
        "#!ipxe\nkernel --name kernel {} initrd=initrd console=ttyS0,115200 nid=1 ds=nocloud-net;s={}/\ninitrd --name initrd {}\nboot\n",
        image("/vmlinuz"),
        "http://${next-server}:${port}/cloud-init/node/nid0001",
        image("/initramfs")
    );
    let loader = "#!ipxe\nset next-server 10.0.2.2\nset port PORT\nchain http://10.0.2.2:PORT/script?mac=${netX/mac}&serial=${serial}\n";
    let server = Stub::start(move |seen| {
        let port =
            seen.headers.iter().find(|(name, _)| name == "host").map_or("", |(_, host)| &host["10.0.2.2:".len()..]);
        match seen.target.split('?').next().unwrap_or_default() {
            "/boot.ipxe" => support::stub::Reply::ok(loader.replace("PORT", port).into_bytes()),
            "/script" => support::stub::Reply::ok(script.clone().into_bytes()),
            "/cloud-init/node/nid0001/meta-data" => support::stub::Reply::ok(&b"instance-id: nid0001-1\n"[..]),
            "/cloud-init/node/nid0001/user-data" => {
                support::stub::Reply::ok(&b"#cloud-config\nhostname: nid0001\n"[..])
            }
            _ => support::stub::Reply::not_found(),
        }
    });
    let console = vm::boot(&BootOptions::new("52:54:00:aa:00:01", &guest_url(server.addr().port(), "/boot.ipxe")));
    let expected = format!(
        "initrd=initrd console=ttyS0,115200 nid=1 ds=nocloud-net;s=http://10.0.2.2:{}/cloud-init/node/nid0001/",
        server.addr().port()
    );
    println!("{:?} after {:?}", console.end, console.took);
    assert!(console.cmdline().ends_with(&expected), "{}", console.cmdline());
    assert_eq!(console.section("meta-data"), Some("instance-id: nid0001-1"), "{}", console.text);
    assert_eq!(console.section("user-data"), Some("#cloud-config\nhostname: nid0001"));
    assert_eq!(console.end, End::Off);
    let asked: Vec<String> = server.seen().into_iter().map(|seen| seen.target.replace("%3A", ":")).collect();
    assert_eq!(asked[..2], ["/boot.ipxe", "/script?mac=52:54:00:aa:00:01&serial=SN0001"]);
}
