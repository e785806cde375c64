//! A secret in clear is told of, and no output shows it.

use super::tree::build;
use muster::model::{Code, File, Tree};
use muster::report;
use muster::view::FindingList;

const SECRETS: [&str; 4] = [
    "ghp_0123456789abcdefghijABCDEFGHIJ012345",
    "$6$saltsalt$0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567",
    "hunter-number-2",
    "TXVuZ2Uga2V5IG9mIG5vYm9keQ",
];

fn tree() -> Tree {
    let [token, hash, password, munge] = SECRETS;
    let mut tree = Tree::from_fixture(include_str!("../bad/sound.fixture"));
    let mut put = |path: &str, text: String| tree.insert(path, File::Bytes(text.into_bytes().into()));
    put(
        "groups/late.toml",
        format!(
            "params = [\"late=1\", \"rd.token={token}\"]\nvars = {{ a = 1, munge_key = \"{munge}\" }}\ncloud_init.vendor_data = \"late.sh\"\n"
        ),
    );
    put("cloud-init/late.sh", format!("#!/bin/sh\necho 'root:{hash}' | chpasswd -e\nexport PASSWORD={password}\n"));
    tree
}

#[test]
fn every_secret_is_told_of_and_no_output_shows_it() {
    let tree = tree();
    let (snapshot, findings) = build(&tree);
    assert!(snapshot.is_some(), "a warning refuses nothing");
    assert!(findings.iter().all(|finding| finding.code == Code::ClearSecret), "{findings:#?}");
    assert_eq!(findings.len(), SECRETS.len(), "{findings:#?}");

    let json = serde_json::to_string(&FindingList::of(&findings, &tree, "")).expect("findings are JSON");
    let outputs = [
        report::text(&findings, &tree, "", false).to_string(),
        report::text(&findings, &tree, "", true).to_string(),
        report::github(&findings, &tree, "", Some(2)).to_string(),
        json,
        format!("{findings:?}"),
    ];
    for output in &outputs {
        assert!(output.contains("late"), "{output}");
        for secret in SECRETS {
            // Not even a part of it.
            assert!(!output.contains(&secret[4..14]), "{output}");
        }
    }
    assert!(outputs[0].contains("groups/late.toml:1:"), "{}", outputs[0]);
}
