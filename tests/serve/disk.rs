//! A full disk: boots go on, the status says so, and all that waited is written once there is space.

use super::*;
use std::fs;
use std::process::Command;
use support::parts;

/// Mounts a small file system in a mount namespace of its own, and becomes the program.
const SMALL: &str = r#"mount -t tmpfs -o size=12m,mode=0755 tmpfs "$0" && exec "$@""#;

#[test]
fn a_full_disk_keeps_serving_and_recovers() {
    const NAME: &str = "disk::a_full_disk_keeps_serving_and_recovers";
    let flags = ["-m", "-rm"];
    let works = |flag: &&str| {
        let script = "mount -t tmpfs -o size=1m tmpfs /tmp";
        Command::new("unshare").args([*flag, "sh", "-c", script]).output().is_ok_and(|output| output.status.success())
    };
    let Some(flag) = flags.iter().find(|flag| works(flag)) else {
        return parts::skip(NAME, "mount-namespace", "needs `unshare -m` or `unshare -rm`, and tmpfs");
    };
    let wishes = cluster();
    let first = wishes.git(&["rev-parse", "HEAD"]);
    let state = wishes.root().join("state");
    fs::create_dir(&state).expect("it can be made");
    let start = |wrapper: &[&str]| {
        let inner = muster::command(wishes.root());
        let mut command = Command::new("unshare");
        command.args([flag, "sh", "-c", SMALL]).arg(&state).args(wrapper).arg(inner.get_program());
        command.arg("serve").arg("--repo").arg(wishes.bare()).arg("--store").arg(state.join("muster.redb"));
        command.args(["--listen", "127.0.0.1:0", "--api", "127.0.0.1:0"]).env("HOME", wishes.root());
        command.stdin(Stdio::null());
        Served::spawn(command)
    };
    let served = start(&[]);
    until_serving(&served, &first);
    until_stored(&served, &first);

    // The process's own view of the file system.
    let inside = PathBuf::from(format!("/proc/{}/root{}", served.pid(), state.display()));
    let ballast = inside.join("ballast");
    fill(&ballast);
    // A disk that is full takes what fits into pages it has; enough news needs a page more.
    let deadline = Instant::now() + PATIENCE;
    for round in 0_u32.. {
        for n in 0..500 {
            let [_, _, a, b] = (round * 500 + n).to_be_bytes();
            served.get(&format!("/boot/v1/bootscript?mac=02:dd:00:00:{a:02x}:{b:02x}"));
        }
        if status(&served)["store"]["state"] == "failing" {
            break;
        }
        assert!(Instant::now() < deadline, "the disk is not full: {:#}", status(&served));
    }
    assert_eq!(boot(served.boot(), "02:00:00:00:00:03").status, 200, "boots go on");
    let second = publish_image(&wishes, "two");
    let status = until(&served, "it is degraded", |status| status["state"] == "degraded");
    assert_eq!(status["store"]["state"], "failing", "{status:#}");
    assert!(status["held"].as_array().unwrap().iter().any(|why| why.as_str().unwrap().contains("store")), "{status:#}");
    assert_eq!(served.get("/readyz").status, 200);
    assert_eq!(script(&served).status, 200);

    fs::remove_file(&ballast).expect("it can be removed");
    until_serving(&served, &second);
    until_stored(&served, &second);
    assert_serves(&served, "two", &second);
    // A boot of while the disk was full is on it now.
    until_on_disk(&wishes, &inside.join("muster.redb"), "n3");
}

/// Writes until nothing more fits.
fn fill(path: &Path) {
    use std::io::Write;
    let mut file = fs::File::create(path).expect("it can be made");
    for size in [65_536, 4096, 1] {
        while file.write(&vec![b'x'; size]).is_ok_and(|written| written > 0) {}
    }
}
