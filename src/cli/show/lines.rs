//! The lines of a node's documents, each with its source.

use serde_json::{Value, json};

use super::hidden::HiddenSecrets;
use crate::cloudinit::{self, Document, LineSource};
use crate::desired::template::SERVER_MARK;
use crate::model::SafeText;
use crate::snapshot::Snapshot;

/// The maximum width of the column of sources; of a longer one the end is shown, which is more
/// specific.
const MOST: usize = 36;

/// One line of a document.
pub struct Line {
    /// Without its line ending.
    pub text: String,
    /// Its source file and line; `None` if muster generates it.
    pub place: Option<(String, Option<u32>)>,
}

/// Lists the lines of one of a node's documents, with secrets hidden, or returns `None` if there is
/// no such document.
pub fn of(snapshot: &Snapshot, node: usize, document: Document, hidden: &HiddenSecrets) -> Option<Vec<Line>> {
    if snapshot.is_retired(node) {
        return None;
    }

    let sources = &snapshot.desired().sources;
    let lines = cloudinit::blamed(snapshot.resolved(), node, document)?;

    // A line may be a secret because of the lines above it, so all of them are one text.
    let whole = |line: &cloudinit::BlamedLine| format!("{}\n", line.text.trim_end_matches('\n'));
    let whole: String = lines.iter().map(whole).collect();
    let covered = hidden.text(whole);

    let line = |(line, text): (cloudinit::BlamedLine, &str)| {
        let place = match line.source {
            LineSource::File(file, number) => Some((format!("cloud-init/{file}"), number)),
            LineSource::Value(origin) => {
                Some((sources.path(origin.file).to_owned(), Some(sources.line(origin.file, origin.at))))
            }
            LineSource::Muster => None,
        };
        Line { text: text.replace(SERVER_MARK, "<server>"), place }
    };

    Some(lines.into_iter().zip(covered.split('\n')).map(line).collect())
}

/// Formats lines for people, with a column of sources in front.
pub fn text(lines: &[Line]) -> SafeText {
    let place = |line: &Line| match &line.place {
        Some((file, Some(number))) => format!("{file}:{number}"),
        Some((file, None)) => file.clone(),
        None => "-".into(),
    };
    let places: Vec<String> = lines.iter().map(|line| end_of(&place(line))).collect();
    let width = places.iter().map(|place| place.chars().count()).max().unwrap_or(0);
    let line = |(place, line): (&String, &Line)| format!("{place:<width$} | {}", line.text).trim_end().to_owned();
    let mut text = SafeText::lines(places.iter().zip(lines).map(line));
    text.push_line("");
    text
}

fn end_of(place: &str) -> String {
    let count = place.chars().count();
    if count <= MOST {
        return place.to_owned();
    }
    let end: String = place.chars().skip(count - (MOST - 1)).collect();
    format!("…{end}")
}

/// Describes lines with their sources.
pub fn json(lines: &[Line]) -> Value {
    let one = |line: &Line| {
        let (file, number) = line.place.clone().map_or((None, None), |(file, number)| (Some(file), number));
        json!({ "text": line.text, "file": file, "line": number })
    };
    lines.iter().map(one).collect()
}
