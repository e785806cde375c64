//! What becomes of a commit: taken whole or not at all, whatever history it comes with.

use super::*;
use std::fmt::Write as _;
use std::process::Command;

#[test]
fn an_invalid_commit_changes_nothing_that_is_served_and_a_good_one_clears_it() {
    let wishes = cluster();
    let first = wishes.git(&["rev-parse", "HEAD"]);
    let served = serve(&wishes, &[]);
    until_serving(&served, &first);

    wishes.write("nodes/a.toml", broken());
    wishes.write("cluster.toml", CLUSTER[0].1.replace("one", "never"));
    let bad = wishes.publish("a typo");
    let status = until(&served, "the refusal", |status| status["refused"]["revision"]["id"] == *bad);
    assert_eq!((&status["state"], &status["served"]["id"]), (&"degraded".into(), &first.as_str().into()));
    assert_eq!(status["refused"]["revision"]["subject"], "a typo");
    let findings = status["refused"]["diagnostics"].as_array().unwrap();
    let typo = findings.iter().find(|finding| finding["code"] == "unknown-key").expect("the typo is told");
    assert_eq!((&typo["path"], &typo["line"], &typo["column"]), (&"nodes/a.toml".into(), &4.into(), &1.into()));
    assert!(status["held"][0].as_str().unwrap().contains(&bad[..12]), "{status:#}");
    served.wait_for("which commit was refused, and which is served", |fields| {
        fields["message"].as_str().is_some_and(|text| text.starts_with("commit refused: "))
            && fields["revision"] == *bad
            && fields["served"] == *first
    });
    served.wait_for("why, and where", |fields| {
        fields["code"] == "unknown-key" && fields["path"] == "nodes/a.toml" && fields["line"] == 4
    });
    assert_serves(&served, "one", &first);

    let text = ends(wishes.root(), &["status"], &[]);
    let said = String::from_utf8_lossy(&text.stdout).into_owned();
    assert_eq!(text.status.code(), Some(1), "{said}");
    for part in [&first[..12], &bad[..12], "degraded", "nodes/a.toml:4:1: ", "[unknown-key]", "hint: "] {
        assert!(said.contains(part), "{part} is missing:\n{said}");
    }

    wishes.write("nodes/a.toml", NODES);
    let good = wishes.publish("mended");
    let status = until_serving(&served, &good);
    assert_eq!((&status["refused"], &status["held"]), (&Value::Null, &serde_json::json!([])));
    assert_serves(&served, "never", &good);
}

#[test]
fn a_branch_that_goes_back_to_what_is_served_clears_the_refusal() {
    let wishes = cluster();
    let first = wishes.git(&["rev-parse", "HEAD"]);
    let served = serve(&wishes, &[]);
    until_serving(&served, &first);
    wishes.write("nodes/a.toml", broken());
    let bad = wishes.publish("a typo");
    until(&served, "the refusal", |status| status["refused"]["revision"]["id"] == *bad);
    wishes.git_in(&wishes.bare(), &["update-ref", "refs/heads/main", &first]);
    assert_eq!(until_serving(&served, &first)["refused"], Value::Null);
    // The same bad commit again is refused again, not overlooked.
    wishes.git_in(&wishes.bare(), &["update-ref", "refs/heads/main", &bad]);
    until(&served, "the refusal", |status| status["refused"]["revision"]["id"] == *bad);
    assert_serves(&served, "one", &first);
}

#[test]
fn a_rewind_and_a_rewritten_history_are_accepted() {
    let wishes = cluster();
    let first = wishes.git(&["rev-parse", "HEAD"]);
    let served = serve(&wishes, &[]);
    let second = publish_image(&wishes, "two");
    until_serving(&served, &second);
    wishes.git(&["reset", "-q", "--hard", &first]);
    wishes.push();
    until_serving(&served, &first);
    assert_serves(&served, "one", &first);
    until_stored(&served, &first);

    wishes.git(&["checkout", "-q", "--orphan", "again"]);
    wishes.git(&["branch", "-q", "-M", "main"]);
    let rewritten = publish_image(&wishes, "rewritten");
    until_serving(&served, &rewritten);
    assert_serves(&served, "rewritten", &rewritten);
    until_stored(&served, &rewritten);
    let list: Value = serde_json::from_str(served.get_api("/api/v1/revisions").text()).unwrap();
    let ids: Vec<&str> = list["revisions"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    // The server may have come too late to see the very first.
    let seen = [&rewritten[..], &first, &second, &first];
    assert!(ids.len() >= 3 && seen.starts_with(&ids), "{ids:?}");
}

#[test]
fn a_deleted_branch_and_an_emptied_repository_keep_the_last() {
    let wishes = cluster();
    let first = wishes.git(&["rev-parse", "HEAD"]);
    let served = serve(&wishes, &[]);
    until_serving(&served, &first);
    wishes.git(&["push", "-q", "origin", "main:refs/heads/other"]);
    wishes.git_in(&wishes.bare(), &["update-ref", "-d", "refs/heads/main"]);
    let says = |part: &'static str| {
        let status =
            until(&served, part, |status| status["source"]["error"].as_str().is_some_and(|error| error.contains(part)));
        assert_eq!((&status["state"], &status["served"]["id"]), (&"degraded".into(), &first.as_str().into()));
        assert_serves(&served, "one", &first);
        assert_eq!(served.get("/readyz").status, 200);
    };
    says("there is no branch `main`");
    wishes.git_in(&wishes.bare(), &["update-ref", "-d", "refs/heads/other"]);
    says("the repository has no commit on the branch `main`");
    wishes.push();
    until_serving(&served, &first);
}

