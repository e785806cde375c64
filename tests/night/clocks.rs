//! Clocks that jump under a running server, a year forward and to 1970, as libfaketime lets it see them.

use super::*;
use std::fs;
use std::path::Path;
use support::parts;

/// Where Debian's faketime keeps its library.
const LIBRARIES: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
];

#[test]
fn a_clock_that_jumps_changes_no_order_and_stops_nothing() {
    const NAME: &str = "clocks::a_clock_that_jumps_changes_no_order_and_stops_nothing";
    let Some(library) = LIBRARIES.into_iter().find(|library| Path::new(library).exists()) else {
        return parts::skip(NAME, "faketime", "run tests/setup.sh, or apt-get install faketime");
    };
    let wishes = cluster();
    let clock = wishes.root().join("clock");
    let set = |time: &str| {
        let fresh = wishes.root().join("clock.new");
        fs::write(&fresh, format!("{time}\n")).expect("it can be written");
        fs::rename(&fresh, &clock).expect("it can be moved");
    };
    set("@2026-06-01 12:00:00");
    let start = || {
        let mut command = muster::command(wishes.root());
        command.env("LD_PRELOAD", library).env("FAKETIME_TIMESTAMP_FILE", &clock).env("FAKETIME_NO_CACHE", "1");
        // A machine's steady clock does not jump.
        command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("TZ", "UTC");
        command.arg("serve").arg("--repo").arg(wishes.bare()).arg("--store").arg(store(&wishes));
        command.args(["--listen", "127.0.0.1:0"]).args(ADVERTISE);
        Served::spawn(command)
    };
    let mut order = vec![wishes.git(&["rev-parse", "HEAD"])];
    let mut served = start();
    let mut years = Vec::new();
    for (at, time) in
        ["2026-06-01 12:00:00", "2027-06-01 12:00:00", "1970-01-01 00:00:10", "2026-06-01 12:00:05"].iter().enumerate()
    {
        set(&format!("@{time}"));
        if at > 0 {
            order.insert(0, publish_image(&wishes, &format!("year{at}")));
        }
        until_serving(&served, &order[0]);
        until_stored(&served, &order[0]);
        assert_eq!(revisions(&served), order, "the newest is the one that came last, whatever its time");
        assert_eq!(ipxe(served.boot(), &script_of(at + 1)).expect("an answer").status, 200);
        assert_eq!(
            ipxe(served.boot(), &format!("/boot/v1/bootscript?mac=02:dd:00:00:00:0{at}")).expect("an answer").status,
            200
        );
        let node: Value =
            serde_json::from_str(served.get_api(&format!("/api/v1/nodes/n{:02}", at + 1)).text()).unwrap();
        years.push(node["last_boot"]["at"].as_str().unwrap_or_default()[..4].to_owned());
        until(&served, "the stranger is noted", |status| status["unknown_macs"] == at + 1);
        // A start at this time finds all that was stored at others.
        let (ended, log) = served.stop();
        assert!(ended.success(), "{}", log.join("\n"));
        served = start();
        until_serving(&served, &order[0]);
        until_stored(&served, &order[0]);
        assert_eq!(revisions(&served), order);
    }
    assert_eq!(years, ["2026", "2027", "1970", "2026"], "the clock did jump");
    served.kill();
    let (kept, _) = open(&wishes);
    assert_eq!((kept.fetches().unwrap().len(), kept.unknown().unwrap().len()), (4, 4));
}
