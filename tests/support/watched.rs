//! A running `muster serve` as its api tells of it: its status, and waiting until that is as wanted.

use super::muster::Served;
use serde_json::Value;
use std::thread;
use std::time::{Duration, Instant};

/// What a busy machine may take until the status is as wanted.
const PATIENCE: Duration = Duration::from_secs(180);

/// Fetches the status.
pub fn status(served: &Served) -> Value {
    serde_json::from_str(served.get_api("/api/v1/status").text()).expect("the status is JSON")
}

/// Waits until the status is as wanted; returns it.
#[track_caller]
pub fn until(served: &Served, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let status = status(served);
        if wanted(&status) {
            return status;
        }
        let log = || served.log().join("\n");
        assert!(Instant::now() < deadline, "the status never said: {what}. It says:\n{status:#}\n{}", log());
        thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until a commit is served with nothing held; returns the status.
#[track_caller]
pub fn until_serving(served: &Served, commit: &str) -> Value {
    until(served, &format!("serving {commit}"), |status| {
        status["served"]["id"] == commit && status["state"] == "serving"
    })
}

/// Lists the accepted commits that are stored, the newest first.
pub fn revisions(served: &Served) -> Vec<String> {
    let list: Value = serde_json::from_str(served.get_api("/api/v1/revisions").text()).expect("the list is JSON");
    let ids = list["revisions"].as_array().expect("a list").iter();
    ids.map(|revision| revision["id"].as_str().expect("an id").to_owned()).collect()
}

/// Waits until a commit is stored, which the list of accepted ones tells.
#[track_caller]
pub fn until_stored(served: &Served, commit: &str) {
    let deadline = Instant::now() + PATIENCE;
    while revisions(served).first().is_none_or(|first| first != commit) {
        assert!(Instant::now() < deadline, "{commit} is not stored\n{}", served.log().join("\n"));
        thread::sleep(Duration::from_millis(20));
    }
}
