//! What a node boots, as the text that iPXE runs.
//!
//! The text is OpenCHAMI's (docs/wire/bss.md): one kernel line, one line for each initial RAM disk, and a way back
//! that asks again. What differs by request stands in it as holes. This room knows neither HTTP nor which node is asking.
//!
//! Two things differ from OpenCHAMI's text, in every script that asks again:
//!
//! - `imgfree` comes first. iPXE keeps the images of an attempt that failed, and boots the next kernel with all initial
//!   RAM disks that it holds.
//! - `chain` has `--replace --autofree` ([`CHAIN`]). Without them the script that asks stays in memory and on the stack
//!   below the one that it asks for, and a BIOS iPXE dies of it after 11 to 14 attempts.

mod script;

use std::fmt::Write as _;

use crate::desired::template::SERVER_MARK;
use crate::desired::{BootKind, Desired, MAX_ADVERTISE, Node};
use crate::model::{Code, Diagnostic, Place};
use crate::resolve::Boot;

pub use script::{Ask, Hole, Script};

/// The longest kernel command line: x86 kernels keep 2,048 bytes with the final zero (`COMMAND_LINE_SIZE`) and cut the
/// rest without a word.
pub const MAX_KERNEL_LINE: usize = 2047;

/// The command that runs the script at a URL in the place of the script that asks for it, and frees the latter.
///
/// Both options are in every iPXE since 2012.
pub const CHAIN: &str = "chain --replace --autofree";

/// Writes the script of a node, or of an unknown machine where there is no node.
///
/// # Errors
/// Returns a kernel line that is longer than kernels read.
pub fn script(desired: &Desired, server: &str, node: Option<&Node>, boot: &Boot<'_>) -> Result<Script, Diagnostic> {
    match (boot.configuration.kind, &boot.kernel) {
        (BootKind::Live | BootKind::Install, Some(kernel)) => {
            let params = kernel_params(server, node, boot);
            let length = filled_length(&params);
            if length > MAX_KERNEL_LINE {
                let message = format!(
                    "the kernel line is up to {length} bytes; kernels cut it at {MAX_KERNEL_LINE} without a word"
                );
                let place = Place::file(format!("boot/{}.toml", boot.configuration.name));
                return Err(Diagnostic::new(Code::LineTooLong, place, message)
                    .hint("take parameters away with `-key` in a group, or move them into the image"));
            }
            Ok(live(desired, server, &kernel.text, &params, boot))
        }
        (BootKind::Live | BootKind::Install, None) | (BootKind::Local, _) => Ok(local(node)),
    }
}

/// The names of the initial RAM disks in iPXE's memory, by which the kernel line refers to them.
fn initrd_name(number: usize) -> String {
    if number == 0 { "initrd".into() } else { format!("initrd{number}") }
}

/// Joins the parameters, each after one blank, and adds those that muster knows unless the layers state them.
fn kernel_params(server: &str, node: Option<&Node>, boot: &Boot<'_>) -> String {
    let stated = |key: &str| boot.params.iter().any(|param| param.text.starts_with(key));
    let mut line = String::with_capacity(512);
    for number in 0..boot.initrd.len() {
        add(&mut line, &format!("initrd={}", initrd_name(number)));
    }
    for param in &boot.params {
        add(&mut line, &param.text);
    }
    if let Some(node) = node {
        if let Some(xname) = node.xname.as_ref().filter(|_| !stated("xname=")) {
            add(&mut line, &format!("xname={}", xname.value));
        }
        if let Some(nid) = node.nid.filter(|_| !stated("nid=")) {
            add(&mut line, &format!("nid={}", nid.value));
        }
        if !stated("BOOTIF=") {
            line.push_str(Hole::BootIf.mark());
        }
    }
    if !stated("ds=") {
        let path = node.map(|node| format!("node/{}/", node.name)).unwrap_or_default();
        add(&mut line, &format!("ds=nocloud-net;s={server}/cloud-init/{path}"));
    }
    line
}

fn add(line: &mut String, word: &str) {
    line.push(' ');
    line.push_str(word);
}

/// Returns the most bytes that the kernel's line can have once its holes are filled; the first blank is not part of it.
fn filled_length(params: &str) -> usize {
    const BOOT_IF: usize = " BOOTIF=01-00-00-00-00-00-00".len();
    let servers = params.matches(SERVER_MARK).count();
    let boot_ifs = params.matches(Hole::BootIf.mark()).count();
    let filled = params.len() - servers * SERVER_MARK.len() - boot_ifs * Hole::BootIf.mark().len()
        + servers * MAX_ADVERTISE
        + boot_ifs * BOOT_IF;
    filled.saturating_sub(1)
}

fn live(desired: &Desired, server: &str, kernel: &str, params: &str, boot: &Boot<'_>) -> Script {
    let mut text = String::with_capacity(params.len() + 512);
    let again = format!("{server}{}?{}&{}", Hole::Path.mark(), Hole::Who.mark(), Hole::Again.mark());
    let _ = writeln!(text, "#!ipxe");
    let _ = writeln!(text, "imgfree");
    // The parameters bring their blanks, since a line without any has none.
    let _ = writeln!(text, "kernel --name kernel {kernel}{params} || goto boot_retry");
    for (number, initrd) in boot.initrd.iter().enumerate() {
        let _ = writeln!(text, "initrd --name {} {} || goto boot_retry", initrd_name(number), initrd.text);
    }
    let _ = writeln!(text, "boot || goto boot_retry");
    let _ = writeln!(text, ":boot_retry");
    let _ = writeln!(text, "sleep {}", desired.cluster.retry_delay);
    let _ = writeln!(text, "{CHAIN} {again}\n");
    Script::from_marked(&text)
}

/// `exit` ends iPXE with success, and the firmware goes on to its next boot device (<https://ipxe.org/cmd/exit>).
fn local(node: Option<&Node>) -> Script {
    let who = node.map_or("this machine", |node| &node.name);
    Script::from_marked(&format!("#!ipxe\necho {who} boots from its local disk\nexit 0\n"))
}

/// Writes the script that lets an unknown machine ask again, this time with its architecture.
#[must_use]
pub fn ask_again(delay: Option<u32>) -> Script {
    let mut text = String::from("#!ipxe\nimgfree\n");
    if let Some(delay) = delay {
        let _ = writeln!(text, "sleep {delay}");
    }
    let (server, path, who, again) = (Hole::Server.mark(), Hole::Path.mark(), Hole::Who.mark(), Hole::Again.mark());
    let _ = writeln!(text, "{CHAIN} {server}{path}?{who}&{again}\n");
    Script::from_marked(&text)
}
