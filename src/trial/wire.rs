//! The format between parent and child: the files of a commit, and the result of its build.
//!
//! Both ends are one program, so the format is not versioned.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

use crate::cloudinit::Document;
use crate::desired::Findings;
use crate::ipxe::Script;
use crate::model::{Arch, Code, Diagnostic, File, Place, Revision, Span, Tree};
use crate::snapshot::{Answer, Prepared, Rendered, Snapshot, TextDigest};

/// The child has loaded and resolved the commit; the rest is rendering.
pub const RESOLVED: u8 = 1;
/// The result of the build follows, and nothing after it.
pub const RESULT: u8 = 2;

#[derive(Serialize, Deserialize)]
struct Commit {
    revision: String,
    files: Vec<(String, FileKind)>,
}

#[derive(Serialize, Deserialize)]
enum FileKind {
    /// Its length; the bytes of all files follow the list.
    Bytes(u64),
    Unread,
    TooLarge(u64),
    Symlink,
    Submodule,
    BadName,
}

/// Writes a commit, and closes the writer.
pub fn write_commit(tree: &Tree, revision: &Revision, mut to: impl Write) -> io::Result<()> {
    let kind = |file: &File| match file {
        File::Bytes(bytes) => FileKind::Bytes(bytes.len() as u64),
        File::Unread => FileKind::Unread,
        File::TooLarge { bytes } => FileKind::TooLarge(*bytes),
        File::Symlink => FileKind::Symlink,
        File::Submodule => FileKind::Submodule,
        File::BadName => FileKind::BadName,
    };

    let files = tree.iter().map(|(path, file)| (path.to_owned(), kind(file))).collect();
    let list = encode(&Commit { revision: revision.as_str().to_owned(), files })?;
    to.write_all(&(list.len() as u64).to_le_bytes())?;
    to.write_all(&list)?;
    for (_, bytes) in tree.blobs() {
        to.write_all(bytes)?;
    }

    to.flush()
}

/// Reads a commit.
pub fn read_commit(mut from: impl Read) -> io::Result<(Tree, Revision)> {
    let mut length = [0; 8];
    from.read_exact(&mut length)?;
    let list: Commit = decode(&exactly(&mut from, u64::from_le_bytes(length))?)?;
    let mut tree = Tree::default();

    for (path, kind) in list.files {
        let file = match kind {
            FileKind::Bytes(length) => File::Bytes(exactly(&mut from, length)?.into()),
            FileKind::Unread => File::Unread,
            FileKind::TooLarge(bytes) => File::TooLarge { bytes },
            FileKind::Symlink => File::Symlink,
            FileKind::Submodule => File::Submodule,
            FileKind::BadName => File::BadName,
        };
        tree.insert(path, file);
    }

    Ok((tree, Revision::commit(&list.revision)))
}

fn exactly(from: impl Read, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = from.take(length).read_to_end(&mut bytes)? as u64;
    if read == length { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

#[derive(Serialize, Deserialize)]
struct Outcome<'t> {
    findings: Vec<FindingRecord>,
    #[serde(borrow)]
    rendered: Option<RenderedRecord<'t>>,
}

#[derive(Serialize, Deserialize)]
struct FindingRecord {
    /// Its index in [`Code::ALL`].
    code: u16,
    place: PlaceRecord,
    message: String,
    hint: Option<String>,
    related: Vec<(PlaceRecord, String)>,
}

#[derive(Serialize, Deserialize)]
struct PlaceRecord {
    file: String,
    span: Option<(u64, u64)>,
}

#[derive(Serialize, Deserialize)]
struct RenderedRecord<'t> {
    #[serde(borrow)]
    answers: Vec<AnswerRecord<'t>>,
    documents: Vec<DigestsRecord>,
    /// By the index in [`Arch::ALL`].
    #[serde(borrow)]
    unknown: Vec<(u8, ScriptRecord<'t>)>,
}

/// The digests of one node's documents, each with whether it contains a URL of muster that depends
/// on the request.
type DigestsRecord = [Option<([u8; 32], bool)>; 4];

#[derive(Serialize, Deserialize)]
enum AnswerRecord<'t> {
    #[serde(borrow)]
    Script(ScriptRecord<'t>),
    Retired,
    Nothing,
}

/// A script. Its text is copied once on each side: 100,000 of them are most of the data.
#[derive(Serialize, Deserialize)]
struct ScriptRecord<'t> {
    marked: &'t str,
    digest: [u8; 32],
}

/// Writes the result of a build.
pub fn write_outcome(snapshot: Option<&Snapshot>, findings: &Findings, mut to: impl Write) -> io::Result<()> {
    let outcome = Outcome {
        findings: findings.iter().map(FindingRecord::new).collect(),
        rendered: snapshot.map(RenderedRecord::new),
    };
    postcard::to_io(&outcome, &mut to).map_err(io::Error::other)?;
    to.flush()
}

/// Reads the result of a build: the rendered parts if no finding is an error, and all findings.
pub fn read_outcome(bytes: &[u8]) -> io::Result<(Option<Rendered>, Findings)> {
    let Outcome { findings, rendered } = decode(bytes)?;
    let findings: Option<Findings> = findings.into_iter().map(FindingRecord::read).collect();
    let rendered = rendered.map(|rendered| rendered.read().ok_or_else(garbled)).transpose()?;
    Ok((rendered, findings.ok_or_else(garbled)?))
}

impl FindingRecord {
    fn new(finding: &Diagnostic) -> Self {
        let Diagnostic { code, place, message, hint, related } = finding;
        let code = Code::ALL.iter().position(|other| other == code).expect("the list has every code");
        Self {
            code: code as u16,
            place: PlaceRecord::new(place),
            message: message.clone(),
            hint: hint.clone(),
            related: related.iter().map(|(place, why)| (PlaceRecord::new(place), why.clone())).collect(),
        }
    }

