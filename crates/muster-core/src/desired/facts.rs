//! Facts files: values that differ for every machine, one line each (`nodes/**/*.facts.csv`).
//!
//! The grammar is simple CSV: no quotes, no significant blanks around cells, `#` starts a comment
//! line, and an empty cell states nothing. The first line names the columns, and the first column
//! is `name`.

use std::collections::BTreeSet;

use super::depth::MAX_DEPTH;
use super::sources::{Findings, Here};
use super::suggest::did_you_mean;
use super::template;
use super::texts::EXPANDED;
use crate::model::text::plural;
use crate::model::{Code, Diagnostic, FileId, Layer, Origin, Place, Span};

/// The property that a column states about the machine of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    Xname,
    Nid,
    Serial,
    Uuid,
    Mac,
    Ip,
    TlsPin,
    State,
    /// A variable, by its path below `vars`.
    Var(Box<str>),
    /// A fact of the node's BMC.
    Bmc(BmcFact),
    /// A fact of the node's interface of this name.
    Nic(Box<str>, NicFact),
}

/// The property that a `bmc.*` column states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BmcFact {
    Mac,
    Ip,
    TlsPin,
}

/// The property that a `nics.NAME.*` column states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NicFact {
    Mac,
    Guid,
    Ip,
}

/// One facts file, split into cells.
#[derive(Debug)]
pub struct FactsFile<'t> {
    pub path: &'t str,
    pub file: FileId,
    text: &'t str,
    columns: Vec<Fact>,
    /// The end of each row's cells in `cells`.
    rows: Vec<Row>,
    cells: Vec<Cell>,
}

#[derive(Debug, Clone, Copy)]
struct Row {
    name: Cell,
    first_cell: u32,
}

/// A range of bytes of the text; it has at most 8 MB, so 32 bits are enough.
#[derive(Debug, Clone, Copy)]
struct Cell {
    start: u32,
    end: u32,
}

/// All facts of a commit, indexed by the name of the machine.
#[derive(Debug, Default)]
pub struct Facts<'t> {
    files: Vec<FactsFile<'t>>,
    /// (name, file, row), sorted.
    index: Vec<(&'t str, u32, u32)>,
}

/// One stated fact: its property, text and place.
#[derive(Debug, Clone, Copy)]
pub struct FactCell<'f, 't> {
    pub fact: &'f Fact,
    pub text: &'t str,
    pub path: &'t str,
    pub span: Span,
    pub origin: Origin,
}

impl FactCell<'_, '_> {
    /// Returns the bytes that state the fact.
    #[must_use]
    pub fn place(&self) -> Place {
        Place::at(self.path, self.span)
    }
}

impl<'t> Facts<'t> {
    /// Joins files into one index.
    #[must_use]
    pub fn new(files: Vec<FactsFile<'t>>) -> Self {
        let mut index = Vec::with_capacity(files.iter().map(|file| file.rows.len()).sum());
        for (number, file) in files.iter().enumerate() {
            for (row, at) in file.rows.iter().enumerate() {
                index.push((file.slice(at.name), number as u32, row as u32));
            }
        }
        index.sort_unstable();
        Self { files, index }
    }

    /// Iterates over every fact about a name, over all files and rows.
    pub fn of<'f>(&'f self, name: &str) -> impl Iterator<Item = FactCell<'f, 't>> {
        let from = self.index.partition_point(|(other, _, _)| *other < name);
        let rows = self.index[from..].iter().take_while(move |(other, _, _)| *other == name);
        rows.flat_map(|(_, file, row)| self.files[*file as usize].facts(*row as usize))
    }

    /// Iterates over every row's name and its place.
    pub fn names(&self) -> impl Iterator<Item = (&'t str, Place)> {
        self.files.iter().flat_map(|file| {
            file.rows.iter().map(|row| {
                let span = Span { start: row.name.start as usize, end: row.name.end as usize };
                (file.slice(row.name), Place::at(file.path, span))
            })
        })
    }
}

