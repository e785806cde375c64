//! Forges that say that something was pushed, and those who only say they are one. The oracle of signatures is openssl.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::support::http::{self, Answer};
use super::support::muster::Served;
use super::support::parts;
use super::support::wishes::Wishes;
use super::{cluster, sample, serve, until};

const SECRET: &str = "It's a Secret to Everybody";

fn secret_file(wishes: &Wishes, secret: &str) -> String {
    let path = wishes.root().join("hook-secret");
    fs::write(&path, format!("{secret}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path.display().to_string()
}

fn hook(served: &Served, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let api = served.api().parse().expect("the api listens on an address");
    http::request(api, "POST", "/webhook", headers, body).expect("it answers")
}

fn with_hook(wishes: &Wishes, secret: &str) -> Served {
    serve(wishes, &["--api", "127.0.0.1:0", "--webhook-secret-file", &secret_file(wishes, secret)])
}

/// The HMAC-SHA256 of bytes, as openssl has it.
fn openssl(key: &[u8], body: &[u8]) -> Option<Vec<u8>> {
    let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut child = Command::new(parts::program("openssl")?)
        .args(["dgst", "-sha256", "-mac", "HMAC", "-macopt", &format!("hexkey:{hex}"), "-binary"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    child.stdin.take()?.write_all(body).ok()?;
    Some(child.wait_with_output().ok()?.stdout).filter(|tag| tag.len() == 32)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn every_forges_signature_wakes_and_no_other_does() {
    let wishes = cluster();
    let served = with_hook(&wishes, SECRET);
    let body = br#"{"ref": "refs/heads/main", "commits": []}"#;
    let Some(tag) = openssl(SECRET.as_bytes(), body).map(|tag| hex(&tag)) else {
        return parts::skip("every_forges_signature_wakes_and_no_other_does", "openssl", "apt-get install openssl");
    };
    let hub = format!("sha256={tag}");
    let right: [&[(&str, &str)]; 4] = [
        &[("X-GitHub-Event", "push"), ("X-Hub-Signature-256", &hub)],
        &[("X-GitHub-Event", "ping"), ("X-Hub-Signature-256", &hub)],
        &[("X-Gitea-Event", "push"), ("X-Gitea-Signature", &tag)],
        &[("X-Gitlab-Event", "Push Hook"), ("X-Gitlab-Token", SECRET), ("webhook-id", "1"), ("webhook-timestamp", "2")],
    ];
    for headers in right {
        let answer = hook(&served, headers, body);
        assert_eq!(answer.status, 202, "{headers:?}: {}", answer.text());
    }
    let wrong = hub.replace(&tag[..2], if &tag[..2] == "00" { "01" } else { "00" });
    let refused = hook(&served, &[], body);
    assert_eq!(refused.status, 403);
    for headers in [&[("X-Hub-Signature-256", &*wrong)], &[("X-Gitea-Signature", "zz")], &[("X-Gitlab-Token", "It's")]]
    {
        let answer = hook(&served, headers, body);
        assert_eq!((answer.status, answer.text()), (403, refused.text()), "{headers:?}");
    }
    assert_eq!(sample(&served, "muster_webhooks_total{result=\"woken\"}"), 4.0);
    assert_eq!(sample(&served, "muster_webhooks_total{result=\"refused\"}"), 4.0);
    let (_, log) = served.stop();
    assert!(!log.iter().any(|line| line.contains("Secret to") || line.contains(&tag)), "{log:#?}");
}

#[test]
fn gitlabs_signing_token_signs_id_time_and_body() {
    let wishes = cluster();
    // "whsec_" and 32 bytes of 0x07 in base64.
    let served = with_hook(&wishes, "whsec_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=");
    let Some(tag) = openssl(&[7; 32], b"msg_1.1782000000.{}") else {
        return parts::skip("gitlabs_signing_token_signs_id_time_and_body", "openssl", "apt-get install openssl");
    };
    let mut encode = Command::new("base64").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    encode.stdin.take().unwrap().write_all(&tag).unwrap();
    let tag = String::from_utf8(encode.wait_with_output().unwrap().stdout).unwrap();
    let tag = format!("v1,{}", tag.trim());
    let signed = |id, signature: &str, body: &[u8]| {
        let headers = [("webhook-id", id), ("webhook-timestamp", "1782000000"), ("webhook-signature", signature)];
        hook(&served, &headers, body).status
    };
    assert_eq!(signed("msg_1", &tag, b"{}"), 202);
    assert_eq!(signed("msg_1", &format!("v1,AAAA {tag}"), b"{}"), 202);
    assert_eq!(signed("msg_2", &tag, b"{}"), 403);
    assert_eq!(signed("msg_1", &tag, b"{ }"), 403);
    assert_eq!(signed("msg_1", tag.trim_start_matches("v1,"), b"{}"), 403);
}

#[test]
fn there_is_no_webhook_without_a_secret_and_no_server_with_a_bad_one() {
    let wishes = cluster();
    let served = serve(&wishes, &["--api", "127.0.0.1:0"]);
    assert_eq!(hook(&served, &[("X-Gitlab-Token", "")], b"{}").status, 404);
    served.stop();
    let file = secret_file(&wishes, "");
    let mut command = super::support::muster::command(wishes.root());
    command.arg("serve").arg("--repo").arg(wishes.bare()).arg("--store").arg(super::store(&wishes));
    let output = command.args(["--listen", "127.0.0.1:0", "--webhook-secret-file", &file]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("it holds no secret") && said.contains("write one line"), "{said}");
}

#[test]
fn a_hook_serves_the_push_and_a_flood_of_them_harms_nobody() {
    let wishes = cluster();
    let served = with_hook(&wishes, SECRET);
    let before = sample(&served, "muster_revision_accepted_timestamp_seconds");
    wishes.edit("boot/live.toml", "quiet", "loud");
    let commit = wishes.publish("louder");
    let token = [("X-Gitlab-Token", SECRET)];
    for _ in 0..500 {
        assert_eq!(hook(&served, &token, b"{}").status, 202);
    }
    until("the push is served", || served.get("/boot/v1/bootscript?nid=1").text().contains(" loud"));
    assert!(sample(&served, "muster_revision_accepted_timestamp_seconds") >= before);
    assert_eq!(sample(&served, &format!("muster_revision_info{{revision=\"{commit}\"}}")), 1.0);
    until("both commits are counted", || sample(&served, "muster_commits_total{result=\"accepted\"}") == 2.0);
    // The largest that GitHub sends; nothing of it is kept.
    let before = sample(&served, "process_resident_memory_bytes");
    let large = vec![b'x'; 25 * 1024 * 1024];
    assert_eq!(hook(&served, &token, &large).status, 202);
    let grown = sample(&served, "process_resident_memory_bytes") - before;
    assert!(grown < 8e6, "{grown} bytes more for a large hook");
    for method in ["GET", "PUT"] {
        let api = served.api().parse().unwrap();
        let answer = http::request(api, method, "/webhook", &token, b"").unwrap();
        assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")));
    }
}

#[test]
fn a_hook_comes_through_the_socket_too() {
    let wishes = cluster();
    let served = serve(&wishes, &["--webhook-secret-file", &secret_file(&wishes, "hush")]);
    let mut stream = UnixStream::connect(served.socket()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(b"POST /webhook HTTP/1.0\r\nX-Gitlab-Token: hush\r\nContent-Length: 2\r\n\r\n{}").unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.0 202 "), "{answer}");
}