    fn read(self) -> Option<Diagnostic> {
        let Self { code, place, message, hint, related } = self;
        Some(Diagnostic {
            code: *Code::ALL.get(usize::from(code))?,
            place: place.read(),
            message,
            hint,
            related: related.into_iter().map(|(place, why)| (place.read(), why)).collect(),
        })
    }
}

impl PlaceRecord {
    fn new(place: &Place) -> Self {
        Self { file: place.file.to_string(), span: place.span.map(|span| (span.start as u64, span.end as u64)) }
    }

    fn read(self) -> Place {
        let span = self.span.map(|(start, end)| Span { start: start as usize, end: end as usize });
        Place { file: self.file.into(), span }
    }
}

impl<'t> RenderedRecord<'t> {
    fn new(snapshot: &'t Snapshot) -> Self {
        let answers = (0..snapshot.nodes().len()).map(|node| match snapshot.answer(node) {
            Answer::Script(prepared) => AnswerRecord::Script(ScriptRecord::new(prepared)),
            Answer::Retired => AnswerRecord::Retired,
            Answer::Nothing => AnswerRecord::Nothing,
        });
        let arch = |arch: &Arch| Arch::ALL.iter().position(|other| other == arch).expect("the list has them all") as u8;
        let unknown = snapshot.unknown_scripts().iter();
        Self {
            answers: answers.collect(),
            documents: (0..snapshot.nodes().len()).map(|node| digests_of(snapshot, node)).collect(),
            unknown: unknown.map(|(of, prepared)| (arch(of), ScriptRecord::new(prepared))).collect(),
        }
    }

    fn read(self) -> Option<Rendered> {
        let answers = self.answers.into_iter().map(|answer| match answer {
            AnswerRecord::Script(script) => Answer::Script(script.read()),
            AnswerRecord::Retired => Answer::Retired,
            AnswerRecord::Nothing => Answer::Nothing,
        });

        let unknown =
            self.unknown.into_iter().map(|(arch, script)| Some((*Arch::ALL.get(usize::from(arch))?, script.read())));
        let documents = self.documents.into_iter().map(|of_node| {
            of_node.map(|digest| digest.map(|(sha256, needs_server)| TextDigest::from_parts(sha256, needs_server)))
        });

        Some(Rendered {
            answers: answers.collect(),
            documents: documents.collect(),
            unknown: unknown.collect::<Option<_>>()?,
        })
    }
}

impl<'t> ScriptRecord<'t> {
    fn new(prepared: &'t Prepared) -> Self {
        Self { marked: prepared.script.marked(), digest: prepared.digest }
    }

    fn read(self) -> Prepared {
        Prepared { script: Script::from_marked(self.marked), digest: self.digest }
    }
}

fn digests_of(snapshot: &Snapshot, node: usize) -> DigestsRecord {
    Document::ALL.map(|document| snapshot.document_digest(node, document).map(|digest| digest.parts()))
}

fn encode(record: &impl Serialize) -> io::Result<Vec<u8>> {
    postcard::to_stdvec(record).map_err(io::Error::other)
}

fn decode<'b, T: Deserialize<'b>>(bytes: &'b [u8]) -> io::Result<T> {
    postcard::from_bytes(bytes).map_err(io::Error::other)
}

fn garbled() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the child wrote what it cannot mean")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot;

    #[test]
    fn a_commit_and_what_it_comes_to_are_the_same_on_the_other_side() {
        let mut tree = Tree::from_fixture(
            "//- cluster.toml\nname = \"t\"\n[defaults]\nboot = \"b\"\n[unknown]\naction = \"boot\"\nboot = \"b\"\n\
             //- boot/b.toml\nkind = \"live\"\nkernel = \"http://x/k\"\n\
             //- nodes/n.toml\n[[node]]\nname = \"n[1-3]\"\n[[node]]\nname = \"old\"\nstate = \"retired\"\n\
             [[node]]\nname = \"spare\"\nstate = \"spare\"\n//- node/x.toml\n",
        );
        tree.insert("nodes/link.toml", File::Symlink);
        tree.insert("cloud-init/big", File::TooLarge { bytes: 1 << 40 });
        let revision = Revision::commit("0123456789abcdef0123456789abcdef01234567");
        let mut bytes = Vec::new();
        write_commit(&tree, &revision, &mut bytes).unwrap();
        assert_eq!(read_commit(&*bytes).unwrap(), (tree.clone(), revision.clone()));
        assert!(read_commit(&bytes[..bytes.len() - 1]).is_err());

        let bad = snapshot::build(&tree, revision.clone());
        let good = snapshot::build(&Tree::from_fixture(GOOD), revision);
        for (snapshot, findings) in [bad, good] {
            let mut bytes = Vec::new();
            write_outcome(snapshot.as_ref(), &findings, &mut bytes).unwrap();
            let (rendered, read) = read_outcome(&bytes).unwrap();
            assert_eq!(read, findings);
            assert!(!findings.is_empty());
            let count = |snapshot: &Snapshot| snapshot.nodes().len();
            assert_eq!(rendered.as_ref().map(|rendered| rendered.answers.len()), snapshot.as_ref().map(count));
        }
    }

    const GOOD: &str = "//- cluster.toml\nname = \"t\"\n[defaults]\nboot = \"b\"\n[unknown]\naction = \"boot\"\nboot = \"b\"\n\
        //- boot/b.toml\nkind = \"live\"\nkernel = \"http://x/k\"\n//- boot/unused.toml\nkind = \"local\"\n\
        //- nodes/n.toml\n[[node]]\nname = \"n[1-3]\"\n";
}
