//! Odd HTTP, and bodies that are too large, too slow, or no JSON.

use std::time::Duration;

use muster::model::Quirk;
use muster::observed::FailureKind;
use muster::pace::Limits;
use muster::redfish::Options;

use super::bmc::{Asked, Bmc, ROOT, Reply, grounds, options};

const SYSTEMS: &str = "/redfish/v1/Systems";

/// A BMC whose root is sound, and whose other resources are answered like this.
async fn with(reply: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Bmc {
    Bmc::plain(move |asked| if asked.path == "/redfish/v1/" { Reply::ok(ROOT) } else { reply(asked) }).await
}

fn quick() -> Options {
    Options { request_timeout: Duration::from_secs(1), max_body: 1 << 20, max_expanded: 2 << 20, ..options() }
}

fn padded(size: usize) -> String {
    format!(r#"{{"a":"{}"}}"#, "x".repeat(size))
}

#[tokio::test]
async fn a_huge_body_is_refused_with_and_without_a_length() {
    let bmc = with(|asked| match asked.path.as_str() {
        "/told" => Reply::Stuck(b"HTTP/1.1 200 OK\r\nContent-Length: 4000000000\r\n\r\n{".to_vec()),
        path if path.starts_with("/untold") => {
            Reply::Raw(format!("HTTP/1.0 200 OK\r\n\r\n{}", padded(5 << 20)).into_bytes())
        }
        _ => Reply::ok(&padded(3 << 19)),
    })
    .await;
    let client = bmc.open(&grounds(quick()), None).await.unwrap();
    for path in ["/told", "/untold", SYSTEMS, "/untold?$expand=."] {
        assert_eq!(client.get(path).await.unwrap_err().kind, FailureKind::TooLarge, "{path}");
    }
    client.get("/redfish/v1/Systems?$expand=.").await.unwrap();
}

#[tokio::test]
async fn a_slow_body_times_out_and_is_not_asked_for_again() {
    let bmc = with(|_| Reply::Stuck(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"a\":".to_vec())).await;
    let client = bmc.open(&grounds(quick()), None).await.unwrap();
    assert_eq!(client.get(SYSTEMS).await.unwrap_err().kind, FailureKind::TimedOut);
    assert_eq!(bmc.asked().len(), 2);
}

#[tokio::test]
async fn answers_that_end_with_the_connection_are_read() {
    for head in ["HTTP/1.0 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"] {
        let bmc = Bmc::plain(move |_| Reply::Raw(format!("{head}{ROOT}").into_bytes())).await;
        let client = bmc.open(&grounds(options()), None).await.unwrap();
        for _ in 0..5 {
            client.get(SYSTEMS).await.unwrap();
        }
        assert_eq!((bmc.connections(), bmc.asked().len()), (6, 6));
    }
}

#[tokio::test]
async fn a_bmc_that_chokes_on_keep_alive_gets_a_connection_each() {
    let bmc = Bmc::plain(|asked| if asked.on_connection == 0 { Reply::ok(ROOT) } else { Reply::Drop }).await;
    let grounds = grounds(options());
    let client = bmc.open(&grounds, None).await.unwrap();
    for _ in 0..10 {
        client.get(SYSTEMS).await.unwrap();
    }
    assert_eq!(client.seen(), [Quirk::NoKeepAlive]);
    let (broken, before) = (bmc.asked().len() - 11, bmc.connections());
    assert!(broken <= 3, "{broken} requests broke before it was known");
    drop(client);
    let client = bmc.open(&grounds, None).await.unwrap();
    client.get(SYSTEMS).await.unwrap();
    assert_eq!(bmc.connections(), before + 2, "the next survey knows");
    assert_eq!(bmc.asked().len(), 11 + broken + 2);
}

#[tokio::test]
async fn one_broken_answer_is_no_quirk() {
    let bmc = with(|asked| if asked.nth == 3 { Reply::Drop } else { Reply::ok("{}") }).await;
    let client = bmc.open(&grounds(options()), None).await.unwrap();
    for _ in 0..20 {
        client.get(SYSTEMS).await.unwrap();
    }
    assert!(client.seen().is_empty());
    assert_eq!(bmc.asked().len(), 22);
}

#[tokio::test]
async fn what_breaks_every_time_is_asked_three_times() {
    let half = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"a\":".to_vec();
    let bmc = with(move |_| Reply::Raw(half.clone())).await;
    let client = bmc.open(&grounds(options()), None).await.unwrap();
    assert_eq!(client.get(SYSTEMS).await.unwrap_err().kind, FailureKind::Broken);
    assert_eq!(bmc.asked().len(), 4);
}

#[tokio::test]
async fn retries_are_bounded_for_the_whole_survey() {
    let bmc = with(|_| Reply::status(503)).await;
    let limits = Limits { hold_base: 1, hold_cap: 2, dead_before_rest: 100, ..Limits::default() };
    let client = bmc.open(&grounds(Options { limits, ..options() }), None).await.unwrap();
    for at in 0..50 {
        client.get(&format!("/redfish/v1/{at}")).await.unwrap_err();
    }
    assert_eq!(bmc.asked().len(), 1 + 50 + 16);
}

#[tokio::test]
async fn a_406_is_asked_again_with_gzip_allowed() {
    let bmc = with(|asked| match asked.headers.get("accept-encoding") {
        Some(allowed) if allowed.contains("gzip") => Reply::ok("{}"),
        Some(_) | None => Reply::status(406),
    })
    .await;
    let client = bmc.open(&grounds(options()), None).await.unwrap();
    client.get(SYSTEMS).await.unwrap();
    client.get(SYSTEMS).await.unwrap();
    assert_eq!(client.seen(), [Quirk::NoIdentityEncoding]);
    assert_eq!(bmc.count("GET /redfish/v1/Systems"), 3);
}

fn gzipped(body: &str) -> Reply {
    let mut zip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut zip, body.as_bytes()).unwrap();
    let zip = zip.finish().unwrap();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", zip.len());
    Reply::Raw([head.into_bytes(), zip].concat())
}

#[tokio::test]
async fn gzip_is_read_and_its_size_is_that_of_what_it_holds() {
    let bmc = with(|asked| match asked.path.as_str() {
        "/bomb" => gzipped(&padded(2 << 20)),
        "/torn" => Reply::Full(200, vec![("Content-Encoding", "gzip".into())], "{}".into()),
        _ => gzipped(r#"{"a":1}"#),
    })
    .await;
    let client = bmc.open(&grounds(quick()), None).await.unwrap();
    assert_eq!(client.get(SYSTEMS).await.unwrap()["a"], 1);
    assert_eq!(client.get("/bomb").await.unwrap_err().kind, FailureKind::TooLarge);
    assert_eq!(client.get("/torn").await.unwrap_err().kind, FailureKind::Malformed);
}

#[tokio::test]
async fn one_bad_resource_costs_that_resource() {
    let bmc = with(|asked| match asked.path.as_str() {
        "/bom" => Reply::ok("\u{feff}{\"a\":1}\0"),
        "/half" => Reply::ok("{\"a\":"),
        "/500" => {
            Reply::Json(500, r#"{"error":{"@Message.ExtendedInfo":[{"MessageId":"Base.1.8.InternalError"}]}}"#.into())
        }
        "/gone" | "/gone/" => Reply::status(404),
        _ => Reply::ok("{}"),
    })
    .await;
    let client = bmc.open(&grounds(options()), None).await.unwrap();
    assert_eq!(client.get("/bom").await.unwrap()["a"], 1);
    for (path, kind) in
        [("/half", FailureKind::Malformed), ("/500", FailureKind::ServerError), ("/gone", FailureKind::Missing)]
    {
        assert_eq!(client.get(path).await.unwrap_err().kind, kind, "{path}");
    }
    assert!(client.get("/500").await.unwrap_err().why.contains("Base.1.8.InternalError"));
    client.get(SYSTEMS).await.unwrap();
    assert_eq!(client.seen(), [Quirk::InvalidJson]);
}

#[tokio::test]
async fn requests_say_what_they_want_and_nothing_of_this_host() {
    let bmc = with(|_| Reply::ok("{}")).await;
    bmc.open(&grounds(options()), None).await.unwrap();
    let headers = bmc.asked().remove(0).headers;
    let names: Vec<&str> = headers.keys().map(String::as_str).collect();
    assert_eq!(names, ["accept", "host", "odata-version", "user-agent"]);
    assert_eq!(headers["odata-version"], "4.0");
}
