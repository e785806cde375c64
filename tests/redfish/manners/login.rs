//! The credential: shown once, to whom it belongs, and taken back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use muster::model::Quirk;
use muster::observed::FailureKind;
use muster::redfish::{Login, Options};
use tokio::task::JoinSet;

use super::bmc::{Asked, BARE_ROOT, Bmc, PASSWORD, ROOT, Reply, credential, grounds, options};

const SESSIONS: &str = "POST /redfish/v1/SessionService/Sessions";
const SESSION: &str = "DELETE /redfish/v1/SessionService/Sessions/7";

fn session(token: &str) -> Reply {
    let location = ("Location", "/redfish/v1/SessionService/Sessions/7".into());
    Reply::Full(201, vec![("X-Auth-Token", token.into()), location], "{}".into())
}

fn with_sessions(asked: &Asked) -> Reply {
    match (asked.method.as_str(), asked.path.as_str(), asked.token()) {
        ("POST", _, _) => session("t1"),
        (_, "/redfish/v1/", _) => Reply::ok(ROOT),
        (_, _, Some("t1")) => Reply::ok("{}"),
        _ => Reply::status(401),
    }
}

#[tokio::test]
async fn a_session_is_made_after_the_root_and_ended_at_the_end() {
    let bmc = Bmc::plain(with_sessions).await;
    let client = bmc.open(&grounds(options()), credential()).await.unwrap();
    assert!(client.authenticated());
    client.get("/redfish/v1/Systems").await.unwrap();
    client.close().await;
    assert_eq!(bmc.lines(), ["GET /redfish/v1/", SESSIONS, "GET /redfish/v1/Systems", SESSION]);
    let asked = bmc.asked();
    assert!(asked[0].token().is_none() && !asked[0].headers.contains_key("authorization"));
    assert_eq!(asked[1].body, format!(r#"{{"Password":"{PASSWORD}","UserName":"root"}}"#));
    assert_eq!(asked[3].token(), Some("t1"));
    assert_eq!(bmc.connections(), 1, "the connection is used again");
}

#[tokio::test]
async fn a_session_is_ended_whatever_host_it_is_said_to_be_on_and_wherever_it_is_made() {
    let bmc = Bmc::plain(|asked| match (asked.method.as_str(), asked.path.as_str()) {
        ("POST", path) if !path.ends_with('/') => Reply::Full(308, vec![("Location", format!("{path}/"))], "{}".into()),
        ("POST", _) => {
            let location = "https://ilo-7.example/redfish/v1/SessionService/Sessions/7/".into();
            Reply::Full(201, vec![("X-Auth-Token", "t1".into()), ("Location", location)], "{}".into())
        }
        _ => with_sessions(asked),
    })
    .await;
    bmc.open(&grounds(options()), credential()).await.unwrap().close().await;
    let slashed = [SESSIONS, "/"].concat();
    assert_eq!(bmc.lines(), ["GET /redfish/v1/", SESSIONS, &slashed, &[SESSION, "/"].concat()]);
}

#[tokio::test]
async fn no_secret_is_printed() {
    for login in [Login::Session, Login::Basic] {
        let bmc = Bmc::plain(|asked| if asked.method == "POST" { session("t1") } else { Reply::ok(ROOT) }).await;
        let client = bmc.open(&grounds(Options { login, ..options() }), credential()).await.unwrap();
        let printed = format!("{client:?} {client:#?}");
        for secret in [PASSWORD, "\"t1\"", "cm9vdDpwbGFudGVkLWh1bnRlcjI"] {
            assert!(!printed.contains(secret), "{printed}");
        }
    }
}

#[tokio::test]
async fn a_dropped_client_ends_its_session_too() {
    let bmc = Bmc::plain(with_sessions).await;
    let grounds = grounds(options());
    drop(bmc.open(&grounds, credential()).await.unwrap());
    grounds.settle().await;
    assert_eq!(bmc.count(SESSION), 1);
}

#[tokio::test]
async fn a_delete_that_is_refused_is_a_quirk_and_no_more() {
    let bmc =
        Bmc::plain(|asked| if asked.method == "DELETE" { Reply::status(405) } else { with_sessions(asked) }).await;
    let client = bmc.open(&grounds(options()), credential()).await.unwrap();
    assert_eq!(client.close().await, [Quirk::SessionDeleteRefused]);
    assert_eq!(bmc.count(SESSION), 1);
}

#[tokio::test]
async fn without_a_credential_nobody_logs_in() {
    let bmc = Bmc::plain(with_sessions).await;
    let client = bmc.open(&grounds(options()), None).await.unwrap();
    assert!(!client.authenticated());
    assert_eq!(client.get("/redfish/v1/Systems").await.unwrap_err().kind, FailureKind::Forbidden);
    client.close().await;
    assert_eq!(bmc.lines(), ["GET /redfish/v1/", "GET /redfish/v1/Systems"]);
}

#[tokio::test]
async fn a_refused_login_is_sent_once_until_told() {
    let refuses = |asked: &Asked| if asked.method == "POST" { Reply::status(401) } else { Reply::ok(ROOT) };
    let bmc = Bmc::plain(refuses).await;
    let grounds = grounds(options());
    for _ in 0..4 {
        let failure = bmc.open(&grounds, credential()).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Unauthorised);
        assert!(!failure.to_string().contains(PASSWORD));
    }
    assert_eq!(bmc.lines(), ["GET /redfish/v1/", SESSIONS]);
    grounds.gate().told(&bmc.url());
    assert_eq!(bmc.open(&grounds, credential()).await.unwrap_err().kind, FailureKind::Unauthorised);
    assert_eq!(bmc.count(SESSIONS), 2);
}

#[tokio::test]
async fn what_the_store_remembers_of_a_refusal_holds_too() {
    let bmc = Bmc::plain(with_sessions).await;
    let grounds = grounds(options());
    grounds.gate().refuse_login(&bmc.url(), "rack");
    assert_eq!(bmc.open(&grounds, credential()).await.unwrap_err().kind, FailureKind::Unauthorised);
    assert!(bmc.lines().is_empty());
}

#[tokio::test]
async fn a_refused_basic_login_is_sent_once() {
    let bmc = Bmc::plain(|asked| match asked.path.as_str() {
        "/redfish/v1/" => Reply::ok(BARE_ROOT),
        _ => Reply::status(401),
    })
    .await;
    let grounds = grounds(options());
    for _ in 0..3 {
        assert_eq!(bmc.open(&grounds, credential()).await.unwrap_err().kind, FailureKind::Unauthorised);
    }
    assert_eq!(bmc.lines(), ["GET /redfish/v1/", "GET /redfish/v1/Systems"]);
}

#[tokio::test]
async fn basic_is_used_where_there_are_no_sessions() {
    let roots = [(ROOT, Login::Auto), (BARE_ROOT, Login::Auto), (ROOT, Login::Basic)];
    for (root, login) in roots {
        let bmc = Bmc::plain(move |asked| match (asked.method.as_str(), asked.path.as_str()) {
            ("POST", _) => Reply::status(405),
            (_, "/redfish/v1/") => Reply::ok(root),
            _ if asked.headers.contains_key("authorization") => Reply::ok("{}"),
            _ => Reply::status(401),
        })
        .await;
        let client = bmc.open(&grounds(Options { login, ..options() }), credential()).await.unwrap();
        assert!(client.authenticated());
        client.get("/redfish/v1/Systems").await.unwrap();
        assert_eq!(bmc.count("GET /redfish/v1/Systems"), 1, "what was read to try the credential is not read again");
        client.get("/redfish/v1/Systems").await.unwrap();
        assert_eq!(bmc.count("GET /redfish/v1/Systems"), 2);
        client.close().await;
        assert_eq!(bmc.count(SESSIONS), usize::from(root == ROOT && login == Login::Auto));
        let last = bmc.asked().pop().unwrap();
        assert_eq!(last.headers["authorization"], "Basic cm9vdDpwbGFudGVkLWh1bnRlcjI=");
    }
}

#[tokio::test]
async fn a_session_that_ends_is_renewed_once_whoever_notices() {
    let made = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&made);
    let bmc = Bmc::plain(move |asked| match (asked.method.as_str(), asked.path.as_str()) {
        ("POST", _) => session(&format!("t{}", count.fetch_add(1, SeqCst))),
        (_, "/redfish/v1/") => Reply::ok(ROOT),
        (_, path) if path.ends_with("/forbidden") => Reply::status(401),
        _ if asked.token() == Some("t1") => Reply::ok("{}"),
        _ => Reply::After(Duration::from_millis(20), Box::new(Reply::status(401))),
    })
    .await;
    let client = Arc::new(bmc.open(&grounds(options()), credential()).await.unwrap());
    let mut gets = JoinSet::new();
    for at in 0..6 {
        let client = Arc::clone(&client);
        gets.spawn(async move { client.get(&format!("/redfish/v1/{at}")).await });
    }
    assert!(gets.join_all().await.iter().all(Result::is_ok));
    assert_eq!(bmc.count(SESSIONS), 2);
    assert_eq!(client.seen(), [Quirk::SessionDropped]);
    for _ in 0..3 {
        assert_eq!(client.get("/redfish/v1/forbidden").await.unwrap_err().kind, FailureKind::Forbidden);
    }
    assert_eq!(bmc.count(SESSIONS), 2, "no third session");
    client.get("/redfish/v1/Systems").await.unwrap();
}

