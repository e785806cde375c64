//! `[[set]]` tables: values for single nodes that override their tables and groups.

use jiff::civil::Date;

use super::at::At;
use super::file::SetTable;
use super::files::TableSource;
use super::sources::{Findings, Here};
use super::{AppliedSet, Desired, LayerTable, Source, groups, limits, values};
use crate::model::{Code, Diagnostic, Layer, Origin, Span, Stated};

/// The most `[[set]]` tables of one commit; [`Layer::Set`] has 16 bits.
const MAX_SETS: usize = 65_000;

/// A parsed `[[set]]` table, before its nodes are known.
#[derive(Debug)]
pub struct SetDraft<'t> {
    pub here: Here<'t>,
    pub nodes: At<String>,
    /// The groups that its nodes are added to, and where each is named.
    pub joins: Vec<(u16, Span)>,
    /// The groups that its nodes are removed from.
    pub leaves: Vec<(u16, Span)>,
    source: Source,
    reason: Option<Box<str>>,
    until: Option<Stated<Date>>,
}

/// Checks all tables; leaves out a table that cannot be parsed as a whole.
pub fn lower<'t>(
    tables: Vec<TableSource<'t, SetTable>>,
    drafts: &[groups::Draft],
    findings: &mut Findings,
) -> Vec<SetDraft<'t>> {
    let mut all = Vec::new();
    for source in tables {
        let TableSource { here, table, .. } = &source;
        if all.len() == MAX_SETS {
            let message = format!("there are over {MAX_SETS} [[set]] tables");
            findings.push(Diagnostic::new(Code::TooMany, here.place(table.span), message));
            break;
        }
        let here = Here { layer: Layer::Set(all.len() as u16), ..*here };
        all.extend(draft(TableSource { here, ..source }, drafts, findings));
    }

    all
}

fn draft<'t>(
    source: TableSource<'t, SetTable>,
    drafts: &[groups::Draft],
    findings: &mut Findings,
) -> Option<SetDraft<'t>> {
    let TableSource { here, table: At { value: mut table, span }, has_mistakes } = source;
    let Some(nodes) = table.nodes.take() else {
        findings.push(Diagnostic::new(Code::MissingKey, here.place(span), "a [[set]] table needs `nodes`"));
        return None;
    };
    let mut layer = LayerTable { state: table.state.take(), ..table.take_layer() };
    limits::layer(&here, &mut layer, findings);

    let joins = find_groups(&here, &table.groups, drafts, findings);
    let (left, unset): (Vec<_>, Vec<_>) =
        std::mem::take(&mut layer.unset).into_iter().partition(|path| path.value.starts_with(OF_GROUPS));
    layer.unset = unset;
    let named = |path: &At<String>| At { value: path.value[OF_GROUPS.len()..].to_owned(), span: path.span };
    let leaves = find_groups(&here, &left.iter().map(named).collect::<Vec<_>>(), drafts, findings);

    if layer.is_empty() && table.groups.is_empty() && left.is_empty() && !has_mistakes {
        let finding = Diagnostic::new(Code::MissingKey, here.place(nodes.span), "this [[set]] sets nothing");
        findings.push(finding.hint("give it a key of a layer, such as `state`, `boot` or `vars`, or remove it"));
    }
    let until = table.until.as_ref().and_then(|at| {
        let day = values::date(&here, at, "write the last day on which it is needed, such as 2026-12-31", findings);
        day.map(|day| Stated::new(day, here.origin(at.span)))
    });
    Some(SetDraft {
        here,
        nodes,
        joins,
        leaves,
        source: Source { file: here.file, layer: here.layer, table: layer },
        reason: table.reason.map(|reason| reason.value.into()),
        until,
    })
}

/// The prefix of an element of `unset` that removes nodes from a group.
const OF_GROUPS: &str = "groups.";

fn find_groups(
    here: &Here<'_>,
    names: &[At<String>],
    drafts: &[groups::Draft],
    findings: &mut Findings,
) -> Vec<(u16, Span)> {
    let mut all: Vec<(u16, Span)> = Vec::new();
    for name in names {
        let Some(group) = groups::find(here, name, drafts, findings) else { continue };
        if all.iter().any(|(other, _)| *other == group) {
            let message = format!("the group `{}` stands twice in one list", name.value);
            findings.push(Diagnostic::new(Code::DuplicateEntry, here.place(name.span), message));
            continue;
        }
        all.push((group, name.span));
    }

    all
}

impl SetDraft<'_> {
    /// Returns the table with the nodes that it selects.
    pub fn applied(self, nodes: Vec<u32>) -> AppliedSet {
        let stated = |groups: Vec<(u16, Span)>| {
            groups.into_iter().map(|(group, span)| Stated::new(group, self.here.origin(span))).collect()
        };
        AppliedSet {
            expression: Stated::new(self.nodes.value.into(), self.here.origin(self.nodes.span)),
            nodes,
            joins: stated(self.joins),
            leaves: stated(self.leaves),
            source: self.source,
            reason: self.reason,
            until: self.until,
        }
    }
}

/// A `[[set]]` table whose last day is past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverdueSet {
    pub message: String,
    /// The place that states the day.
    pub origin: Origin,
}

/// Finds the `[[set]]` tables whose last day is before `today`.
#[must_use]
pub fn overdue(desired: &Desired, today: Date) -> Vec<OverdueSet> {
    let sets = desired.sets.iter().filter_map(|set| Some((set, set.until.filter(|until| until.value < today)?)));
    let overdue = sets.map(|(set, until)| {
        let reason = set.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        let message = format!("the [[set]] of {}{reason} was needed until {}", set.expression.value, until.value);
        OverdueSet { message, origin: until.origin }
    });
    overdue.collect()
}

impl OverdueSet {
    /// Returns the warning of `muster check`.
    #[must_use]
    pub fn finding(self, desired: &Desired) -> Diagnostic {
        let place = desired.sources.place(self.origin);
        let finding = Diagnostic::new(Code::SetOverdue, place, self.message);
        finding.hint("it still holds: remove the table, or give it a later day")
    }
}
