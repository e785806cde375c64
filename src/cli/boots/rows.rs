//! The source of the rows: a server, page by page, or a store and the cluster repository.

use std::sync::Arc;

use jiff::Timestamp;

use super::Boots;
use crate::cli::observations::Reached;
use crate::cli::{Failure, api, node_set};
use crate::drift::runs;
use crate::model::ApiAddress;
use crate::observed::Observed;
use crate::roll;
use crate::snapshot::Snapshot;
use crate::view::{BootsPage, RunView};

/// The number of nodes per request.
const PAGE: usize = 10_000;

/// The number of attempts if the server takes another commit meanwhile.
const TRIES: usize = 3;

/// The boot status of nodes.
pub struct Told {
    /// The full id of the commit for comparison.
    pub revision: String,
    pub rows: Vec<RunView>,
    /// Its snapshot, if it was built here.
    pub today: Option<Arc<Snapshot>>,
}

impl Boots {
    /// Reads the boot status of nodes.
    pub(super) fn rows(&self) -> Result<Told, Failure> {
        match self.seen.reach(&self.hosted)? {
            Reached::Server(_) if self.source.rev().is_some() => {
                let hint = "leave --rev out, or name a file of observations with --observed";
                let message = "a running server compares what nodes run with the commit that it serves";
                Err(Failure::new(message).hint(Some(hint.into())))
            }
            Reached::Server(server) => self.of_server(&server),
            Reached::Read(observed) => self.of_store(*observed),
        }
    }

    fn of_store(&self, observed: Observed) -> Result<Told, Failure> {
        if observed.boots.is_none() {
            let hint = "boots are remembered by `muster serve`; name its store with --store, or it with --server";
            return Err(
                Failure::new("no server has written this store, so nothing is known of boots").hint(Some(hint.into()))
            );
        }

        let snapshot = Arc::new(self.source.read(None)?.built()?);
        let observed = roll::declared(&snapshot, observed);
        let now = Timestamp::now().as_millisecond();
        let all = runs::all(&snapshot, &observed, now);

        let nodes = match &self.nodes {
            None => snapshot.after(None).collect(),
            Some(set) => node_set::nodes(&snapshot, set)?,
        };

        let rows = nodes.into_iter().map(|node| RunView::of(&snapshot, node, &all[node])).collect();
        Ok(Told { revision: snapshot.revision().to_string(), rows, today: Some(snapshot) })
    }

    fn of_server(&self, server: &ApiAddress) -> Result<Told, Failure> {
        for _ in 0..TRIES {
            if let Some(told) = self.pages(server)? {
                return Ok(told);
            }
        }
        let hint = "try again when it has come to rest";
        Err(Failure::new(format!("{server}: takes one commit after another")).hint(Some(hint.into())))
    }

    /// Reads all pages; `None` if they are not of one commit.
    fn pages(&self, server: &ApiAddress) -> Result<Option<Told>, Failure> {
        let mut told: Option<Told> = None;
        let mut after: Option<String> = None;
        loop {
            let mut path = format!("/api/v1/boots?limit={PAGE}");
            for (key, value) in [("nodes", &self.nodes), ("after", &after)] {
                if let Some(value) = value {
                    path.push_str(&format!("&{key}={}", encoded(value)));
                }
            }
            let BootsPage { api_version: _, revision, nodes, next } = api::get(server, &path)?;
            let told = told.get_or_insert_with(|| Told { revision: revision.clone(), rows: Vec::new(), today: None });
            if told.revision != revision {
                return Ok(None);
            }
            told.rows.extend(nodes);
            match next {
                Some(next) => after = Some(next),
                None => break,
            }
        }

        Ok(told)
    }
}

/// Encodes a text as the value of a query.
fn encoded(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    text.bytes().fold(String::new(), |mut out, byte| {
        if is_plain(byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}