#[tokio::test]
async fn a_full_pool_of_sessions_is_told_and_not_a_refused_login() {
    let limit = r#"{"error":{"@Message.ExtendedInfo":{"MessageId":"IDRAC.2.8.RAC0218"}}}"#;
    for (status, body) in [(503, "{}"), (400, limit), (403, limit)] {
        let bmc = Bmc::plain(move |asked| match asked.method.as_str() {
            "POST" => Reply::Json(status, body.into()),
            _ => Reply::ok(ROOT),
        })
        .await;
        let grounds =
            grounds(Options { limits: muster::pace::Limits { hold_base: 1, ..Default::default() }, ..options() });
        for _ in 0..2 {
            assert_eq!(bmc.open(&grounds, credential()).await.unwrap_err().kind, FailureKind::NoSession);
        }
        assert_eq!(bmc.count(SESSIONS), 2);
    }
}

#[tokio::test]
async fn a_factory_password_is_told_as_such() {
    let change = r#"{"error":{"@Message.ExtendedInfo":[{"MessageId":"Base.1.13.PasswordChangeRequired"}]}}"#;
    let bmc = Bmc::plain(move |asked| match asked.path.as_str() {
        "/redfish/v1/" => Reply::ok(ROOT),
        "/redfish/v1/Chassis" => Reply::Json(403, change.into()),
        "/redfish/v1/Managers" => Reply::Json(403, "<html>".into()),
        _ => with_sessions(asked),
    })
    .await;
    let client = bmc.open(&grounds(options()), credential()).await.unwrap();
    assert_eq!(client.get("/redfish/v1/Chassis").await.unwrap_err().kind, FailureKind::PasswordChange);
    assert_eq!(client.get("/redfish/v1/Managers").await.unwrap_err().kind, FailureKind::Forbidden);
    assert_eq!(client.seen(), [Quirk::PasswordChange]);
}

#[tokio::test]
async fn a_root_that_wants_a_credential_is_read_with_it() {
    let bmc = Bmc::plain(|asked| match (asked.method.as_str(), asked.token()) {
        ("POST", _) => session("t"),
        (_, Some("t")) => Reply::ok(ROOT),
        _ => Reply::status(401),
    })
    .await;
    let client = bmc.open(&grounds(options()), credential()).await.unwrap();
    assert_eq!(client.root()["RedfishVersion"], "1.9.0");
    assert_eq!(bmc.open(&grounds(options()), None).await.unwrap_err().kind, FailureKind::Unauthorised);
}
