//! Answers of real machines, replayed over HTTP.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};

use muster::observed::{Depth, Observation};
use muster::redfish::{Client, Endpoint, Grounds, Options, TlsRule, survey};

use crate::replay::{Harm, Replay};

/// Finds the folder of the trees, or says on one line that a test is skipped.
pub fn trees(test: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/redfish-mockups");
    let folder = env::var_os("MUSTER_MOCKUPS").map_or_else(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    let required = env::var("MUSTER_TEST_REQUIRE").unwrap_or_default();
    assert!(!required.split(',').any(|name| name == "mockups"), "{test} needs the mockups: {}", folder.display());
    eprintln!("SKIPPED {test}: mockups: set MUSTER_MOCKUPS to a folder of Redfish mockup trees");
    None
}

pub async fn look(replay: &Replay, depth: Depth) -> Observation {
    let grounds = Grounds::new(Options { system_roots: false, ..Options::default() }).unwrap();
    let origin = replay.origin();
    let endpoint = Endpoint {
        name: "bmc1".into(),
        origin: origin.parse().unwrap(),
        connect: None,
        tls: TlsRule::Verify,
    };
    let client = Client::open(&grounds, endpoint, None).await.expect("the root is read");
    let observation = survey(&client, "bmc1", &origin, depth, || 1_700_000_000_000).await;
    client.close().await;
    observation
}

pub async fn look_at(tree: &Path, harm: BTreeMap<String, Harm>) -> Observation {
    look(&Replay::start(tree, harm).await, Depth::Deep).await
}

#[tokio::test]
async fn print() {
    let Some(trees) = trees("print") else { return };
    for tree in std::env::var("TREES").unwrap_or_default().split_whitespace() {
        let replay = Replay::start(&trees.join(tree), BTreeMap::new()).await;
        let start = std::time::Instant::now();
        let seen = look(&replay, Depth::Deep).await;
        println!("== {tree} {:?} {} requests", start.elapsed(), replay.requests().len());
        match seen.outcome {
            muster::observed::Outcome::Seen(service) => println!("{}", serde_json::to_string_pretty(&service).unwrap()),
            other => println!("{other:?}"),
        }
        let sets: Vec<_> = seen.shared.iter().map(|(digest, set)| format!("{digest} {}", serde_json::to_string(&**set).unwrap().chars().take(3000).collect::<String>())).collect();
        println!("{}", sets.join("\n"));
    }
}
