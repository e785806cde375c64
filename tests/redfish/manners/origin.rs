//! Nothing leads to another origin, and no credential goes there.

use muster::model::Quirk;
use muster::observed::FailureKind;
use muster::redfish::{Client, TlsRule};
use url::Url;

use super::bmc::{Bmc, PASSWORD, ROOT, Reply, credential, grounds, options};

#[tokio::test]
async fn no_link_or_redirect_to_another_origin_is_followed() {
    let other = Bmc::plain(|_| Reply::ok(ROOT)).await;
    let elsewhere = other.url();
    let to = elsewhere.clone();
    let bmc = Bmc::plain(move |asked| match (asked.method.as_str(), asked.path.as_str()) {
        ("POST", _) => {
            let headers = vec![("X-Auth-Token", "t".into()), ("Location", format!("{to}redfish/v1/session"))];
            Reply::Full(201, headers, "{}".into())
        }
        (_, "/redfish/v1/") => Reply::ok(ROOT),
        _ => Reply::Full(307, vec![("Location", format!("{to}redfish/v1/Systems"))], "{}".into()),
    })
    .await;
    let client = bmc.open(&grounds(options()), credential()).await.unwrap();
    let links = ["/redfish/v1/Systems".to_owned(), format!("{elsewhere}redfish"), format!("//{}/x", other.addr)];
    for link in links {
        assert_eq!(client.get(&link).await.unwrap_err().kind, FailureKind::CrossOrigin, "{link}");
    }
    client.close().await;
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn sessions_elsewhere_get_no_credential() {
    let other = Bmc::plain(|_| Reply::status(201)).await;
    let root = format!(r#"{{"RedfishVersion":"1","Links":{{"Sessions":{{"@odata.id":"{}s"}}}}}}"#, other.url());
    let bmc = Bmc::plain(move |_| Reply::ok(&root)).await;
    let failure = bmc.open(&grounds(options()), credential()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::CrossOrigin);
    assert!(!failure.to_string().contains(PASSWORD));
    assert_eq!(other.connections(), 0);
    assert_eq!(bmc.lines(), ["GET /redfish/v1/"]);
}

#[tokio::test]
async fn the_declared_origin_in_a_link_means_the_one_that_is_asked() {
    let bmc = Bmc::plain(|_| Reply::ok(ROOT)).await;
    let mut endpoint = bmc.endpoint(TlsRule::Verify);
    endpoint.connect = Some(endpoint.origin.clone());
    endpoint.origin = Url::parse("http://192.0.2.1").unwrap();
    let client = Client::open(&grounds(options()), endpoint, None).await.unwrap();
    client.get("http://192.0.2.1/redfish/v1/Systems").await.unwrap();
    assert_eq!(bmc.count("GET /redfish/v1/Systems"), 1);
}

#[tokio::test]
async fn redirects_within_the_origin_are_followed_and_end() {
    let bmc = Bmc::plain(|asked| match asked.path.as_str() {
        "/redfish/v1/" => Reply::ok(ROOT),
        "/round" => Reply::Full(302, vec![("Location", "/round/".into())], String::new()),
        "/round/" => Reply::Full(302, vec![("Location", "/round".into())], String::new()),
        path if path.ends_with('/') => Reply::ok("{}"),
        path => Reply::Full(301, vec![("Location", format!("{path}/"))], String::new()),
    })
    .await;
    let client = bmc.open(&grounds(options()), None).await.unwrap();
    client.get("/redfish/v1/Systems").await.unwrap();
    assert_eq!(client.seen(), [Quirk::TrailingSlash]);
    client.get("/redfish/v1/Chassis").await.unwrap();
    assert_eq!(bmc.count("GET /redfish/v1/Chassis"), 0, "it is known by now how paths end here");
    assert_eq!(client.get("/round").await.unwrap_err().kind, FailureKind::ServerError);
    assert!(bmc.lines().iter().filter(|line| line.contains("round")).count() <= 4);
}

#[tokio::test]
async fn a_missing_path_is_tried_once_in_its_other_form() {
    let bmc = Bmc::plain(|asked| match asked.path.as_str() {
        "/redfish/v1" | "/redfish/v1/Systems/" => Reply::ok(ROOT),
        _ => Reply::status(404),
    })
    .await;
    let client = bmc.open(&grounds(options()), None).await.unwrap();
    client.get("/redfish/v1/Systems").await.unwrap();
    assert_eq!(client.get("/redfish/v1/Chassis").await.unwrap_err().kind, FailureKind::Missing);
    let chassis = bmc.lines().into_iter().filter(|line| line.contains("Chassis"));
    assert_eq!(chassis.collect::<Vec<_>>(), ["GET /redfish/v1/Chassis/", "GET /redfish/v1/Chassis"]);
}

#[tokio::test]
async fn what_is_no_redfish_service_is_told() {
    for reply in ["<html>", "[]", r#"{"hello":"world"}"#] {
        let bmc = Bmc::plain(move |_| Reply::ok(reply)).await;
        let kind = bmc.open(&grounds(options()), credential()).await.unwrap_err().kind;
        assert_eq!(kind, FailureKind::NotRedfish, "{reply}");
        assert_eq!(bmc.lines(), ["GET /redfish/v1/"]);
    }
    let bmc = Bmc::plain(|_| Reply::status(404)).await;
    assert_eq!(bmc.open(&grounds(options()), None).await.unwrap_err().kind, FailureKind::NotRedfish);
    let bmc = Bmc::plain(|_| Reply::Raw(b"SSH-2.0-OpenSSH_9.6\r\n".to_vec())).await;
    assert_eq!(bmc.open(&grounds(options()), None).await.unwrap_err().kind, FailureKind::NotRedfish);
}
