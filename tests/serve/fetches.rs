//! What machines tell by asking: boots, and machines that nobody knows.

use super::*;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

#[test]
fn a_boot_stands_in_the_api_and_survives_a_kill() {
    let wishes = cluster();
    let first = wishes.git(&["rev-parse", "HEAD"]);
    let served = serve(&wishes, &[]);
    until_serving(&served, &first);
    until_stored(&served, &first);
    assert_eq!(node(&served, "n1")["last_boot"], Value::Null);
    assert_eq!(boot(served.boot(), "02-00-00-00-00-01").status, 200);
    let seen = node(&served, "n1");
    let last = &seen["last_boot"];
    assert_eq!((&last["address"], &last["user_agent"]), (&"127.0.0.1".into(), &"iPXE/1.21.1".into()));
    assert_eq!((&last["revision"], &last["current"]), (&first.as_str().into(), &true.into()));
    assert_eq!((&last["mac"], &last["arch"]), (&"02:00:00:00:00:01".into(), &"x86_64".into()));
    assert_eq!(last["script_digest"], seen["script_digest"]);
    // Neither who looks (curl) nor who asks for a description boots.
    served.get("/boot/v1/bootscript?name=n3");
    let described = "/boot/v1/bootscript?name=n3&json=1";
    http::request(served.boot(), "GET", described, &[("User-Agent", "iPXE/1.0")], b"").expect("it answers");
    http::request(served.boot(), "HEAD", "/boot/v1/bootscript?name=n3", &[("User-Agent", "iPXE/1.0")], b"").ok();
    assert_eq!(node(&served, "n3")["last_boot"], Value::Null);
    assert_eq!(status(&served)["boots"], 1);

    let second = publish_image(&wishes, "two");
    until_serving(&served, &second);
    until_stored(&served, &second);
    assert_eq!(node(&served, "n1")["last_boot"]["current"], false, "it runs a script that git no longer says");
    until_on_disk(&wishes, &store(&wishes), "n1");
    // What is younger than a second may be lost with the power.
    boot(served.boot(), "02:00:00:00:00:02");
    served.kill();

    let away = wishes.root().join("away.git");
    std::fs::rename(wishes.bare(), &away).expect("it can be moved");
    let served = serve(&wishes, &[]);
    until(&served, "the accepted commit", |status| status["served"]["id"] == *second);
    let last = &node(&served, "n1")["last_boot"];
    assert_eq!((&last["revision"], &last["current"]), (&first.as_str().into(), &false.into()));
    assert_serves(&served, "two", &second);
}

#[test]
fn a_store_that_comes_late_to_its_commit_still_remembers_boots() {
    let wishes = cluster();
    let first = wishes.git(&["rev-parse", "HEAD"]);
    {
        // A store with a boot and no commit, as one has whose first commit could not be written.
        let (store, _) = ::muster::store::Store::open(&store(&wishes), &identity(&wishes), 0).expect("it can be made");
        let fetch = ::muster::observed::BootFetch {
            node: "n1".into(),
            at: 1_767_225_600_000,
            address: [127, 0, 0, 9].into(),
            user_agent: "iPXE/0.9".into(),
            revision: ::muster::model::Revision::commit(&first),
            digest: [7; 32],
            mac: None,
            arch: None,
        };
        store.record_fetches(&[fetch]).expect("it can be written");
    }
    let served = serve(&wishes, &[]);
    until_serving(&served, &first);
    let deadline = Instant::now() + PATIENCE;
    while node(&served, "n1")["last_boot"]["address"] != "127.0.0.9" {
        assert!(Instant::now() < deadline, "{:#}", node(&served, "n1"));
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn unknown_machines_are_counted_and_at_most_ten_thousand_remembered() {
    let wishes = cluster();
    let served = serve(&wishes, &[]);
    until(&served, "serving", |status| status["state"] == "serving");
    ask_for_all(&served, 0..3);
    ask_for_all(&served, 0..3);
    until(&served, "three machines", |status| status["unknown_macs"] == 3);
    // More in a second than may wait are counted only, so a few rounds of these may be needed.
    let deadline = Instant::now() + PATIENCE;
    while status(&served)["unknown_macs"] != 10_000 {
        assert!(Instant::now() < deadline, "{:#}", status(&served));
        ask_for_all(&served, 0..10_050);
        thread::sleep(Duration::from_millis(2500));
    }
    // Of the newest hundred some are noted at once, or after another try.
    let is_newest = |status: &Value| status["newest_unknown"][0]["mac"].as_str() >= Some("02:ee:00:00:4e:20");
    until(&served, "the newest are noted", |status| {
        is_newest(status) || {
            ask_for_all(&served, 20_000..20_100);
            false
        }
    });
    assert_eq!(status(&served)["unknown_macs"], 10_000);
    let (ended, log) = served.stop();
    assert!(ended.success(), "{}", log.join("\n"));
    let served = serve(&wishes, &[]);
    until(&served, "those of the last run", |status| status["unknown_macs"] == 10_000);
}

/// Asks on one connection for the scripts of many machines that nobody declares.
fn ask_for_all(served: &Served, numbers: std::ops::Range<u32>) {
    let mut stream = TcpStream::connect(served.boot()).expect("it listens");
    let mut reader = BufReader::new(stream.try_clone().expect("a socket can be shared"));
    for chunk in numbers.collect::<Vec<_>>().chunks(50) {
        let mut asked = String::new();
        for number in chunk {
            let [_, a, b, c] = number.to_be_bytes();
            asked += &format!(
                "GET /boot/v1/bootscript?mac=02:ee:00:{a:02x}:{b:02x}:{c:02x}&arch=x86_64 HTTP/1.1\r\nHost: m\r\n\r\n"
            );
        }
        stream.write_all(asked.as_bytes()).expect("it listens");
        for _ in chunk {
            assert_eq!(answer(&mut reader), "404", "nobody declares it");
        }
    }
}

/// Reads one answer of a connection that goes on; returns its status code.
fn answer(reader: &mut impl BufRead) -> String {
    let mut line = String::new();
    reader.read_line(&mut line).expect("it answers");
    let status = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line).expect("it answers");
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length is a number");
        }
        if line.trim().is_empty() {
            break;
        }
    }
    std::io::copy(&mut reader.take(length), &mut std::io::sink()).expect("it answers");
    status
}
