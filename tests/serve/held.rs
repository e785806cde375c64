//! `?revision=` on the api: what was served before, while it is held.

use super::*;

fn vmlinuz(wishes: &Wishes, image: &str) -> String {
    wishes.write("cluster.toml", CLUSTER[0].1.replace("\"one\"", &format!("\"{image}\"")));
    wishes.publish(image)
}

#[test]
fn a_node_is_told_as_it_was_at_a_commit_that_is_held() {
    let wishes = cluster();
    let first = wishes.git(&["rev-parse", "HEAD"]);
    let served = serve(&wishes, &[]);
    until_serving(&served, &first);
    let ask = |path: &str| {
        let answer = served.get_api(path);
        let value: Value = serde_json::from_str(answer.text()).unwrap_or_else(|_| panic!("{path}: {}", answer.text()));
        (answer.status, value)
    };
    let (_, before) = ask("/api/v1/nodes/n1");
    wishes.write("nodes/a.toml", NODES.replace("n[1-3]", "n[1-2]").replace("[1-3]", "[1-2]"));
    let second = vmlinuz(&wishes, "two");
    until_serving(&served, &second);

    for id in [&first[..], &first[..12], &first[..8].to_uppercase()] {
        let (status, then) = ask(&format!("/api/v1/nodes/n1?revision={id}"));
        assert_eq!((status, &then["script_digest"]), (200, &before["script_digest"]), "{id}");
    }
    let (_, now) = ask(&format!("/api/v1/nodes/n1?revision={second}"));
    assert_ne!(now["script_digest"], before["script_digest"]);
    assert_eq!(now, ask("/api/v1/nodes/n1").1);
    let (_, all) = ask(&format!("/api/v1/nodes?revision={first}"));
    assert_eq!((&all["revision"], all["nodes"].as_array().unwrap().len()), (&first.as_str().into(), 3));
    // The node is gone since.
    assert_eq!((ask("/api/v1/nodes/n3").0, ask(&format!("/api/v1/nodes/n3?revision={first}")).0), (404, 200));

    let (status, told) = ask("/api/v1/nodes/n1?revision=main");
    let detail = told["detail"].as_str().unwrap();
    assert!(status == 404 && detail.contains("not by a branch") && detail.contains(&first[..12]), "{told}");
    assert_eq!(ask("/api/v1/nodes/n9?revision=").0, 404);
    // The boot listener knows nothing of it: what it serves is what is served now.
    let script = |path: &str| served.get(path).text().to_owned();
    let path = "/boot/v1/bootscript?mac=02:00:00:00:00:01";
    assert_eq!(script(path), script(&format!("{path}&revision={first}")));
}

#[test]
fn what_is_held_is_bounded_and_what_went_is_told() {
    let wishes = cluster();
    let first = wishes.git(&["rev-parse", "HEAD"]);
    let served = serve(&wishes, &[]);
    until_serving(&served, &first);
    until_stored(&served, &first);
    let mut last = first.clone();
    for turn in 0..=::muster::http::HELD {
        last = vmlinuz(&wishes, &format!("turn{turn}"));
        until_serving(&served, &last);
    }
    until_stored(&served, &last);
    let answer = served.get_api(&format!("/api/v1/nodes/n1?revision={first}"));
    let text = answer.text();
    assert!(answer.status == 410 && text.contains("not held any more") && text.contains("--rev"), "{text}");
    let second = wishes.git(&["rev-list", "--reverse", &format!("{first}..HEAD")]);
    let second = second.lines().next().expect("there is one");
    assert_eq!(served.get_api(&format!("/api/v1/nodes/n1?revision={second}")).status, 200);
}
