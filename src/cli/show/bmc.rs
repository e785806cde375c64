//! The stored observations of BMCs: identity, state, quirks, and changes.

use jiff::Timestamp;
use serde_json::json;

use crate::cli::Format;
use crate::cli::output::OutputWriter;
use crate::model::text::plural;
use crate::model::{NodeSet, NodeSetError};
use crate::observed::{BmcRecord, Observed, Reading, Service, Shared, Trust, attributes};

/// The number of latest changes shown as text.
const CHANGES: usize = 10;

/// Prints the BMCs of a set and returns the names without observations.
pub fn print(
    observed: &Observed,
    text: &str,
    format: Format,
    out: &mut OutputWriter,
) -> std::io::Result<Result<Vec<String>, NodeSetError>> {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    // The name of an undeclared BMC is its origin, which is not a node set.
    let names: Vec<String> = match observed.bmcs.contains_key(text) {
        true => vec![text.to_owned()],
        false => match NodeSet::parse(text, &|_| None) {
            Ok(set) => {
                // An excluded name has to exist, too.
                let known = NodeSet::from_names(observed.bmcs.keys());
                let unknown = NodeSet::unknown_names(text, &known).unwrap_or_default();
                missing.extend(unknown.iter().flat_map(|part| part.names.iter()));
                set.iter().collect()
            }
            Err(error) => return Ok(Err(error)),
        },
    };

    for name in names {
        match observed.bmcs.get(name.as_str()) {
            Some(record) => found.push(record),
            None if missing.contains(&name) => {}
            None => missing.push(name),
        }
    }

    match format {
        Format::Text => found.iter().try_for_each(|record| one(record, &observed.shared, out))?,
        Format::Json => {
            let all: Vec<_> = found.iter().map(|record| as_json(record, &observed.shared)).collect();
            out.json(&all)?;
        }
    }

    Ok(Ok(missing))
}

fn one(record: &BmcRecord, shared: &Shared, out: &mut OutputWriter) -> std::io::Result<()> {
    writeln!(out, "{:<12} {}", "bmc", record.bmc)?;
    writeln!(out, "{:<12} {}", "url", record.url)?;
    if let (Some(failure), Some(since)) = (&record.failure, record.failing_since) {
        writeln!(out, "{:<12} since {}: {failure}", "failing", time(since))?;
        writeln!(out, "{:<12} {}", "hint", failure.kind.hint())?;
    }

    match record.seen {
        Some(seen) => {
            let deep = record.seen_deep.map_or_else(|| "never".into(), time);
            let login = if record.authenticated { "logged in" } else { "without a login" };
            writeln!(out, "{:<12} {} (all of it: {deep}), {}, {login}", "seen", time(seen), trust(record.trust))?;
        }
        None => writeln!(out, "{:<12} never", "seen")?,
    }

    if let Some(service) = record.service() {
        whole(service, shared, out)?;
    }

    for change in record.history.changes().iter().rev().take(CHANGES) {
        let value = |value: &Option<Box<str>>| value.as_deref().unwrap_or("nothing").to_owned();
        let (before, after) = (value(&change.before), value(&change.after));
        writeln!(out, "{:<12} {} {} {}: {before} -> {after}", "change", time(change.at), change.system, change.path)?;
    }

    writeln!(out)
}

fn whole(service: &Service, shared: &Shared, out: &mut OutputWriter) -> std::io::Result<()> {
    let root = &service.root;
    let words = [root.vendor.as_deref(), root.product.as_deref()];
    let product = words.into_iter().flatten().collect::<Vec<_>>().join(" ");
    writeln!(out, "{:<12} {product}, Redfish {}", "product", root.redfish_version.as_deref().unwrap_or("unknown"))?;

    for manager in service.managers.seen().into_iter().flatten() {
        writeln!(
            out,
            "{:<12} {}, firmware {}",
            "manager",
            manager.id,
            manager.firmware.as_deref().unwrap_or("unknown")
        )?;
    }

    match &service.systems {
        Reading::Failed(failure) => writeln!(out, "{:<12} unknown: {failure}", "systems")?,
        Reading::Seen(_) | Reading::Absent | Reading::Unasked => {}
    }

    for system in service.systems.seen().into_iter().flatten() {
        writeln!(out, "{:<12} {}", "system", system.id)?;
        let all = attributes(service, system, shared);
        let is_long = |path: &str| path.starts_with("bios.attributes.") || path.starts_with("firmware.");
        for (path, value) in all.iter().filter(|(path, _)| !is_long(path)) {
            writeln!(out, "  {path:<24} {value}")?;
        }
        let count = |start: &str| all.keys().filter(|path| path.starts_with(start)).count();
        writeln!(out, "  {:<24} {}", "bios.attributes", plural(count("bios.attributes."), "setting"))?;
        writeln!(out, "  {:<24} {}", "firmware", plural(count("firmware."), "row"))?;
        for (name, value) in &system.bios_pending {
            writeln!(out, "  {:<24} {name} = {value} waits for a reset", "staged")?;
        }
    }

    for other in &service.not_servers {
        writeln!(out, "{:<12} {}: {}", "no server", other.id, other.why)?;
    }

    for quirk in &service.quirks {
        writeln!(out, "{:<12} {}: {}", "quirk", quirk.name(), quirk.means())?;
        writeln!(out, "{:<12}   ({})", "", quirk.source())?;
    }

    for unread in &service.unread {
        writeln!(out, "{:<12} {}: {}", "unread", unread.uri, unread.failure)?;
    }

    Ok(())
}

fn as_json(record: &BmcRecord, shared: &Shared) -> serde_json::Value {
    let mut systems = serde_json::Map::new();
    if let Some(service) = record.service() {
        for system in service.systems.seen().into_iter().flatten() {
            systems.insert(system.id.to_string(), json!(attributes(service, system, shared)));
        }
    }

    let quirks = record.service().map(|service| {
        let row = |quirk: &crate::model::Quirk| {
            json!({ "name": quirk.name(), "means": quirk.means(), "source": quirk.source() })
        };
        service.quirks.iter().map(row).collect::<Vec<_>>()
    });

    json!({ "record": record, "attributes": systems, "quirks": quirks })
}

const fn trust(trust: Trust) -> &'static str {
    match trust {
        Trust::Plain => "without TLS",
        Trust::Unverified => "its certificate unverified",
        Trust::Verified => "its certificate verified",
        Trust::Pinned => "its certificate pinned",
    }
}

fn time(at: i64) -> String {
    Timestamp::from_second(at.div_euclid(1000)).unwrap_or_default().to_string()
}
