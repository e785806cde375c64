//! A BMC of which a test says how it answers, down to the bytes, and which counts what it was asked.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use muster::model::{Credential, Secret};
use muster::observed::Failure;
use muster::redfish::{Client, Endpoint, Grounds, Options, TlsRule};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use url::Url;

/// The password that must never be told.
pub const PASSWORD: &str = "planted-hunter2";

/// A service root that offers sessions.
pub const ROOT: &str = r##"{"@odata.type":"#ServiceRoot.v1_9_0.ServiceRoot","RedfishVersion":"1.9.0","Systems":{"@odata.id":"/redfish/v1/Systems"},"Links":{"Sessions":{"@odata.id":"/redfish/v1/SessionService/Sessions"}}}"##;

/// A service root that offers none.
pub const BARE_ROOT: &str = r#"{"RedfishVersion":"1.0.2","Systems":{"@odata.id":"/redfish/v1/Systems"}}"#;

/// One request as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    pub path: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: String,
    /// Which request on its connection it is, from 0.
    pub on_connection: usize,
    /// Which request to this BMC it is, from 0.
    pub nth: usize,
}

impl Asked {
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    pub fn token(&self) -> Option<&str> {
        self.headers.get("x-auth-token").map(String::as_str)
    }
}

/// How it answers.
pub enum Reply {
    Json(u16, String),
    /// A status, headers and a body.
    Full(u16, Vec<(&'static str, String)>, String),
    /// These bytes, then the end of the connection.
    Raw(Vec<u8>),
    /// These bytes, then nothing for ever.
    Stuck(Vec<u8>),
    /// The end of the connection.
    Drop,
    After(Duration, Box<Reply>),
}

impl Reply {
    pub fn ok(body: &str) -> Self {
        Self::Json(200, body.into())
    }

    pub fn status(status: u16) -> Self {
        Self::Json(status, "{}".into())
    }
}

type Answers = Arc<dyn Fn(&Asked) -> Reply + Send + Sync>;

/// Counts requests in flight, of one BMC or of several.
#[derive(Default)]
pub struct Flight {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Flight {
    pub fn most(&self) -> usize {
        self.most.load(SeqCst)
    }

    fn begin(&self) {
        let now = self.now.fetch_add(1, SeqCst) + 1;
        self.most.fetch_max(now, SeqCst);
    }

    fn end(&self) {
        self.now.fetch_sub(1, SeqCst);
    }
}

/// A BMC on loopback; it ends with its value.
pub struct Bmc {
    pub addr: SocketAddr,
    scheme: &'static str,
    shared: Arc<Shared>,
    _task: JoinSet<()>,
}

struct Shared {
    answers: Answers,
    asked: Mutex<Vec<Asked>>,
    connections: AtomicUsize,
    flights: Vec<Arc<Flight>>,
}

impl Bmc {
    pub async fn plain(answers: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::start(None, vec![], answers).await
    }

    pub async fn start(
        tls: Option<TlsAcceptor>,
        flights: Vec<Arc<Flight>>,
        answers: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (asked, connections) = (Mutex::default(), AtomicUsize::new(0));
        let shared = Arc::new(Shared { answers: Arc::new(answers), asked, connections, flights });
        let scheme = if tls.is_some() { "https" } else { "http" };
        let mut task = JoinSet::new();
        let own = Arc::clone(&shared);
        task.spawn(async move {
            let mut all = JoinSet::new();
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                let (shared, tls) = (Arc::clone(&own), tls.clone());
                shared.connections.fetch_add(1, SeqCst);
                all.spawn(async move {
                    match tls {
                        None => serve(stream, &shared).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => serve(stream, &shared).await,
                            Err(_) => None,
                        },
                    }
                });
            }
        });
        Self { addr, scheme, shared, _task: task }
    }

    pub fn url(&self) -> Url {
        Url::parse(&format!("{}://{}", self.scheme, self.addr)).unwrap()
    }

    pub fn endpoint(&self, tls: TlsRule) -> Endpoint {
        Endpoint { name: "bmc".into(), origin: self.url(), connect: None, tls }
    }

    pub async fn open(&self, grounds: &Arc<Grounds>, credential: Option<Credential>) -> Result<Client, Failure> {
        Client::open(grounds, self.endpoint(TlsRule::Verify), credential).await
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// What was asked, one line each.
    pub fn lines(&self) -> Vec<String> {
        self.asked().iter().map(Asked::line).collect()
    }

    pub fn count(&self, line: &str) -> usize {
        self.lines().iter().filter(|asked| *asked == line).count()
    }

    pub fn connections(&self) -> usize {
        self.shared.connections.load(SeqCst)
    }
}

pub fn options() -> Options {
    Options { system_roots: false, ..Options::default() }
}

pub fn grounds(options: Options) -> Arc<Grounds> {
    Grounds::new(options).unwrap()
}

pub fn credential() -> Option<Credential> {
    Some(Credential { name: "rack".into(), username: "root".into(), password: Secret::new(PASSWORD.into()) })
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, shared: &Shared) -> Option<()> {
    let mut stream = BufReader::new(stream);
    for on_connection in 0.. {
        let mut asked = request(&mut stream).await?;
        asked.on_connection = on_connection;
        {
            let mut all = shared.asked.lock().unwrap();
            asked.nth = all.len();
            all.push(asked.clone());
        }
        shared.flights.iter().for_each(|flight| flight.begin());
        let mut reply = (shared.answers)(&asked);
        while let Reply::After(time, then) = reply {
            tokio::time::sleep(time).await;
            reply = *then;
        }
        shared.flights.iter().for_each(|flight| flight.end());
        let wants_close = asked.headers.get("connection").is_some_and(|value| value == "close");
        answer(&mut stream, reply).await?;
        if wants_close {
            return None;
        }
    }
    None
}

async fn answer(stream: &mut (impl AsyncWrite + Unpin), reply: Reply) -> Option<()> {
    let (status, headers, body) = match reply {
        Reply::Json(status, body) => (status, vec![], body),
        Reply::Full(status, headers, body) => (status, headers, body),
        Reply::Raw(bytes) => {
            stream.write_all(&bytes).await.ok()?;
            stream.flush().await.ok()?;
            stream.shutdown().await.ok()?;
            return None;
        }
        Reply::Stuck(bytes) => {
            stream.write_all(&bytes).await.ok()?;
            stream.flush().await.ok()?;
            return std::future::pending().await;
        }
        Reply::Drop | Reply::After(..) => return None,
    };
    let mut text = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    stream.write_all(format!("{text}\r\n{body}").as_bytes()).await.ok()?;
    stream.flush().await.ok()
}

async fn request(stream: &mut BufReader<impl AsyncRead + AsyncWrite + Unpin>) -> Option<Asked> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").map_or(0, |value| value.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let body = String::from_utf8(body).unwrap();
    Some(Asked { method, path, headers, body, on_connection: 0, nth: 0 })
}
