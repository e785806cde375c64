//! A machine room in one process.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::{Sim, http, options};
use muster::model::{File, Revision, Tree};
use muster::simulate::{Choices, World, wishes};
use muster::snapshot;

const BMCS: usize = 10_000;

fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn ten_thousand_bmcs_answer_from_one_process() {
    let (files, models) = wishes(BMCS, &"generic".parse().unwrap(), 1);
    let mut tree = Tree::default();
    for (path, text) in &files {
        tree.insert(path.as_str(), File::Bytes(text.as_bytes().into()));
    }
    let (snapshot, findings) = snapshot::build(&tree, Revision::work_tree());
    assert!(findings.is_empty(), "{findings:?}");
    let snapshot = snapshot.unwrap();
    let before = resident_kib();
    let world = World::new(snapshot.resolved(), &Choices { models, ..Choices::default() });
    assert_eq!(world.bmcs.len(), BMCS);
    let sim = Sim::of(world, options());
    let made = resident_kib();
    let (begin, next) = (Instant::now(), Arc::new(AtomicUsize::new(0)));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while let at @ ..BMCS = next.fetch_add(1, Ordering::Relaxed) {
                    let root = http::get(sim.at(at), "/redfish/v1/");
                    assert_eq!(root.status, 200);
                }
            });
        }
    });
    println!(
        "{BMCS} BMCs: {} MiB for the fleet, {} MiB after a root each, in {:.1} s",
        (made - before.min(made)) / 1024,
        (resident_kib() - before.min(made)) / 1024,
        begin.elapsed().as_secs_f64()
    );
    let uuids: std::collections::BTreeSet<String> =
        (0..3).map(|at| http::get(sim.at(at), "/redfish/v1/").text().to_owned()).collect();
    assert_eq!(uuids.len(), 3, "each is another");
}
