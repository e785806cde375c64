//! What the boot listener answers, by path. Everything but the paths here is not found.

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Body;
use tokio::sync::mpsc;

use super::answer::{self, Answer, PLAIN};
use super::forwarded::Client;
use super::limits::{MAX_BODY, PATIENCE};
use super::serving::Serving;
use super::{bootscript, documents, loader};
use crate::observed::UnknownMac;

/// What the boot listener serves from, and where it notes what it sees.
pub struct Boot {
    pub(super) serving: Arc<ArcSwap<Serving>>,
    /// The URL by which machines reach this host, where no network or cluster of the wishes says another.
    pub(super) advertise: Box<str>,
    pub(super) unknown: mpsc::Sender<UnknownMac>,
}

/// One request, as far as it is answered without its body.
pub(super) struct Asked<'a> {
    pub method: &'a Method,
    pub headers: &'a HeaderMap,
    pub query: &'a str,
    pub client: Client,
    pub serving: &'a Serving,
}

impl Boot {
    /// Serves what stands in `serving`, and tells `unknown` of machines that nobody declares.
    ///
    /// `advertise` is this host's URL without a path, such as `http://10.0.0.1:8270`, free of
    /// [faults](crate::desired::advertise_fault). An unknown machine is not remembered while the channel is full.
    #[must_use]
    pub fn new(serving: Arc<ArcSwap<Serving>>, advertise: &str, unknown: mpsc::Sender<UnknownMac>) -> Self {
        Self { serving, advertise: advertise.trim_end_matches('/').into(), unknown }
    }

    /// Answers one request.
    pub async fn answer<B>(&self, request: Request<B>, client: Client) -> Answer
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
                            self.look_up(&request, client, |asked| documents::by_name(self, asked, name, document))
                        }
                        [document] => self.look_up(&request, client, |asked| documents::by_peer(self, asked, document)),
                        _ => answer::not_found(),
                    }
                }
                None => answer::not_found(),
            },
        }
    }

    /// Answers a request that reads: GET, or HEAD, whose body the connection leaves out.
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
        let body = Limited::new(request.into_body(), MAX_BODY).collect();
        match tokio::time::timeout(PATIENCE, body).await {
            Ok(Ok(body)) => {
                let serving = self.serving.load();
                answer::of_revision(documents::phone_home(&serving, client, name, &body.to_bytes()), &serving)
            }
            Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
                answer::problem(StatusCode::PAYLOAD_TOO_LARGE, &format!("at most {MAX_BODY} bytes are read"))
            }
            Ok(Err(_)) => answer::problem(StatusCode::BAD_REQUEST, "the body ends before its length"),
            Err(_) => answer::problem(StatusCode::REQUEST_TIMEOUT, "the body takes too long"),
        }
    }

    /// Returns the URL by which a machine reaches muster where the wishes of its node do not say: that of the network its
    /// address lies in or of the cluster, else this host's.
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
