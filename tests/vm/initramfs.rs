//! The initial RAM disk of the test machine: busybox, the modules of a virtio NIC, and our init.
//!
//! Written as the kernel's "newc" cpio, uncompressed, equal for equal parts.

use crate::support::parts;
use std::fs;

const INIT: &str = include_str!("init.sh");
const UDHCPC: &str = include_str!("udhcpc.sh");

/// Builds an archive that holds `images/NAME` and nothing else, to be laid over another.
pub fn image(name: &str) -> Vec<u8> {
    let mut archive = Archive::default();
    archive.add("images", 0o040_755, (0, 0), b"");
    archive.add(&format!("images/{name}"), 0o100_644, (0, 0), b"");
    archive.finish()
}

/// Builds it, leaves a copy in the folder of parts (`initramfs.cpio`) for people to try, and returns it.
pub fn build() -> Vec<u8> {
    let folder = parts::folder();
    let mut archive = Archive::default();
    for directory in ["dev", "proc", "modules"] {
        archive.add(directory, 0o040_755, (0, 0), b"");
    }
    // The kernel opens it before init has mounted anything.
    archive.add("dev/console", 0o020_600, (5, 1), b"");
    archive.add("busybox", 0o100_755, (0, 0), &fs::read(folder.join("busybox")).expect("the part was required"));
    archive.add("init", 0o100_755, (0, 0), INIT.as_bytes());
    archive.add("udhcpc.sh", 0o100_755, (0, 0), UDHCPC.as_bytes());
    let modules = fs::read_dir(folder.join("modules")).expect("the part was required");
    let mut modules: Vec<_> = modules.map(|entry| entry.expect("the folder can be read").path()).collect();
    modules.sort();
    for module in modules {
        let name = module.file_name().expect("an entry has a name").to_string_lossy().into_owned();
        let bytes = fs::read(&module).expect("the module can be read");
        archive.add(&format!("modules/{name}"), 0o100_644, (0, 0), &bytes);
    }
    let bytes = archive.finish();
    // For people only, and another test may write the same: what is served is what is returned.
    let _ = fs::write(folder.join("initramfs.cpio"), &bytes);
    bytes
}

/// Gathers the entries of a newc archive (kernel: Documentation/driver-api/early-userspace/buffer-format.rst).
#[derive(Default)]
struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    fn add(&mut self, name: &str, mode: u32, device: (u32, u32), body: &[u8]) {
        self.entries += 1;
        let size = u32::try_from(body.len()).expect("a part is smaller than 4 GiB");
        let name_size = u32::try_from(name.len() + 1).expect("a name is short");
        let (inode, links, none) = (self.entries, 1, 0);
        self.bytes.extend_from_slice(b"070701");
        // inode, mode, uid, gid, links, mtime, size, device, device of the node, size of the name, check
        let fields = [inode, mode, none, none, links, none, size, none, none, device.0, device.1, name_size, none];
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(body);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn finish(mut self) -> Vec<u8> {
        self.add("TRAILER!!!", 0, (0, 0), b"");
        self.bytes
    }
}
