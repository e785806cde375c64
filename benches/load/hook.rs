//! What the hook costs a pusher: a push of one file with `muster hook pre-receive` installed, and one without.

use std::path::Path;
use std::process::Command;

use crate::PAIRS;
use crate::landing;
use crate::table::{Row, Spread};

/// Measures whole pushes, from `git push` to its end.
pub fn measure(folder: &Path, rows: &mut Vec<Row>) {
    let bare = landing::repository(folder, 10_000);
    let hook = |of: &str| {
        let status = Command::new(env!("CARGO_BIN_EXE_muster")).args(["hook", of]).arg(&bare).status();
        assert!(status.expect("muster runs").success(), "hook {of}");
    };
    let (mut judged, mut plain) = (Vec::new(), Vec::new());
    for turn in 0..PAIRS {
        hook("install");
        judged.push(landing::edit_and_push(&bare, 10_000, 2 * turn).elapsed().as_secs_f64());
        hook("uninstall");
        plain.push(landing::edit_and_push(&bare, 10_000, 2 * turn + 1).elapsed().as_secs_f64());
    }
    rows.push(Row::bounded("push of one file, judged by the hook, 10,000 nodes", Spread::of(judged), "s", "<= 1.5"));
    rows.push(Row::plain("the same push without the hook", Spread::of(plain), "s"));
}
