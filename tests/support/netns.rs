//! A network of the test's own: a namespace with nothing in it but loopback, so that no boot, no DHCP request and no name
//! look-up of a virtual machine leaves the test.
//!
//! The test binary runs itself again, for the one test, under `unshare -n`; whatever that process starts is inside too.

use super::parts::{self, Part};
use std::env;
use std::io::Write as _;
use std::process::{Command, Stdio};

const INSIDE: &str = "MUSTER_TEST_NETNS";

/// Runs `body` inside a network namespace of its own; `test` is the full name of the calling test.
///
/// Skips, loudly, where the machine allows no namespace. The body runs in another process: it shares nothing with the caller.
///
/// # Panics
/// When the body does, or when no test of that name ran.
pub fn isolated(test: &str, body: impl FnOnce()) {
    if inside() {
        return body();
    }
    if parts::require(test, Part::Netns).is_none() {
        return;
    }
    let output = Command::new("unshare")
        .args([unshare_flag().expect("the part was found"), "--", "setpriv", "--pdeathsig", "KILL", "--"])
        .args(["sh", "-c", r#"PATH=$PATH:/usr/sbin:/sbin; ip link set lo up && exec "$0" "$@""#])
        .arg(env::current_exe().expect("a process knows its program"))
        .args([test, "--exact", "--nocapture", "--include-ignored"])
        .env(INSIDE, "1")
        .stdin(Stdio::null())
        .output()
        .expect("unshare starts");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    for line in stderr.lines().filter(|line| line.starts_with("SKIPPED ")) {
        let _ = writeln!(std::io::stderr(), "{line}");
    }
    assert!(output.status.success(), "{test} failed in its network namespace\n{stdout}\n{stderr}");
    assert!(stdout.contains("1 passed"), "no test has the name {test}\n{stdout}");
    print!("{stdout}");
    eprint!("{stderr}");
}

/// Tells whether this process stands in such a namespace.
pub fn inside() -> bool {
    env::var_os(INSIDE).is_some()
}

/// Returns the flag by which this user may make a network namespace, if any.
pub fn unshare_flag() -> Option<&'static str> {
    let works = |flag: &&str| {
        let quiet = Command::new("unshare").args([flag, "true"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
        quiet.is_ok_and(|status| status.success())
    };
    ["-n", "-rn"].into_iter().find(works)
}
