//! A server that replays the answers of a machine from a folder of files.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Method, Response, StatusCode, Uri};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What a replay does to the files of its tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Harm {
    /// The file is not there.
    Gone,
    /// The answer ends in the middle of its JSON.
    Half,
    /// The answer has this status and this body.
    Status(u16, String),
    /// The answer has another body.
    Body(String),
}

/// What a replay makes of `$expand`, which the trees know nothing of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expand {
    /// It answers as if nothing were asked.
    Ignored,
    /// It puts the members into the collection.
    Sound,
    /// It puts the members in without their names.
    DropsFields,
    /// It answers with 501.
    Refused,
}

struct Shop {
    tree: PathBuf,
    harm: BTreeMap<String, Harm>,
    expand: Expand,
    asked: Mutex<Vec<(Method, String)>>,
}

/// One machine whose answers are replayed.
pub struct Replay {
    shop: Arc<Shop>,
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Replay {
    /// Serves `TREE/redfish/v1/…/index.json` on a loopback port; `harm` is by path, without a slash at its end.
    pub async fn start(tree: &Path, harm: BTreeMap<String, Harm>) -> Self {
        Self::expanding(tree, harm, Expand::Ignored).await
    }

    /// Serves a tree, and expands collections in one way.
    pub async fn expanding(tree: &Path, harm: BTreeMap<String, Harm>, expand: Expand) -> Self {
        let shop = Arc::new(Shop { tree: tree.into(), harm, expand, asked: Mutex::default() });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a loopback port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let app = Router::new().fallback(answer).with_state(Arc::clone(&shop));
        let task = tokio::spawn(async move { axum::serve(listener, app).await.expect("the replay serves") });
        Self { shop, address, task }
    }

    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the paths that were asked for, without queries and slashes at their ends.
    pub fn asked(&self) -> BTreeSet<String> {
        let asked = self.shop.asked.lock().unwrap();
        assert!(asked.iter().all(|(method, _)| *method == Method::GET), "a survey only reads: {asked:?}");
        asked.iter().map(|(_, uri)| uri.split('?').next().unwrap().trim_end_matches('/').to_owned()).collect()
    }

    /// Returns every request in its order, with its query.
    pub fn requests(&self) -> Vec<String> {
        self.shop.asked.lock().unwrap().iter().map(|(_, uri)| uri.clone()).collect()
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(State(shop): State<Arc<Shop>>, method: Method, uri: Uri) -> Response<Body> {
    shop.asked.lock().unwrap().push((method, uri.to_string()));
    let path = uri.path().trim_end_matches('/');
    let (status, body) =
        shop.answer(path).unwrap_or_else(|| (404, r#"{"error": {"code": "Base.1.8.ResourceMissingAtURI"}}"#.into()));
    let (status, body) = match (shop.expand, uri.query().is_some_and(|query| query.contains("$expand"))) {
        (Expand::Refused, true) => (501, "{}".into()),
        (Expand::Sound | Expand::DropsFields, true) if status == 200 => (200, shop.expanded(&body)),
        _ => (status, body),
    };
    let status = StatusCode::from_u16(status).expect("trees hold real statuses");
    Response::builder().status(status).header("content-type", "application/json").body(Body::from(body)).unwrap()
}

impl Shop {
    fn answer(&self, path: &str) -> Option<(u16, String)> {
        match self.harm.get(path) {
            Some(Harm::Gone) => return None,
            Some(Harm::Status(status, body)) => return Some((*status, body.clone())),
            Some(Harm::Body(body)) => return Some((200, body.clone())),
            Some(Harm::Half) => {
                let (status, body) = self.file(path)?;
                let mut half = body.len() / 2;
                while !body.is_char_boundary(half) {
                    half -= 1;
                }
                return Some((status, body[..half].to_owned()));
            }
            None => {}
        }
        self.file(path)
    }

    fn expanded(&self, body: &str) -> String {
        let mut body: Value = serde_json::from_str(body).expect("trees hold JSON");
        let Some(members) = body.get_mut("Members").and_then(Value::as_array_mut) else { return body.to_string() };
        for member in members {
            let path = member["@odata.id"].as_str().unwrap_or_default().trim_end_matches('/').to_owned();
            if let Some((200, whole)) = self.answer(&path) {
                *member = serde_json::from_str(&whole).expect("trees hold JSON");
            }
            if let (Expand::DropsFields, Some(member)) = (self.expand, member.as_object_mut()) {
                member.remove("Name");
            }
        }
        body.to_string()
    }

    fn file(&self, path: &str) -> Option<(u16, String)> {
        // A path of a link never leaves the tree.
        if path.split('/').any(|part| part == "..") {
            return None;
        }
        let folder = self.tree.join(path.trim_start_matches('/'));
        if let Ok(custom) = std::fs::read_to_string(folder.join("custom.json")) {
            let custom: Value = serde_json::from_str(&custom).expect("custom.json is JSON");
            let status =
                custom["status"].as_u64().and_then(|status| u16::try_from(status).ok()).expect("it has a status");
            return Some((status, custom["body"].as_str().expect("it has a body").to_owned()));
        }
        Some((200, std::fs::read_to_string(folder.join("index.json")).ok()?))
    }
}
