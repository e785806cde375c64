//! How long a tree takes to become a Snapshot.

mod support;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use muster::model::{File, Revision, Tree};
use muster::snapshot;

fn build(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("snapshot");
    group.sample_size(10);
    for nodes in [1_000, 10_000, 100_000] {
        let tree = tree(nodes);
        group.bench_with_input(BenchmarkId::new("build", nodes), &tree, |bench, tree| {
            bench.iter(|| {
                let (snapshot, findings) = snapshot::build(tree, Revision::work_tree());
                assert!(findings.is_empty(), "{findings:?}");
                snapshot.expect("the fixture checks").nodes().len()
            });
        });
    }
    group.finish();
}

/// Generates the fixture as a tree.
fn tree(nodes: usize) -> Tree {
    let mut tree = Tree::default();
    for (path, text) in support::fixture::files(nodes, true) {
        tree.insert(path, File::Bytes(text.into_bytes().into()));
    }
    tree
}

criterion_group!(benches, build);
criterion_main!(benches);