impl<'t> FactsFile<'t> {
    fn slice(&self, cell: Cell) -> &'t str {
        &self.text[cell.start as usize..cell.end as usize]
    }

    fn facts(&self, row: usize) -> impl Iterator<Item = FactCell<'_, 't>> {
        let first = self.rows[row].first_cell as usize;
        let end = self.rows.get(row + 1).map_or(self.cells.len(), |next| next.first_cell as usize);
        self.columns.iter().zip(&self.cells[first..end]).filter(|(_, cell)| cell.start < cell.end).map(
            |(fact, cell)| FactCell {
                fact,
                text: self.slice(*cell),
                path: self.path,
                span: Span { start: cell.start as usize, end: cell.end as usize },
                origin: Origin { file: self.file, at: cell.start, layer: Layer::Facts },
            },
        )
    }

    /// Splits the text of a facts file; rows that do not fit the header are reported and left out.
    pub fn parse(here: &Here<'t>, text: &'t str, findings: &mut Findings) -> Option<Self> {
        let mut lines = lines(text);
        let Some((start, header)) = lines.next() else {
            let finding = Diagnostic::new(Code::FactsSyntax, Place::file(here.path), "a facts file without a header");
            findings.push(finding.hint("the first line names the columns: name,nics.eth0.mac,serial"));
            return None;
        };

        if let Some(finding) = other_format(here, start, header) {
            findings.push(finding);
            return None;
        }

        let columns = header_columns(here, start, header, findings)?;
        let mut file = Self { path: here.path, file: here.file, text, columns, rows: Vec::new(), cells: Vec::new() };
        for (start, line) in lines {
            file.row(here, start, line, findings);
        }

        Some(file)
    }

    fn row(&mut self, here: &Here<'_>, start: usize, line: &str, findings: &mut Findings) {
        let whole = Span { start, end: start + line.len() };
        if line.contains('"') {
            findings.push(quotes(here.place(whole)));
            return;
        }

        if template::is_template(line) {
            let finding =
                Diagnostic::new(Code::FactsSyntax, here.place(whole), "a template is not expanded in a facts file");
            findings.push(finding.hint(EXPANDED));
            return;
        }

        let first_cell = self.cells.len() as u32;
        let mut found = 0;
        let mut name = None;

        for cell in split(start, line) {
            match name {
                None => name = Some(cell),
                Some(_) => self.cells.push(cell),
            }
            found += 1;
        }

        let want = self.columns.len() + 1;
        if found != want {
            self.cells.truncate(first_cell as usize);
            let message = format!("this row has {}, the header has {want}", plural(found, "cell"));
            let finding = Diagnostic::new(Code::FactsSyntax, here.place(whole), message);
            let hint = separator(line).map(|word| format!("cells are separated by commas, not by {word}"));
            findings.push(finding.maybe_hint(hint));
            return;
        }

        match name.filter(|name| name.start < name.end) {
            Some(name) => self.rows.push(Row { name, first_cell }),
            None => {
                self.cells.truncate(first_cell as usize);
                findings.push(Diagnostic::new(Code::FactsSyntax, here.place(whole), "this row names no machine"));
            }
        }
    }
}

/// The separators that spreadsheets write instead of commas: their names and characters.
const SEPARATORS: [(&str, char); 2] = [("semicolons", ';'), ("tabs", '\t')];

/// Returns the separator that a line without commas uses instead.
fn separator(line: &str) -> Option<&'static str> {
    let used = SEPARATORS.into_iter().find(|(_, sign)| line.contains(*sign));
    used.filter(|_| !line.contains(',')).map(|(word, _)| word)
}

/// Detects a header in a format that spreadsheets export and facts files do not support.
fn other_format(here: &Here<'_>, start: usize, header: &str) -> Option<Diagnostic> {
    let place = here.place(Span { start, end: start + header.len() });
    if let Some(word) = separator(header) {
        let message = format!("the cells of this file are separated by {word}, expected commas");
        let finding = Diagnostic::new(Code::FactsSyntax, place, message);
        return Some(finding.hint("export it with commas and without quotes, as in `name,nics.eth0.mac,serial`"));
    }

    header.contains('"').then(|| quotes(place))
}

fn quotes(place: Place) -> Diagnostic {
    let finding = Diagnostic::new(Code::FactsSyntax, place, "facts files have no quotes");
    finding.hint("write the value bare; a value with a comma belongs in TOML")
}

/// Iterates over the significant lines of a facts file, each with the offset at which it begins.
pub fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut start = text.len() - text.trim_start_matches('\u{feff}').len();
    text[start..].split('\n').filter_map(move |line| {
        let at = start;
        start += line.len() + 1;
        let line = line.strip_suffix('\r').unwrap_or(line);
        (!line.trim().is_empty() && !line.starts_with('#')).then_some((at, line))
    })
}

fn split(start: usize, line: &str) -> impl Iterator<Item = Cell> {
    let mut at = start;
    line.split(',').map(move |cell| {
        let from = at + (cell.len() - cell.trim_start().len());
        at += cell.len() + 1;
        Cell { start: from as u32, end: (from + cell.trim().len()) as u32 }
    })
}

fn header_columns(here: &Here<'_>, start: usize, header: &str, findings: &mut Findings) -> Option<Vec<Fact>> {
    let mut columns: Vec<Fact> = Vec::new();
    let mut stated = StatedColumns::default();
    let mut good = true;

    for (number, cell) in split(start, header).enumerate() {
        let span = Span { start: cell.start as usize, end: cell.end as usize };
        let word = &header[cell.start as usize - start..cell.end as usize - start];
        if number == 0 {
            if word != "name" {
                let finding = Diagnostic::new(Code::FactsSyntax, here.place(span), "the first column is `name`");
                findings.push(finding);
                good = false;
            }
            continue;
        }
        if word.matches('.').count() > MAX_DEPTH {
            let message = format!("this column nests tables deeper than {MAX_DEPTH}");
            findings.push(Diagnostic::new(Code::FactsColumn, here.place(span), message));
            good = false;
            continue;
        }
        match column(word) {
            Some(fact) if !stated.insert(word, &fact) => {
                let message = format!("the column `{word}` stands twice");
                findings.push(Diagnostic::new(Code::FactsDuplicate, here.place(span), message));
                good = false;
            }
            Some(fact) => columns.push(fact),
            // Reported for the first column, which is not `name`.
            None if word == "name" => good = false,
            None => {
                findings.push(unknown_column(here, span, word));
                good = false;
            }
        }
    }

    good.then_some(columns)
}

