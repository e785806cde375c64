//! The reference of a survey: a client that GETs the same URLs of as many BMCs at once, and drops the bodies.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What a run counted.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Report {
    pub requests: u64,
    pub errors: u64,
    pub seconds: f64,
}

/// What the client knows of a fleet.
struct Fleet {
    tls: TlsConnector,
    login: String,
    paths: Vec<String>,
}

/// The client as a command: what a survey of one BMC asked for, line by line, is in the file of paths.
pub fn command(settings: &Path, paths: &Path, at_once: usize) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
    command.arg("as-bare").arg(settings).arg(paths).arg(at_once.to_string());
    command
}

/// Is the client.
pub fn main(settings: &str, paths: &str, at_once: &str) {
    let table = |path: &str| {
        let text = std::fs::read_to_string(path).expect("the file can be read");
        text.parse::<toml::Table>().expect("the file is TOML")
    };
    let bmc = &table(settings)["bmc"];
    let credentials = table(bmc["credentials_file"].as_str().expect("a path"));
    let account = credentials.values().next().expect("there is an account");
    let login = serde_json::json!({ "UserName": account["username"], "Password": account["password"] }).to_string();
    let mut roots = rustls::RootCertStore::empty();
    let ca = bmc["ca"][0].as_str().expect("a path");
    roots.add(CertificateDer::from_pem_file(ca).expect("the CA can be read")).expect("the CA is one");
    let tls = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let paths = std::fs::read_to_string(paths).expect("the paths can be read").lines().map(str::to_owned).collect();
    let fleet = Arc::new(Fleet { tls: Arc::new(tls).into(), login, paths });
    let origins: Vec<url::Url> = bmc["rewrite"]
        .as_table()
        .expect("a table")
        .values()
        .map(|origin| origin.as_str().and_then(|text| text.parse().ok()).expect("a URL"))
        .collect();
    let places = Arc::new(Semaphore::new(at_once.parse().expect("a number")));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let report = runtime.block_on(async {
        let started = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for origin in origins {
            let place = Arc::clone(&places).acquire_owned().await.expect("it stays open");
            let fleet = Arc::clone(&fleet);
            tasks.spawn(async move {
                let result = one(&fleet, &origin).await;
                drop(place);
                result.inspect_err(|error| eprintln!("{origin}: {error}"))
            });
        }
        let mut all = Report::default();
        for result in tasks.join_all().await {
            match result {
                Ok(requests) => all.requests += requests,
                Err(_) => all.errors += 1,
            }
        }
        all.seconds = started.elapsed().as_secs_f64();
        all
    });
    println!("{}", serde_json::to_string(&report).expect("a report is JSON"));
}

/// Reads all paths of one BMC over one connection, in a session of its own.
async fn one(fleet: &Fleet, origin: &url::Url) -> Result<u64, Failure> {
    let (host, port) = (origin.host_str().ok_or("no host")?, origin.port_or_known_default().ok_or("no port")?);
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    let stream = fleet.tls.connect(ServerName::try_from(host.to_owned())?, stream).await?;
    let (mut client, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let host = format!("{host}:{port}");
    let mut token = String::new();
    let mut session = String::new();
    for (number, path) in fleet.paths.iter().enumerate() {
        ask(&mut client, Method::GET, &host, path, &token, "").await?;
        if number == 0 {
            let path = "/redfish/v1/SessionService/Sessions";
            let answer = ask(&mut client, Method::POST, &host, path, "", &fleet.login).await?;
            let text = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
            token = text("x-auth-token").ok_or("no token")?.to_owned();
            session = text("location").ok_or("no session")?.to_owned();
        }
    }
    ask(&mut client, Method::DELETE, &host, &session, &token, "").await?;
    Ok(fleet.paths.len() as u64 + 2)
}

async fn ask(
    client: &mut SendRequest<Full<Bytes>>,
    method: Method,
    host: &str,
    path: &str,
    token: &str,
    body: &str,
) -> Result<Response<()>, Failure> {
    let mut request = Request::builder().method(method).uri(path).header("host", host);
    if !token.is_empty() {
        request = request.header("x-auth-token", token);
    }
    if !body.is_empty() {
        request = request.header("content-type", "application/json");
    }
    let request = request.body(Full::new(Bytes::copy_from_slice(body.as_bytes())))?;
    client.ready().await?;
    let (head, mut body) = client.send_request(request).await?.into_parts();
    while let Some(frame) = body.frame().await {
        frame?;
    }
    if !head.status.is_success() {
        return Err(format!("{path}: {}", head.status).into());
    }
    Ok(Response::from_parts(head, ()))
}
