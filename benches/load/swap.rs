//! A server whose two prebuilt Snapshots are swapped ten times a second.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use muster::http::{Boot, BootListener, Serving};
use muster::model::{File, Revision, Tree};
use muster::snapshot::{self, Snapshot};
use muster::view::{SourceView, Status, StoreState, StoreView};
use tokio_util::sync::CancellationToken;

use crate::support::fixture;

/// Is the server; prints its address.
pub fn main(nodes: &str) {
    let nodes: usize = nodes.parse().expect("a number of nodes");
    let pair = ["a".repeat(40), "b".repeat(40)].map(|commit| Arc::new(snapshot_of(nodes, &commit)));
    let status = Arc::new(status());
    let shared = Arc::new(ArcSwap::from_pointee(Serving::starting(Arc::clone(&status))));
    let publish = |snapshot: &Arc<Snapshot>| {
        let next = Serving::next(&shared.load(), Arc::clone(snapshot), Arc::clone(&status));
        shared.store(Arc::new(next));
    };
    publish(&pair[0]);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let listener = runtime.block_on(async { BootListener::bind("127.0.0.1:0".parse().expect("an address")) });
    let listener = listener.expect("a port");
    println!("{}", listener.local_addr());
    let (note, noted) = tokio::sync::mpsc::channel(16);
    let boot = Boot::new(Arc::clone(&shared), "http://127.0.0.1", note);
    let serving = runtime.spawn(listener.serve(Arc::new(boot), CancellationToken::new()));
    for turn in 1.. {
        std::thread::sleep(Duration::from_millis(100));
        publish(&pair[turn % 2]);
        assert!(!serving.is_finished(), "the listener ended");
    }
    drop(noted);
}

/// Builds the fixture with a parameter that names its commit.
fn snapshot_of(nodes: usize, commit: &str) -> Snapshot {
    let mut tree = Tree::default();
    for (path, mut text) in fixture::files(nodes, true) {
        if path == "boot/rocky9.toml" {
            text = text.replace("params = [", &format!("params = [\n  \"bench.commit={commit}\","));
        }
        tree.insert(path, File::Bytes(text.into_bytes().into()));
    }
    let (snapshot, findings) = snapshot::build(&tree, Revision::commit(commit));
    snapshot.unwrap_or_else(|| panic!("the fixture checks: {findings:?}"))
}

fn status() -> Status {
    let source = SourceView {
        tag: None,
        warning: None,
        repository: "bench".into(),
        branch: "main".into(),
        path: String::new(),
        last_check: None,
        error: None,
    };
    let store = StoreView { path: String::new(), state: StoreState::Ok, error: None };
    Status::starting(source, store, String::new())
}