/// The columns without an interface's name in them.
const COLUMNS: [(&str, Fact); 11] = [
    ("xname", Fact::Xname),
    ("nid", Fact::Nid),
    ("serial", Fact::Serial),
    ("uuid", Fact::Uuid),
    ("mac", Fact::Mac),
    ("ip", Fact::Ip),
    ("tls.pin", Fact::TlsPin),
    ("state", Fact::State),
    ("bmc.mac", Fact::Bmc(BmcFact::Mac)),
    ("bmc.ip", Fact::Bmc(BmcFact::Ip)),
    ("bmc.tls.pin", Fact::Bmc(BmcFact::TlsPin)),
];

fn column(word: &str) -> Option<Fact> {
    if let Some((_, fact)) = COLUMNS.iter().find(|(name, _)| *name == word) {
        return Some(fact.clone());
    }
    if let Some(path) = word.strip_prefix("vars.") {
        let is_path = !path.split('.').any(|part| part.trim().is_empty());
        return is_path.then(|| Fact::Var(path.into()));
    }

    let (nic, fact) = word.strip_prefix("nics.")?.rsplit_once('.')?;
    let fact = match fact {
        "mac" => NicFact::Mac,
        "guid" => NicFact::Guid,
        "ip" => NicFact::Ip,
        _ => return None,
    };

    (!nic.is_empty()).then(|| Fact::Nic(nic.into(), fact))
}

/// The columns of a header so far, by their words.
#[derive(Default)]
struct StatedColumns<'h>(BTreeSet<&'h str>);

impl<'h> StatedColumns<'h> {
    /// Adds a column; returns `false` if an earlier one states the same value. A variable also
    /// states those below it.
    fn insert(&mut self, word: &'h str, fact: &Fact) -> bool {
        let is_stated = matches!(fact, Fact::Var(_)) && (self.is_below(word) || self.has_below(word));
        !is_stated && self.0.insert(word)
    }

    fn is_below(&self, word: &str) -> bool {
        word.match_indices('.').any(|(end, _)| self.0.contains(&word[..end]))
    }

    fn has_below(&self, word: &str) -> bool {
        let start = format!("{word}.");
        self.0.range(start.as_str()..).next().is_some_and(|other| other.starts_with(&start))
    }
}

/// Columns that contain a name, for suggestions.
const EXAMPLES: [&str; 4] = ["nics.eth0.mac", "nics.eth0.guid", "nics.eth0.ip", "vars.NAME"];

fn unknown_column(here: &Here<'_>, span: Span, word: &str) -> Diagnostic {
    let known = COLUMNS.iter().map(|(name, _)| *name).chain(EXAMPLES);
    Diagnostic::new(Code::FactsColumn, here.place(span), format!("facts have no column `{word}`"))
        .hint(
            "facts are mac, guid, serial, uuid, ip, xname, nid, tls.pin, state and vars.NAME; all else belongs in TOML",
        )
        .maybe_hint(did_you_mean(word, known))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> (Vec<String>, Vec<String>) {
        let here = Here { path: "nodes/a.facts.csv", file: FileId(0), layer: Layer::Facts };
        let mut findings = Vec::new();
        let file = FactsFile::parse(&here, text, &mut findings);
        let facts = Facts::new(file.into_iter().collect());
        let names: Vec<&str> = facts.names().map(|(name, _)| name).collect();
        let cells =
            names.iter().flat_map(|name| facts.of(name).map(move |c| format!("{name} {:?}={}", c.fact, c.text)));
        (cells.collect(), findings.into_iter().map(|finding| finding.message).collect())
    }

    #[test]
    fn cells_are_facts_of_their_row() {
        let (cells, findings) = parse("# rack 1\nname, nics.eth0.mac ,serial\r\nn1, 02:00:00:00:00:01 ,\r\n\nn2,,S2\n");
        assert!(findings.is_empty(), "{findings:?}");
        assert_eq!(cells, ["n1 Nic(\"eth0\", Mac)=02:00:00:00:00:01", "n2 Serial=S2"]);
    }

    #[test]
    fn rows_that_do_not_fit_are_told_and_hide_no_other() {
        let (cells, findings) = parse("name,serial\nn1\nn2,S2\n\"n3\",S3\n,S4\n");
        assert_eq!(cells, ["n2 Serial=S2"]);
        assert_eq!(
            findings,
            ["this row has 1 cell, the header has 2", "facts files have no quotes", "this row names no machine"]
        );
    }

    #[test]
    fn columns_are_closed() {
        let (_, findings) = parse("name,nics.eth0.mtu,serial,serial,colour\n");
        assert_eq!(
            findings,
            [
                "facts have no column `nics.eth0.mtu`",
                "the column `serial` stands twice",
                "facts have no column `colour`"
            ]
        );
    }
}
