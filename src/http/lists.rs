//! Long lists as JSON, written as the reader takes them: a reader that does not read occupies the
//! memory of one piece, however long the list is.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::http::{Response, StatusCode};
use bytes::Bytes;
use hyper::body::Frame;
use serde::Serialize;

use super::answer::{self, JSON};

/// The approximate size of a piece.
const PIECE: usize = 32 * 1024;

/// The indentation of list entries in a field of the document.
const MARGIN: &str = "    ";

/// Answers with a document whose empty list `field` is filled with entries as they are read; the
/// format is otherwise that of [`json`](super::api::json).
pub fn streamed<T: Serialize>(
    document: &impl Serialize,
    field: &str,
    entries: impl Iterator<Item = T> + Send + 'static,
) -> Response<Body> {
    let text = serde_json::to_string_pretty(document).unwrap_or_default();
    let list = format!("\"{field}\": []");
    let Some((before, after)) = text.rsplit_once(&list) else {
        return answer::problem(StatusCode::INTERNAL_SERVER_ERROR, "the list cannot be written").map(Body::new);
    };

    let stream = ListBody {
        begin: Some(format!("{before}\"{field}\": [")),
        entries: Some(Box::new(entries.map(|entry| serde_json::to_string_pretty(&entry).unwrap_or_default()))),
        is_first: true,
        end: format!("]{after}\n"),
    };

    let mut answer = Response::new(Body::new(stream));
    answer.headers_mut().insert(axum::http::header::CONTENT_TYPE, JSON);
    answer
}

struct ListBody {
    begin: Option<String>,
    /// The entries as JSON; `None` once all are written.
    entries: Option<Box<dyn Iterator<Item = String> + Send>>,
    is_first: bool,
    end: String,
}

impl hyper::body::Body for ListBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = &mut *self;
        let Some(entries) = &mut this.entries else { return Poll::Ready(None) };
        let mut piece = this.begin.take().unwrap_or_default();

        while piece.len() < PIECE {
            let Some(entry) = entries.next() else {
                if !this.is_first {
                    piece.push_str("\n  ");
                }
                piece.push_str(&this.end);
                this.entries = None;
                break;
            };
            let separator = if std::mem::take(&mut this.is_first) { "\n" } else { ",\n" };
            piece.push_str(separator);
            piece.push_str(MARGIN);
            // JSON has no line breaks inside strings.
            piece.push_str(&entry.replace('\n', &format!("\n{MARGIN}")));
        }

        Poll::Ready(Some(Ok(Frame::data(piece.into()))))
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[derive(Serialize)]
    struct Document {
        version: &'static str,
        rows: Vec<Row>,
        next: Option<u32>,
    }

    #[derive(Serialize, Clone)]
    struct Row {
        name: String,
        parts: Vec<u32>,
    }

    #[tokio::test]
    async fn it_is_what_the_whole_would_be_in_small_pieces() {
        for count in [0, 1, 2, 5000] {
            let row = |at: u32| Row { name: format!("n{at} \"rows\": []\n"), parts: (0..at % 3).collect() };
            let document = |rows| Document { version: "\"rows\": [] v", rows, next: Some(7) };
            let whole = super::super::api::json(&document((0..count).map(row).collect()));
            let whole = whole.into_body().collect().await.unwrap().to_bytes();

            let mut body = streamed(&document(Vec::new()), "rows", (0..count).map(row)).into_body();
            let (mut told, mut largest) = (Vec::new(), 0);
            while let Some(frame) = body.frame().await {
                let data = frame.unwrap().into_data().unwrap();
                largest = largest.max(data.len());
                told.extend_from_slice(&data);
            }
            assert_eq!(told, whole, "{count}");
            assert!(largest < PIECE + 1024, "{largest}");
        }
    }
}