#[test]
fn a_commit_of_ten_thousand_files_is_taken() {
    let wishes = cluster();
    let served = serve(&wishes, &[]);
    until(&served, "serving", |status| status["state"] == "serving");
    let mut stream =
        String::from("commit refs/heads/main\ncommitter Ada <ada@site.example> 1767225700 +0000\ndata 4\nmany");
    stream.push_str("\nfrom refs/heads/main^0\n");
    for n in 0..10_000 {
        let text = format!(
            "[[node]]\nname = \"m{n}\"\nnics = [{{ name = \"eth0\", mac = \"02:01:00:00:{:02x}:{:02x}\" }}]\n",
            n >> 8,
            n & 255
        );
        let _ = write!(stream, "M 100644 inline nodes/many/m{n}.toml\ndata {}\n{text}\n", text.len());
    }
    let file = wishes.root().join("stream");
    std::fs::write(&file, stream).expect("it can be written");
    let input = std::fs::File::open(&file).expect("it can be read");
    let done = Command::new("git").arg("-C").arg(wishes.bare()).args(["fast-import", "--quiet"]).stdin(input).status();
    assert!(done.expect("git is here").success());
    let commit = wishes.git_in(&wishes.bare(), &["rev-parse", "main"]);
    let status = until_serving(&served, &commit);
    assert_eq!(status["nodes"]["total"], 10_003);
    let answer = served.get("/boot/v1/bootscript?mac=02:01:00:00:27:0f");
    assert_eq!((answer.status, answer.header("x-muster-revision")), (200, Some(&*commit)));
    until_stored(&served, &commit);
    // It starts from the store alone; whoever asks before that is done is put off, not refused.
    served.kill();
    std::fs::rename(wishes.bare(), wishes.root().join("away.git")).expect("it can be moved");
    let served = serve(&wishes, &[]);
    loop {
        let answer = served.get("/boot/v1/bootscript?mac=02:01:00:00:27:0f");
        if answer.status == 200 {
            assert_eq!(answer.header("x-muster-revision"), Some(&*commit));
            break;
        }
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")));
    }
}

#[test]
fn a_mistake_in_every_node_does_not_flood_the_log() {
    let wishes = cluster();
    let served = serve(&wishes, &[]);
    until(&served, "serving", |status| status["state"] == "serving");
    wishes.write("nodes/b.toml", "[[node]]\nnisc = 1\n".repeat(2000));
    let bad = wishes.publish("many mistakes");
    let status = until(&served, "the refusal", |status| status["refused"]["revision"]["id"] == *bad);
    assert_eq!(status["refused"]["diagnostics"].as_array().unwrap().len(), 100);
    let reason = status["refused"]["reason"].as_str().unwrap();
    let errors: usize = reason.split(' ').next().unwrap().parse().expect("it begins with how many");
    assert!(errors >= 2000, "{reason}");
    served.wait_for("that there are more", |fields| fields["more"].is_u64());
    let told = served.log().iter().filter(|line| line.contains("\"path\":\"nodes/b.toml\"")).count();
    assert_eq!(told, 20, "{}", served.log().join("\n"));
    let output = ends(wishes.root(), &["status"], &[]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.lines().count() < 70 && said.contains("and more; `muster check --rev"), "{said}");
}

#[test]
fn a_commit_is_taken_though_nobody_reads_the_log() {
    let wishes = cluster();
    let mut command = muster::command(wishes.root());
    command.arg("serve").arg("--repo").arg(wishes.bare()).args(["--listen", "127.0.0.1:0"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("muster starts");
    // The reader goes away at once, as a log service does that is started again.
    drop(child.stderr.take());
    let socket = wishes.root().join("muster.sock");
    let serves = |commit: &str| {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if std::os::unix::net::UnixStream::connect(&socket).is_ok()
                && http::get_unix(&socket, "/api/v1/status").text().contains(&format!("\"id\": \"{commit}\""))
            {
                return true;
            }
            thread::sleep(Duration::from_millis(20));
        }
        false
    };
    let first = serves(&wishes.git(&["rev-parse", "HEAD"]));
    let next = first && serves(&publish_image(&wishes, "two"));
    child.kill().expect("it runs still");
    child.wait().expect("it ends");
    assert!(first && next, "it served the first commit: {first}, and the next: {next}");
}
