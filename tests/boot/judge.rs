//! The judge of generated scripts judged: it finds what is broken, and nothing else.

use crate::support::netns::isolated;
use crate::vm;
use crate::vm::interpret::{Ended, Pass, Run, interpret_within};
use std::time::Duration;

#[test]
fn ipxe_finds_the_broken_script_and_no_other() {
    const NAME: &str = "judge::ipxe_finds_the_broken_script_and_no_other";
    isolated(NAME, || {
        if vm::can_interpret(NAME) {
            judge_examples();
        }
    });
}

const SOUND: &str = "#!ipxe
imgfree
kernel --name kernel https://images.example/rocky9/vmlinuz initrd=initrd console=ttyS0,115200 root=live:http://images.example/r.squashfs ds=nocloud-net;s=http://10.9.9.9/cloud-init/node/nid0001/ || goto boot_retry
initrd --name initrd https://images.example/rocky9/initramfs.img || goto boot_retry
imgstat || echo Could not show image information.
boot || goto boot_retry
:boot_retry
sleep 30
chain --replace --autofree http://10.9.9.9:8270/boot/v1/bootscript?mac=02:00:00:00:00:01&retry=1
";

const LOADER: &str = "#!ipxe
isset ${netX/mac} && chain http://10.9.9.9:8270/boot/v1/bootscript?mac=${netX/mac}&arch=${buildarch} && exit ||
isset ${net0/mac} && chain http://10.9.9.9:8270/boot/v1/bootscript?mac=${net0/mac}&arch=${buildarch} && exit ||
isset ${net1/mac} && chain http://10.9.9.9:8270/boot/v1/bootscript?mac=${net1/mac}&arch=${buildarch} && exit ||
exit 1
";

// This iPXE escapes the colons of a query; the MAC is QEMU's own.
const ASKED: &str = "chain /boot/v1/bootscript?mac=52%3A54%3A00%3A12%3A34%3A56&arch=i386";

fn judge_examples() {
    let broken = [
        ("unknown command", SOUND.replace("imgstat ||", "imgstats ||"), "imgstats: command not found"),
        ("unknown option", SOUND.replace("initrd --name", "initrd --nane"), "Unrecognised option \"--nane\""),
        ("missing label", SOUND.replace(":boot_retry\n", ""), "ends in failure"),
        ("another label", SOUND.replace("img || goto boot_retry", "img || goto again"), "ends in failure"),
        ("bars that touch", SOUND.replace("img || goto", "img ||goto"), "ends in failure"),
        ("one bar", SOUND.replace("nid0001/ || goto", "nid0001/ | goto"), "ends in failure"),
        ("no seconds", SOUND.replace("sleep 30", "sleep soon"), "invalid integer value"),
        ("no address", "#!ipxe\nchain || goto x\n:x\n".to_owned(), "No image selected"),
        // The machine jumps into the page.
        ("not a script", "<html>Bad Gateway</html>\n".to_owned(), "hangs"),
        ("a reboot", "#!ipxe\nreboot\n".to_owned(), "ends the machine"),
    ];
    let mut scripts = vec![("sound", SOUND), ("exit", "#!ipxe\nexit 0\n"), ("loader", LOADER)];
    scripts.extend(broken.iter().map(|(name, text, _)| (*name, text.as_str())));
    scripts.push(("sound after all of them", SOUND));
    // One of them hangs: not as long as real scripts may.
    let runs = interpret_within(&scripts, Duration::from_secs(10));
    let of = |name: &str| runs.iter().filter(|run| run.name == name).cloned().collect::<Vec<_>>();
    for name in ["sound", "exit", "loader", "sound after all of them"] {
        let complaints: Vec<String> = of(name).iter().flat_map(Run::complaints).collect();
        assert!(complaints.is_empty(), "{complaints:#?}\n{:#?}", of(name));
    }
    for (name, _, expected) in &broken {
        let complaints: Vec<String> = of(name).iter().flat_map(Run::complaints).collect();
        let found = complaints.iter().any(|complaint| complaint.contains(expected));
        assert!(found, "{name}: {expected:?} is not in {complaints:#?}\n{:#?}", of(name));
    }
    fetches_as_it_says(&of("sound"));
    let loader: Vec<_> = of("loader").into_iter().map(|run| (run.pass, run.ended, run.fetched)).collect();
    let asked = |times| vec![ASKED.to_owned(); times];
    assert_eq!(loader, [(Pass::Served, Ended::Well, asked(1)), (Pass::ChainsRefused, Ended::Failed, asked(2))]);
    // The same shape again: no need to let it fail once more.
    assert_eq!(of("sound after all of them").len(), 1);
}

fn fetches_as_it_says(sound: &[Run]) {
    const KERNEL: &str = "image0 /rocky9/vmlinuz";
    const INITRD: &str = "image1 /rocky9/initramfs.img";
    // This iPXE escapes the colons of a query.
    const CHAIN: &str = "chain /boot/v1/bootscript?mac=02%3A00%3A00%3A00%3A00%3A01&retry=1";
    let fetched: Vec<_> = sound.iter().map(|run| (run.pass, run.fetched.clone())).collect();
    let all = || [KERNEL, INITRD, CHAIN].map(str::to_owned).to_vec();
    let expected = [
        (Pass::Served, all()),
        (Pass::Refused(0), [KERNEL, CHAIN].map(str::to_owned).to_vec()),
        (Pass::Refused(1), all()),
        (Pass::BootFails, all()),
    ];
    assert_eq!(fetched, expected);
    let listed = &sound[0].console;
    let selected = listed.iter().any(|line| line.starts_with("kernel : ") && line.contains("console=ttyS0,115200"));
    assert!(selected, "imgstat shows the kernel with its parameters: {listed:#?}");
}
