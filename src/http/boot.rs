//! The answers of the boot listener, by path. All paths not listed here are unknown.

use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Body;
use tokio::sync::mpsc;

use super::answer::{self, Answer, PLAIN};
use super::forwarded::Client;
use super::limits::{MAX_BODY, PATIENCE};
use super::rendering::Rendering;
use super::serving::Serving;
use super::vain::{PAUSE, VainRequests};
use super::{bootscript, documents, loader, now};
use crate::observed::UnknownMac;

/// The data that the boot listener serves from, and the channel for its records.
pub struct Boot {
    pub(super) serving: Arc<ArcSwap<Serving>>,
    /// The URL by which machines reach this host, unless a network or the cluster declares another.
    pub(super) advertise: Box<str>,
    pub(super) unknown: mpsc::Sender<UnknownMac>,
    pub(super) vain: VainRequests,
    opened: Instant,
    rendering: Rendering,
}

/// Marks an answer to an undeclared machine; other unsuccessful answers are recognized by status.
#[derive(Debug, Clone, Copy)]
pub(super) struct InVain;

/// One request, as far as it is answered without its body.
pub(super) struct Asked<'a> {
    pub method: &'a Method,
    pub headers: &'a HeaderMap,
    pub query: &'a str,
    pub client: Client,
    pub serving: &'a Serving,
}

impl Boot {
    /// Serves the state in `serving`, and reports undeclared machines to `unknown`.
    ///
    /// `advertise` is this host's URL without a path, such as `http://10.0.0.1:8270`, free of
    /// [faults](crate::desired::advertise_fault). An unknown machine is not recorded while the
    /// channel is full.
    #[must_use]
    pub fn new(serving: Arc<ArcSwap<Serving>>, advertise: &str, unknown: mpsc::Sender<UnknownMac>) -> Self {
        let advertise = advertise.trim_end_matches('/').into();
        Self {
            serving,
            advertise,
            unknown,
            vain: VainRequests::default(),
            opened: Instant::now(),
            rendering: Rendering::default(),
        }
    }

    /// Answers one request; with a delay if its client sends too many unsuccessful ones.
    pub async fn answer<B>(&self, request: Request<B>, client: Client) -> Answer
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let answer = self.answer_at_once(request, client).await;
        let is_in_vain = answer.status().is_client_error() || answer.extensions().get::<InVain>().is_some();
        if is_in_vain {
            let wait = self.vain.wait(self.opened.elapsed());
            match self.vain.count(client.nearest(), now()) {
                // A connection may have pipelined many requests; others get a turn between two of
                // them.
                true if wait.is_zero() => tokio::task::yield_now().await,
                true => tokio::time::sleep(wait).await,
                false => tokio::time::sleep(PAUSE.max(wait)).await,
            }
        }

        answer
    }

    async fn answer_at_once<B>(&self, request: Request<B>, client: Client) -> Answer
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let path = request.uri().path();
        match path.strip_suffix('/').unwrap_or(path) {
            "/boot/v1/bootscript" => {
                self.look_up(&request, client, |asked| bootscript::answer(self, asked, "/boot/v1/bootscript"))
            }
            "/boot-service/bootscript" => {
                self.look_up(&request, client, |asked| bootscript::answer(self, asked, "/boot-service/bootscript"))
            }
            "/boot.ipxe" => self.look_up(&request, client, |asked| loader::answer(self, asked)),
            "/healthz" => self.look_up(&request, client, |_| answer::text(StatusCode::OK, PLAIN, &b"alive\n"[..])),
            "/readyz" => self.look_up(&request, client, ready),
            path => match path.strip_prefix("/cloud-init/") {
                Some(rest) => {
                    let parts: Vec<&str> = rest.splitn(4, '/').collect();
                    match *parts {
                        ["node", name, "phone-home"] | ["phone-home", name] => {
                            let name = name.to_owned();
                            self.phone_home(request, client, &name).await
                        }
                        ["node", name, document] => {
                            let write = |asked: &Asked<'_>| documents::by_name(self, asked, name, document);
                            self.rendering.run(|| self.look_up(&request, client, write)).await
                        }
                        [document] => {
                            let write = |asked: &Asked<'_>| documents::by_peer(self, asked, document);
                            self.rendering.run(|| self.look_up(&request, client, write)).await
                        }
                        _ => answer::not_found(),
                    }
                }
                None => answer::not_found(),
            },
        }
    }

    /// Answers a request that reads: GET, or HEAD, whose body the connection omits.
    fn look_up<B>(&self, request: &Request<B>, client: Client, find: impl FnOnce(&Asked<'_>) -> Answer) -> Answer {
        let serving = self.serving.load();
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return answer::of_revision(answer::not_allowed("GET,HEAD"), &serving);
        }
        let asked = Asked {
            method: request.method(),
            headers: request.headers(),
            query: request.uri().query().unwrap_or_default(),
            client,
            serving: &serving,
        };
        answer::of_revision(find(&asked), &serving)
    }

    async fn phone_home<B>(&self, request: Request<B>, client: Client, name: &str) -> Answer
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if request.method() != Method::POST {
            return answer::not_allowed("POST");
        }
        // An unknown client is refused before it sends anything.
        if let Err(refusal) = documents::phoning(&self.serving.load(), client, name) {
            return *refusal;
        }
        let is_declared_long = request.body().size_hint().lower() > MAX_BODY as u64;
        if is_declared_long {
            return answer::problem(StatusCode::PAYLOAD_TOO_LARGE, &format!("at most {MAX_BODY} bytes are read"));
        }

        let mut form = documents::PhoneForm::default();
        let mut body = std::pin::pin!(Limited::new(request.into_body(), MAX_BODY));
        let read = async {
            while let Some(frame) = body.frame().await {
                if let Ok(data) = frame?.into_data() {
                    form.read(&data);
                }
            }
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
        };
        match tokio::time::timeout(PATIENCE, read).await {
            Ok(Ok(())) => {
                let serving = self.serving.load();
                answer::of_revision(documents::phone_home(&serving, client, name, form), &serving)
            }
            Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
                answer::problem(StatusCode::PAYLOAD_TOO_LARGE, &format!("at most {MAX_BODY} bytes are read"))
            }
            Ok(Err(_)) => answer::problem(StatusCode::BAD_REQUEST, "the body ends before its length"),
            Err(_) => answer::problem(StatusCode::REQUEST_TIMEOUT, "the body takes too long"),
        }
    }

    /// Returns the URL by which a machine reaches muster: that of the network of its address or of
    /// the cluster, otherwise this host's.
    pub(super) fn server<'s>(&'s self, asked: &'s Asked<'_>) -> &'s str {
        let stated = asked.serving.snapshot.as_ref().and_then(|snapshot| snapshot.server_for(asked.client.address()));
        stated.unwrap_or(&self.advertise)
    }
}

fn ready(asked: &Asked<'_>) -> Answer {
    match asked.serving.snapshot {
        Some(_) => answer::text(StatusCode::OK, PLAIN, &b"ready\n"[..]),
        None => answer::starting(),
    }
}
